"""Round trips of the blocking clients to the real C IOC."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.bench_monitor import report
from benchmarks.micro.bench_read import ioc
from caproto.sync import client as sync_client
from caproto.threading.client import Context
from tests.support import CIoc

__all__ = ["ioc"]

CALLS = 500


def _measure(benchmark: BenchmarkFixture, call: Callable[[], Any]) -> None:
    def calls() -> None:
        for _ in range(CALLS):
            call()

    benchmark(calls)
    report(benchmark, CALLS)


@pytest.mark.parametrize("verb", ["read", "write"])
def test_threading_round_trip(benchmark: BenchmarkFixture, ioc: CIoc, verb: str) -> None:
    """Guards the hand-over to the background loop: the target is 100 us, twice the asyncio client's."""
    os.environ.update(ioc.client_env())
    with Context(timeout=10) as ctx:
        (pv,) = ctx.get_pvs("bench:ao")
        pv.wait_for_connection()
        _measure(benchmark, pv.read if verb == "read" else lambda: pv.write(1.5))


def test_sync_round_trip(benchmark: BenchmarkFixture, ioc: CIoc) -> None:
    """Guards that the one-shot `read` neither searches nor connects the second time."""
    os.environ.update(ioc.client_env())
    sync_client.read("bench:ao", timeout=10)
    _measure(benchmark, lambda: sync_client.read("bench:ao"))
    sync_client.disconnect()
