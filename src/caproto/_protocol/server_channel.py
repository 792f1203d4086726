"""A channel as its server sees it."""

from __future__ import annotations

from typing import Any

from .._constants import DEFAULT_PROTOCOL_VERSION
from .._errors import LocalProtocolError
from .base_channel import BaseChannel
from .dbr import DbrMetadata
from .messages.channel import (
    ClearChannelResponse,
    CreateChanResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
)
from .messages.circuit import VersionResponse
from .messages.subscription import EventAddResponse, EventCancelResponse
from .messages.values import ReadNotifyResponse, ReadResponse, WriteNotifyResponse
from .status import CAStatus, CAStatusCode

__all__ = ["ServerChannel"]


class ServerChannel(BaseChannel):
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
