"""How numbers are shown."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BANDWIDTH",
    "BANDWIDTH_OF_A_MILLION",
    "KILOBYTES",
    "MEGABYTES",
    "MICROSECONDS",
    "MILLISECONDS",
    "PERCENT",
    "RATE",
    "TIMES",
    "Unit",
]


@dataclass(frozen=True)
class Unit:
    """How a sample is shown.

    Parameters
    ----------
    name : str
    scale : float
        What a sample is multiplied by.
    high_is_good : bool
    per_second_of : float or None
        If given, samples are seconds for so many of something, and shown is how many in a second.
    """

    name: str
    scale: float = 1.0
    high_is_good: bool = False
    per_second_of: float | None = None

    def shown(self, sample: float) -> float:
        """Return the number in the table."""
        return (self.per_second_of / sample if self.per_second_of else sample) * self.scale


MICROSECONDS = Unit("µs", 1e6)
MILLISECONDS = Unit("ms", 1e3)
RATE = Unit("k/s", 1e-3, high_is_good=True)
BANDWIDTH = Unit("MB/s", 1e-6, high_is_good=True)
BANDWIDTH_OF_A_MILLION = Unit("MB/s", 1e-6, high_is_good=True, per_second_of=8e6)
KILOBYTES = Unit("KB", 1e-3)
MEGABYTES = Unit("MB", 1e-6)
PERCENT = Unit("% CPU", 1e2)
TIMES = Unit("times")
