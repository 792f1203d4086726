"""Channels: the conversation about one PV on a circuit, as the client and as the server see it."""

from __future__ import annotations

import logging
from struct import error as StructError
from typing import TYPE_CHECKING, Any

from .._constants import DEFAULT_PROTOCOL_VERSION
from .._errors import (
    CaprotoError,
    CaprotoKeyError,
    CaprotoTypeError,
    CaprotoValueError,
    LocalProtocolError,
    RemoteProtocolError,
)
from .._log import ComposableLogAdapter
from .dbr import DbrMetadata, promote_type
from .enums import AccessRights, ChannelType, Command, SubscriptionType
from .header import SHORT_LIMIT
from .messages.base import Message, checked_name, data_type_of, wire
from .messages.channel import (
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
)
from .messages.circuit import (
    ClientNameRequest,
    HostNameRequest,
    VersionRequest,
    VersionResponse,
)
from .messages.subscription import (
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
)
from .messages.values import (
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)
from .states import (
    CHANNEL_RULES,
    CLOSED,
    CONNECTED,
    IDLE,
    SEND_CREATE_CHAN_REQUEST,
    StatePair,
    States,
    advance,
)
from .status import CAStatus, CAStatusCode

if TYPE_CHECKING:
    from .circuit import VirtualCircuit

__all__ = ["DEFAULT_MASK", "ClientChannel", "ServerChannel"]

_logger = logging.getLogger("caproto.ch")
_TYPES = tuple(ChannelType)
_NATIVE_TYPES = 7
_CHAR, _STRING, _ENUM = ChannelType.CHAR, ChannelType.STRING, ChannelType.ENUM
_PUT_ONLY = (ChannelType.PUT_ACKT, ChannelType.PUT_ACKS)
_GET_ONLY = (ChannelType.STSACK_STRING, ChannelType.CLASS_NAME)
_LARGE_ARRAYS = 9
"""Minor version since which there are extended headers."""
_ZERO_COUNT = 13
"""Minor version since which a count of 0 asks for as many elements as there are."""

DEFAULT_MASK = (
    SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM | SubscriptionType.DBE_PROPERTY
)
"""What a subscription asks for if it is not told."""


class _BaseChannel:
    """What the channels of both roles share.

    Parameters
    ----------
    name : str
        Of the PV.
    circuit : VirtualCircuit
        What the channel lives on; it is entered in ``circuit.channels``.
    cid : int, optional
        Client's id; by default the circuit's next one.
    string_encoding : str
        Of text.

    Attributes
    ----------
    sid : int or None
        Server's id, once it is known.
    native_data_type : ChannelType or None
        The PV's own type.
    native_data_count : int or None
        The most elements that the PV can hold.
    access_rights : AccessRights or None

    Raises
    ------
    CaprotoTypeError, CaprotoValueError
        If `name` cannot be the name of a PV.
    """

    # A program may have 100,000 of these, so there is no dict, and what can be made on demand is.
    __slots__ = (
        "_client_state",
        "_server_state",
        "access_rights",
        "cid",
        "circuit",
        "name",
        "native_data_count",
        "native_data_type",
        "sid",
        "string_encoding",
    )

    def __init__(
        self,
        name: str,
        circuit: VirtualCircuit,
        cid: int | None = None,
        string_encoding: str = "latin-1",
    ) -> None:
        checked_name(name)
        self.name = name
        self.circuit = circuit
        self.cid: int = circuit.new_channel_id() if cid is None else cid
        self.string_encoding = string_encoding
        self.sid: int | None = None
        self.native_data_type: ChannelType | None = None
        self.native_data_count: int | None = None
        self.access_rights: AccessRights | None = None
        self._client_state: States = SEND_CREATE_CHAN_REQUEST
        self._server_state: States = IDLE
        circuit.channels[self.cid] = self  # type: ignore[assignment]

    @property
    def states(self) -> StatePair:
        """The states of both roles, as they are now: ``{CLIENT: ..., SERVER: ...}``."""
        return StatePair(self._client_state, self._server_state)

    @property
    def protocol_version(self) -> int:
        """Minor protocol version of the circuit."""
        return self.circuit.protocol_version

    @property
    def log(self) -> ComposableLogAdapter:
        """A logger that tells the PV's name and the addresses."""
        return ComposableLogAdapter(_logger, {**self.circuit.log_tags, "pv": self.name})

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} name={self.name!r} cid={self.cid} sid={self.sid} "
            f"data_type={self.native_data_type!r} state={self.states[self.circuit.our_role]}>"
        )

    # --- state ----------------------------------------------------------------------------------

    def opened(self, data_type: int, data_count: int, sid: int) -> None:
        """Set what CREATE_CHAN told; the channel is connected from now on.

        Raises
        ------
        RemoteProtocolError
            If `data_type` is not one that a PV can have, 0 to 6.
        """
        if not 0 <= data_type < _NATIVE_TYPES:
            raise RemoteProtocolError(
                f"{self.name}: the server says that the PV has type {data_type}; there are 0 to 6",
                pv_name=self.name,
            )
        self.native_data_type = _TYPES[data_type]
        self.native_data_count = data_count
        self.sid = sid
        self._client_state = self._server_state = CONNECTED

    def closed(self) -> None:
        """Note that the channel is no more."""
        self._client_state = self._server_state = CLOSED

    def process_command(self, command: Message) -> None:
        """Take a message of either role into account.

        Raises
        ------
        LocalProtocolError
            If it is not allowed now.
        """
        try:
            states = advance(CHANNEL_RULES, self.states, type(command))
        except LocalProtocolError as error:
            raise LocalProtocolError(f"{self.name}: {error}", pv_name=self.name) from None
        if isinstance(command, CreateChanResponse):
            self.opened(command.data_type, command.data_count, command.sid)
        self._client_state, self._server_state = states._client, states._server

    def _require_connected(self) -> int:
        """Return the sid; raise if there is none that may be used."""
        if self._client_state is not CONNECTED or self.sid is None:
            raise LocalProtocolError(
                f"{self.name}: the channel is not connected, it is in {self._client_state}",
                pv_name=self.name,
            )
        return self.sid

    # --- arguments ------------------------------------------------------------------------------

    def _value_error(self, text: str) -> CaprotoValueError:
        error: CaprotoValueError = CaprotoValueError(f"{self.name}: {text}", pv_name=self.name)
        return error

    def _resolve_type(self, data_type: int | str | None) -> ChannelType:
        """Turn what a caller gave as `data_type` into a type."""
        native = self.native_data_type
        assert native is not None
        if data_type is None:
            return native
        if isinstance(data_type, str):
            try:
                return promote_type(native, data_type)
            except KeyError:
                raise self._value_error(
                    f"data_type={data_type!r} is not known: it is 'native', 'status', 'time', "
                    "'graphic', 'control', or a ChannelType"
                ) from None
        try:
            return data_type_of(data_type)
        except CaprotoError as error:
            raise type(error)(f"{self.name}: {error}", pv_name=self.name) from None


class ClientChannel(_BaseChannel):
    """A channel as its client sees it; it composes requests.

    Parameters
    ----------
    name : str
        Of the PV.
    circuit : VirtualCircuit
        What the channel lives on; it is entered in ``circuit.channels``.
    cid : int, optional
        Client's id; by default the circuit's next one.
    string_encoding : str
        Of text.

    Raises
    ------
    CaprotoTypeError, CaprotoValueError
        If `name` cannot be the name of a PV.
    """

    __slots__ = ()

    @property
    def subscriptions(self) -> dict[int, EventAddRequest]:
        """What is subscribed on this channel, by subscriptionid."""
        return {
            number: request
            for number, request in self.circuit.event_add_commands.items()
            if request.sid == self.sid
        }

    def version(self) -> VersionRequest:
        """Compose the first message of a circuit."""
        return VersionRequest(self.circuit.priority or 0, DEFAULT_PROTOCOL_VERSION)

    def host_name(self, host_name: str) -> HostNameRequest:
        """Compose a message that tells the client's host."""
        return HostNameRequest(host_name)

    def client_name(self, client_name: str) -> ClientNameRequest:
        """Compose a message that tells the user's name."""
        return ClientNameRequest(client_name)

    def create(self) -> CreateChanRequest:
        """Compose a request for the channel."""
        return CreateChanRequest(self.name, self.cid, DEFAULT_PROTOCOL_VERSION)

    def clear(self) -> ClearChannelRequest:
        """Compose a request to close the channel.

        Raises
        ------
        LocalProtocolError
            If it is not connected.
        """
        return ClearChannelRequest(self._require_connected(), self.cid)

    def read(
        self,
        data_type: int | str | None = None,
        data_count: int | None = None,
        ioid: int | None = None,
        notify: bool = True,
    ) -> ReadNotifyRequest | ReadRequest:
        """Compose a request for the value.

        Parameters
        ----------
        data_type : ChannelType, int or {'native', 'status', 'time', 'graphic', 'control'}, optional
            The PV's own type by default.
        data_count : int, optional
            Number of elements; as many as there are by default.
        ioid : int, optional
            Id that the answer will carry; the circuit's next one by default.
        notify : bool
            Whether to ask in the current way (the default) or with the deprecated READ.

        Raises
        ------
        CaprotoTypeError, CaprotoValueError
            If the PV cannot be read as that.
        LocalProtocolError
            If the channel is not connected.
        """
        sid = self._require_connected()
        kind = self._readable_type(data_type)
        count = self._readable_count(data_count)
        if ioid is None:
            ioid = self.circuit.new_ioid()
        # Type and count have been checked: the short way, which takes a third of the time of the constructor.
        if notify:
            return wire(ReadNotifyRequest, (Command.READ_NOTIFY, 0, kind, count, sid, ioid), b"")
        return wire(ReadRequest, (Command.READ, 0, kind, count, sid, ioid), b"")

    def _readable_type(self, data_type: int | str | None) -> ChannelType:
        kind = self._resolve_type(data_type)
        if kind in _PUT_ONLY:
            raise self._value_error(f"{kind.name} can be written only")
        return kind

    def _readable_count(self, data_count: int | None) -> int:
        """Return the count that asks for `data_count` elements."""
        most = self.native_data_count
        assert most is not None
        if data_count is None or data_count == 0:
            return 0 if self.circuit.protocol_version >= _ZERO_COUNT else most
        if not isinstance(data_count, int):
            raise CaprotoTypeError(
                f"{self.name}: data_count must be an int, not {data_count!r}", pv_name=self.name
            )
        if not 0 < data_count <= most:
            raise self._value_error(f"data_count={data_count}, but it holds at most {most}")
        return data_count

    def write(
        self,
        data: Any,
        data_type: int | str | None = None,
        data_count: int | None = None,
        metadata: DbrMetadata | dict[str, Any] | bytes | None = None,
        ioid: int | None = None,
        notify: bool = False,
    ) -> WriteNotifyRequest | WriteRequest:
        """Compose a request to write a value.

        Parameters
        ----------
        data : str, bytes, int, float or an iterable of these
            Text for an enum is sent as text, and the server looks the label up; text for an array of CHAR is sent
            as its bytes.
        data_type : ChannelType, int or {'native', 'status', 'time', 'graphic', 'control'}, optional
            The PV's own type by default.
        data_count : int, optional
            Number of elements; as many as there are in `data` by default.
        metadata : DbrMetadata, dict or bytes, optional
            For types that carry it. C servers refuse these.
        ioid : int, optional
            Id that the answer will carry; the circuit's next one by default.
        notify : bool
            Whether to ask for an answer. False by default.

        Raises
        ------
        CaprotoTypeError, CaprotoValueError
            If that cannot be written to the PV.
        LocalProtocolError
            If the channel is not connected.
        """
        sid = self._require_connected()
        kind = self._resolve_type(data_type)
        if data_type is None and kind is _ENUM and _is_text(data):
            kind = _STRING
        if kind in _GET_ONLY:
            raise self._value_error(f"{kind.name} can be read only")
        data = self._encode_text(data, kind)
        command: WriteNotifyRequest | WriteRequest
        try:
            if notify:
                command = WriteNotifyRequest(data, kind, data_count, sid, 0, metadata=metadata)
            else:
                command = WriteRequest(data, kind, data_count, sid, 0, metadata=metadata)
        except CaprotoError as error:
            raise type(error)(f"{self.name}: {error}", pv_name=self.name) from error
        self._check_writable(command)
        if ioid is None:
            # As libca does: an ErrorResponse about a WRITE quotes this number, and the request has no other id.
            ioid = self.circuit.new_ioid() if notify else self.cid
        command._head = (*command._head[:5], ioid)
        return command

    def _check_writable(self, command: WriteNotifyRequest | WriteRequest) -> None:
        count, most = command.data_count, self.native_data_count
        assert most is not None
        version = self.circuit.protocol_version
        if count > most:
            raise self._value_error(f"{count} elements are too many, it holds at most {most}")
        if count == 0 and version < _ZERO_COUNT:
            raise self._value_error(f"the server (version 4.{version}) cannot take empty arrays")
        if command.payload_size >= SHORT_LIMIT and version < _LARGE_ARRAYS:
            raise self._value_error(f"the server (version 4.{version}) cannot take large arrays")

    def _encode_text(self, data: Any, kind: ChannelType) -> Any:
        """Encode text for types that hold it; leave everything else as it is."""
        native = kind % 7 if kind < 35 else kind
        if native == _CHAR:
            if isinstance(data, list | tuple) and len(data) == 1 and _is_text(data):
                data = data[0]
            if isinstance(data, str):
                data = self._encoded(data)
                # The NUL is left out if it alone does not fit.
                return data if len(data) == self.native_data_count else data + b"\0"
        elif native == _STRING:
            if isinstance(data, str):
                return self._encoded(data)
            if isinstance(data, list | tuple):
                return [self._encoded(item) if isinstance(item, str) else item for item in data]
        return data

    def _encoded(self, text: str) -> bytes:
        try:
            return text.encode(self.string_encoding)
        except UnicodeEncodeError:
            return text.encode("utf-8")

    def subscribe(
        self,
        data_type: int | str | None = None,
        data_count: int | None = None,
        subscriptionid: int | None = None,
        low: float = 0.0,
        high: float = 0.0,
        to: float = 0.0,
        mask: int | None = None,
    ) -> EventAddRequest:
        """Compose a request for updates.

        Parameters
        ----------
        data_type : ChannelType, int or {'native', 'status', 'time', 'graphic', 'control'}, optional
            The PV's own type by default.
        data_count : int, optional
            Number of elements; as many as there are by default.
        subscriptionid : int, optional
            Id that the updates will carry; the circuit's next one by default.
        low, high, to : float
            Travel, but servers ignore them.
        mask : SubscriptionType or int, optional
            Which changes to send: value, alarm and property by default.

        Raises
        ------
        CaprotoTypeError, CaprotoValueError
            If the PV cannot be subscribed to like that.
        LocalProtocolError
            If the channel is not connected.
        """
        sid = self._require_connected()
        kind = self._readable_type(data_type)
        if kind is ChannelType.CLASS_NAME:
            raise self._value_error("CLASS_NAME can be read, but not subscribed to")
        count = self._readable_count(data_count)
        mask = DEFAULT_MASK if mask is None else mask
        if not 0 < mask <= 0xFFFF:
            raise self._value_error(f"mask={mask!r} asks for nothing that a server knows")
        if subscriptionid is None:
            subscriptionid = self.circuit.new_subscriptionid()
        try:
            return EventAddRequest(kind, count, sid, subscriptionid, low, high, to, mask)
        except (StructError, OverflowError) as error:
            raise self._value_error(
                f"low={low!r}, high={high!r}, to={to!r} must be 32-bit floats"
            ) from error

    def unsubscribe(self, subscriptionid: int) -> EventCancelRequest:
        """Compose a request to end a subscription.

        Raises
        ------
        CaprotoKeyError
            If there is none of that id; a C server would close the whole circuit.
        LocalProtocolError
            If the channel is not connected.
        """
        sid = self._require_connected()
        try:
            request = self.circuit.event_add_commands[subscriptionid]
        except KeyError:
            request = None
        if request is None or request.sid != sid:
            raise CaprotoKeyError(
                f"{self.name}: there is no subscription with id {subscriptionid}",
                pv_name=self.name,
            )
        return EventCancelRequest(request.data_type, sid, subscriptionid)


def _is_text(data: Any) -> bool:
    """Tell whether it is a text, or a list of texts."""
    if isinstance(data, list | tuple):
        return bool(data) and isinstance(data[0], str | bytes)
    return isinstance(data, str | bytes) or getattr(getattr(data, "dtype", None), "kind", "") in (
        "U",
        "S",
    )


class ServerChannel(_BaseChannel):
    """A channel as its server sees it; it composes responses.

    Parameters
    ----------
    name : str
        Of the PV.
    circuit : VirtualCircuit
        What the channel lives on; it is entered in ``circuit.channels``.
    cid : int, optional
        Client's id.
    string_encoding : str
        Of text.

    Raises
    ------
    CaprotoTypeError, CaprotoValueError
        If `name` cannot be the name of a PV.
    """

    __slots__ = ()

    def version(self) -> VersionResponse:
        """Compose a message that tells the server's version."""
        return VersionResponse(DEFAULT_PROTOCOL_VERSION)

    def create(self, native_data_type: int, native_data_count: int, sid: int) -> CreateChanResponse:
        """Compose the message that opens the channel.

        Parameters
        ----------
        native_data_type : ChannelType or int
            The PV's own type.
        native_data_count : int
            The most elements that the PV can hold.
        sid : int
            Server's id of the channel.
        """
        return CreateChanResponse(native_data_type, native_data_count, self.cid, sid)

    def create_fail(self) -> CreateChFailResponse:
        """Compose the message that refuses the channel."""
        return CreateChFailResponse(self.cid)

    def read(
        self,
        data: Any,
        ioid: int,
        data_type: int | str | None = None,
        data_count: int | None = None,
        status: int | CAStatusCode | CAStatus = 1,
        *,
        metadata: DbrMetadata | dict[str, Any] | bytes | None = None,
        notify: bool = True,
    ) -> ReadNotifyResponse | ReadResponse:
        """Compose the answer to a read.

        Parameters
        ----------
        data : iterable or scalar
        ioid : int
            As in the request.
        data_type : ChannelType, int or {'native', 'status', 'time', 'graphic', 'control'}, optional
            The PV's own type by default.
        data_count : int, optional
            As many elements as there are by default.
        status : int, CAStatus or CAStatusCode
        metadata : DbrMetadata, dict or bytes, optional
        notify : bool
            Whether the request was a `ReadNotifyRequest` (the default) or a `ReadRequest`.
        """
        sid = self._require_connected()
        kind = self._resolve_type(data_type)
        if notify:
            return ReadNotifyResponse(data, kind, data_count, status, ioid, metadata=metadata)
        return ReadResponse(data, kind, data_count, sid, ioid, metadata=metadata)

    def write(
        self,
        ioid: int,
        data_type: int | str | None = None,
        data_count: int | None = None,
        status: int | CAStatusCode | CAStatus = 1,
    ) -> WriteNotifyResponse:
        """Compose the answer to a write.

        Parameters
        ----------
        ioid : int
        data_type : ChannelType, int or {'native', 'status', 'time', 'graphic', 'control'}, optional
            The PV's own type by default.
        data_count : int, optional
            The PV's own count by default.
        status : int, CAStatus or CAStatusCode
        """
        self._require_connected()
        count = self.native_data_count if data_count is None else data_count
        return WriteNotifyResponse(self._resolve_type(data_type), count or 0, status, ioid)

    def subscribe(
        self,
        data: Any,
        subscriptionid: int,
        data_type: int | str | None = None,
        data_count: int | None = None,
        status: int | CAStatusCode | CAStatus = 1,
        metadata: DbrMetadata | dict[str, Any] | bytes | None = None,
    ) -> EventAddResponse:
        """Compose an update.

        Parameters
        ----------
        data : iterable or scalar
        subscriptionid : int
        data_type : ChannelType, int or {'native', 'status', 'time', 'graphic', 'control'}, optional
            The PV's own type by default.
        data_count : int, optional
            As many elements as there are by default.
        status : int, CAStatus or CAStatusCode
        metadata : DbrMetadata, dict or bytes, optional
        """
        self._require_connected()
        kind = self._resolve_type(data_type)
        return EventAddResponse(data, kind, data_count, status, subscriptionid, metadata=metadata)

    def unsubscribe(
        self,
        subscriptionid: int,
        data_type: int | str | None = None,
        data_count: int | None = None,
    ) -> EventCancelResponse:
        """Compose the confirmation of the end of a subscription.

        Parameters
        ----------
        subscriptionid : int
        data_type : ChannelType, int or {'native', 'status', 'time', 'graphic', 'control'}, optional
            As in the request; the PV's own type by default.
        data_count : int, optional
            As in the request; the PV's own count by default.
        """
        sid = self._require_connected()
        count = self.native_data_count if data_count is None else data_count
        return EventCancelResponse(self._resolve_type(data_type), sid, subscriptionid, count or 0)

    def clear(self) -> ClearChannelResponse:
        """Compose the confirmation that the channel is closed."""
        if self.sid is None:
            raise LocalProtocolError(f"{self.name}: the channel was never opened")
        return ClearChannelResponse(self.sid, self.cid)

    def disconnect(self) -> ServerDisconnResponse:
        """Compose the message that takes the channel away."""
        return ServerDisconnResponse(self.cid)
