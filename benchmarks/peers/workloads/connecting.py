"""Connecting."""

from __future__ import annotations

from benchmarks.peers.drivers import Driver
from benchmarks.peers.measurement import Measurement, Stopwatch
from benchmarks.peers.records import scalar_names

from .channels import connected
from .checks import expect

__all__ = ["connect"]


async def connect(driver: Driver, count: int) -> Measurement:
    """Time from the names to all channels, searching included; the client connects to nothing else before."""
    names = scalar_names(count)
    driver.prepare(names)
    with Stopwatch() as watch:
        pvs = await connected(driver, names)
    for index in (0, count // 2, count - 1):
        value = driver.scalar(await driver.call(driver.read(pvs[index])))
        expect(driver, value, index)
    return Measurement([watch.seconds], watch.cpu / count)
