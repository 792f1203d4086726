"""Waiting for many PVs at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .._errors import CaprotoError
from ..client.pv import PVState
from ..client.requests import Wait

if TYPE_CHECKING:
    from ._pv import PV

__all__ = ["wait_for_all"]

logger = logging.getLogger("caproto.ctx")
_CONNECTED = PVState.CONNECTED


class _Group:
    """What the tickets of one call share: one future for all PVs."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        total: int,
        on_progress: Callable[[int, int], Any] | None,
    ) -> None:
        self.finished: asyncio.Future[None] = loop.create_future()
        self.errors: dict[PV, CaprotoError | None] = {}
        self.loop = loop
        self.total = total
        self._on_progress = on_progress
        self._told_soon = False

    def end(self, pv: PV, error: CaprotoError | None) -> None:
        """Take the result for one PV."""
        self.errors[pv] = error
        if self._on_progress is not None and not self._told_soon:
            self._told_soon = True
            self.loop.call_soon(self.tell)
        if len(self.errors) == self.total and not self.finished.done():
            self.finished.set_result(None)

    def tell(self) -> None:
        """Report the progress, once per turn of the loop."""
        self._told_soon = False
        if self._on_progress is not None:
            connected = sum(error is None for error in self.errors.values())
            try:
                self._on_progress(connected, self.total)
            except Exception:
                logger.exception("Reporting the progress to %r failed", self._on_progress)


class _Ticket:
    """Waits for one PV (caproto.client.host.Waiter)."""

    __slots__ = ("_group", "_pv")

    def __init__(self, group: _Group, pv: PV) -> None:
        self._group, self._pv = group, pv

    def done(self) -> bool:
        return self._group.finished.done() or self._pv in self._group.errors

    def set_result(self, result: Any, /) -> None:
        self._group.end(self._pv, None)

    def set_exception(self, exception: Any, /) -> None:
        self._group.end(self._pv, exception)


async def wait_for_all(
    pvs: Sequence[PV],
    timeout: float | None,
    on_progress: Callable[[int, int], Any] | None,
    loop: asyncio.AbstractEventLoop,
) -> dict[PV, CaprotoError | None]:
    """Wait until every PV is connected or the time is over; nothing is raised for a PV that is not."""
    pvs = list(dict.fromkeys(pvs))
    group = _Group(loop, len(pvs), on_progress)
    deadline = float("inf") if timeout is None else loop.time() + timeout
    waits = []
    for pv in pvs:
        if pv.state is _CONNECTED:
            group.end(pv, None)
            continue
        pv.engine.activate(pv)
        wait = Wait(pv, False, _Ticket(group, pv), deadline, timeout)
        pv.add_wait(wait)
        waits.append(wait)
    try:
        if len(group.errors) < len(pvs):
            await group.finished
    finally:
        if len(group.errors) < len(pvs) or any(group.errors.values()):
            for wait in waits:
                wait.pv.remove_wait(wait)  # type: ignore[attr-defined]
    group.tell()
    return {pv: group.errors[pv] for pv in pvs}
