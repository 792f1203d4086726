"""What one client's process reports about one row.

This module runs in the process of every client and imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import gc
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["Measurement", "Stopwatch", "resident_bytes"]


@dataclass
class Measurement:
    """Numbers of one row, of one client, in one round.

    Parameters
    ----------
    samples : list of float
        In the unit of the row before it is scaled: seconds, operations or bytes per second, bytes, or a ratio.
    cpu : float or None
        Seconds of processor time of the process, all threads, per operation.
    received, lost : int
        Updates, where there are any.
    notes : dict
        Anything else that is worth keeping.
    """

    samples: list[float]
    cpu: float | None = None
    received: int = 0
    lost: int = 0
    notes: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return what `json` can write."""
        return asdict(self)


class Stopwatch:
    """Measures the block that it is used for.

    Attributes
    ----------
    seconds, cpu : float
        Elapsed time, and processor time of all threads of this process.
    """

    def __enter__(self) -> Stopwatch:
        self.seconds = -time.perf_counter()
        self.cpu = -time.process_time()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cpu += time.process_time()
        self.seconds += time.perf_counter()


def resident_bytes() -> int:
    """Return how much memory this process has resident; what is free is given back before, where the C library can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    fields = Path("/proc/self/smaps_rollup").read_text().split()
    return int(fields[fields.index("Rss:") + 1]) * 1024
