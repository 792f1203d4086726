"""Writing scalars."""

from __future__ import annotations

from itertools import count as counter
from typing import Any

from benchmarks.peers.drivers import Driver
from benchmarks.peers.measurement import Measurement, Stopwatch
from benchmarks.peers.records import OUTPUT

from .channels import connected
from .checks import expect
from .reading import measure

__all__ = ["send", "write"]


async def write(driver: Driver, count: int) -> Measurement:
    """Write a value and wait until it is confirmed, again and again; each time another value."""
    (pv,) = await connected(driver, [OUTPUT])
    operation = driver.write(pv)
    numbers = counter(1)
    last = 0

    def call() -> Any:
        nonlocal last
        last = next(numbers)
        return operation(last)

    def nothing(_: Any) -> None:
        """There is nothing to take from a confirmation; a failure would have been raised."""

    result = await measure(driver, call, nothing, nothing, count)
    expect(driver, driver.scalar(await driver.call(driver.read(pv))), last)
    return result


async def send(driver: Driver, count: int) -> Measurement:
    """Write many values without waiting, and then read the last one back; the sample is writes per second."""
    (pv,) = await connected(driver, [OUTPUT])
    rates, cpu = [], 0.0
    for base in (0.25, 0.5, 0.75):
        values = [index + base for index in range(count)]
        with Stopwatch() as watch:
            await driver.send_all(pv, values)
            found = driver.scalar(await driver.call(driver.read(pv)))
        expect(driver, found, values[-1])
        rates.append(count / watch.seconds)
        cpu = watch.cpu / count
    return Measurement(rates, cpu)
