"""Messages about the circuit itself."""

from __future__ import annotations

from struct import error as StructError
from typing import TYPE_CHECKING, ClassVar

from ..._constants import MAX_PRIORITY
from ..._errors import CaprotoValueError
from ..enums import Command
from ..header import EXTENDED, HEADER, Head, pack_head
from ..status import CAStatus, CAStatusCode, status_from_code
from .base import HeadField, Message, Text, text_payload

if TYPE_CHECKING:
    from ..message_header import ExtendedMessageHeader, MessageHeader

__all__ = [
    "ClientNameRequest",
    "EchoRequest",
    "EchoResponse",
    "ErrorResponse",
    "EventsOffRequest",
    "EventsOnRequest",
    "HostNameRequest",
    "ReadSyncRequest",
    "ReadSyncResponse",
    "VersionRequest",
    "VersionResponse",
    "status_code",
]


def status_code(status: int | CAStatusCode | CAStatus) -> int:
    """Return the number that travels for `status`, however it was given."""
    if isinstance(status, CAStatusCode):
        return status.code_with_severity
    return int(status)


class VersionRequest(Message):
    """The first message of a client on a circuit, and of every datagram of searches.

    Parameters
    ----------
    priority : int
        0 to 99; of a datagram, 1 if `sequence` is valid.
    version : int
        Minor protocol version.
    sequence : int
        Of a datagram: what the server is to send back.

    Raises
    ------
    CaprotoValueError
        If `priority` is out of range; a C server would close the circuit.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.VERSION
    _fields = ("priority", "version")
    priority: HeadField = HeadField(2, "0 to 99; the server serves higher ones first.")
    version: HeadField = HeadField(3, "Minor protocol version.")
    sequence: HeadField = HeadField(4, "Sequence number of a datagram.")

    def __init__(self, priority: int, version: int, sequence: int = 0) -> None:
        if not 0 <= priority <= MAX_PRIORITY:
            raise CaprotoValueError(f"priority={priority!r}, but it goes from 0 to {MAX_PRIORITY}")
        self._set(priority, version, sequence)


class VersionResponse(Message):
    """A server's version: unprompted on a circuit, and before its answers to searches.

    Parameters
    ----------
    version : int
        Minor protocol version.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.VERSION
    _fields = ("version",)
    version: HeadField = HeadField(3, "Minor protocol version.")
    sequence: HeadField = HeadField(4, "Sequence number of the datagram that is answered.")

    def __init__(self, version: int, sequence: int | None = None) -> None:
        self._set(0 if sequence is None else 1, version, sequence or 0)


class _NameRequest(Message):
    """A message whose payload is one name."""

    __slots__ = ()
    _fields = ("name",)
    name: Text = Text("The name.")

    def __init__(self, name: str) -> None:
        self._set(payload=text_payload(name))


class ClientNameRequest(_NameRequest):
    """Tells the server the user's name.

    Parameters
    ----------
    name : str
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.CLIENT_NAME


class HostNameRequest(_NameRequest):
    """Tells the server the client's host.

    Parameters
    ----------
    name : str
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.HOST_NAME


class EchoRequest(Message):
    """Asks the peer for a sign of life."""

    __slots__ = ()
    ID: ClassVar[Command] = Command.ECHO

    def __init__(self) -> None:
        self._set()


class EchoResponse(Message):
    """A sign of life."""

    __slots__ = ()
    ID: ClassVar[Command] = Command.ECHO

    def __init__(self) -> None:
        self._set()


class EventsOffRequest(Message):
    """Suspends all subscriptions of the circuit."""

    __slots__ = ()
    ID: ClassVar[Command] = Command.EVENTS_OFF

    def __init__(self) -> None:
        self._set()


class EventsOnRequest(Message):
    """Resumes the subscriptions of the circuit."""

    __slots__ = ()
    ID: ClassVar[Command] = Command.EVENTS_ON

    def __init__(self) -> None:
        self._set()


class ReadSyncRequest(Message):
    """The sign of life of servers before minor version 3."""

    __slots__ = ()
    ID: ClassVar[Command] = Command.READ_SYNC

    def __init__(self) -> None:
        self._set()


class ReadSyncResponse(Message):
    """The answer to a `ReadSyncRequest`: the same bytes."""

    __slots__ = ()
    ID: ClassVar[Command] = Command.READ_SYNC

    def __init__(self) -> None:
        self._set()


class ErrorResponse(Message):
    """A server's complaint about a request.

    Parameters
    ----------
    original_request : Message
        The request that failed; its header is sent back.
    cid : int
        Of the channel, or 0xFFFFFFFF.
    status : int, CAStatus or CAStatusCode
    error_message : str
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.ERROR
    _fields = ("original_request", "cid", "status", "error_message")
    cid: HeadField = HeadField(4, "Client's id of the channel.")

    def __init__(
        self,
        original_request: Message,
        cid: int,
        status: int | CAStatusCode | CAStatus,
        error_message: str,
    ) -> None:
        payload = pack_head(*original_request._head) + text_payload(error_message)  # type: ignore[arg-type]
        self._set(0, 0, cid, status_code(status), payload)

    @property
    def status(self) -> CAStatusCode:
        """The ECA status."""
        return status_from_code(self._head[5])

    @property
    def original_head(self) -> Head:
        """The raw header of the request that failed; zeros if the payload is too short for one."""
        payload = bytes(self._payload)
        try:
            head: Head = HEADER.unpack_from(payload)
            if head[1] == 0xFFFF:
                command, _, data_type, _, p1, p2, size, count = EXTENDED.unpack_from(payload)
                return (command, size, data_type, count, p1, p2, True)
        except StructError:
            return (0, 0, 0, 0, 0, 0)
        return head

    @property
    def original_request(self) -> MessageHeader | ExtendedMessageHeader:
        """The header of the request that failed."""
        from ..message_header import header_from_head

        return header_from_head(self.original_head)

    @property
    def error_message(self) -> str:
        """What the server says."""
        # The embedded header takes 24 bytes when the request had the extended form.
        start = EXTENDED.size if len(self.original_head) > 6 else HEADER.size
        return bytes(self._payload)[start:].partition(b"\0")[0].decode("latin-1")
