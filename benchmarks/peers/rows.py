"""The rows of the table: what is measured, how much of it, and what ours has to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.target import ASYNCIO_PEERS, Target
from benchmarks.peers.unit import (
    BANDWIDTH,
    BANDWIDTH_OF_A_MILLION,
    KILOBYTES,
    MEGABYTES,
    MICROSECONDS,
    MILLISECONDS,
    PERCENT,
    RATE,
    TIMES,
    Unit,
)

__all__ = ["CLIENTS", "LABELS", "OURS", "ROWS", "Row", "row_of"]

CLIENTS = (
    "floor",
    "ours",
    "ours-uvloop",
    "ours-threading",
    "ours-pyepics",
    "caproto",
    "aioca",
    "pyepics",
    "pyepics-pv",
    "repics",
    "repics-asyncio",
)
OURS = ("ours", "ours-uvloop")
LABELS = {
    "ours": "**ours**",
    "ours-uvloop": "**ours, uvloop**",
    "ours-threading": "ours, threading",
    "ours-pyepics": "ours, pyepics_compat",
    "caproto": "caproto 1.3",
    "pyepics-pv": "pyepics, PV",
    "repics-asyncio": "repics asyncio",
}
"""Headings of the columns, where they are not the names."""


AHEAD = Target("ahead of all", times_best=1.0)
ROUND_TRIP = Target(
    "≤ 1.5 × floor, ahead of every asyncio client; with uvloop ahead of all; p99 ≤ 30 µs",
    times_best=1.0,
    rivals=ASYNCIO_PEERS,
    uvloop_times_best=1.0,
    of_floor=1 / 1.5,
    p99=30.0,
)
AHEAD_OF_ALL_BLOCKING = ("pyepics", "pyepics-pv", "repics")
BULK = Target("≥ 4 × faster than the best", times_best=4.0, blocking_rivals=AHEAD_OF_ALL_BLOCKING)
INLINE = Target(
    "nothing lost, ≥ 600 k/s, ≤ 1.5 µs CPU per update",
    limit=600.0,
    cpu=1.5e-6,
    lossless=True,
    blocking_rivals=AHEAD_OF_ALL_BLOCKING,
)
THREADED = Target(
    "nothing lost, ≤ 2.2 µs CPU per update",
    cpu=2.2e-6,
    lossless=True,
    blocking_rivals=AHEAD_OF_ALL_BLOCKING,
)
LOSSLESS = Target(
    "nothing lost, ahead of all",
    times_best=1.0,
    lossless=True,
    blocking_rivals=AHEAD_OF_ALL_BLOCKING,
)
NO_TARGET = Target()


@dataclass(frozen=True)
class Row:
    """One row.

    Parameters
    ----------
    key : str
        Name on the command line.
    title : str
    unit : Unit
    process : str
        Rows with the same one are measured in one process, in order.
    workload : str
        A key of `benchmarks.peers.workloads.WORKLOADS`; empty for what the runner itself measures.
    arguments, quick : mapping
        For the workload; `quick` is what differs in the quick run, or None if it leaves this row out.
    too_slow : tuple of str
        Clients that the quick run leaves out.
    mode : str
        How the client is opened.
    clients : tuple of str
        Who is measured.
    target : Target
    both_pinnings : bool
        Whether it matters on which processors client and server run.
    same_as : str
        Row from which those are taken that have no other way to do this.
    rounds : int or None
        Most rounds that are worth while.
    """

    key: str
    title: str
    unit: Unit
    process: str
    workload: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] | None = field(default_factory=dict)
    too_slow: tuple[str, ...] = ()
    mode: str = "plain"
    clients: tuple[str, ...] = CLIENTS
    target: Target = AHEAD
    both_pinnings: bool = True
    same_as: str = ""
    rounds: int | None = None

    def takes_part(self, client: str, quick: bool) -> bool:
        """Tell whether a client is measured."""
        left_out = quick and (self.quick is None or client in self.too_slow)
        return client in self.clients and not left_out

    def takes_turn(self, client: str, turn: int) -> bool:
        """Tell whether a client is measured in this round: one that is ten times slower only in the first."""
        rounds = 1 if client in SLOW else self.rounds
        return rounds is None or turn < rounds

    def task(self, quick: bool) -> dict[str, Any]:
        """Return what the client's process is told."""
        arguments = {**self.arguments, **((self.quick or {}) if quick else {})}
        return {"row": self.key, "workload": self.workload, "arguments": arguments}


NOT_THE_FLOOR = CLIENTS[1:]
SLOW = ("caproto",)


def _blast(
    pvs: int,
    mode: str,
    title: str,
    target: Target,
    clients: tuple[str, ...] = CLIENTS,
    same_as: str = "",
    kind: str = "scalar",
) -> Row:
    """Return a row of the firehose."""
    array = kind == "array"
    in_quick = array or pvs == 100 or (pvs == 1 and mode == "plain")
    return Row(
        key=f"monitor-{mode}" + ("" if array else f"-{pvs}"),
        title=title,
        unit=BANDWIDTH if array else RATE,
        process=f"monitor-{mode}-{pvs}",
        workload="blast",
        arguments={
            "kind": kind,
            "pvs": pvs,
            "updates": 8_000 if array else 1_000_000,
            "mode": mode,
            "seconds": 4.0,
        },
        quick={"updates": 2_000 if array else 200_000, "seconds": 1.5} if in_quick else None,
        too_slow=SLOW,
        mode=mode,
        clients=clients,
        target=target,
        same_as=same_as,
        rounds=3,
    )


COROUTINES = ("ours", "ours-uvloop", "caproto", "aioca", "repics-asyncio")

ROWS: tuple[Row, ...] = (
    Row("start", "cold start: process start, import, first value", MILLISECONDS, "start", ""),
    Row(
        "connect-1000",
        "connect 1,000 PVs",
        MILLISECONDS,
        "connect-1000",
        "connect",
        {"count": 1_000},
    ),
    Row(
        "connect-10000",
        "connect 10,000 PVs",
        MILLISECONDS,
        "connect-10000",
        "connect",
        {"count": 10_000},
        too_slow=SLOW,
        rounds=3,
    ),
    Row(
        "memory-pv",
        "memory per connected PV, of 10,000",
        KILOBYTES,
        "memory",
        "memory_connected",
        {"count": 10_000},
        clients=NOT_THE_FLOOR,
        target=Target("≤ 2.5 KB", limit=2.5),
        both_pinnings=False,
        rounds=2,
        too_slow=SLOW,
    ),
    Row(
        "memory-subscription",
        "the same with a subscription",
        KILOBYTES,
        "memory",
        "memory_subscribed",
        {"count": 10_000},
        clients=NOT_THE_FLOOR,
        target=Target("≤ 4 KB", limit=4.0),
        both_pinnings=False,
        rounds=2,
        too_slow=SLOW,
    ),
    Row(
        "read",
        "`read()` one scalar, plain",
        MICROSECONDS,
        "scalar",
        "read",
        {"form": "plain", "count": 3_000},
        {"count": 1_000},
        target=ROUND_TRIP,
    ),
    Row(
        "read-time",
        "`read()` one scalar, with time",
        MICROSECONDS,
        "scalar",
        "read",
        {"form": "time", "count": 3_000},
        {"count": 1_000},
        target=ROUND_TRIP,
    ),
    Row(
        "gather-100",
        "100 PVs by `gather(read())`",
        MICROSECONDS,
        "scalar",
        "gather",
        {"pvs": 100, "count": 300},
        {"count": 50},
    ),
    Row(
        "many-100",
        "100 PVs in one call",
        MICROSECONDS,
        "scalar",
        "read_many",
        {"pvs": 100, "count": 300},
        {"count": 50},
        target=BULK,
    ),
    Row(
        "many-10000",
        "10,000 PVs in one call",
        MILLISECONDS,
        "connect-10000",
        "read_many",
        {"pvs": 10_000, "count": 5},
        {"count": 2},
        target=BULK,
        too_slow=SLOW,
        rounds=3,
    ),
    Row(
        "write",
        "write and wait",
        MICROSECONDS,
        "scalar",
        "write",
        {"count": 3_000},
        {"count": 1_000},
        target=ROUND_TRIP,
    ),
    Row(
        "send-10000",
        "write without waiting, 10,000 confirmed by one read",
        RATE,
        "scalar",
        "send",
        {"count": 10_000},
        target=Target("≥ 1.5 × the best", times_best=1.5),
    ),
    Row(
        "array-10000",
        "array of 10,000 doubles, native `.value` used",
        MICROSECONDS,
        "array-10000",
        "read_array",
        {"length": 10_000, "kind": "value", "count": 500},
        {"count": 200},
    ),
    Row(
        "memcpy-10000",
        "a memcpy of as many bytes",
        MICROSECONDS,
        "array-10000",
        "memcpy",
        {"length": 10_000, "count": 500},
        {"count": 200},
        clients=("floor",),
        target=NO_TARGET,
    ),
    Row(
        "array-million",
        "array of 1,000,000 doubles, native `.value` used",
        BANDWIDTH_OF_A_MILLION,
        "array-million",
        "read_array",
        {"length": 1_000_000, "kind": "value", "count": 30},
        {"count": 10},
    ),
    Row(
        "array-million-data",
        "the same, `.data` used",
        BANDWIDTH_OF_A_MILLION,
        "array-million",
        "read_array",
        {"length": 1_000_000, "kind": "data", "count": 30},
        {"count": 10},
        target=Target("ahead of all, ≥ 0.75 × floor", times_best=1.0, of_floor=0.75),
    ),
    Row(
        "memcpy-million",
        "a memcpy of as many bytes",
        BANDWIDTH_OF_A_MILLION,
        "array-million",
        "memcpy",
        {"length": 1_000_000, "count": 30},
        clients=("floor",),
        target=NO_TARGET,
    ),
    *(
        _blast(
            pvs,
            "plain",
            f"monitor firehose, {pvs:,} PV{'s' * (pvs > 1)}, plain callback (ours inline)",
            INLINE,
        )
        for pvs in (1, 100, 1_000)
    ),
    *(
        _blast(
            pvs,
            "thread",
            f"the same, {pvs:,} PV{'s' * (pvs > 1)}, callback in a worker thread",
            THREADED,
            OURS,
            f"monitor-plain-{pvs}",
        )
        for pvs in (1, 100, 1_000)
    ),
    _blast(
        100,
        "coroutine",
        "the same, 100 PVs, coroutine callback",
        LOSSLESS,
        COROUTINES,
    ),
    _blast(
        100,
        "iterate",
        "the same, 100 PVs, `async for`",
        LOSSLESS,
        ("ours", "ours-uvloop", "caproto"),
        "monitor-coroutine-100",
    ),
    _blast(1, "array", "monitor firehose, arrays of 10,000 doubles", LOSSLESS, kind="array"),
    Row(
        "memory-session",
        "memory of a mixed session",
        MEGABYTES,
        "session",
        "memory_session",
        clients=NOT_THE_FLOOR,
        target=Target("≤ 60 MB", limit=60.0),
        both_pinnings=False,
        rounds=2,
    ),
    Row(
        "idle",
        "idle: 10,000 subscribed PVs, nothing changing",
        PERCENT,
        "memory",
        "idle",
        {"seconds": 20.0},
        {"seconds": 2.0},
        clients=NOT_THE_FLOOR,
        target=Target("< 0.1 % CPU", limit=0.1),
        both_pinnings=False,
        rounds=1,
        too_slow=SLOW,
    ),
    Row(
        "loaded",
        "200 PVs at 1 kHz each: p99 of an unrelated `read()`, loaded to unloaded",
        TIMES,
        "loaded",
        "read_loaded",
        {"pvs": 200, "updates": 1_200_000, "count": 2_000},
        {"updates": 200_000, "count": 300},
        target=Target("≤ 5", limit=5.0),
        rounds=3,
        too_slow=SLOW,
    ),
)


def row_of(key: str) -> Row:
    """Return the row of that name.

    Raises
    ------
    KeyError
    """
    for row in ROWS:
        if row.key == key:
            return row
    raise KeyError(key)
