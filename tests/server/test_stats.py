"""PVs that tell how the IOC itself is."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import caproto
from caproto.server import PVGroup, SubGroup, process_readings
from caproto.server.autosave import AutosaveHelper, RotatingFileManager
from caproto.server.process_readings import ProcessReadings
from caproto.server.stats import (
    BasicStatusHelper,
    MemoryTracingHelper,
    PeriodicStatusHelper,
    StatusHelper,
    get_source_file,
    get_top_allocation_info,
)
from tests.asyncio.raw_client import RawClient, serving
from tests.conftest import Loopback
from tests.support import Program, python_command

BASIC = [
    *("PROCESS_ID", "PARENT_ID", "CPU_CNT", "KERNEL_VERS", "EPICS_VERSION", "ENGINEER", "LOCATION"),
    *("HOSTNAME", "APP_DIR", "SOURCE_FILE", "SYSRESET"),
]
PERIODIC = [
    *("ACCESS", "STARTTOD", "TOD", "HEARTBEAT", "START_CNT", "CA_CLNT_CNT", "CA_CONN_CNT"),
    *("RECORD_CNT", "FD_MAX", "FD_CNT", "FD_FREE", "SYS_CPU_LOAD", "IOC_CPU_LOAD"),
    *("SUSP_TASK_CNT", "MEM_USED", "MEM_FREE", "MEM_MAX", "UPTIME", "NumThreads", "UPD_TIME"),
]


class Ioc(PVGroup):
    stats = SubGroup(StatusHelper, prefix="S:")


async def changed(pv: Any, unlike: Any) -> Any:
    """Wait until a PV has another value than the one given; return it."""
    while pv.value == unlike:  # noqa: ASYNC110 -- a value has no event
        await asyncio.sleep(0.005)
    return pv.value


def test_the_pvs_are_those_of_the_original() -> None:
    assert list(BasicStatusHelper("").pvdb) == BASIC
    assert list(PeriodicStatusHelper("").pvdb) == PERIODIC
    assert list(StatusHelper("p:").pvdb) == [f"p:{name}" for name in BASIC + PERIODIC]
    assert list(MemoryTracingHelper("").pvdb) == [
        *("EnableTracing", "TraceDiffResults", "TraceTopAllocations", "TraceCount")
    ]


async def test_what_stays_as_it_is_is_filled_in_on_start(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINEER", "J. Doe" * 10)
    monkeypatch.setenv("LOCATION", "hutch 2")
    basic = Ioc("p:").stats.basic
    async with serving(basic.parent.parent.pvdb):
        await changed(basic.source_filename, "")
    assert basic.process_id.value == os.getpid()
    assert basic.parent_pid.value == os.getppid()
    assert basic.cpu_count.value == os.cpu_count()
    assert basic.kernel_version.value == platform.version()
    assert basic.version.value == f"{caproto.__version__} on {sys.version}"
    assert basic.engineer.value == ("J. Doe" * 10)[:40]
    assert basic.location.value == "hutch 2"
    assert basic.hostname.value == platform.node()
    assert basic.source_filename.value == __file__


@pytest.fixture(params=["psutil", "Linux"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the readings come from."""
    if request.param == "Linux":
        if not os.path.exists("/proc/self/statm"):
            pytest.skip("this system has no /proc")
        monkeypatch.setattr(process_readings, "psutil", None)
    elif process_readings.psutil is None:
        pytest.skip("psutil is not installed: pip install psutil")
    return str(request.param)


def test_readings_are_plausible(source: str) -> None:
    readings = ProcessReadings()
    assert readings.complete
    used, free, total = readings.memory()
    assert 5_000 < used < total
    assert used + free < 2 * total
    most, count = readings.file_descriptors()
    assert 3 <= count < most
    assert readings.threads() >= 1
    for load in readings.cpu_load():
        assert 0.0 <= load <= 100.0


async def test_the_rest_is_renewed(loopback: Loopback, source: str) -> None:
    periodic = Ioc("p:").stats.periodic
    async with serving(periodic.parent.parent.pvdb) as context:
        assert await changed(periodic.record_count, 0) == len(BASIC) + len(PERIODIC)
        assert context.port is not None
        client = await RawClient.connect(context.port)
        await client.create("p:S:TOD")
        await client.create("p:S:ACCESS")
        # Which renews the rest at once.
        await periodic.update_period.write(1.0)
        assert await changed(periodic.ca_client_count, 0) == 1
        assert periodic.ca_connection_count.value == 2
        await client.close()
        assert periodic.fd_free.value == periodic.fd_max.value - periodic.fd_count.value
        assert periodic.mem_used.value > 0
        assert periodic.start_tod.value <= periodic.time_of_day.value
        beats = periodic.heartbeat.value
        assert await changed(periodic.heartbeat, beats) == beats + 1
        with pytest.raises(caproto.CaprotoValueError, match="limits"):
            await periodic.update_period.write(0.5)


async def test_without_psutil_and_proc_the_reason_is_said(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_readings, "psutil", None)
    monkeypatch.setattr(process_readings, "resource", None)

    def nothing(*args: Any) -> Any:
        raise OSError("not on this system")

    monkeypatch.setattr(process_readings, "open", nothing, raising=False)
    monkeypatch.setattr("os.listdir", nothing)
    monkeypatch.setattr("os.path.exists", lambda path: False)
    periodic = Ioc("p:").stats.periodic
    async with serving(periodic.parent.parent.pvdb):
        await changed(periodic.num_threads, 0)
    assert "pip install psutil" in caplog.text
    assert periodic.mem_used.value == periodic.fd_max.value == periodic.fd_count.value == 0
    assert "Traceback" not in caplog.text


async def test_starts_are_counted_with_autosave(loopback: Loopback, tmp_path: Path) -> None:
    class Counting(PVGroup):
        stats = SubGroup(PeriodicStatusHelper, prefix="S:")
        autosave = SubGroup(
            AutosaveHelper, file_manager=RotatingFileManager(tmp_path / "counts.json")
        )

    for count in (1, 2, 3):
        group = Counting("p:")
        async with serving(group.pvdb):
            while group.stats.start_count.value != count:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


RESET = """
import sys
from caproto.server import PVGroup, SubGroup, run
from caproto.server.stats import StatusHelper

class Ioc(PVGroup):
    stats = SubGroup(StatusHelper, prefix="")

async def reset(async_lib):
    await ioc.stats.basic.sysreset.write(0)
    print("still there", flush=True)
    await ioc.stats.basic.sysreset.write(1)

ioc = Ioc("p:")
run(ioc.pvdb, startup_hook=reset)
"""


def test_sysreset_ends_the_program(loopback: Loopback, tmp_path: Path) -> None:
    program = Program(python_command("-c", RESET), dict(os.environ), tmp_path / "output.txt")
    program.start()
    assert program.wait() == 0
    assert "still there" in program.output
    assert "p:SYSRESET was set to 1: the IOC ends" in program.output
    assert "Traceback" not in program.output


# --- memory ---------------------------------------------------------------------------------------


class FastTracing(MemoryTracingHelper):
    period = 0.01


async def test_allocations_are_told_while_that_is_switched_on(loopback: Loopback) -> None:
    group = FastTracing("p:")
    await group.trace_count.write(2)
    async with serving(group.pvdb):
        await group.enable_tracing.write("Enable")
        kept = [bytearray(10_000) for _ in range(100)]
        while "\n#2: " not in (top := group.top_allocations.value):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        assert "\n#3: " not in f"\n{top}"
        assert "Total allocated size:" in top
        assert "size=" in await changed(group.diff_results, "Unset")
        await group.enable_tracing.write("Disable")
        while tracemalloc.is_tracing():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        await group.enable_tracing.write("Enable")
        while not tracemalloc.is_tracing():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert not tracemalloc.is_tracing()
    assert len(kept) == 100


def test_top_allocations_are_described() -> None:
    tracemalloc.start()
    try:
        kept = [bytearray(100_000) for _ in range(20)]
        kept += [bytearray(10_000) for _ in range(20)]
        snapshot = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    lines = get_top_allocation_info(snapshot, limit=1)
    assert lines[0].startswith(f"#1: {__file__}:")
    assert lines[0].endswith(" KiB")
    assert "kept = [bytearray(100_000)" in lines[1]
    assert " other: " in lines[2]
    assert lines[-1].startswith("Total allocated size: ")
    (total,) = get_top_allocation_info(
        snapshot, filters=[tracemalloc.Filter(False, "*")], key_type="filename"
    )
    assert total == "Total allocated size: 0.0 KiB"
    assert len(kept) == 40


def test_source_files_are_those_that_define_things() -> None:
    assert get_source_file(Ioc) == Path(__file__).resolve()
    assert get_source_file(caproto.server) == Path(caproto.server.__file__).resolve()
    with pytest.raises(TypeError):
        get_source_file(dict)
