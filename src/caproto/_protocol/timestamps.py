"""EPICS time: seconds and nanoseconds since 1990-01-01 00:00 UTC."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from .._constants import EPICS2UNIX_EPOCH

if TYPE_CHECKING:
    import datetime

__all__ = [
    "TimeStamp",
    "epics_timestamp_to_unix",
    "timestamp_to_epics",
]

_OFFSET = int(EPICS2UNIX_EPOCH)

FlexibleTime: TypeAlias = "TimeStamp | datetime.datetime | float | tuple[int, int]"


def epics_timestamp_to_unix(seconds_since_epoch: int, nano_seconds: int) -> float:
    """Convert an EPICS time to a Unix one, in seconds.

    Parameters
    ----------
    seconds_since_epoch : int
        Whole seconds since the EPICS epoch.
    nano_seconds : int

    Returns
    -------
    float
    """
    return seconds_since_epoch + _OFFSET + 1e-9 * nano_seconds


def timestamp_to_epics(ts: float | datetime.datetime) -> tuple[int, int]:
    """Convert a Unix time, or a `datetime`, to EPICS seconds and nanoseconds.

    Parameters
    ----------
    ts : float or datetime.datetime
        A naive `datetime` is taken as UTC.

    Returns
    -------
    seconds, nanoseconds : int
    """
    if hasattr(ts, "tzinfo"):
        from .._epoch import EPICS_EPOCH  # now that the program has imported datetime anyway

        since = ts.replace(tzinfo=ts.tzinfo or EPICS_EPOCH.tzinfo) - EPICS_EPOCH  # type: ignore[union-attr]
        seconds = since.days * 86400 + since.seconds + _OFFSET
        nanoseconds = since.microseconds * 1000
    else:
        # A float of today's times cannot tell a quarter of a microsecond: the digits below are noise.
        seconds = int(ts // 1)
        nanoseconds = round((ts - seconds) * 1e6) * 1000
    if nanoseconds >= 1_000_000_000:
        seconds, nanoseconds = seconds + 1, 0
    return max(0, seconds - _OFFSET), nanoseconds


class TimeStamp:
    """A time as EPICS keeps it; the raw integers are never rounded.

    Parameters
    ----------
    secondsSinceEpoch : int
        Whole seconds since 1990-01-01 00:00 UTC.
    nanoSeconds : int
        Some facilities keep a pulse id in its lowest bits.
    """

    __slots__ = ("nanoSeconds", "secondsSinceEpoch")

    def __init__(self, secondsSinceEpoch: int = 0, nanoSeconds: int = 0) -> None:  # noqa: N803
        self.secondsSinceEpoch: int = secondsSinceEpoch
        self.nanoSeconds: int = nanoSeconds

    @property
    def timestamp(self) -> float:
        """Unix time in seconds."""
        return epics_timestamp_to_unix(self.secondsSinceEpoch, self.nanoSeconds)

    @classmethod
    def from_unix_timestamp(cls, timestamp: float) -> TimeStamp:
        """Make one of a Unix time in seconds."""
        return cls(*timestamp_to_epics(timestamp))

    @classmethod
    def now(cls) -> TimeStamp:
        """Make one of the current time, to the microsecond."""
        from datetime import datetime, timezone

        return cls(*timestamp_to_epics(datetime.now(timezone.utc)))

    @classmethod
    def from_flexible_value(cls, timestamp: FlexibleTime) -> TimeStamp:
        """Make one of a Unix time, a `datetime`, a pair of EPICS integers or another `TimeStamp`."""
        if isinstance(timestamp, TimeStamp):
            return cls(timestamp.secondsSinceEpoch, timestamp.nanoSeconds)
        if isinstance(timestamp, tuple):
            return cls(*timestamp)
        return cls(*timestamp_to_epics(timestamp))

    def as_datetime(self) -> datetime.datetime:
        """Return the time as a naive `datetime.datetime` in UTC, to the nearest microsecond."""
        from datetime import timedelta

        from .._epoch import EPICS_EPOCH

        return EPICS_EPOCH.replace(tzinfo=None) + timedelta(
            seconds=self.secondsSinceEpoch, microseconds=round(self.nanoSeconds / 1000)
        )

    def __repr__(self) -> str:
        return f"TimeStamp(timestamp={self.timestamp})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TimeStamp):
            return NotImplemented
        return (self.secondsSinceEpoch, self.nanoSeconds) == (
            other.secondsSinceEpoch,
            other.nanoSeconds,
        )

    def __hash__(self) -> int:
        return hash((self.secondsSinceEpoch, self.nanoSeconds))
