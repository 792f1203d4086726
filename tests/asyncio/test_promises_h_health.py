"""What the reference page promises about suspended updates and dead servers (54 to 58)."""

from __future__ import annotations

import asyncio
import logging

import pytest

from caproto import DisconnectedError
from caproto.asyncio.client import Context
from tests.support import Ioc

from .conftest import StartIoc
from .sent_messages import ECHO, EVENTS_OFF, EVENTS_ON, SentMessages, circuit_of
from .waiting import Recorder, States, until


async def test_promise_54_events_off_and_on(ioc: Ioc) -> None:
    async with Context() as ctx, Context() as writer:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        (other,) = await writer.get_pvs("random_walk:dt")
        updates = Recorder()
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        sent = SentMessages(dt)
        manager = circuit_of(dt)

        await manager.events_off()
        await dt.read()  # answered after the server has taken note
        for value in (11.0, 12.0, 13.0):
            await other.write(value)
        await dt.read()
        assert updates.values == [3.0]

        await manager.events_on()
        await updates.until_value(13.0)
        assert updates.values == [3.0, 13.0]  # the most recent value only
        await other.write(14.0)
        await updates.until_value(14.0)
        assert updates.values == [3.0, 13.0, 14.0]
        assert [c for c in sent.commands if c in (EVENTS_OFF, EVENTS_ON)] == [EVENTS_OFF, EVENTS_ON]


async def test_promise_54_nothing_new_nothing_delivered(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        updates = Recorder()
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        manager = circuit_of(dt)
        await manager.events_off()
        await manager.events_off()  # twice is as good as once
        await dt.read()
        await manager.events_on()
        await dt.write(11.0)
        await updates.until_value(11.0)
        assert updates.values == [3.0, 11.0]


async def test_promise_55_time_since_each_server_was_heard(ioc: Ioc) -> None:
    async with Context() as ctx:
        assert ctx.broadcaster.time_since_last_heard() == {}
        (dt,) = await ctx.get_pvs("random_walk:dt")
        before = asyncio.get_running_loop().time()
        await dt.read()
        heard = ctx.broadcaster.time_since_last_heard()
        elapsed = asyncio.get_running_loop().time() - before
        assert list(heard) == [("127.0.0.1", ioc.port)]
        (seconds,) = heard.values()
        assert type(seconds) is float
        assert 0.0 <= seconds <= elapsed


async def test_promise_55_time_goes_on_while_the_server_is_silent(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    frozen = start_ioc(two_ports[0])
    async with Context(timeout=20) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.read()
        frozen.pause()
        loop = asyncio.get_running_loop()
        began = loop.time()
        await until(lambda: loop.time() > began + 0.1)
        assert dt.time_since_last_heard() > 0.1
        frozen.resume()
        asked = loop.time()
        await dt.read()
        assert dt.time_since_last_heard() <= loop.time() - asked


async def test_promise_56_time_since_the_server_of_a_pv_was_heard(ioc: Ioc) -> None:
    async with Context() as ctx:
        (x,) = await ctx.get_pvs("random_walk:x")
        with pytest.raises(DisconnectedError, match="random_walk:x"):
            x.time_since_last_heard()
        before = asyncio.get_running_loop().time()
        await x.read()
        seconds = x.time_since_last_heard()
        assert type(seconds) is float
        assert 0.0 <= seconds <= asyncio.get_running_loop().time() - before
        assert x.time_since_last_heard(timeout=1.0) >= seconds


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, two_ports: tuple[int, int]) -> tuple[int, int]:
    """Two ports, and clients that wait a quarter of a second instead of 30 and 5 seconds."""
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "0.25")
    monkeypatch.setenv("CAPROTO_RESPONSIVENESS_TIMEOUT_SEC", "0.25")
    return two_ports


async def test_promise_57_an_echo_keeps_the_silence_short(
    start_ioc: StartIoc, impatient: tuple[int, int]
) -> None:
    start_ioc(impatient[0])
    async with Context(timeout=20) as ctx:
        states = States()
        (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=states)
        await dt.wait_for_connection()
        sent, manager = SentMessages(dt), dt.circuit_manager
        loop = asyncio.get_running_loop()
        for count in range(1, 4):
            await until(lambda count=count: len(sent.of(ECHO)) >= count)  # type: ignore[misc]
            asked = loop.time()
            await until(lambda asked=asked: dt.time_since_last_heard() <= loop.time() - asked)  # type: ignore[misc]
        assert set(sent.commands) == {ECHO}
        assert dt.circuit_manager is manager
        assert states.states == ["connected"]


async def test_promise_58_failover_to_another_server(
    start_ioc: StartIoc, impatient: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    first_port, second_port = impatient
    first = start_ioc(first_port)
    async with Context(timeout=20) as ctx:
        states, updates = States(), Recorder()
        x, dt = await ctx.get_pvs(
            "random_walk:x", "random_walk:dt", connection_state_callback=states
        )
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        await x.wait_for_connection()
        await states.until("connected", "connected")
        assert dt.address == ("127.0.0.1", first_port)
        start_ioc(second_port)
        with caplog.at_level(logging.WARNING, "caproto"):
            first.pause()
            sent = SentMessages(dt)
            reading = asyncio.create_task(dt.read())  # is repeated with the other server
            await states.until(*["connected"] * 2, *["disconnected"] * 2, *["connected"] * 2)
        assert ECHO in sent.commands
        warnings = [record.getMessage() for record in caplog.records]
        assert any(
            f"Server 127.0.0.1:{first_port} has been silent for" in warning
            and "Disconnecting its 2 PVs" in warning
            for warning in warnings
        ), warnings
        assert dt.address == x.address == ("127.0.0.1", second_port)
        response = await reading
        assert response.value == 3.0
        await dt.write(11.0)
        await updates.until_value(11.0)
        assert updates.values == [3.0, 3.0, 11.0]  # the subscription began anew
        assert repr(ctx) == "<Context circuits=1 pvs=2 idle=0>"


async def test_promise_58_comes_back_to_a_server_that_recovers(
    start_ioc: StartIoc, impatient: tuple[int, int]
) -> None:
    ioc = start_ioc(impatient[0])
    async with Context(timeout=20) as ctx:
        states, updates = States(), Recorder()
        (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=states)
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        ioc.pause()
        await states.until("connected", "disconnected")
        assert repr(dt) == "<PV name='random_walk:dt' priority=0 (searching....)>"
        ioc.resume()
        await dt.write(11.0)
        await updates.until_value(11.0)
        await states.until("connected", "disconnected", "connected")
