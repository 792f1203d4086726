"""What the operating system says about this process and its machine."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from importlib import import_module
from typing import Any


def _optional(name: str) -> Any:
    """Import a module, if there is such."""
    try:
        return import_module(name)
    except ImportError:
        return None


psutil: Any = _optional("psutil")
resource: Any = _optional("resource")  # which Windows has not

__all__ = ["ProcessReadings", "psutil"]


class ProcessReadings:
    """Reads load and memory: with psutil if it is installed, or else from Linux.

    Attributes
    ----------
    complete : bool
        False if memory and the load of the machine cannot be known; they are 0 then.
    """

    def __init__(self) -> None:
        self._process: Any = psutil.Process() if psutil is not None else None
        self.complete: bool = psutil is not None or os.path.exists("/proc/self/statm")
        self._seen = self._times()

    @staticmethod
    def _times() -> tuple[float, float, float, float]:
        """Return seconds: on the clock, of this process, of all processors busy, of all in all."""
        busy = total = 0.0
        if psutil is not None:
            times = psutil.cpu_times()
            total = sum(times)
            busy = total - times.idle - getattr(times, "iowait", 0.0)
        else:
            with contextlib.suppress(OSError), open("/proc/stat") as lines:
                ticks = [float(field) for field in lines.readline().split()[1:]]
                total = sum(ticks)
                busy = total - sum(ticks[3:5])
        return time.monotonic(), time.process_time(), busy, total

    def cpu_load(self) -> tuple[float, float]:
        """Return the load since the last call in per cent: of the machine, and of this process on one processor."""
        now = self._times()
        elapsed, own, busy, total = (new - old for new, old in zip(now, self._seen, strict=True))
        self._seen = now
        machine = 100.0 * busy / total if total > 0 else 0.0
        process = 100.0 * own / elapsed if elapsed > 0 else 0.0
        return min(max(machine, 0.0), 100.0), min(max(process, 0.0), 100.0)

    def memory(self) -> tuple[int, int, int]:
        """Return memory in KiB: that of this process, what is free with the swap space, and all there is."""
        if psutil is not None:
            memory = psutil.virtual_memory()
            free = memory.available + psutil.swap_memory().free
            return self._process.memory_info().rss // 1024, free // 1024, memory.total // 1024
        with contextlib.suppress(OSError, KeyError), open("/proc/meminfo") as lines:
            info = {line.split(":")[0]: int(line.split()[1]) for line in lines}
            with open("/proc/self/statm") as statm:
                used = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
            return used, info["MemAvailable"] + info["SwapFree"], info["MemTotal"]
        return 0, 0, 0

    def file_descriptors(self) -> tuple[int, int]:
        """Return how many files may be open at once, and how many are; 0 if that is not known."""
        most = 0 if resource is None else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        for folder in ("/proc/self/fd", "/dev/fd"):
            with contextlib.suppress(OSError):
                return most, len(os.listdir(folder)) - 1  # but for the one that lists them
        return most, 0

    def threads(self) -> int:
        """Return how many threads there are."""
        return int(self._process.num_threads()) if psutil is not None else threading.active_count()
