"""What one client may take, and the count of what it takes."""

from __future__ import annotations

from typing import NamedTuple

from ..._protocol.arrays import Buffer
from .source import Subscription

__all__ = ["Backlog", "ClientLimits", "HeldUpdates"]


class ClientLimits(NamedTuple):
    """What one client of a server may take; None is no limit.

    A client that wants more is told so by an error message; other clients notice nothing.

    Attributes
    ----------
    max_payload : int
        Bytes of one request. A larger one ends the connection: there is no way to leave it out.
    max_channels : int or None
    max_subscriptions : int or None
        Of one channel.
    max_client_subscriptions : int or None
        Of all channels together.
    max_requests : int or None
        Requests that wait for a slow PV.
    max_queued_bytes : int or None
        Bytes of values that wait to be written to a slow PV, and of updates that wait because the client does not
        take what it is sent. Of more updates than that it is only noted that there are any: the values are taken
        when the client takes them.
    max_circuits_per_host : int or None
        Connections from one address.
    """

    max_payload: int = 1 << 30
    max_channels: int | None = 500_000
    max_subscriptions: int | None = 1_000
    max_client_subscriptions: int | None = 1_000_000
    max_requests: int | None = 10_000
    max_queued_bytes: int | None = 1 << 26
    max_circuits_per_host: int | None = 5_000


class Backlog:
    """The requests of one client that wait for slow PVs."""

    __slots__ = ("_bytes", "_limits", "_requests")

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._requests = 0
        self._bytes = 0

    def enter(self, size: int) -> str:
        """Count a request with `size` bytes of payload; or return why there is no room for it."""
        _, _, _, _, most, most_bytes, _ = self._limits
        if most is not None and self._requests >= most:
            return f"{self._requests} requests wait already for slow PVs"
        if most_bytes is not None and self._bytes and self._bytes + size > most_bytes:
            return f"{self._bytes} bytes wait already to be written to slow PVs"
        self._requests += 1
        self._bytes += size
        return ""

    def leave(self, size: int) -> None:
        """Take note that a request has been done, or dropped."""
        self._requests -= 1
        self._bytes -= size


class HeldUpdates(dict[Subscription, "tuple[bytes, bytes, Buffer] | None"]):
    """The newest update of each subscription that may not be sent now; None for one whose value is not kept.

    Parameters
    ----------
    max_bytes : int or None
        How many bytes of values are kept.
    """

    def __init__(self, max_bytes: int | None) -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self.nbytes: int = 0
        """Bytes of the values that are kept."""

    def __setitem__(
        self, subscription: Subscription, update: tuple[bytes, bytes, Buffer] | None
    ) -> None:
        self.nbytes -= _size(self.get(subscription))
        size = _size(update)
        if self._max_bytes is not None and self.nbytes + size > self._max_bytes:
            update, size = None, 0
        self.nbytes += size
        super().__setitem__(subscription, update)

    def discard(self, subscription: Subscription) -> None:
        """Forget what a subscription would have got."""
        if subscription in self:
            self.take(subscription)

    def take(self, subscription: Subscription) -> tuple[bytes, bytes, Buffer] | None:
        """Return an update and forget it."""
        update = self.pop(subscription)
        self.nbytes -= _size(update)
        return update


def _size(update: tuple[bytes, bytes, Buffer] | None) -> int:
    return 0 if update is None else len(update[1]) + len(update[2])
