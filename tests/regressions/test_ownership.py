"""Who owns what: contexts that are not disconnected, several of them, several loops, and forks."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import pytest

from caproto import ContextDisconnectedError
from caproto.asyncio.client import Context, SharedBroadcaster, Subscription
from caproto.server.data import ChannelDouble
from tests.asyncio.raw_client import serving
from tests.asyncio.scripted_server import ScriptedServer
from tests.asyncio.waiting import Recorder, States, until
from tests.support import CIoc, free_port, python_command
from tests.support.leaks import open_fds

from ..conftest import Loopback
from .black_hole import black_hole

# --- contexts that nobody disconnects --------------------------------------------------------------------------------------

PROLOGUE = """
import asyncio, gc, os, sys
from caproto.asyncio.client import Context

async def slow_callback(sub, response):
    await asyncio.sleep(100)

def plain_callback(sub, response):
    pass

async def use():
    ctx = Context()
    ai, counter, _ = await ctx.get_pvs("IO:ai", "IO:count:10Hz", "missing")
    await ai.read()
    sub = counter.subscribe()
    sub.add_callback(plain_callback)
    sub.add_callback(slow_callback)
    async for _ in sub:
        break
    return ctx, sub
"""
ENDINGS = {
    "asyncio.run": "asyncio.run(use())",
    "asyncio.run, all kept": "kept = asyncio.run(use())",
    "closed loop": "loop = asyncio.new_event_loop(); loop.run_until_complete(use()); loop.close()",
    "open loop": "loop = asyncio.new_event_loop(); kept = loop.run_until_complete(use())",
    "garbage after the loop": """
loop = asyncio.new_event_loop()
ctx, sub = loop.run_until_complete(use())
loop.close()
del sub
gc.collect()
del ctx
gc.collect()
""",
    "garbage while the loop runs": """
async def main():
    await use()
    gc.collect()
asyncio.run(main())
""",
    "tasks that use it": """
async def main():
    ctx, sub = await use()
    async def consume():
        async for _ in sub:
            started.set()
    started = asyncio.Event()
    tasks = [asyncio.create_task(consume())]
    (missing,) = await ctx.get_pvs("missing")
    tasks.append(asyncio.create_task(missing.read(timeout=100)))
    await started.wait()
asyncio.run(main())
""",
    "sys.exit": """
async def main():
    kept = await use()
    sys.exit(0)
asyncio.run(main())
""",
    "nothing connected yet": """
async def main():
    ctx = Context(resolver={"hole": "127.0.0.1:" + os.environ["HOLE"]})
    hole, missing = await ctx.get_pvs("hole", "missing")
    await hole.wait_for_search()
loop = asyncio.new_event_loop(); loop.run_until_complete(main()); loop.close()
gc.collect()
""",
}


def run_program(source: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python source."""
    return subprocess.run(
        python_command("-c", source), env=env, capture_output=True, text=True, timeout=30
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_caproto_847_and_708_context_that_is_not_disconnected_leaves_no_error(
    c_ioc: CIoc, ending: str
) -> None:
    hole = free_port()
    with black_hole(hole):
        env = c_ioc.client_env(HOLE=str(hole), EPICS_CA_NAME_SERVERS=f"127.0.0.1:{hole}")
        done = run_program(PROLOGUE + ENDINGS[ending], env)
    assert done.stderr == ""
    assert done.returncode == 0


async def test_caproto_847_no_pending_tasks_after_disconnect(loopback: Loopback) -> None:
    ours = asyncio.all_tasks()
    async with ScriptedServer(loopback.ca_port):
        servers_tasks = set()
        ctx = Context(resolver={})
        (pv, _) = await ctx.get_pvs("pv", "missing")
        await pv.wait_for_connection()
        servers_tasks = {t for t in asyncio.all_tasks() if "_serve" in str(t.get_coro())}
        await ctx.disconnect()
        assert asyncio.all_tasks() - ours - servers_tasks == set()


@pytest.mark.parametrize("when", ["at once", "searching", "connecting", "connected", "idle"])
async def test_caproto_847_disconnect_from_any_state_and_again(
    loopback: Loopback, when: str
) -> None:
    async with ScriptedServer(loopback.ca_port) as server:
        ctx, states = Context(), States()
        if when != "at once":
            (pv,) = await ctx.get_pvs("pv", connection_state_callback=states)
            if when == "connecting":
                server.on_message = lambda received: b""
                await pv.wait_for_search()
            elif when in ("connected", "idle"):
                await pv.wait_for_connection()
            if when == "idle":
                await pv.go_idle()
        await asyncio.gather(ctx.disconnect(), ctx.disconnect())
        await ctx.disconnect()
        expected = ["connected", "disconnected"] if when in ("connected", "idle") else []
        assert states.states == expected
        with pytest.raises(ContextDisconnectedError):
            await ctx.get_pvs("pv")
        if when != "at once":
            with pytest.raises(ContextDisconnectedError):
                await pv.read()


async def test_caproto_839_disconnect_from_a_server_that_does_not_respond(
    loopback: Loopback,
) -> None:
    async with ScriptedServer(loopback.ca_port) as server:
        ctx = Context()
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        server.on_message = lambda received: b""
        reading = asyncio.create_task(pv.read(timeout=None))
        await until(lambda: any(m.command == 15 for m in server.received))
        await ctx.disconnect()
        with pytest.raises(ContextDisconnectedError):
            await reading


async def test_caproto_747_disconnect_of_the_user_is_not_undone(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server:
        ctx, states = Context(), States()
        (pv,) = await ctx.get_pvs("pv", connection_state_callback=states)
        await pv.wait_for_connection()
        await ctx.disconnect()
        searches = len(server.searches)
        assert states.states == ["connected", "disconnected"]
        # Another client takes its time; the first one does not come back meanwhile.
        async with Context(timeout=10) as other:
            (same,) = await other.get_pvs("pv")
            await same.wait_for_connection()
        assert len(server.connections) == 2
        assert len(server.searches) == searches + 1
        assert repr(pv) == "<PV name='pv' priority=0 (closed)>"


async def test_caproto_747_disconnect_inside_a_callback(loopback: Loopback) -> None:
    async with serving({"pv": ChannelDouble(value=1.0)}):
        ctx, done = Context(timeout=10), asyncio.Event()

        async def on_update(sub: Subscription, response: Any) -> None:
            await ctx.disconnect()
            done.set()

        (pv,) = await ctx.get_pvs("pv")
        sub = pv.subscribe()
        sub.add_callback(on_update)
        await asyncio.wait_for(done.wait(), 10)


# --- memory and descriptors -----------------------------------------------------------------------------------------------------


async def test_pyepics_10_pvs_of_a_disconnected_context_are_collected(loopback: Loopback) -> None:
    async def use() -> list[weakref.ref[Any]]:
        async with Context(timeout=10) as ctx:
            updates = Recorder()
            (pv,) = await ctx.get_pvs("pv", connection_state_callback=lambda pv, state: None)
            sub = pv.subscribe()
            sub.add_callback(updates)
            await updates.until_value(1.0)
            return [weakref.ref(thing) for thing in (ctx, pv, sub)]

    async with serving({"pv": ChannelDouble(value=1.0)}):
        references = await use()
        await asyncio.sleep(0)
        gc.collect()
        assert [reference() for reference in references] == [None, None, None]


def test_pyepics_10_context_that_is_dropped_with_its_loop_takes_its_threads_along(
    loopback: Loopback,
) -> None:
    before = set(threading.enumerate())

    async def use() -> weakref.ref[Any]:
        async with serving({"pv": ChannelDouble(value=1.0)}):
            ctx, updates = Context(timeout=10), Recorder()
            (pv,) = await ctx.get_pvs("pv")
            sub = pv.subscribe()
            sub.add_callback(updates)
            await updates.until_value(1.0)
            assert set(threading.enumerate()) > before
            return weakref.ref(ctx)

    reference = asyncio.run(use())
    with pytest.warns(ResourceWarning):  # Python's own, about sockets that nobody closed
        gc.collect()
    assert reference() is None
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()


async def test_pyepics_171_descriptors_and_threads_do_not_grow_with_disconnects(
    loopback: Loopback,
) -> None:
    async with serving({"pv": ChannelDouble(value=1.0)}):

        async def use() -> None:
            async with Context(timeout=10) as ctx:
                updates = Recorder()
                (pv,) = await ctx.get_pvs("pv")
                sub = pv.subscribe()
                sub.add_callback(updates)
                await updates.until_value(1.0)

        await use()
        descriptors, threads = len(open_fds()), threading.active_count()
        for _ in range(30):
            await use()
        await until(lambda: len(open_fds()) <= descriptors)  # the server has noticed the last one
        assert threading.active_count() <= threads


async def test_pyepics_171_reconnects_leave_no_circuits_behind(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        descriptors = len(open_fds())
        for _ in range(20):
            await ctx.reconnect([("pv", 0)])
            await pv.wait_for_connection()
        assert len(ctx.circuit_managers) == 1
        assert len(ctx._tasks) <= 1
        assert len(server.connections) == 1  # the circuit stays, only the channel is a new one
        assert len(open_fds()) == descriptors


# --- several of them ---------------------------------------------------------------------------------------------------------------


async def test_caproto_824_several_contexts_in_one_loop_are_independent(loopback: Loopback) -> None:
    async with serving({"pv": ChannelDouble(value=1.0)}) as server:
        first, second = Context(timeout=10), Context(timeout=10)
        states = States()
        (one,) = await first.get_pvs("pv")
        (two,) = await second.get_pvs("pv", connection_state_callback=states)
        await one.wait_for_connection()
        await two.wait_for_connection()
        assert one is not two
        assert len(server.circuits) == 2
        await first.disconnect()
        assert await two.read() is not None
        await until(lambda: bool(states.states))  # the callback runs on a worker thread
        await states.until("connected")
        await second.disconnect()


async def test_caproto_824_contexts_may_share_a_broadcaster(loopback: Loopback) -> None:
    async with serving({"pv": ChannelDouble(value=1.0), "late": ChannelDouble(value=2.0)}):
        broadcaster = SharedBroadcaster()
        first = Context(broadcaster, timeout=10)
        second = Context(broadcaster, timeout=10)
        for pv in (*await first.get_pvs("pv"), *await second.get_pvs("pv")):
            await pv.wait_for_connection()
        await first.disconnect()
        assert not broadcaster.closed
        (late,) = await second.get_pvs("late")
        await late.wait_for_connection()
        await second.disconnect()
        assert broadcaster.closed


def test_aioca_51_contexts_in_several_threads_and_loops(c_ioc_env: CIoc) -> None:
    values: list[Any] = []
    together = threading.Barrier(3)

    async def use() -> None:
        async with Context(timeout=10) as ctx:
            (pv,) = await ctx.get_pvs("IO:ai")
            await pv.wait_for_connection()
            await asyncio.to_thread(together.wait, 10)  # all are connected at the same time
            response = await pv.read()
            values.append(getattr(response, "value", None))
            await asyncio.to_thread(together.wait, 10)

    threads = [threading.Thread(target=lambda: asyncio.run(use())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert values == [3.25] * 3


def test_aioca_61_one_loop_after_the_other(c_ioc_env: CIoc) -> None:
    async def use() -> Any:
        async with Context(timeout=10) as ctx:
            (pv,) = await ctx.get_pvs("IO:ai")
            response = await pv.read()
            return getattr(response, "value", None)

    assert [asyncio.run(use()) for _ in range(3)] == [3.25] * 3


# --- forks --------------------------------------------------------------------------------------------------------------------------

FORK = """
import asyncio, gc, json, os, sys, traceback
from caproto.asyncio.client import Context

values, states = [], []

async def use_anew():
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("IO:ai")
        return (await pv.read()).value

async def error_of(coroutine):
    try:
        await coroutine
    except Exception as error:
        return f"{type(error).__name__}: {error}"

async def add_callback(sub):
    sub.add_callback(print)

async def use_inherited(ctx, pv, sub):
    errors = [
        await error_of(ctx.get_pvs("IO:ao")),
        await error_of(pv.read()),
        await error_of(pv.write(1.0)),
        await error_of(pv.write(1.0, wait=False)),
        await error_of(pv.subscribe().__aiter__().__anext__()),
        await error_of(add_callback(sub)),
    ]
    await sub.clear()
    await ctx.disconnect()
    return errors

def child(ctx, pv, sub, pipe):
    try:
        result = [asyncio.run(use_inherited(ctx, pv, sub)), asyncio.run(use_anew())]
    except BaseException:
        result = traceback.format_exc()
    del ctx, pv, sub
    gc.collect()
    os.write(pipe, json.dumps(result).encode())
    os._exit(0)

async def main():
    ctx = Context(timeout=10)
    (pv,) = await ctx.get_pvs("IO:count:10Hz", connection_state_callback=lambda pv, state: states.append(state))
    sub = pv.subscribe()
    async for update in sub:
        break
    updates = sub.updates()
    await updates.__anext__()
    circuit = pv.circuit_manager
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        child(ctx, pv, sub, writing)
    os.close(writing)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, os.waitpid, pid, 0)
    result = json.loads(os.read(reading, 100000))
    seen = (await updates.__anext__()).value
    await updates.__anext__()
    await updates.__anext__()
    after = (await pv.read()).value
    same = pv.circuit_manager is circuit
    (other,) = await ctx.get_pvs("IO:ao")  # has to be searched
    await other.wait_for_connection()
    await updates.aclose()
    await ctx.disconnect()
    print(json.dumps({"child": result, "states": states, "same": same, "goes on": after > seen}))

asyncio.run(main())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_pyepics_15_fork_leaves_the_parents_circuits_alone(c_ioc: CIoc) -> None:
    done = run_program(
        "import warnings; warnings.simplefilter('ignore')\n" + FORK, c_ioc.client_env()
    )
    assert done.stderr == ""
    result = json.loads(done.stdout)
    errors, value = result["child"]
    assert value == 3.25
    assert len(errors) == 6
    for error in errors:
        assert error is not None
        assert error.startswith("ContextDisconnectedError: ")
        assert "belongs to the parent process" in error
    assert result["states"] == ["connected", "disconnected"]
    assert result["same"]
    assert result["goes on"]
