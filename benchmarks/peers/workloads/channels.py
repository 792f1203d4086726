"""The connected PVs of a process, which its workloads share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.peers.drivers import Driver

__all__ = ["connected"]


async def connected(driver: Driver, names: Sequence[str]) -> list[Any]:
    """Return the PVs, connecting to those that are not connected yet."""
    new = [name for name in names if name not in driver.known]
    if new:
        driver.known.update(zip(new, await driver.connect(new), strict=True))
    return [driver.known[name] for name in names]
