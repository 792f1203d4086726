"""What the reference page promises about idle PVs (46 to 50)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from caproto.asyncio.client import Context
from tests.support import Ioc
from tests.support.raw_messages import RawMessage

from ..conftest import Loopback
from .scripted_server import ScriptedServer, channel
from .sent_messages import CLEAR_CHANNEL, CREATE_CHAN, EVENT_ADD, READ_NOTIFY, SentMessages
from .waiting import Recorder, States, until


async def test_promise_46_go_idle(ioc: Ioc) -> None:
    async with Context() as ctx:
        x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        await x.wait_for_connection()
        await dt.wait_for_connection()
        sent = SentMessages(x)
        await x.go_idle()
        assert repr(x) == "<PV name='random_walk:x' priority=0 (idle)>"
        assert repr(ctx) == "<Context circuits=1 pvs=2 idle=1>"
        assert not x.connected
        await until(lambda: sent.commands == [CLEAR_CHANNEL])
        await x.go_idle()  # again: nothing happens
        await dt.read()
        assert sent.commands == [CLEAR_CHANNEL, READ_NOTIFY]


@pytest.mark.parametrize("operation", ["read", "write", "wait_for_connection", "wait_for_search"])
async def test_promise_47_next_use_reconnects(ioc: Ioc, operation: str) -> None:
    async with Context() as ctx:
        (x,) = await ctx.get_pvs("random_walk:x")
        await x.wait_for_connection()
        connected = repr(x)
        await x.go_idle()
        await getattr(x, operation)(*([1.5] if operation == "write" else []))
        await x.wait_for_connection()
        assert repr(x) == connected
        assert repr(ctx) == "<Context circuits=1 pvs=1 idle=0>"


async def test_promise_48_ignored_while_there_are_callbacks(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        updates = Recorder()
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        await dt.go_idle()
        assert dt.connected
        await dt.write(2.0)
        await updates.until_value(2.0)
        await sub.clear()
        await dt.go_idle()
        assert repr(dt).endswith("(idle)>")


async def test_promise_48_ignored_while_connecting(ioc: Ioc) -> None:
    async with Context() as ctx:
        (x,) = await ctx.get_pvs("random_walk:x")
        await x.go_idle()
        assert repr(x).endswith("(searching....)>")
        await x.wait_for_search()
        await x.go_idle()
        await x.wait_for_connection()
        assert x.connected


async def test_promise_48_waits_for_pending_reads_and_writes(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=20) as ctx:
        asked: list[RawMessage] = []

        def hesitate(received: RawMessage) -> bytes:
            if received.command == CREATE_CHAN:
                return channel(received)
            if received.command == READ_NOTIFY:
                asked.append(received)
            return b""

        server.on_message = hesitate
        (pv,) = await ctx.get_pvs("scripted")
        await pv.wait_for_connection()
        reading = asyncio.create_task(pv.read())
        await until(lambda: asked)
        await pv.go_idle()
        assert pv.connected
        (request,) = asked
        reply = b"\0\x0f\0\x08\0\x06\0\x01\0\0\0\x01" + request.p2.to_bytes(4, "big")
        server.send(reply + b"@\x08\0\0\0\0\0\0")
        response = await reading
        assert response.value == 3.0
        assert repr(pv).endswith("(idle)>")


async def test_promise_48_a_new_use_withdraws_the_wish(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        reading = asyncio.create_task(dt.read())
        await asyncio.sleep(0)  # lets the task send its request
        assert dt.busy
        await dt.go_idle()
        assert dt.connected
        updates = Recorder()
        sub = dt.subscribe()
        sub.add_callback(updates)
        await reading
        await updates.until_value(3.0)
        assert dt.connected


async def test_promise_49_subscribing_wakes_an_idle_pv_once(ioc: Ioc) -> None:
    async with Context() as ctx:
        x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        await x.wait_for_connection()
        await dt.wait_for_connection()
        sent = SentMessages(x)
        await dt.go_idle()
        updates = Recorder()
        sub = dt.subscribe()
        sub.add_callback(updates)
        await updates.until_value(3.0)
        assert repr(ctx) == "<Context circuits=1 pvs=2 idle=0>"
        await dt.write(2.0)
        await dt.write(1.0)
        await updates.until_value(1.0)
        await dt.read()
        assert updates.values == [3.0, 2.0, 1.0]
        assert len(sent.of(CREATE_CHAN)) == 1
        assert len(sent.of(EVENT_ADD)) == 1


async def test_promise_49_a_loop_wakes_an_idle_pv(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        await dt.go_idle()
        async for response in dt.subscribe():
            assert response.value == 3.0
            break


async def test_promise_50_state_callbacks_are_called_on_changes_only(ioc: Ioc) -> None:
    async with Context() as ctx:
        states = States()
        (x,) = await ctx.get_pvs("random_walk:x", connection_state_callback=states)
        await x.wait_for_connection()
        await x.read()
        await states.until("connected")
        await x.go_idle()
        await states.until("connected", "disconnected")
        await x.read()
        await x.read()
        await states.until("connected", "disconnected", "connected")
        await x.go_idle()
    # The end of the Context is no change: the PV was idle already.
    assert states.states == ["connected", "disconnected"] * 2


async def test_promise_50_no_disconnected_before_the_first_connected(ioc: Ioc) -> None:
    states, missing = States(), States()
    async with Context() as ctx:
        await ctx.get_pvs("random_walk:missing", connection_state_callback=missing)
        (x,) = await ctx.get_pvs("random_walk:x", connection_state_callback=states)
        await x.wait_for_connection()
    assert missing.states == []
    assert states.states == ["connected", "disconnected"]


async def test_promise_50_state_callback_may_be_a_coroutine_function(ioc: Ioc) -> None:
    async with Context() as ctx:
        told: list[tuple[Any, str]] = []

        async def callback(pv: Any, state: str) -> None:
            told.append((pv, state))

        (x,) = await ctx.get_pvs("random_walk:x", connection_state_callback=callback)
        await x.wait_for_connection()
        await x.go_idle()
        await until(lambda: told == [(x, "connected"), (x, "disconnected")])
