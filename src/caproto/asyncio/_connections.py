"""Waiting for many PVs at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .._errors import CaprotoError
from ..client.pv import PVState

if TYPE_CHECKING:
    from ..client.pv import PVCore
    from ._pv import PV

__all__ = ["wait_for_all"]

logger = logging.getLogger("caproto.ctx")
_CONNECTED = PVState.CONNECTED


_PENDING = CaprotoError("not connected yet")


class _Group:
    """Waits for all PVs of one call (caproto.client.waits.AnyWait)."""

    for_search = False

    def __init__(
        self,
        pvs: Iterable[PV],
        timeout: float | None,
        on_progress: Callable[[int, int], Any] | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.results: dict[Any, CaprotoError | None] = dict.fromkeys(pvs, _PENDING)
        self.finished: asyncio.Future[None] = loop.create_future()
        self.timeout = timeout
        self.deadline: float = float("inf") if timeout is None else loop.time() + timeout
        self._left = len(self.results)
        self._loop = loop
        self._on_progress = on_progress
        self._told_soon = False

    def fulfil(self, pv: PVCore) -> None:
        """Take note that `pv` is connected."""
        self._end(pv, None)

    def expire(self, now: float) -> None:
        """End with an error for each PV that is not connected."""
        for pv in self.pending():
            self._end(pv, pv.connection_timeout(self.timeout, now))

    def fail(self, error: CaprotoError) -> None:
        """End for the PVs whose engine was closed."""
        for pv in self.pending():
            if pv.engine.closed:
                self._end(pv, error)

    def pending(self) -> list[PV]:
        """Return the PVs without a result."""
        return [pv for pv, result in self.results.items() if result is _PENDING]

    def _end(self, pv: PVCore, error: CaprotoError | None) -> None:
        self.results[pv] = error
        self._left -= 1
        if self._on_progress is not None and not self._told_soon:
            self._told_soon = True
            self._loop.call_soon(self.tell)
        if not self._left and not self.finished.done():
            self.finished.set_result(None)

    def tell(self) -> None:
        """Report the progress, once per turn of the loop."""
        self._told_soon = False
        if self._on_progress is not None:
            connected = sum(error is None for error in self.results.values())
            try:
                self._on_progress(connected, len(self.results))
            except Exception:
                logger.exception("Reporting the progress to %r failed", self._on_progress)


async def wait_for_all(
    pvs: Sequence[PV],
    timeout: float | None,
    on_progress: Callable[[int, int], Any] | None,
    loop: asyncio.AbstractEventLoop,
) -> dict[PV, CaprotoError | None]:
    """Wait until every PV is connected or the time is over; nothing is raised for a PV that is not."""
    group = _Group(pvs, timeout, on_progress, loop)
    engines = {pv.engine for pv in group.results}
    try:
        for pv in group.results:
            if pv.state is _CONNECTED:
                group.fulfil(pv)
            else:
                pv.engine.activate(pv)
                pv.await_by(group)
        if group.pending():
            for engine in engines:
                engine.add_wait(group)
            await group.finished
    finally:
        for engine in engines:
            engine.end_wait(group)
        for pv, error in group.results.items():
            if error is not None:
                pv.forget_wait(group)
    group.tell()
    return group.results
