"""PVs that tell where the memory of an IOC goes."""

from __future__ import annotations

import asyncio
import linecache
import tracemalloc
from collections.abc import Sequence
from typing import Any

from .._protocol.enums import ChannelType
from .events import wait_for_event
from .group import PVGroup
from .properties import PvpropertyCharRO, PvpropertyEnum, PvpropertyInteger
from .pvproperty import pvproperty

__all__ = ["TRACEMALLOC_FILTERS", "MemoryTracingHelper", "get_top_allocation_info"]

TRACEMALLOC_FILTERS = (
    tracemalloc.Filter(False, "<frozen importlib._bootstrap>"),
    tracemalloc.Filter(False, "<unknown>"),
    tracemalloc.Filter(False, tracemalloc.__file__),
)
"""What is left out of the tables of `MemoryTracingHelper`."""
_MOST_TEXT = 20_000


def get_top_allocation_info(
    snapshot: tracemalloc.Snapshot,
    *,
    key_type: str = "lineno",
    cumulative: bool = False,
    limit: int = 20,
    filters: Sequence[tracemalloc.Filter] | None = None,
) -> list[str]:
    """Describe where most memory was allocated.

    Parameters
    ----------
    snapshot : tracemalloc.Snapshot
    key_type : str, optional
        ``'lineno'``, ``'filename'`` or ``'traceback'``.
    cumulative : bool, optional
        Whether callers count, too; for the first two only.
    limit : int, optional
        How many places to describe.
    filters : list of tracemalloc.Filter, optional
        By default `TRACEMALLOC_FILTERS`.

    Returns
    -------
    list of str
        Lines: of each place its size and source, then the rest and the sum.
    """
    snapshot = snapshot.filter_traces(TRACEMALLOC_FILTERS if filters is None else filters)
    statistics = snapshot.statistics(key_type, cumulative)
    lines = []
    for index, statistic in enumerate(statistics[:limit], 1):
        frame = statistic.traceback[0]
        lines.append(f"#{index}: {frame.filename}:{frame.lineno}: {statistic.size / 1024:.1f} KiB")
        source = linecache.getline(frame.filename, frame.lineno).strip()
        if source:
            lines.append(f"    {source}")
    others = statistics[limit:]
    if others:
        size = sum(statistic.size for statistic in others)
        lines.append(f"{len(others)} other: {size / 1024:.1f} KiB")
    total = sum(statistic.size for statistic in statistics)
    lines.append(f"Total allocated size: {total / 1024:.1f} KiB")
    return lines


class MemoryTracingHelper(PVGroup):
    """PVs that tell where the memory of the IOC goes, while that is switched on. It slows the IOC down.

    Parameters
    ----------
    filters : list of tracemalloc.Filter, optional
        What to look at; by default `TRACEMALLOC_FILTERS`.
    **kwargs
        As for `PVGroup`.
    """

    period: float = 8.0
    """Seconds from one look to the next."""

    def __init__(
        self, *args: Any, filters: Sequence[tracemalloc.Filter] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.filters: Sequence[tracemalloc.Filter] = (
            TRACEMALLOC_FILTERS if filters is None else filters
        )
        self._switched = asyncio.Event()

    enable_tracing: pvproperty[PvpropertyEnum, Any] = pvproperty(
        value="Disable",
        name="EnableTracing",
        dtype=ChannelType.ENUM,
        enum_strings=["Disable", "Enable"],
        record="bo",
        doc="Whether to look where memory is allocated",
    )
    diff_results: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="Unset",
        name="TraceDiffResults",
        dtype=str,
        max_length=_MOST_TEXT,
        read_only=True,
        record="waveform",
        doc="What has changed since the look before",
    )
    top_allocations: pvproperty[PvpropertyCharRO, Any] = pvproperty(
        value="Unset",
        name="TraceTopAllocations",
        dtype=str,
        max_length=_MOST_TEXT,
        read_only=True,
        record="waveform",
        doc="Where most memory was allocated",
    )
    trace_count: pvproperty[PvpropertyInteger, Any] = pvproperty(
        value=10, name="TraceCount", dtype=int, record="ao", doc="How many places to tell"
    )

    @enable_tracing.startup
    async def _trace(self, instance: Any, async_lib: Any) -> None:
        """Look now and then, while that is switched on."""
        before: tracemalloc.Snapshot | None = None
        try:
            while True:
                if self._enabled:
                    before = await self._look(before)
                elif before is not None:
                    before = None
                    tracemalloc.stop()
                await wait_for_event(self._switched, self.period if self._enabled else None)
        finally:
            if before is not None:
                tracemalloc.stop()

    @property
    def _enabled(self) -> bool:
        return bool(self.enable_tracing.value == "Enable")

    async def _look(self, before: tracemalloc.Snapshot | None) -> tracemalloc.Snapshot:
        """Take a snapshot, and describe it and what has changed."""
        if not tracemalloc.is_tracing():
            tracemalloc.start()
        snapshot = tracemalloc.take_snapshot().filter_traces(self.filters)
        limit = max(0, self.trace_count.value)
        top = get_top_allocation_info(snapshot, limit=limit, filters=self.filters)
        await self.top_allocations.write("\n".join(top)[:_MOST_TEXT])
        if before is not None:
            changes = snapshot.compare_to(before, "lineno")[:limit]
            await self.diff_results.write("\n".join(map(str, changes))[:_MOST_TEXT])
        return snapshot

    @enable_tracing.putter
    async def _switch(self, instance: Any, value: Any) -> None:
        """Let the loop see it at once, after this."""
        self._switched.set()
