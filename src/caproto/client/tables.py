"""What a circuit keeps track of, by the numbers that travel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._protocol.enums import Command
from .._protocol.header import Head

if TYPE_CHECKING:
    from .bulk import BulkRequest
    from .pv import PVCore
    from .requests import Request
    from .subscription import SubscriptionCore

__all__ = ["Tables"]

_BY_SID = (
    Command.READ,
    Command.READ_NOTIFY,
    Command.WRITE,
    Command.WRITE_NOTIFY,
    Command.EVENT_ADD,
    Command.EVENT_CANCEL,
    Command.CLEAR_CHANNEL,
)
_ABOUT_CHANNEL = (
    Command.CREATE_CHAN,
    Command.ACCESS_RIGHTS,
    Command.CREATE_CH_FAIL,
    Command.SERVER_DISCONN,
)


class Tables:
    """PVs by cid, requests by ioid, subscriptions by subscriptionid."""

    __slots__ = ("creating", "pvs", "requests", "subscriptions")

    def __init__(self) -> None:
        self.pvs: dict[int, PVCore] = {}
        self.creating: dict[int, PVCore] = {}
        """Those whose channel the server has not made yet."""
        self.requests: dict[int, Request | BulkRequest] = {}
        self.subscriptions: dict[int, SubscriptionCore] = {}

    def forget_pv(self, pv: PVCore) -> list[Request]:
        """Remove all that belongs to `pv`; return its requests, which nobody will answer now."""
        if pv.channel is not None:
            self.pvs.pop(pv.channel.cid, None)
            self.creating.pop(pv.channel.cid, None)
        for sub in pv.subscriptions or ():
            if sub.subscriptionid is not None:
                self.subscriptions.pop(sub.subscriptionid, None)
                sub.circuit = sub.subscriptionid = None
        ioids = [ioid for ioid, request in self.requests.items() if request.pv_of(ioid) is pv]
        return [self.requests.pop(ioid).single(ioid) for ioid in ioids]

    def pending(self) -> list[Request]:
        """Return the requests without a reply."""
        return [request.single(ioid) for ioid, request in self.requests.items()]

    def take_expired(self, now: float) -> tuple[list[Request], float]:
        """Remove the requests whose time is over or that nobody waits for; return them, and the next deadline."""
        following, expired, table = float("inf"), [], self.requests
        for ioid, request in list(table.items()):
            waiter = request.waiter
            if request.deadline <= now or (waiter is not None and waiter.done()):
                expired.append(table.pop(ioid).single(ioid))
            elif request.deadline < following:
                following = request.deadline
        return expired, following

    def clear(self) -> None:
        """Remove everything."""
        for sub in self.subscriptions.values():
            sub.circuit = sub.subscriptionid = None
        self.pvs.clear()
        self.creating.clear()
        self.requests.clear()
        self.subscriptions.clear()

    def name_of(self, head: Head, sent: bool) -> str | None:
        """Return the name of the PV that a message is about, as far as it can be known."""
        command, p1, p2 = head[0], head[4], head[5]
        if sent and command in _BY_SID:
            pvs = self.pvs.values()
            return next((pv.name for pv in pvs if pv.channel and pv.channel.sid == p1), None)
        if command == Command.EVENT_ADD:
            sub = self.subscriptions.get(p2)
            return None if sub is None else sub.pv.name
        if command in _BY_SID:
            request = self.requests.get(p2)
            return None if request is None else request.pv_of(p2).name
        pv = self.pvs.get(p1) if command in _ABOUT_CHANNEL else None
        return None if pv is None else pv.name
