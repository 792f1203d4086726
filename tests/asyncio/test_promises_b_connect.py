"""What the reference page promises about the Context and connecting (6 to 11)."""

from __future__ import annotations

import logging

import pytest

from caproto.asyncio.client import Context, SharedBroadcaster
from tests.support import Ioc, free_port
from tests.support.raw_messages import RawMessage, raw_message

from ..conftest import Loopback
from .conftest import StartIoc
from .scripted_server import CREATE_CH_FAIL, SERVER_DISCONN, ScriptedServer, channel
from .sent_messages import CREATE_CHAN
from .waiting import Recorder, States, until


def test_promise_06_context_needs_a_running_loop(loopback: Loopback) -> None:
    with pytest.raises(RuntimeError, match="event loop"):
        Context()
    with pytest.raises(RuntimeError, match="event loop"):
        SharedBroadcaster()


async def test_promise_06_context_is_made_in_a_coroutine(loopback: Loopback) -> None:
    async def new_context() -> Context:
        return Context()

    ctx = await new_context()
    assert repr(ctx) == "<Context circuits=0 pvs=0 idle=0>"
    await ctx.disconnect()


async def test_promise_07_get_pvs_returns_at_once_in_the_order_of_the_call(ioc: Ioc) -> None:
    async with Context() as ctx:
        pvs = await ctx.get_pvs("random_walk:x", "random_walk:dt", "random_walk:none")
        assert isinstance(pvs, list)
        assert [pv.name for pv in pvs] == ["random_walk:x", "random_walk:dt", "random_walk:none"]
        assert not any(pv.connected for pv in pvs)
        assert await ctx.get_pvs() == []


async def test_promise_08_repr_of_a_pv_that_is_searched(ioc: Ioc) -> None:
    async with Context() as ctx:
        _, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        assert repr(dt) == "<PV name='random_walk:dt' priority=0 (searching....)>"


async def test_promise_09_repr_of_the_context(ioc: Ioc) -> None:
    async with Context() as ctx:
        x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        assert repr(ctx) == "<Context circuits=0 pvs=2 idle=0>"
        await x.wait_for_connection()
        await dt.wait_for_connection()
        assert repr(ctx) == "<Context circuits=1 pvs=2 idle=0>"
        await x.go_idle()
        assert repr(ctx) == "<Context circuits=1 pvs=2 idle=1>"


async def test_promise_09_repr_counts_live_circuits_only(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    first = start_ioc(two_ports[0])
    async with Context(timeout=20) as ctx:
        states = States()
        (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=states)
        await dt.wait_for_connection()
        first.kill()
        await states.until("connected", "disconnected")
        assert repr(ctx) == "<Context circuits=0 pvs=1 idle=0>"
        start_ioc(two_ports[1])
        await dt.wait_for_connection()
        assert repr(ctx) == "<Context circuits=1 pvs=1 idle=0>"


async def test_promise_10_same_name_and_priority_give_the_same_pv(ioc: Ioc) -> None:
    async with Context() as ctx:
        x, again = await ctx.get_pvs("random_walk:x", "random_walk:x")
        (later,) = await ctx.get_pvs("random_walk:x")
        (urgent,) = await ctx.get_pvs("random_walk:x", priority=99)
        assert x is again is later
        assert urgent is not x
        assert repr(urgent) == "<PV name='random_walk:x' priority=99 (searching....)>"
        await x.wait_for_connection()
        await urgent.wait_for_connection()
        assert x.circuit_manager is not urgent.circuit_manager


async def test_promise_10_callbacks_of_a_repeated_request_are_added(ioc: Ioc) -> None:
    async with Context() as ctx:
        first, second = States(), States()
        (x,) = await ctx.get_pvs("random_walk:x", connection_state_callback=first)
        await x.wait_for_connection()
        await ctx.get_pvs("random_walk:x", connection_state_callback=second)
        await first.until("connected")
        await second.until("connected")
        await x.go_idle()
        await first.until("connected", "disconnected")
        await second.until("connected", "disconnected")


async def test_promise_10_reconnects_by_itself_and_subscribes_again(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    first = start_ioc(two_ports[0])
    async with Context(timeout=20) as ctx:
        states, updates = States(), Recorder()
        (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=states)
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        first.kill()
        await states.until("connected", "disconnected")
        start_ioc(two_ports[1])
        await dt.write(4.0)
        await updates.until_value(4.0)
        assert dt.circuit_manager is not None
        assert dt.circuit_manager.circuit.address == ("127.0.0.1", two_ports[1])
        assert states.states == ["connected", "disconnected", "connected"]


async def test_promise_10_connects_after_a_refused_connection(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=20) as ctx:
        server.advertised_port = free_port()  # nobody listens there
        (pv,) = await ctx.get_pvs("scripted")
        await until(lambda: len(server.searches) >= 2)
        server.advertised_port = loopback.ca_port
        await pv.wait_for_connection()
        assert repr(ctx) == "<Context circuits=1 pvs=1 idle=0>"


async def test_promise_10_refused_connection_is_logged(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=20) as ctx:
        server.advertised_port = free_port()
        with caplog.at_level(logging.WARNING, "caproto"):
            await ctx.get_pvs("scripted")
            await until(lambda: "Cannot connect to" in caplog.text)


async def test_promise_10_connects_after_the_server_refused_the_channel(
    loopback: Loopback,
) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=20) as ctx:
        refused: list[RawMessage] = []

        def refuse_first(received: RawMessage) -> bytes:
            if received.command == CREATE_CHAN and not refused:
                refused.append(received)
                return raw_message(CREATE_CH_FAIL, p1=received.p1)
            return server.answer(received)

        server.on_message = refuse_first
        (pv,) = await ctx.get_pvs("scripted")
        await pv.wait_for_connection()
        assert len(refused) == 1


async def test_promise_10_connects_after_the_server_took_the_channel_away(
    loopback: Loopback,
) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=20) as ctx:
        states = States()
        (pv,) = await ctx.get_pvs("scripted", connection_state_callback=states)
        await pv.wait_for_connection()
        (created,) = [m for m in server.received if m.command == CREATE_CHAN]
        server.send(raw_message(SERVER_DISCONN, p1=created.p1))
        await states.until("connected", "disconnected", "connected")


async def test_promise_11_repr_of_a_connected_pv(ioc: Ioc) -> None:
    async with Context() as ctx:
        (x,) = await ctx.get_pvs("random_walk:x")
        await x.wait_for_connection()
        assert repr(x) == (
            f"<PV name='random_walk:x' priority=0 address=('127.0.0.1', {ioc.port}), "
            "circuit_state=States.CONNECTED, channel_state=States.CONNECTED>"
        )


async def test_promise_11_repr_between_search_and_channel(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context() as ctx:
        asked: list[RawMessage] = []

        def hesitate(received: RawMessage) -> bytes:
            if received.command == CREATE_CHAN:
                asked.append(received)
            return b""

        server.on_message = hesitate
        (pv,) = await ctx.get_pvs("scripted")
        await pv.wait_for_search()
        await until(lambda: asked)
        assert repr(pv) == (
            f"<PV name='scripted' priority=0 address=('127.0.0.1', {loopback.ca_port}), "
            "circuit_state=States.CONNECTED (creating...)>"
        )
        server.send(channel(asked[0]))
        await pv.wait_for_connection()
