"""From received bytes to a user's callback: the path of every monitor update."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.loopback import connected_circuit
from caproto._protocol.messages import EventAddResponse

UPDATES = 5_000
CHUNK = 32 * 1024  # what is received at once where messages are short


def stream_of_updates(subscriptionid: int) -> list[bytes]:
    """Return the bytes of `UPDATES` time-stamped doubles, in chunks as a socket gives them."""
    update = bytes(EventAddResponse([1.5], 20, 1, 1, subscriptionid, metadata={"timestamp": 1.7e9}))
    stream = update * UPDATES
    return [stream[i : i + CHUNK] for i in range(0, len(stream), CHUNK)]


def look(sub: Any, response: Any) -> None:
    """Do what a user's callback does."""
    _ = response.value


def nothing(sub: Any, response: Any) -> None:
    """Only be called."""


def look_at_time(sub: Any, response: Any) -> None:
    """Look at value and time, as in a log of what happened when."""
    _ = response.value, response.metadata.timestamp


@pytest.mark.parametrize("callback", [nothing, look, look_at_time])
def test_update_to_inline_callback(
    benchmark: BenchmarkFixture, callback: Callable[[Any, Any], None]
) -> None:
    """Guards the slotted messages, the walk by offset and the dispatch: the target is 1.0 us."""

    async def run() -> None:
        async with connected_circuit(max_workers=0) as (pv, circuit):
            sub = pv.subscribe(data_type="time")
            sub.add_callback(callback)
            chunks = stream_of_updates(sub.subscriptionid or 0)

            def feed() -> None:
                for chunk in chunks:
                    circuit.feed(chunk, 0.0)

            benchmark(feed)

    asyncio.run(run())
    report(benchmark, UPDATES)


def test_update_through_worker_thread(benchmark: BenchmarkFixture) -> None:
    """Guards the hand-over per chunk: until the thread has worked all updates off."""

    async def run() -> None:
        async with connected_circuit(max_workers=1) as (pv, circuit):
            sub = pv.subscribe(data_type="time")
            seen = [0]

            def count(sub: Any, response: Any) -> None:
                _ = response.value
                seen[0] += 1

            sub.add_callback(count)
            chunks = stream_of_updates(sub.subscriptionid or 0)

            def feed() -> None:
                target = seen[0] + UPDATES
                for chunk in chunks:
                    circuit.feed(chunk, 0.0)
                while seen[0] < target:
                    time.sleep(0)  # let the thread have the interpreter

            benchmark(feed)

    asyncio.run(run())
    report(benchmark, UPDATES)


def report(benchmark: BenchmarkFixture, operations: int) -> None:
    """Add the time per operation to the report."""
    if benchmark.stats is not None:
        benchmark.extra_info["us_per_operation"] = benchmark.stats["median"] / operations * 1e6
        print(
            f"\n{benchmark.name}: {benchmark.extra_info['us_per_operation']:.3f} us per operation"
        )
