"""The recent past of a PV: its rate and a sparkline. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

__all__ = ["Trend", "sparkline"]

_BARS = "▁▂▃▄▅▆▇█"
_WINDOW = 5.0  # seconds over which the rate is measured


def sparkline(values: Iterable[float]) -> str:
    """Draw numbers as bars between the smallest and the largest of them; what is not finite is left blank."""
    numbers = list(values)
    finite = [value for value in numbers if math.isfinite(value)]
    if not finite:
        return " " * len(numbers)
    low, high = min(finite), max(finite)
    # Halves first: the difference of two huge numbers may not be finite.
    span = high / 2 - low / 2
    bars = []
    for value in numbers:
        if not math.isfinite(value):
            bars.append(" ")
            continue
        height = 0.5 if span == 0 else (value / 2 - low / 2) / span
        bars.append(_BARS[round(height * (len(_BARS) - 1))])
    return "".join(bars)


class Trend:
    """The last values of one PV and when they came.

    Parameters
    ----------
    length : int
        How many values are kept.
    """

    def __init__(self, length: int) -> None:
        self.values: deque[float] = deque(maxlen=length)
        self._times: deque[float] = deque(maxlen=10_000)

    def add(self, value: object, now: float) -> None:
        """Take an update; only numbers are drawn."""
        self._times.append(now)
        if isinstance(value, int | float):
            self.values.append(float(value))

    def rate(self, now: float) -> float:
        """Return updates per second in the last seconds."""
        times = self._times
        while times and times[0] < now - _WINDOW:
            times.popleft()
        if len(times) < 2:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-9)
