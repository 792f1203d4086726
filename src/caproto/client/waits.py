"""Who waits until PVs are found, or connected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .._errors import CaprotoError, CaprotoTimeoutError

if TYPE_CHECKING:
    from .host import Waiter
    from .pv import PVCore

__all__ = ["AnyWait", "Wait"]


class AnyWait(Protocol):
    """A wait for one PV, or for many."""

    for_search: bool
    """Whether an address is enough."""
    deadline: float

    def fulfil(self, pv: PVCore) -> None:
        """Take note that `pv`, which has forgotten this wait, has come so far."""
        ...

    def expire(self, now: float) -> None:
        """End with an error: the time is over."""
        ...

    def fail(self, error: CaprotoError) -> None:
        """End with `error`: the engine of some PVs has been closed."""
        ...


class Wait:
    """Somebody who waits until a PV is found, or connected."""

    __slots__ = ("deadline", "for_search", "pv", "timeout", "waiter")

    def __init__(
        self,
        pv: PVCore,
        for_search: bool,
        waiter: Waiter,
        deadline: float,
        timeout: float | None,
    ) -> None:
        self.pv: PVCore = pv
        self.for_search: bool = for_search
        self.waiter: Waiter = waiter
        self.deadline: float = deadline
        self.timeout: float | None = timeout

    def fulfil(self, pv: PVCore) -> None:
        """See `AnyWait`."""
        pv.engine.end_wait(self)
        if not self.waiter.done():
            self.waiter.set_result(None)

    def expire(self, now: float) -> None:
        """See `AnyWait`."""
        if not self.waiter.done():
            self.waiter.set_exception(self._timed_out(now))

    def fail(self, error: CaprotoError) -> None:
        """See `AnyWait`."""
        if not self.waiter.done():
            self.waiter.set_exception(error)

    def _timed_out(self, now: float) -> CaprotoTimeoutError:
        """Make the error for a wait that was too long."""
        if self.for_search:
            return self.pv.search_timeout(self.timeout)
        return self.pv.connection_timeout(self.timeout, now)
