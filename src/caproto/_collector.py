"""Keeping the garbage collector out while the objects of thousands of PVs are being made."""

from __future__ import annotations

import gc
from types import TracebackType

__all__ = ["NoCollection"]

_MANY = 100


class NoCollection:
    """A block in which many objects are made that will stay.

    The collector would look through them again and again: half of the time of connecting 10,000 PVs was its own
    (benchmarks/micro/bench_connect.py). Nothing in such a block waits, so it is short.

    Parameters
    ----------
    count : int
        How many PVs are about to be made; the collector is left alone for a few.
    """

    __slots__ = ("_paused",)

    def __init__(self, count: int) -> None:
        self._paused = count >= _MANY and gc.isenabled()

    def __enter__(self) -> None:
        if self._paused:
            gc.disable()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._paused:
            gc.enable()
