"""Connecting many PVs of the real C IOC."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.bench_monitor import report
from caproto.asyncio.client import Context
from tests.support import CIoc, write_bulk_database

PVS = 2_000


def test_connect_many_pvs(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Guards the packed searches, the joined CREATE_CHANs, the one wait for all, and the pauses of the garbage collector."""
    names = write_bulk_database(tmp_path / "bulk.db", PVS)

    async def connect() -> None:
        async with Context(timeout=30) as ctx:
            pvs = await ctx.get_pvs(*names)
            errors = await ctx.wait_for_connections(*pvs)
            assert not any(errors.values())

    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(everywhere)})
    try:
        with (
            CIoc(tmp_path / "bulk.db", folder=tmp_path) as ioc,
            pytest.MonkeyPatch.context() as patch,
        ):
            for name, value in ioc.client_env().items():
                patch.setenv(name, value)
            benchmark(lambda: asyncio.run(connect()))
    finally:
        os.sched_setaffinity(0, everywhere)
    report(benchmark, PVS)
