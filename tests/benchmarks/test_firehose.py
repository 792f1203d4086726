"""The firehose, and the floor and our client as the benchmark drives them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.peers.drivers import Driver, Sink, make_driver
from benchmarks.peers.hose_plan import ARRAY_LENGTH, HosePlan
from benchmarks.peers.measurement import Measurement
from benchmarks.peers.workloads.monitoring import blast
from caproto.asyncio.client import Context
from tests.support import Ioc, free_port, loopback_settings, python_command


@pytest.fixture
def firehose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ioc]:
    """Run one, and let clients of this process find it."""
    port = free_port()
    command = python_command("-m", "benchmarks.peers.firehose", "--port", str(port))
    ready = HosePlan("scalar", 1, 1).names[0]
    with Ioc(command, ready, folder=tmp_path, port=port) as server:
        for name, value in loopback_settings([port], server.repeater_port).items():
            monkeypatch.setenv(name, value)
        # Where the floor looks: the IOC comes first there.
        monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{port} 127.0.0.1:{port}")
        yield server


def last_report(firehose: Ioc, plan: HosePlan) -> dict[str, object]:
    """Return what the firehose has said of a blast."""
    line = firehose.wait_for_output(rf'^{{"prefix": "{plan.prefix}".*}}$').group()
    report: dict[str, object] = json.loads(line)
    return report


@pytest.mark.parametrize("mode", ["plain", "thread", "coroutine", "iterate"])
async def test_our_client_gets_every_numbered_update(firehose: Ioc, mode: str) -> None:
    plan = HosePlan("scalar", 30_000, 7)
    driver = make_driver("ours")
    await driver.open(mode)
    result = await take(driver, plan, mode)
    assert (result.received, result.lost, result.notes["overtaken"]) == (30_000, 0, 0)
    report = last_report(firehose, plan)
    assert (report["sent"], report["complete"]) == (30_000, True)


async def test_floor_gets_every_numbered_update(firehose: Ioc) -> None:
    plan = HosePlan("scalar", 30_000, 7)
    result = await take(make_driver("floor"), plan, "plain")
    assert (result.received, result.lost) == (30_000, 0)


async def take(driver: Driver, plan: HosePlan, mode: str) -> Measurement:
    """Take a blast the way the benchmark does, which checks all values and times."""
    try:
        return await blast(driver, plan.kind, plan.pvs, plan.updates, mode, seconds=20.0)
    finally:
        await driver.close()


async def test_arrays_come_whole(firehose: Ioc) -> None:
    plan = HosePlan("array", 40, 1)
    driver = make_driver("ours")
    await driver.open()
    result = await take(driver, plan, "array")
    assert (result.received, result.lost) == (40, 0)


async def test_read_of_a_hose_is_answered(firehose: Ioc) -> None:
    async with Context() as context:
        (pv,) = await context.get_pvs(HosePlan("array", 1, 1).names[0])
        assert (await pv.read()).value.tolist() == [-1.0] * ARRAY_LENGTH


async def test_unknown_names_are_not_found(firehose: Ioc) -> None:
    async with Context() as context:
        found, missing = await context.get_pvs(HosePlan("scalar", 1, 1).names[0], "hose:nothing")
        await found.wait_for_connection(timeout=10)
        assert not missing.connected


async def test_blast_ends_when_the_client_unsubscribes(firehose: Ioc) -> None:
    plan = HosePlan("paced", 100_000, 1)  # this would take 100 s
    async with Context() as context:
        (pv,) = await context.get_pvs(*plan.names)
        subscription = pv.subscribe(data_type="time")
        async for response in subscription:
            if response.value >= 10:
                break
        await subscription.clear()
        await pv.read()
        report = last_report(firehose, plan)
    assert not report["complete"]
    assert 10 < int(str(report["sent"])) < 100_000


async def test_sinks_that_are_one_share_a_callback() -> None:
    driver = make_driver("ours")
    shared, other = Sink(), Sink()
    first, second, third = driver.callbacks([shared, other, shared], "plain")
    assert first is third
    assert first is not second
