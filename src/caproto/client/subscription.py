"""What is asked of a server for one subscription, and who gets the updates."""

from __future__ import annotations

from collections.abc import Callable
from struct import error as StructError
from typing import TYPE_CHECKING, Any, TypeAlias

from .._errors import CaprotoValueError
from .._protocol.arrays import Buffer
from .._protocol.enums import SubscriptionType
from .._protocol.header import Head
from .._protocol.messages import EventAddRequest, EventAddResponse, wire
from .._protocol.messages.subscription import EVENT_ADD_PAYLOAD

if TYPE_CHECKING:
    from .circuit import Circuit
    from .pv import DataType, PVCore

__all__ = ["DEFAULT_MASK", "Sink", "SubscriptionCore"]

DEFAULT_MASK = (
    SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM | SubscriptionType.DBE_PROPERTY
)
Sink: TypeAlias = Callable[[Any, EventAddResponse], Any]
"""``f(subscription, update)``"""


def _checked_mask(name: str, mask: int) -> SubscriptionType:
    """Return a mask that asks for something and fits into its 16 bits."""
    try:
        if 0 < mask <= 0xFFFF:
            return SubscriptionType(mask)
    except (TypeError, ValueError):
        pass
    raise CaprotoValueError(
        f"mask={mask!r} for {name!r} asks for nothing that a server knows", pv_name=name
    )


class SubscriptionCore:
    """One subscription; its server-side half exists only while somebody wants the updates.

    Raises
    ------
    CaprotoValueError
        If `low`, `high`, `to` or `mask` cannot travel.
    """

    __slots__ = (
        "circuit",
        "data_count",
        "data_type",
        "dropped",
        "high",
        "later",
        "low",
        "mask",
        "pv",
        "recent",
        "recent_head",
        "recent_payload",
        "sinks",
        "subscriptionid",
        "to",
        "wire_type",
        "work",
    )

    def __init__(
        self,
        pv: PVCore,
        data_type: DataType,
        data_count: int | None,
        low: float,
        high: float,
        to: float,
        mask: int | None,
    ) -> None:
        self.pv: PVCore = pv
        self.data_type: DataType = data_type
        self.data_count: int | None = data_count
        self.low: float = low
        self.high: float = high
        self.to: float = to
        self.mask: SubscriptionType = DEFAULT_MASK if mask is None else _checked_mask(pv.name, mask)
        try:
            EVENT_ADD_PAYLOAD.pack(low, high, to, self.mask)
        except (StructError, OverflowError) as error:
            raise CaprotoValueError(
                f"low={low!r}, high={high!r}, to={to!r} for {pv.name!r} must be 32-bit floats",
                pv_name=pv.name,
            ) from error
        self.subscriptionid: int | None = None
        self.circuit: Circuit | None = None
        self.wire_type: int = 0
        self.sinks: tuple[Sink, ...] = ()
        self.later: Callable[[tuple[Any, Head, Buffer]], Any] | None = None
        """Takes `work` and what it needs, instead of the sinks: for a thread that makes the updates itself."""
        self.work: Callable[[Head, Buffer], Any] | None = None
        self.recent: EventAddResponse | None = None
        self.recent_head: Head | None = None
        self.recent_payload: Buffer = b""
        self.dropped: int = 0
        """Updates that were merged into newer ones because an iteration asked for the latest only."""

    @property
    def most_recent_response(self) -> EventAddResponse | None:
        """The newest update, or None before the first."""
        head, recent = self.recent_head, self.recent
        if head is not None and (recent is None or recent._head is not head):
            recent = self.recent = wire(EventAddResponse, head, self.recent_payload)
        return recent

    @most_recent_response.setter
    def most_recent_response(self, message: EventAddResponse | None) -> None:
        self.recent, self.recent_head = message, None

    @property
    def wanted(self) -> bool:
        """Whether anybody wants the updates."""
        return bool(self.sinks)

    def request(self, sid: int, subscriptionid: int) -> EventAddRequest:
        """Return what to send to the server.

        Raises
        ------
        CaprotoValueError, CaprotoTypeError
            If the channel cannot deliver the type or count that was asked for.
        """
        self.wire_type = data_type = self.pv.open_channel.readable_type(self.data_type)
        count = self.pv.open_channel.readable_count(self.data_count)
        return EventAddRequest(
            data_type, count, sid, subscriptionid, self.low, self.high, self.to, self.mask
        )
