"""A channel as its client sees it."""

from __future__ import annotations

from struct import error as StructError
from typing import Any

from .._constants import DEFAULT_PROTOCOL_VERSION
from .._errors import CaprotoError, CaprotoKeyError, CaprotoTypeError
from .arrays import Buffer
from .base_channel import BaseChannel
from .dbr import NATIVE_TYPES, DbrMetadata
from .enums import ChannelType, Command, SubscriptionType
from .header import SHORT_LIMIT, padded
from .messages.base import wire
from .messages.channel import ClearChannelRequest, CreateChanRequest
from .messages.circuit import ClientNameRequest, HostNameRequest, VersionRequest
from .messages.subscription import EventAddRequest, EventCancelRequest
from .messages.values import (
    ReadNotifyRequest,
    ReadRequest,
    WriteNotifyRequest,
    WriteRequest,
    value_payload,
)

__all__ = ["DEFAULT_MASK", "ClientChannel"]

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


class ClientChannel(BaseChannel):
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
        kind = self.readable_type(data_type)
        count = self.readable_count(data_count)
        if ioid is None:
            ioid = self.circuit.new_ioid()
        # Type and count have been checked: the short way, which takes a third of the time of the constructor.
        if notify:
            return wire(ReadNotifyRequest, (Command.READ_NOTIFY, 0, kind, count, sid, ioid), b"")
        return wire(ReadRequest, (Command.READ, 0, kind, count, sid, ioid), b"")

    def readable_type(self, data_type: int | str | None) -> ChannelType:
        """Return the DBR type that `data_type` means for this channel.

        Beside the families there is ``'text'``: an array of characters as it is, and anything else as a string that the
        server makes of it, with alarm and time.

        Raises
        ------
        CaprotoTypeError, CaprotoValueError
            If there is no such type, or it can be written only.
        """
        if data_type == "text":
            characters = self.native_data_type is ChannelType.CHAR and self.native_data_count != 1
            return ChannelType.TIME_CHAR if characters else ChannelType.TIME_STRING
        kind = self._resolve_type(data_type)
        if kind in _PUT_ONLY:
            raise self._value_error(f"{kind.name} can be written only")
        return kind

    def readable_count(self, data_count: int | None, notify: bool = True) -> int:
        """Return the count that asks for `data_count` elements, by default for as many as there are.

        The deprecated READ, without `notify`, has no count that means that.

        Raises
        ------
        CaprotoTypeError, CaprotoValueError
            If the channel does not hold that many.
        """
        most = self.native_data_count
        assert most is not None
        if data_count is None or data_count == 0:
            dynamic = notify and self.circuit.protocol_version >= _ZERO_COUNT
            return 0 if dynamic else most
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
        kind, count, payload = self.write_body(data, data_type, data_count, metadata)
        if ioid is None:
            # As libca does: an ErrorResponse about a WRITE quotes this number, and the request has no other id.
            ioid = self.circuit.new_ioid() if notify else self.cid
        if notify:
            head = (Command.WRITE_NOTIFY, len(payload), kind, count, sid, ioid)
            return wire(WriteNotifyRequest, head, payload)
        return wire(WriteRequest, (Command.WRITE, len(payload), kind, count, sid, ioid), payload)

    def write_body(
        self,
        data: Any,
        data_type: int | str | None = None,
        data_count: int | None = None,
        metadata: DbrMetadata | dict[str, Any] | bytes | None = None,
    ) -> tuple[ChannelType, int, Buffer]:
        """Return type, count and padded payload of a request to write.

        Parameters and errors are those of `write`.
        """
        kind = self._resolve_type(data_type)
        if data_type is None and kind is _ENUM and _is_text(data):
            kind = _STRING
        if kind in _GET_ONLY:
            # A C server closes the circuit, and with it all other PVs, when it cannot convert what is written.
            raise self._value_error(f"{kind.name} can be read only")
        data = self._encode_text(data, kind)
        try:
            payload, count = value_payload(data, kind, data_count, metadata, request=True)
        except CaprotoError as error:
            raise type(error)(f"{self.name}: {error}", pv_name=self.name) from error
        self._check_writable(count, len(payload))
        if len(payload) & 7:
            payload = bytes(payload).ljust(padded(len(payload)), b"\0")
        return kind, count, payload

    def _check_writable(self, count: int, size: int) -> None:
        most = self.native_data_count
        assert most is not None
        version = self.circuit.protocol_version
        if count > most:
            raise self._value_error(f"{count} elements are too many, it holds at most {most}")
        if count == 0 and version < _ZERO_COUNT:
            raise self._value_error(f"the server (version 4.{version}) cannot take empty arrays")
        if max(count, size) >= SHORT_LIMIT and version < _LARGE_ARRAYS:
            raise self._value_error(f"the server (version 4.{version}) cannot take large arrays")

    def _encode_text(self, data: Any, kind: ChannelType) -> Any:
        """Encode text for types that hold it; leave everything else as it is."""
        native = NATIVE_TYPES[kind]
        if native is _CHAR:
            if isinstance(data, list | tuple) and len(data) == 1 and _is_text(data):
                data = data[0]
            if isinstance(data, str):
                data = self._encoded(data)
                # The NUL is left out if it alone does not fit.
                return data if len(data) == self.native_data_count else data + b"\0"
        elif native is _STRING:
            if getattr(getattr(data, "dtype", None), "kind", "") == "U":
                data = data.tolist()
            if isinstance(data, list | tuple):
                return [self._encoded(item) if isinstance(item, str) else item for item in data]
            if isinstance(data, str):
                return self._encoded(data)
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
        kind = self.readable_type(data_type)
        if kind is ChannelType.CLASS_NAME:
            raise self._value_error("CLASS_NAME can be read, but not subscribed to")
        count = self.readable_count(data_count)
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
