"""Servers that die, freeze, move, or answer searches and nothing else."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from caproto import CaprotoTimeoutError, DisconnectedError
from caproto.asyncio.client import Context
from tests.asyncio.waiting import Recorder, States, until
from tests.support import CIoc, free_port
from tests.support.chaos_proxy import Action, ChaosProxy, Fault, Way, Weather

from .conftest import Impatience, StartIoc

DEAF = (Fault(Action.STALL, 0, Way.TO_CLIENT), Fault(Action.STALL, 0, Way.TO_SERVER))


# --- one server --------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", [False, True])
async def test_ioc_that_is_killed_and_comes_back(
    private_ioc: StartIoc, impatient: Impatience, moves: bool
) -> None:
    ioc = private_ioc()
    port = free_port() if moves else ioc.port
    impatient.search_at(ioc.port, port)
    states, recorder = States(), Recorder()
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs("CH:value", connection_state_callback=states)
        pv.subscribe().add_callback(recorder)
        await recorder.until_value(1.5)
        await pv.write(2.25)
        await recorder.until_value(2.25)
        reading = asyncio.create_task(pv.read())
        await asyncio.to_thread(ioc.restart, port, crash=True)
        assert (await reading).value in (2.25, 1.5)  # answered before the end, or by the new one
        await recorder.until_value(1.5)
        assert states.states == ["connected", "disconnected", "connected"]
        assert pv.address == ("127.0.0.1", port)
        ioc.iocsh("dbpf CH:value 3.25")
        await recorder.until_value(3.25)
        assert list(ctx.circuit_managers) == [(("127.0.0.1", port), 0)]


async def test_frozen_ioc_is_given_up_and_taken_back(
    private_ioc: StartIoc, impatient: Impatience
) -> None:
    ioc = private_ioc()
    impatient.search_at(ioc.port)
    states, recorder = States(), Recorder()
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs("CH:value", connection_state_callback=states)
        pv.subscribe().add_callback(recorder)
        await recorder.until_value(1.5)
        ioc.pause()
        reading = asyncio.create_task(pv.read())
        writing = asyncio.create_task(pv.write(4.5))
        hurried = asyncio.create_task(pv.read(timeout=0.1))
        with pytest.raises(CaprotoTimeoutError, match="did not respond"):
            await hurried
        with pytest.raises(DisconnectedError, match="whether the value was written is not known"):
            await writing
        await states.until("connected", "disconnected")
        with pytest.raises(CaprotoTimeoutError, match="No servers responded to a search"):
            await pv.read(timeout=0.2)
        ioc.resume()
        await states.until("connected", "disconnected", "connected")
        # The frozen server had the write in its socket, and does it when it goes on.
        assert (await reading).value in (1.5, 4.5)
        await recorder.until_value(4.5)


async def test_short_freeze_is_no_reason_to_disconnect(
    private_ioc: StartIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "30")
    ioc = private_ioc()
    impatient.search_at(ioc.port)
    states = States()
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs("CH:value", connection_state_callback=states)
        await pv.wait_for_connection()
        ioc.pause()
        reading = asyncio.create_task(pv.read())
        with pytest.raises(CaprotoTimeoutError):
            await pv.read(timeout=0.3)
        ioc.resume()
        assert (await reading).value == 1.5
        await states.until("connected")


async def test_unconfirmed_writes_to_a_frozen_ioc_fill_no_memory(
    private_ioc: StartIoc, impatient: Impatience
) -> None:
    ioc = private_ioc()
    impatient.search_at(ioc.port)
    states = States()
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs("CH:array", connection_state_callback=states)
        await pv.wait_for_connection()
        circuit = pv.circuit
        assert circuit is not None
        ioc.pause()

        async def write() -> None:
            while pv.circuit is circuit:
                await pv.write([0.5] * 10_000, wait=False)

        writing = asyncio.create_task(write())
        await until(lambda: circuit.manager.paused)
        await until(lambda: pv.circuit is not circuit)
        await writing
        assert circuit.bytes_out < 64 << 20  # what the sockets take, and a little
        ioc.resume()
        await states.until("connected", "disconnected", "connected")


# --- two servers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_failover_to_the_other_server_of_the_same_pv(
    private_ioc: StartIoc, impatient: Impatience, how: str
) -> None:
    iocs = {}
    for place in ("here", "there"):
        ioc = private_ioc(place=place)
        iocs[ioc.address] = (place, ioc)
    impatient.search_at(*(port for _, port in iocs))
    recorder = Recorder()
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs("CH:place")
        pv.subscribe().add_callback(recorder)
        await recorder.until(len)
        for _ in range(1 if how == "kill" else 2):
            assert pv.address is not None
            place, ioc = iocs[pv.address]
            await recorder.until_value(place)
            if how == "kill":
                ioc.kill()
            else:
                ioc.pause()
            [(other, spare)] = [each for each in iocs.values() if each[1] is not ioc]
            await recorder.until_value(other)
            assert (await pv.read()).value == other
            assert pv.address == spare.address
            if how == "freeze":
                ioc.resume()


async def _go_to_the_good_one(other_ioc: CIoc, impatient: Impatience, bad: ChaosProxy) -> None:
    """Connect a PV for which `bad` always answers first, and one that only the good server has."""
    async with ChaosProxy(other_ioc.port) as good:
        good.weather = Weather(loss=1.0)  # it is not there yet
        impatient.search_at(bad.port, good.port)
        async with Context(timeout=20) as ctx:
            pv, other = await ctx.get_pvs("CH:place", other_ioc.ready_pv)
            with pytest.raises(CaprotoTimeoutError) as caught:
                await pv.wait_for_connection(timeout=0.4)
            assert caught.value.stage in ("connect", "create", "search")
            assert re.search(
                rf"127\.0\.0\.1:({bad.advertised_port}|{bad.port})\b", str(caught.value)
            )
            good.weather = Weather()
            assert (await other.read()).value == 0
            assert (await pv.read()).value == "there"
            assert pv.address == ("127.0.0.1", good.tcp_port)


async def test_server_that_refuses_connections(
    shared_ioc: CIoc, other_ioc: CIoc, impatient: Impatience
) -> None:
    async with ChaosProxy(shared_ioc.port) as proxy:
        proxy.refuse()
        await _go_to_the_good_one(other_ioc, impatient, proxy)


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port that listens but never accepts, and whose waiting room is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for sock in waiting:
                sock.close()


async def test_server_that_never_accepts(
    shared_ioc: CIoc, other_ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caproto.client.engine._CONNECT_TIME", 0.3)
    with full_backlog() as port:
        async with ChaosProxy(shared_ioc.port) as proxy:
            proxy.advertised_port = port
            await _go_to_the_good_one(other_ioc, impatient, proxy)


async def test_server_that_accepts_and_never_answers(
    shared_ioc: CIoc, other_ioc: CIoc, impatient: Impatience
) -> None:
    async with ChaosProxy(shared_ioc.port) as proxy:
        proxy.always = DEAF
        await _go_to_the_good_one(other_ioc, impatient, proxy)


async def test_server_that_hangs_up_at_once(
    shared_ioc: CIoc, other_ioc: CIoc, impatient: Impatience
) -> None:
    async with ChaosProxy(shared_ioc.port) as proxy:
        proxy.always = (Fault(Action.CUT, 0),)
        await _go_to_the_good_one(other_ioc, impatient, proxy)


@pytest.mark.parametrize("ending", ["refuses", "hangs up"])
async def test_server_that_comes_to_its_senses(
    shared_ioc: CIoc, impatient: Impatience, ending: str
) -> None:
    async with ChaosProxy(shared_ioc.port) as proxy:
        if ending == "refuses":
            proxy.refuse()
        else:
            proxy.always = (Fault(Action.CUT, 20),)
        impatient.search_at(proxy.port)
        async with Context(timeout=20) as ctx:
            (pv,) = await ctx.get_pvs("CH:value")
            reading = asyncio.create_task(pv.read())
            asked = proxy.datagrams
            await until(lambda: proxy.datagrams > asked + 2)
            proxy.heal()
            if ending == "refuses":
                proxy.listen()
            assert (await reading).value == 1.5


async def test_error_tells_of_a_server_that_answers_searches_only(
    shared_ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caproto.client.engine._FIRST_PENALTY", 30.0)
    async with ChaosProxy(shared_ioc.port) as proxy:
        proxy.refuse()
        impatient.search_at(proxy.port)
        async with Context(timeout=20) as ctx:
            (pv,) = await ctx.get_pvs("CH:value")
            await until(lambda: (search := ctx.broadcaster.results.get(pv.name)) and search.refused)
            with pytest.raises(CaprotoTimeoutError, match=f"127.0.0.1:{proxy.tcp_port} did answer"):
                await pv.wait_for_connection(timeout=0.01)
