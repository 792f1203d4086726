"""Lost packets and pulled cables, between two network namespaces with the C IOC in one and the client in the other."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from caproto import CaprotoTimeoutError
from caproto.asyncio.client import Context
from tests.asyncio.waiting import Recorder, States
from tests.support import CIoc, write_bulk_database
from tests.support.namespaces import (
    CLIENT,
    SERVER,
    SERVER_ADDRESS,
    Cable,
    Namespaces,
    Wire,
    why_not,
    why_not_netem,
)

from .conftest import DATABASE, Impatience

PORT = 5064  # namespaces have all ports to themselves
COUNT = 100


def _need(reason: str | None) -> None:
    if reason is not None:
        pytest.skip(reason)


@contextmanager
def ioc_inside(network: Namespaces, *databases: Path, folder: Path) -> Iterator[CIoc]:
    """Run the IOC on the server's side, and stay on the client's side."""
    ioc = CIoc(
        *databases,
        folder=folder,
        port=PORT,
        extra_env={"EPICS_CAS_INTF_ADDR_LIST": f"{SERVER_ADDRESS} 127.0.0.1"},
    )
    try:
        with network.inside(SERVER):
            ioc.start()
        with network.inside(CLIENT):
            yield ioc
    finally:
        ioc.stop()


def search_server() -> None:
    os.environ["EPICS_CA_ADDR_LIST"] = f"{SERVER_ADDRESS}:{PORT}"


@pytest.mark.parametrize("loser", ["wire", "netem"])
async def test_lost_packets(
    tmp_path: Path, impatient: Impatience, monkeypatch: pytest.MonkeyPatch, loser: str
) -> None:
    _need(why_not(Wire) if loser == "wire" else why_not_netem())
    # A segment that TCP has to send again comes after 0.2 s, or twice that, and so on.
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "10")
    monkeypatch.setenv("CAPROTO_RESPONSIVENESS_TIMEOUT_SEC", "10")
    names = write_bulk_database(tmp_path / "bulk.db", COUNT)
    states, recorder = States(), Recorder()
    with (
        Wire(seed=1) if loser == "wire" else Cable() as network,
        ioc_inside(network, DATABASE, tmp_path / "bulk.db", folder=tmp_path) as ioc,
        network.running() if isinstance(network, Wire) else nullcontext(),
    ):
        if isinstance(network, Wire):
            network.loss = network.duplication = 0.1
        else:
            assert isinstance(network, Cable)
            network.lose(10)
        search_server()
        async with Context(timeout=50) as ctx:
            (pv,) = await ctx.get_pvs("CH:value", connection_state_callback=states)
            pvs = await ctx.get_pvs(*names)
            pv.subscribe().add_callback(recorder)
            values = await asyncio.gather(*(each.read() for each in pvs))
            assert [value.value for value in values] == list(range(COUNT))
            for number in range(10):
                await pv.write(float(number))
            await recorder.until_value(9.0)
            ioc.iocsh("dbpf CH:value 2.5")
            await recorder.until_value(2.5)
            await states.until("connected")
        if isinstance(network, Wire):
            assert network.lost > 5


@pytest.mark.parametrize("side", [CLIENT, SERVER])
async def test_pulled_cable(
    tmp_path: Path, impatient: Impatience, caplog: pytest.LogCaptureFixture, side: str
) -> None:
    _need(why_not(Cable))
    states, recorder = States(), Recorder()
    with Cable() as network, ioc_inside(network, DATABASE, folder=tmp_path) as ioc:
        search_server()
        async with Context(timeout=20) as ctx:
            (pv,) = await ctx.get_pvs("CH:value", connection_state_callback=states)
            pv.subscribe().add_callback(recorder)
            await recorder.until_value(1.5)
            caplog.clear()
            network.unplug(side)
            with pytest.raises(CaprotoTimeoutError):
                await pv.read(timeout=0.1)
            await states.until("connected", "disconnected")
            with pytest.raises(CaprotoTimeoutError, match="No servers responded"):
                await pv.read(timeout=0.2)
            ioc.iocsh("dbpf CH:value 6.5")
            reading = asyncio.create_task(pv.read())
            network.plug(side)
            assert (await reading).value == 6.5
            await recorder.until_value(6.5)
            await states.until("connected", "disconnected", "connected")
    # The trouble is told, but not once for every datagram.
    errors = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert len(errors) <= 1


async def test_plugged_in_again_before_patience_ends(
    tmp_path: Path, impatient: Impatience, monkeypatch: pytest.MonkeyPatch
) -> None:
    _need(why_not(Wire))
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "30")
    states = States()
    with (
        Wire() as network,
        ioc_inside(network, DATABASE, folder=tmp_path),
    ):
        assert isinstance(network, Wire)
        search_server()
        with network.running():
            async with Context(timeout=20) as ctx:
                (pv,) = await ctx.get_pvs("CH:value", connection_state_callback=states)
                await pv.wait_for_connection()
                network.loss = 1.0
                reading = asyncio.create_task(pv.read())
                with pytest.raises(CaprotoTimeoutError):
                    await pv.read(timeout=0.3)
                network.loss = 0.0
                assert (await reading).value == 1.5  # TCP sends it again
                await states.until("connected")


async def test_found_by_broadcast(tmp_path: Path, impatient: Impatience) -> None:
    _need(why_not(Cable))
    with Cable() as network, ioc_inside(network, DATABASE, folder=tmp_path):
        os.environ["EPICS_CA_ADDR_LIST"] = ""
        os.environ["EPICS_CA_AUTO_ADDR_LIST"] = "YES"
        os.environ["EPICS_CA_SERVER_PORT"] = str(PORT)
        async with Context(timeout=10) as ctx:
            (pv,) = await ctx.get_pvs("CH:value")
            assert (await pv.read()).value == 1.5
            assert pv.address == (SERVER_ADDRESS, PORT)


async def test_no_interface_but_loopback(tmp_path: Path, impatient: Impatience) -> None:
    _need(why_not(Cable))
    with Cable() as network:
        network.unplug(SERVER)
        with network.inside(SERVER), CIoc(DATABASE, folder=tmp_path, port=PORT):
            os.environ["EPICS_CA_ADDR_LIST"] = ""
            os.environ["EPICS_CA_AUTO_ADDR_LIST"] = "YES"
            os.environ["EPICS_CA_SERVER_PORT"] = str(PORT)
            async with Context(timeout=10) as ctx:
                (pv,) = await ctx.get_pvs("CH:value")
                assert (await pv.read()).value == 1.5
