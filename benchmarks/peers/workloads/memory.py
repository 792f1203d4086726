"""What connections cost when nothing happens: memory and processor time."""

from __future__ import annotations

import time

from benchmarks.peers.drivers import Driver, Sink
from benchmarks.peers.measurement import Measurement, Stopwatch, resident_bytes
from benchmarks.peers.records import ARRAYS, OUTPUT, scalar_names

from .channels import connected
from .checks import WrongValue, expect

__all__ = ["idle", "memory_connected", "memory_session", "memory_subscribed"]

START = 100
"""PVs that are connected before the measurement, so that everything is loaded."""
_memory_before: list[int] = []


async def memory_connected(driver: Driver, count: int) -> Measurement:
    """Return the resident bytes per connected PV."""
    names = scalar_names(count, START)
    pv = (await connected(driver, scalar_names(START)))[7]
    expect(driver, driver.scalar(await driver.call(driver.read(pv))), 7)
    _memory_before.append(resident_bytes())
    await connected(driver, names)
    return Measurement([(resident_bytes() - _memory_before[0]) / count])


async def memory_subscribed(driver: Driver, count: int) -> Measurement:
    """Subscribe to these PVs, too, and return the resident bytes per PV; `memory_connected` comes before."""
    await _subscribe(driver, scalar_names(count, START), START)
    return Measurement([(resident_bytes() - _memory_before[0]) / count])


async def _subscribe(driver: Driver, names: list[str], first_value: int) -> None:
    """Subscribe, and check the first update of each."""
    pvs = await connected(driver, names)
    received: list[float] = []
    counter = Sink()
    counter.add_value = received.append
    counter.add_stamp = lambda stamp: None
    await driver.subscribe(pvs, [counter] * len(pvs), "plain")
    limit = time.monotonic() + 60
    while len(received) < len(pvs):
        if time.monotonic() > limit:
            raise WrongValue(f"{driver.name} got {len(received)} first updates of {len(pvs)}")
        await driver.pause(0.01)
    expect(driver, sorted(received), list(range(first_value, first_value + len(pvs))))


async def idle(driver: Driver, seconds: float) -> Measurement:
    """Let time pass while nothing changes, and return the share of a processor that this takes."""
    await driver.pause(1.0)
    with Stopwatch() as watch:
        await driver.pause(seconds)
    return Measurement([watch.cpu / watch.seconds])


async def memory_session(driver: Driver) -> Measurement:
    """Do some of everything, and return the resident bytes of the process."""
    count = 1_000
    names = scalar_names(count)
    pvs = await connected(driver, names)
    await _subscribe(driver, names, 0)
    for _ in range(10):
        values = driver.scalars(await driver.call(driver.read_many(pvs)))
        expect(driver, values, list(range(count)))
    for index in range(count):
        expect(driver, driver.scalar(await driver.call(driver.read(pvs[index]))), index)
    (output,) = await connected(driver, [OUTPUT])
    for index in range(count):
        await driver.call(driver.write(output), index)
    (array_pv,) = await connected(driver, [ARRAYS[1_000_000]])
    for _ in range(5):
        array = driver.native_array(await driver.call(driver.read(array_pv)))
        if array[-1] != 999_999:
            raise WrongValue(f"{driver.name} got an array that ends with {array[-1]}")
    return Measurement([resident_bytes()])
