"""Whether a client gave what the servers sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.drivers import Driver

__all__ = ["WrongValue", "expect", "expect_recent"]

BOOT_TIME = 7 * 86_400.0
"""No server of the benchmark runs for longer, in seconds."""


class WrongValue(Exception):
    """A client gave another value than the server sent."""


def expect(driver: Driver, found: Any, wanted: Any) -> None:
    """Compare, unless it is the floor, which does not look."""
    if driver.name != "floor" and found != wanted:
        raise WrongValue(f"{driver.name} got {found!r:.200}, not {wanted!r:.200}")


def expect_recent(driver: Driver, stamps: Sequence[float]) -> None:
    """Check that the times lie between the start of the IOC and now."""
    now = time.time()
    for stamp in stamps:
        if driver.name != "floor" and not now - BOOT_TIME < stamp <= now + 1:
            raise WrongValue(f"{driver.name} got the time {stamp!r}, and now it is {now!r}")
