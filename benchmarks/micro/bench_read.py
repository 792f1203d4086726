"""Round trips to the real C IOC."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.bench_monitor import report
from caproto.asyncio.client import PV, Context
from tests.support import CIoc, write_bulk_database

READS = 1_000
PVS = 1_000
DATABASE = 'record(ao, "bench:ao") { field(VAL, "1.5") field(PINI, "YES") }\n'


@pytest.fixture(scope="module")
def ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    """Run a C IOC, on the processor that the client runs on, too.

    On different processors a round trip takes 20 or 70 us, as the kernel's wake-ups will have it.
    """
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(everywhere)})
    folder: Path = tmp_path_factory.mktemp("ioc")
    database = folder / "bench.db"
    database.write_text(DATABASE)
    write_bulk_database(folder / "bulk.db", PVS)
    with CIoc(database, folder / "bulk.db", folder=folder) as ioc:
        yield ioc
    os.sched_setaffinity(0, everywhere)


@pytest.mark.parametrize("data_type", ["native", "time"])
def test_read_round_trip(benchmark: BenchmarkFixture, ioc: CIoc, data_type: str) -> None:
    """Guards the path of `PV.read`: the target is 45 us."""
    os.environ.update(ioc.client_env())

    async def reads(pv: PV) -> None:
        for _ in range(READS):
            await pv.read(data_type=data_type)

    loop = asyncio.new_event_loop()
    run = loop.run_until_complete
    context = run(_context())
    (pv,) = run(context.get_pvs("bench:ao"))
    run(pv.wait_for_connection(timeout=10))
    benchmark(lambda: run(reads(pv)))
    run(context.disconnect())
    loop.close()
    report(benchmark, READS)


def test_read_many(benchmark: BenchmarkFixture, ioc: CIoc) -> None:
    """Guards the path of `Context.read_many`: no object per PV on the way out, one look at each kind of PV."""
    os.environ.update(ioc.client_env())
    loop = asyncio.new_event_loop()
    run = loop.run_until_complete
    context = run(_context())
    pvs = run(context.get_pvs(*(f"bulk:{index}" for index in range(PVS))))
    assert not any(run(context.wait_for_connections(*pvs, timeout=20)).values())
    answers = benchmark(lambda: run(context.read_many(pvs)))
    assert [answer.value for answer in answers[:3]] == [0, 1, 2]
    run(context.disconnect())
    loop.close()
    report(benchmark, PVS)


async def _context() -> Context:
    return Context()
