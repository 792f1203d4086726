"""The PVs of `pyepics_compat`: making them by the thousand, and what an update of the monitor takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.bench_connect import PVS
from benchmarks.micro.bench_monitor import UPDATES, report
from benchmarks.micro.bench_read import ioc
from caproto.threading.client import Context
from caproto.threading.pyepics_compat import PV
from tests.support import CIoc, write_bulk_database
from tests.support.blocking import wait_until

__all__ = ["ioc"]


def two_named(value: Any = None, timestamp: float = 0.0, **others: Any) -> None:
    """Look at what most callbacks look at; `others` is there because pyepics demands it."""


def all_looked_at(value: Any = None, timestamp: float = 0.0, **others: Any) -> None:
    """Look at everything."""
    _ = others


@pytest.mark.parametrize("callback", [None, two_named, all_looked_at])
def test_update(
    benchmark: BenchmarkFixture, ioc: CIoc, callback: Callable[..., Any] | None
) -> None:
    """Guards that updates are only kept until somebody asks, and that callbacks get no more than they look at."""
    os.environ.update(ioc.client_env())
    with Context(timeout=10) as ctx:
        pv = PV("bench:ao", callback=callback, context=ctx)
        pv.get()
        wait_until(lambda: pv._newest is not None)
        sub = pv._auto_monitor_sub._subscription._sub
        work, head, payload = sub.work, sub.recent_head, sub.recent_payload

        def updates() -> None:
            for _ in range(UPDATES):
                work(head, payload)

        benchmark(updates)
    report(benchmark, UPDATES)


@pytest.mark.parametrize("auto_monitor", [False, None])
def test_connect_one_by_one(
    benchmark: BenchmarkFixture, tmp_path: Path, auto_monitor: bool | None
) -> None:
    """Guards that making a PV waits for nothing, and that the loop wakes no worker thread for each."""
    names = write_bulk_database(tmp_path / "bulk.db", PVS)

    def connect() -> None:
        with Context(timeout=30) as ctx:
            pvs = [PV(name, auto_monitor=auto_monitor, context=ctx) for name in names]
            assert all(pv.wait_for_connection(timeout=30) for pv in pvs)

    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(everywhere)})
    try:
        with (
            CIoc(tmp_path / "bulk.db", folder=tmp_path) as ioc,
            pytest.MonkeyPatch.context() as patch,
        ):
            for name, value in ioc.client_env().items():
                patch.setenv(name, value)
            benchmark(connect)
    finally:
        os.sched_setaffinity(0, everywhere)
    report(benchmark, PVS)
