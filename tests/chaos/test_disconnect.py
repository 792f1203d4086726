"""`disconnect` works from any state, ends everything that waits, and may be called again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from caproto import CaprotoError, ContextDisconnectedError
from caproto.asyncio.client import PV, Context
from tests.asyncio.waiting import until
from tests.support import CIoc
from tests.support.chaos_proxy import Action, ChaosProxy, Fault, Way

from .conftest import Impatience
from .test_server_faults import full_backlog


class Scene:
    """A client behind a proxy."""

    def __init__(self, proxy: ChaosProxy, stack: AsyncExitStack) -> None:
        self.proxy = proxy
        self.stack = stack
        self.ctx = Context(timeout=20)
        self.waiting: list[asyncio.Future[Any]] = []

    async def pv(self, name: str = "CH:value") -> PV:
        """Return a PV that somebody waits for."""
        (pv,) = await self.ctx.get_pvs(name)
        self.wait_for(pv.wait_for_connection())
        return pv

    async def connected(self, name: str = "CH:value") -> PV:
        """Return a PV that is connected."""
        (pv,) = await self.ctx.get_pvs(name)
        await pv.wait_for_connection()
        return pv

    def wait_for(self, awaitable: Awaitable[Any]) -> None:
        """Let somebody wait for something that will not come."""
        self.waiting.append(asyncio.ensure_future(awaitable))


async def _new(scene: Scene) -> None:
    pass


async def _searching(scene: Scene) -> None:
    pv = await scene.pv("CH:nowhere")
    scene.wait_for(pv.read())
    scene.wait_for(pv.write(1.0))
    scene.wait_for(scene.ctx.wait_for_connections(pv, timeout=None))


async def _searching_with_penalty(scene: Scene) -> None:
    scene.proxy.refuse()
    pv = await scene.pv()
    await until(lambda: scene.ctx._engine._penalties)
    scene.wait_for(pv.read())


async def _connecting(scene: Scene) -> None:
    scene.proxy.advertised_port = scene.stack.enter_context(full_backlog())
    pv = await scene.pv()
    await until(lambda: pv.circuit is not None)
    assert pv.circuit is not None
    assert not pv.circuit.connected


def _greeting(at: int) -> Callable[[Scene], Awaitable[None]]:
    async def state(scene: Scene) -> None:
        scene.proxy.always = (Fault(Action.STALL, at),)
        await scene.pv()
        await until(lambda: scene.proxy.links and scene.proxy.links[0].passed(Way.TO_CLIENT) == at)

    return state


async def _connected(scene: Scene) -> None:
    await scene.connected()


async def _waiting_for_replies(scene: Scene) -> None:
    pv = await scene.connected()
    scene.proxy.inject(Fault(Action.STALL))
    for _ in range(100):
        scene.wait_for(pv.read())
        scene.wait_for(pv.write(1.5))
    scene.wait_for(scene.ctx.read_many([pv]))


async def _half_an_array(scene: Scene) -> None:
    pv = await scene.connected("CH:image")
    scene.proxy.inject(Fault(Action.STALL, 1_000_000))
    scene.wait_for(pv.read())
    await until(lambda: scene.proxy.happened)


async def _nothing_can_be_sent(scene: Scene) -> None:
    pv = await scene.connected("CH:image")
    scene.proxy.inject(Fault(Action.STALL, 0, Way.TO_SERVER))
    scene.wait_for(pv.write([0.5] * 1_000_000))
    scene.wait_for(pv.write([0.5] * 1_000_000))
    await until(lambda: pv.circuit is not None and pv.circuit.manager.paused)


async def _cut_a_moment_ago(scene: Scene) -> None:
    pv = await scene.connected()
    scene.proxy.always = (Fault(Action.STALL, 0),)
    scene.proxy.inject(Fault(Action.CUT))
    scene.wait_for(pv.read())
    await until(lambda: scene.ctx._engine._parked)


async def _iterating(scene: Scene) -> None:
    pv = await scene.connected()
    updates = pv.subscribe().updates()
    await anext(updates)

    async def iterate() -> None:
        async for _ in updates:
            pass
        raise ContextDisconnectedError("the iteration has ended, as it should")

    scene.wait_for(iterate())


async def _waiting_for_a_turn_to_write(scene: Scene) -> None:
    pv = await scene.connected()
    scene.proxy.inject(Fault(Action.STALL))
    for _ in range(1100):
        scene.wait_for(pv.write(1.5))
    await asyncio.sleep(0)


STATES: dict[str, Callable[[Scene], Awaitable[None]]] = {
    "new": _new,
    "searching": _searching,
    "searching with a penalty": _searching_with_penalty,
    "connecting": _connecting,
    "no greeting": _greeting(0),
    "half a greeting": _greeting(5),
    "greeted": _greeting(16),
    "half a channel": _greeting(40),
    "connected": _connected,
    "waiting for replies": _waiting_for_replies,
    "half an array": _half_an_array,
    "nothing can be sent": _nothing_can_be_sent,
    "cut a moment ago": _cut_a_moment_ago,
    "iterating": _iterating,
    "waiting for a turn to write": _waiting_for_a_turn_to_write,
}


@asynccontextmanager
async def scene_of(
    state: str, ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    # The client's own patience must not end the state before the test does.
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "30")
    monkeypatch.setenv("CAPROTO_RESPONSIVENESS_TIMEOUT_SEC", "30")
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(ChaosProxy(ioc.port))
        impatient.search_at(proxy.port)
        scene = Scene(proxy, stack)
        await STATES[state](scene)
        yield scene
        results = await asyncio.gather(*scene.waiting, return_exceptions=True)
        for result in results:
            if isinstance(result, dict | list):  # one result or error for each PV
                [result] = result.values() if isinstance(result, dict) else result
            assert isinstance(result, ContextDisconnectedError), results
        for pv in scene.ctx.pvs.values():
            assert not pv.connected
            with pytest.raises(ContextDisconnectedError):
                await pv.read()
        with pytest.raises(ContextDisconnectedError):
            await scene.ctx.get_pvs("CH:value")
        engine = scene.ctx._engine
        assert not engine.circuits
        assert not engine._waits
        assert not engine._parked
        assert not scene.ctx._tasks


@pytest.mark.parametrize("state", STATES)
async def test_disconnect_from_any_state(
    shared_ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    async with scene_of(state, shared_ioc, impatient, monkeypatch) as scene:
        await scene.ctx.disconnect()
        await scene.ctx.disconnect()


@pytest.mark.parametrize("state", STATES)
async def test_two_tasks_disconnect_at_once_and_one_is_cancelled(
    shared_ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    async with scene_of(state, shared_ioc, impatient, monkeypatch) as scene:
        one = asyncio.create_task(scene.ctx.disconnect())
        two = asyncio.create_task(scene.ctx.disconnect())
        await asyncio.sleep(0)
        one.cancel()
        await asyncio.wait({one, two})
        two.result()
        await scene.ctx.disconnect()


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_a_callback_disconnects(shared_ioc: CIoc, impatient: Impatience, kind: str) -> None:
    impatient.search_at(shared_ioc.port)
    ctx = Context(timeout=10)
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    async def disconnect(*_: Any) -> None:
        await ctx.disconnect()
        if not ended.done():
            ended.set_result(None)

    def from_a_thread(*_: Any) -> None:
        asyncio.run_coroutine_threadsafe(disconnect(), loop)

    (pv,) = await ctx.get_pvs("CH:value")
    pv.subscribe().add_callback(disconnect if kind == "coroutine" else from_a_thread, strong=True)
    await ended
    with pytest.raises(ContextDisconnectedError):
        await pv.read()
    await ctx.disconnect()


async def test_disconnect_does_not_wait_for_ever_for_a_callback(
    shared_ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caproto.asyncio._context._STOP_TIME", 0.1)
    impatient.search_at(shared_ioc.port)
    called, go_on = threading.Event(), threading.Event()

    def callback(sub: Any, response: Any) -> None:
        called.set()
        go_on.wait()

    try:
        async with Context(timeout=10) as ctx:
            (pv,) = await ctx.get_pvs("CH:value")
            pv.subscribe().add_callback(callback)
            await until(called.is_set)
    finally:
        go_on.set()  # the thread ends now; the harness sees to it


async def test_program_that_is_cancelled_as_a_whole(
    shared_ioc: CIoc, impatient: Impatience
) -> None:
    impatient.search_at(shared_ioc.port)
    reached = asyncio.Event()

    async def program() -> None:
        async with Context(timeout=10) as ctx:
            (pv,) = await ctx.get_pvs("CH:count")
            async for _ in pv.subscribe():
                reached.set()

    task = asyncio.create_task(program())
    await reached.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_nobody_is_told_anything_after_disconnect(
    shared_ioc: CIoc, impatient: Impatience
) -> None:
    impatient.search_at(shared_ioc.port)
    values: list[Any] = []
    states: list[str] = []
    ctx = Context(timeout=10, max_workers=0)
    (pv,) = await ctx.get_pvs(
        "CH:count", connection_state_callback=lambda pv, state: states.append(state)
    )
    pv.subscribe().add_callback(lambda sub, response: values.append(response.value), strong=True)
    await until(lambda: len(values) > 1)
    await ctx.disconnect()
    count = len(values)
    async with Context(timeout=10) as other:
        (again,) = await other.get_pvs("CH:count")
        updates = again.subscribe().updates()
        await anext(updates)
        await anext(updates)  # time has passed, and there was something to tell
        await updates.aclose()
    assert len(values) == count
    assert states == ["connected", "disconnected"]
    with pytest.raises(CaprotoError):
        await pv.read()
