"""Reading scalars: one, many at once, and one while much else goes on."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from benchmarks.peers.drivers import Driver, Sink
from benchmarks.peers.hose_plan import HosePlan
from benchmarks.peers.measurement import Measurement, Stopwatch
from benchmarks.peers.records import scalar_names

from .channels import connected
from .checks import WrongValue, expect, expect_recent

__all__ = ["gather", "read", "read_loaded", "read_many"]

INDEX = 7
"""Of the record that single reads read; also its value."""
LONGEST = 6.0
"""Seconds for the reads with and without load each; a client that is overrun does fewer in that time."""
WARM_UP = 0.1
"""How much of the operations is done before the measurement, at least 3."""


async def measure(driver: Driver, call: Any, take: Any, check: Any, count: int) -> Measurement:
    """Time an operation `count` times, after a warm-up."""
    await driver.time(call, take, check, max(3, int(count * WARM_UP)))
    with Stopwatch() as watch:
        times = await driver.time(call, take, check, count)
    return Measurement(times, watch.cpu / count)


async def read(driver: Driver, form: str, count: int) -> Measurement:
    """Read one scalar, plain or with time, again and again."""
    (pv,) = await connected(driver, [scalar_names(1, INDEX)[0]])
    call = driver.read(pv, form)
    if form == "plain":
        return await measure(driver, call, driver.scalar, _expecting(driver), count)

    def check(taken: tuple[Any, float]) -> None:
        expect(driver, taken[0], INDEX)
        expect_recent(driver, taken[1:])

    return await measure(driver, call, driver.stamped, check, count)


def _expecting(driver: Driver) -> Any:
    if driver.name == "floor":
        return lambda value: None

    def check(value: Any) -> None:
        if value != INDEX:
            raise WrongValue(f"{driver.name} got {value!r}, not {INDEX}")

    return check


async def gather(driver: Driver, pvs: int, count: int) -> Measurement:
    """Read many PVs by concurrent calls."""
    channels = await connected(driver, scalar_names(pvs))
    call = driver.gather(channels)
    return await measure(driver, call, driver.scalars, _all_expected(driver, pvs), count)


async def read_many(driver: Driver, pvs: int, count: int) -> Measurement:
    """Read many PVs in one call."""
    channels = await connected(driver, scalar_names(pvs))
    call = driver.read_many(channels)
    return await measure(driver, call, driver.scalars, _all_expected(driver, pvs), count)


def _all_expected(driver: Driver, pvs: int) -> Any:
    wanted = list(range(pvs))
    return lambda values: expect(driver, values, wanted)


async def read_loaded(
    driver: Driver, pvs: int, updates: int, count: int, mode: str = "plain"
) -> Measurement:
    """Compare the 99th percentile of a read without and with updates of other PVs, each at most 1 kHz.

    The sample is the ratio. A pause before each read spreads them over time.
    """
    plan = HosePlan("paced", updates, pvs)
    (pv,) = await connected(driver, [scalar_names(1, INDEX)[0]])
    channels = await connected(driver, plan.names)
    call, check = driver.read(pv), _expecting(driver)
    await driver.time(call, driver.scalar, check, 100)
    alone = await _spread_reads(driver, call, check, count)
    sinks = [Sink() for _ in channels]
    await driver.subscribe(channels, sinks, mode)
    while not sinks[-1].values:
        await driver.pause(0.001)
    before = sum(len(sink.values) for sink in sinks)
    with Stopwatch() as watch:
        loaded = await _spread_reads(driver, call, check, count)
    received = sum(len(sink.values) for sink in sinks) - before
    lost = sum(plan.missing(index, sink.values)[0] for index, sink in enumerate(sinks))
    notes = {
        "p99_alone": percentile(alone, 99),
        "p99_loaded": percentile(loaded, 99),
        "median_alone": percentile(alone, 50),
        "median_loaded": percentile(loaded, 50),
        "updates_per_second": received / watch.seconds,
        "cpu_load": watch.cpu / watch.seconds,
    }
    ratio = notes["p99_loaded"] / notes["p99_alone"]
    return Measurement([ratio], received=received, lost=lost, notes=notes)


async def _spread_reads(driver: Driver, call: Any, check: Any, count: int) -> list[float]:
    times: list[float] = []
    limit = perf_counter() + LONGEST
    while len(times) < count and perf_counter() < limit:
        await driver.pause(0.001)
        times += await driver.time(call, driver.scalar, check, 1)
    return times


def percentile(samples: list[float], percent: float) -> float:
    """Return the sample that so many percent of all do not exceed."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
