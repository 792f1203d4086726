"""Callers that give up, by ``task.cancel()`` or a timeout of asyncio: nothing leaks and nothing is corrupted."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from caproto.asyncio.client import PV, Context
from caproto.server.data import ChannelDouble
from tests.asyncio.raw_client import serving
from tests.asyncio.scripted_server import ACCESS_RIGHTS, DOUBLE, ScriptedServer
from tests.asyncio.sent_messages import CREATE_CHAN, READ, READ_NOTIFY, WRITE_NOTIFY
from tests.asyncio.waiting import Recorder, until
from tests.support.raw_messages import HEADER, RawMessage, raw_message

from ..conftest import Loopback

Use = Callable[[Context, PV], Coroutine[Any, Any, Any]]

CONNECTED: dict[str, Use] = {
    "read": lambda ctx, pv: pv.read(timeout=None),
    "deprecated read": lambda ctx, pv: pv.read(timeout=None, notify=False),
    "write": lambda ctx, pv: pv.write(1.0, timeout=None),
    "read_many": lambda ctx, pv: ctx.read_many([pv, pv], timeout=None),
    "write_many": lambda ctx, pv: ctx.write_many({pv: 1.0}, timeout=None),
    "iterate": lambda ctx, pv: pv.subscribe().__aiter__().__anext__(),
}
SEARCHING: dict[str, Use] = {
    "wait_for_search": lambda ctx, pv: pv.wait_for_search(timeout=None),
    "wait_for_connection": lambda ctx, pv: pv.wait_for_connection(timeout=None),
    "wait_for_connections": lambda ctx, pv: ctx.wait_for_connections(pv, timeout=None),
    **CONNECTED,
}


def left_over(ctx: Context, pv: PV) -> dict[str, Any]:
    """Return what still waits for something."""
    engine = ctx._engine
    return {
        "requests": sum(len(circuit.tables.requests) for circuit in engine.circuits.values()),
        "waits of the engine": len(engine._waits),
        "waits of the PV": len(pv._waits or ()),
        "parked": len(engine._parked) + len(pv.parked or ()),
        "subscriptions": len(pv.subscriptions or ()),
    }


async def nothing_left(ctx: Context, pv: PV) -> None:
    """Check that nothing waits any more, after a few turns of the loop and not when some timer comes."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert set(left_over(ctx, pv).values()) == {0}, left_over(ctx, pv)


async def give_up(
    how: str, coroutine: Coroutine[Any, Any, Any], ready: Callable[[], object]
) -> None:
    """Start something, and end it before it is done."""
    if how == "timeout":
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(coroutine, 0.05)
        return
    task = asyncio.create_task(coroutine)
    await until(ready)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("how", ["cancel", "timeout"])
@pytest.mark.parametrize("use", CONNECTED)
async def test_cancelled_request_leaves_nothing_and_a_late_reply_does_no_harm(
    loopback: Loopback, use: str, how: str
) -> None:
    unanswered: list[RawMessage] = []

    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=10) as ctx:

        def hesitate(received: RawMessage) -> bytes:
            if received.command in (READ, READ_NOTIFY, WRITE_NOTIFY, 1):
                unanswered.append(received)
                return b""
            return server.answer(received)

        server.on_message = hesitate
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        await give_up(how, CONNECTED[use](ctx, pv), lambda: unanswered)
        await nothing_left(ctx, pv)
        for request in unanswered:  # too late
            size = 0 if request.command == WRITE_NOTIFY else 8
            server.send(HEADER.pack(request.command, size, DOUBLE, 1, 1, request.p2) + bytes(size))
        late = len(unanswered)
        reading = asyncio.create_task(pv.read())
        await until(lambda: len(unanswered) > late)
        server.send(HEADER.pack(READ_NOTIFY, 8, DOUBLE, 1, 1, unanswered[-1].p2) + bytes(8))
        response = await reading
        assert response is not None
        assert response.value == 0.0
        assert len(server.connections) == 1


@pytest.mark.parametrize("how", ["cancel", "timeout"])
@pytest.mark.parametrize("use", SEARCHING)
async def test_cancelled_wait_for_a_pv_that_is_not_found_leaves_nothing(
    loopback: Loopback, use: str, how: str
) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        sent = ctx.stats().search_datagrams
        await give_up(how, SEARCHING[use](ctx, pv), lambda: ctx.stats().search_datagrams > sent)
        await nothing_left(ctx, pv)
        assert ctx.stats().names_searching == 1  # others may want it
        async with serving({"pv": ChannelDouble(value=4.0)}):
            response = await pv.read()
            assert response is not None
            assert response.value == 4.0


async def test_cancelled_read_that_waits_for_a_reconnection_is_not_repeated(
    loopback: Loopback,
) -> None:
    async with Context(timeout=10) as ctx:
        async with ScriptedServer(loopback.ca_port) as server:
            (pv,) = await ctx.get_pvs("pv")
            await pv.wait_for_connection()
            reading = asyncio.create_task(pv.read(timeout=None))
            await until(lambda: any(m.command == READ_NOTIFY for m in server.received))
        await until(lambda: pv.parked)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert set(left_over(ctx, pv).values()) == {0}
        async with ScriptedServer(loopback.ca_port) as server:
            await pv.wait_for_connection()
            assert not any(m.command == READ_NOTIFY for m in server.received)


async def test_cancelled_wait_does_not_end_the_others(loopback: Loopback) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        waits = [asyncio.create_task(pv.wait_for_connection()) for _ in range(3)]
        group = asyncio.create_task(ctx.wait_for_connections(pv))
        await until(lambda: len(pv._waits or ()) == 4)
        waits[1].cancel()
        await until(waits[1].done)
        async with serving({"pv": ChannelDouble(value=1.0)}):
            await waits[0]
            await waits[2]
            assert await group == {pv: None}


async def test_cancelled_iteration_loses_no_update(loopback: Loopback) -> None:
    data = ChannelDouble(value=0.0)
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        updates = pv.subscribe().updates()
        assert (await updates.__anext__()).value == 0.0
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(updates.__anext__(), 0.02)
        for value in (1.0, 2.0, 3.0):
            await data.write(value)
        assert [(await updates.__anext__()).value for _ in range(3)] == [1.0, 2.0, 3.0]
        await updates.aclose()


async def test_cancelled_write_that_waits_for_room_in_the_socket(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=10) as ctx:

        def large(received: RawMessage) -> bytes:
            if received.command != CREATE_CHAN:
                return b""
            cid = received.p1
            rights = raw_message(ACCESS_RIGHTS, 0, 0, cid, 3)
            long_head = HEADER.pack(CREATE_CHAN, 0xFFFF, DOUBLE, 0, cid, 1)
            return rights + long_head + bytes(4) + (1_000_000).to_bytes(4, "big")

        server.on_message = large
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        manager = pv.circuit_manager
        assert manager is not None
        server.connections[-1].transport.pause_reading()  # type: ignore[attr-defined]
        values = array("d", bytes(800_000))
        for _ in range(20):
            # The first of them return at once, also the one that fills the socket; those after it wait.
            writing = asyncio.create_task(pv.write(values, wait=False))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if not writing.done():
                break
        assert manager.paused
        assert not writing.done()
        another = asyncio.create_task(pv.write(values, wait=False))
        await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        server.connections[-1].transport.resume_reading()  # type: ignore[attr-defined]
        await another


async def test_cancelled_read_lets_the_pv_go_idle(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        reading = asyncio.create_task(pv.read(timeout=None))
        await until(lambda: pv.busy)
        await pv.go_idle()
        assert pv.connected
        reading.cancel()
        await until(lambda: "(idle)" in repr(pv))
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_cancelled_callback_task_is_no_error(loopback: Loopback) -> None:
    data = ChannelDouble(value=0.0)
    started, later = asyncio.Event(), Recorder()

    async def endless(sub: Any, response: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    async with serving({"pv": data}):
        async with Context(timeout=10) as ctx:
            (pv,) = await ctx.get_pvs("pv")
            sub = pv.subscribe()
            sub.add_callback(endless)
            sub.add_callback(later)
            await started.wait()
            await data.write(1.0)
            await later.until_value(1.0)
        assert not ctx._tasks
