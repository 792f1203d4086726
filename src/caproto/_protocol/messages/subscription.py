"""Messages of subscriptions."""

from __future__ import annotations

from struct import Struct
from typing import Any, ClassVar

from ..dbr import DbrMetadata
from ..enums import Command
from ..status import CAStatus, CAStatusCode
from .base import HeadField, Message, TypeField, data_type_of
from .circuit import status_code
from .values import DataMessage, _StatusMixin

__all__ = [
    "EVENT_ADD_PAYLOAD",
    "EventAddRequest",
    "EventAddRequestPayload",
    "EventAddResponse",
    "EventCancelRequest",
    "EventCancelResponse",
]

EVENT_ADD_PAYLOAD = Struct(">fffHxx")
"""low, high, to, mask"""


class EventAddRequestPayload:
    """Dead-bands (which servers ignore) and mask of a subscription.

    Parameters
    ----------
    low, high, to : float
    mask : int
        Bits of `SubscriptionType`.
    """

    __slots__ = ("high", "low", "mask", "to")

    def __init__(self, low: float = 0.0, high: float = 0.0, to: float = 0.0, mask: int = 0) -> None:
        self.low: float = low
        self.high: float = high
        self.to: float = to
        self.mask: int = mask

    @property
    def nbytes(self) -> int:
        """Bytes on the wire: 16."""
        return EVENT_ADD_PAYLOAD.size

    def __bytes__(self) -> bytes:
        return EVENT_ADD_PAYLOAD.pack(self.low, self.high, self.to, self.mask)

    def __repr__(self) -> str:
        fields = ", ".join(
            f"{name}={getattr(self, name)!r}" for name in ("low", "high", "to", "mask")
        )
        return f"{type(self).__name__}({fields})"


class EventAddRequest(Message):
    """Subscribes to a PV.

    Parameters
    ----------
    data_type : ChannelType or int
    data_count : int
        0 for as many elements as there are (servers since minor version 13).
    sid : int
        Server's id of the channel.
    subscriptionid : int
        Client's id, which all updates carry.
    low, high, to : float
        Travel, but servers ignore them.
    mask : SubscriptionType or int
        Which changes to send.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.EVENT_ADD
    _fields = ("data_type", "data_count", "sid", "subscriptionid", "low", "high", "to", "mask")
    data_type: TypeField = TypeField()
    data_count: HeadField = HeadField(3, "Number of elements wanted; 0 for as many as there are.")
    sid: HeadField = HeadField(4, "Server's id of the channel.")
    subscriptionid: HeadField = HeadField(5, "Client's id of the subscription.")

    def __init__(
        self,
        data_type: int,
        data_count: int,
        sid: int,
        subscriptionid: int,
        low: float,
        high: float,
        to: float,
        mask: int,
    ) -> None:
        payload = EVENT_ADD_PAYLOAD.pack(low, high, to, mask)
        self._set(data_type_of(data_type), data_count, sid, subscriptionid, payload)

    @property
    def payload_struct(self) -> EventAddRequestPayload:
        """The payload; zeros where it is too short."""
        payload = bytes(self._payload).ljust(EVENT_ADD_PAYLOAD.size, b"\0")
        return EventAddRequestPayload(*EVENT_ADD_PAYLOAD.unpack_from(payload))

    @property
    def low(self) -> float:
        """Ignored by servers."""
        return self.payload_struct.low

    @property
    def high(self) -> float:
        """Ignored by servers."""
        return self.payload_struct.high

    @property
    def to(self) -> float:
        """Ignored by servers."""
        return self.payload_struct.to

    @property
    def mask(self) -> int:
        """Bits of `SubscriptionType`."""
        return self.payload_struct.mask


class EventAddResponse(DataMessage, _StatusMixin):
    """One update of a subscription.

    Parameters
    ----------
    data : iterable or scalar
    data_type : ChannelType or int
    data_count : int
    status : int, CAStatus or CAStatusCode
    subscriptionid : int
        As in the request.
    metadata : DbrMetadata, dict or bytes, optional
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.EVENT_ADD
    _fields = ("data", "data_type", "data_count", "status", "subscriptionid", "metadata")
    subscriptionid: HeadField = HeadField(5, "Client's id of the subscription.")

    def __init__(
        self,
        data: Any,
        data_type: int,
        data_count: int | None,
        status: int | CAStatusCode | CAStatus,
        subscriptionid: int,
        *,
        metadata: DbrMetadata | dict[str, Any] | bytes | None = None,
    ) -> None:
        self._set_data(data, data_type, data_count, status_code(status), subscriptionid, metadata)


class EventCancelRequest(Message):
    """Ends a subscription.

    Parameters
    ----------
    data_type : ChannelType or int
        As in the `EventAddRequest`.
    sid : int
        Server's id of the channel.
    subscriptionid : int
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.EVENT_CANCEL
    _fields = ("data_type", "sid", "subscriptionid")
    data_type: TypeField = TypeField()
    sid: HeadField = HeadField(4, "Server's id of the channel.")
    subscriptionid: HeadField = HeadField(5, "Client's id of the subscription.")

    def __init__(self, data_type: int, sid: int, subscriptionid: int) -> None:
        self._set(data_type_of(data_type), 0, sid, subscriptionid)


class EventCancelResponse(Message):
    """Confirms the end of a subscription: an EVENT_ADD without payload, with the sid where the status would be.

    Parameters
    ----------
    data_type : ChannelType or int
    sid : int
        Server's id of the channel.
    subscriptionid : int
    data_count : int
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.EVENT_ADD
    _fields = ("data_type", "sid", "subscriptionid", "data_count")
    data_type: TypeField = TypeField()
    data_count: HeadField = HeadField(3, "As in the EventAddRequest.")
    sid: HeadField = HeadField(4, "Server's id of the channel.")
    subscriptionid: HeadField = HeadField(5, "Client's id of the subscription.")

    def __init__(self, data_type: int, sid: int, subscriptionid: int, data_count: int) -> None:
        self._set(data_type_of(data_type), data_count, sid, subscriptionid)
