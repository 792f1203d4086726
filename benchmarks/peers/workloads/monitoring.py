"""Monitoring the firehose."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.drivers import Driver, Sink
from benchmarks.peers.hose_plan import ARRAY_LENGTH, HosePlan
from benchmarks.peers.measurement import Measurement

from .channels import connected
from .checks import WrongValue

__all__ = ["blast"]

POLL = 0.004
QUIET = 0.7
"""After so many seconds without an update, nothing more comes."""


async def blast(
    driver: Driver, kind: str, pvs: int, updates: int, mode: str, seconds: float
) -> Measurement:
    """Take a blast of updates, for at most so many seconds; the sample is updates (or bytes) per second.

    Every value is checked when it is over, and every time, too.
    """
    plan = HosePlan(kind, updates, pvs)
    channels = await connected(driver, plan.names)
    sinks = [Sink() for _ in channels]
    await driver.subscribe(channels, sinks, mode)
    first, last, stopped = await _watch(driver, sinks, updates, seconds)
    missing, overtaken = _check(driver, plan, sinks)
    lost = missing if stopped else updates - last[0]
    count, elapsed, cpu = (after - before for before, after in zip(first, last, strict=True))
    if not count:
        raise WrongValue(f"{driver.name} got no updates")
    rate = count / elapsed * (8 * ARRAY_LENGTH if kind == "array" else 1)
    notes = {"prefix": plan.prefix, "stopped": stopped, "overtaken": overtaken}
    return Measurement([rate], cpu / count, last[0], lost, notes)


Mark = tuple[int, float, float]


async def _watch(
    driver: Driver, sinks: Sequence[Sink], updates: int, seconds: float
) -> tuple[Mark, Mark, bool]:
    """Return number, time and processor time at the first and at the last update, and whether time was over.

    These are looked at every few milliseconds: the callback shall do nothing but look at its update.
    """
    start: Any = None
    limit = time.perf_counter() + seconds + 5
    latest: Mark = (0, time.perf_counter(), time.process_time())
    begin = latest
    while True:
        await driver.pause(POLL)
        count = sum([len(sink.stamps) for sink in sinks])
        now = time.perf_counter()
        if count > latest[0]:
            latest = (count, now, time.process_time())
            if start is None:
                start = latest if count < updates // 2 else begin
                limit = now + seconds
        if count >= updates or (start is not None and now > latest[1] + QUIET):
            return start, latest, False
        if now > limit:
            return start or begin, latest, True


def _check(driver: Driver, plan: HosePlan, sinks: Sequence[Sink]) -> tuple[int, int]:
    """Check every value and every time; return how many are missing, and how many came out of order."""
    missing = overtaken = 0
    for index, sink in enumerate(sinks):
        # While it goes on, a value may be there and its time not yet.
        count = len(sink.stamps)
        values = sink.values[:count]
        lost, disordered = plan.missing(index, values)
        missing += lost
        overtaken += disordered
        if plan.kind == "array":
            if values != sink.stamps[:count]:
                raise WrongValue(f"{driver.name} got an array of which first and last differ")
        else:
            plan.check_stamps(values, sink.stamps[:count])
    return missing, overtaken
