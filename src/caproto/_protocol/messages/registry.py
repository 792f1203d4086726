"""Which class a received message belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._errors import RemoteProtocolError
from ..arrays import Buffer
from ..enums import Command
from ..header import Head
from .base import Message, as_head, wire
from .channel import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
)
from .circuit import (
    ClientNameRequest,
    EchoRequest,
    EchoResponse,
    ErrorResponse,
    EventsOffRequest,
    EventsOnRequest,
    HostNameRequest,
    ReadSyncRequest,
    ReadSyncResponse,
    VersionRequest,
    VersionResponse,
)
from .datagram import (
    Beacon,
    NotFoundResponse,
    RepeaterConfirmResponse,
    RepeaterRegisterRequest,
    SearchRequest,
    SearchResponse,
)
from .subscription import (
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
)
from .values import (
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)

if TYPE_CHECKING:
    from ..message_header import ExtendedMessageHeader, MessageHeader
    from ..states import Role

__all__ = [
    "REQUESTS",
    "RESPONSES",
    "get_command_class",
    "message_from_wire",
    "request_class",
    "response_class",
]


def _by_command(*classes: type[Message]) -> dict[int, type[Message]]:
    return {cls.ID: cls for cls in classes}


REQUESTS = _by_command(
    VersionRequest,
    EventAddRequest,
    EventCancelRequest,
    ReadRequest,
    WriteRequest,
    SearchRequest,
    EventsOffRequest,
    EventsOnRequest,
    ReadSyncRequest,
    ClearChannelRequest,
    Beacon,
    ReadNotifyRequest,
    CreateChanRequest,
    WriteNotifyRequest,
    ClientNameRequest,
    HostNameRequest,
    EchoRequest,
    RepeaterRegisterRequest,
)
"""What a client sends (and what a server sends to repeaters: the beacon), by command number."""

RESPONSES = _by_command(
    VersionResponse,
    EventAddResponse,
    ReadResponse,
    SearchResponse,
    ReadSyncResponse,
    ErrorResponse,
    ClearChannelResponse,
    Beacon,
    NotFoundResponse,
    ReadNotifyResponse,
    RepeaterConfirmResponse,
    CreateChanResponse,
    WriteNotifyResponse,
    AccessRightsResponse,
    EchoResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
)
"""What a server or a repeater sends, by command number."""

# The libca repeater's no-op to its other clients is a bare VERSION, which both directions know.
_UNKNOWN = "the peer sent command {}, which {} cannot have"


def request_class(head: Head) -> type[Message]:
    """Return the class of a message that a client sent.

    Raises
    ------
    RemoteProtocolError
        If clients do not send that command.
    """
    try:
        return REQUESTS[head[0]]
    except KeyError:
        raise RemoteProtocolError(_UNKNOWN.format(head[0], "a request")) from None


def response_class(head: Head) -> type[Message]:
    """Return the class of a message that a server sent.

    An EVENT_ADD of a plain type with no payload is either an empty update or the confirmation of a cancel: the bytes
    are the same, and only who sent the cancel can tell. Here it is taken for the confirmation.

    Raises
    ------
    RemoteProtocolError
        If servers do not send that command.
    """
    if head[0] == Command.EVENT_ADD and head[1] == 0:
        return EventCancelResponse
    try:
        return RESPONSES[head[0]]
    except KeyError:
        raise RemoteProtocolError(_UNKNOWN.format(head[0], "a response")) from None


def get_command_class(
    role: Role, header: MessageHeader | ExtendedMessageHeader | Head
) -> type[Message]:
    """Return the class of a message.

    Parameters
    ----------
    role : CLIENT or SERVER
        Who sent it.
    header : MessageHeader, ExtendedMessageHeader or tuple of int

    Raises
    ------
    RemoteProtocolError
        If that role does not send that command.
    """
    head = as_head(header)
    return request_class(head) if role.value == "client" else response_class(head)


def message_from_wire(
    head: Head, payload: Buffer, *, from_client: bool, sender: tuple[str, int] | None = None
) -> Message:
    """Make the message that `head` and `payload` are, as the receiver of the other role sees it."""
    cls = request_class(head) if from_client else response_class(head)
    message = wire(cls, head, payload)
    if sender is not None:
        message._sender = sender
    return message
