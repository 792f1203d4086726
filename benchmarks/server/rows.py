"""The rows of the table: what is measured, for how long, and what ours has to show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.measurement import Measurement
from benchmarks.peers.unit import KILOBYTES, MILLISECONDS, RATE, Unit
from benchmarks.server import workloads
from tests.support import Ioc

__all__ = ["MEMORY_ROWS", "ROWS", "TIMES_C", "TIMES_ORIGINAL", "Row", "TimedRow"]

TIMES_ORIGINAL = 10.0
"""So many times better than the original has ours to be, in every row."""
TIMES_C = {"read": 0.3, "read-single": 0.3, "monitor-1": 0.5, "monitor-100": 0.5}
"""The same against the C IOC, by row."""


@dataclass(frozen=True)
class Row:
    """One row.

    Parameters
    ----------
    key : str
        Name on the command line.
    title : str
    unit : Unit
    """

    key: str
    title: str
    unit: Unit


@dataclass(frozen=True)
class TimedRow(Row):
    """A row that is measured in rounds.

    Parameters
    ----------
    workload : callable
        ``workload(ioc, seconds, **arguments)``.
    arguments : dict
    rounds : int or None
        Most rounds that are worth while.
    """

    workload: Callable[..., Measurement]
    arguments: dict[str, Any] = field(default_factory=dict)
    rounds: int | None = None

    def measure(self, ioc: Ioc, seconds: float) -> Measurement:
        """Measure a server that runs."""
        return self.workload(ioc, seconds, **self.arguments)


ROWS: tuple[TimedRow, ...] = (
    TimedRow("read", "reads, 100 sent together", RATE, workloads.read, {"together": 100}),
    TimedRow("read-single", "reads, one at a time", RATE, workloads.read, {"together": 1}),
    TimedRow(
        "write", "confirmed writes, 100 sent together", RATE, workloads.write, {"together": 100}
    ),
    TimedRow(
        "write-single", "confirmed writes, one at a time", RATE, workloads.write, {"together": 1}
    ),
    TimedRow(
        "monitor-1",
        "monitor updates of 100 PVs to 1 client",
        RATE,
        workloads.fan_out,
        {"clients": 1},
    ),
    TimedRow(
        "monitor-100",
        "monitor updates of 10 PVs to 100 clients",
        RATE,
        workloads.fan_out,
        {"clients": 100},
    ),
    TimedRow(
        "connect",
        "connecting 10,000 channels, search included",
        MILLISECONDS,
        workloads.connect,
        rounds=3,
    ),
)
MEMORY_PV = Row("memory-pv", "memory per PV, of 10,000", KILOBYTES)
MEMORY_CHANNEL = Row("memory-channel", "more for a channel with a subscription", KILOBYTES)
MEMORY_ROWS = (MEMORY_PV, MEMORY_CHANNEL)
