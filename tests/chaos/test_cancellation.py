"""Whoever stops waiting, at whatever moment, leaves nothing behind and harms nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from caproto.asyncio._slots import MOST_CONFIRMED_WRITES
from caproto.asyncio.client import PV, Context
from tests.asyncio.waiting import Recorder, until
from tests.support import CIoc
from tests.support.chaos_proxy import Action, ChaosProxy, Fault, Way

from .conftest import Impatience

DEAF = (Fault(Action.STALL, 0, Way.TO_CLIENT), Fault(Action.STALL, 0, Way.TO_SERVER))
MOST_TURNS = 12  # of the event loop: by then an operation waits for the network


async def _next_update(ctx: Context, pv: PV) -> None:
    updates = pv.subscribe().updates()
    try:
        await anext(updates)
        await anext(updates)  # there is none
    finally:
        await updates.aclose()


async def _monitor(ctx: Context, pv: PV) -> None:
    events = ctx.monitor(pv.name)
    try:
        async for _ in events:
            pass
    finally:
        await events.aclose()


OPERATIONS: dict[str, Callable[[Context, PV], Awaitable[Any]]] = {
    "wait_for_search": lambda ctx, pv: pv.wait_for_search(),
    "wait_for_connection": lambda ctx, pv: pv.wait_for_connection(),
    "wait_for_connections": lambda ctx, pv: ctx.wait_for_connections(pv),
    "read": lambda ctx, pv: pv.read(),
    "deprecated read": lambda ctx, pv: pv.read(notify=False),
    "read_many": lambda ctx, pv: ctx.read_many([pv, pv]),
    "write": lambda ctx, pv: pv.write(1.5),
    "write_many": lambda ctx, pv: ctx.write_many({pv: 1.5}),
    "unconfirmed write": lambda ctx, pv: pv.write(1.5, wait=False),
    "iteration": _next_update,
    "monitor": _monitor,
}


def left_behind(ctx: Context) -> dict[str, Any]:
    """Return what the client still keeps for somebody who waits."""
    engine = ctx._engine
    found: dict[str, Any] = {
        "waits": list(engine._waits),
        "parked": list(engine._parked),
        "requests": [each for circuit in engine.circuits.values() for each in circuit.pending],
        "subscriptions": [
            sub
            for circuit in engine.circuits.values()
            for sub in circuit.tables.subscriptions.values()
        ],
        "waiting": [wait for pv in ctx.pvs.values() for wait in pv._waits or ()],
    }
    return {name: each for name, each in found.items() if each}


async def cancel_after(turns: int, awaitable: Awaitable[Any]) -> None:
    """Start something and cancel it after so many turns of the event loop."""
    task = asyncio.ensure_future(awaitable)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.result()


@pytest.mark.parametrize("name", OPERATIONS)
async def test_cancelled_while_the_pv_is_searched(impatient: Impatience, name: str) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("CH:nowhere")
        for turns in range(MOST_TURNS):
            await cancel_after(turns, OPERATIONS[name](ctx, pv))
            assert not left_behind(ctx)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_cancelled_while_the_server_makes_no_channel(
    shared_ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "30")
    monkeypatch.setenv("CAPROTO_RESPONSIVENESS_TIMEOUT_SEC", "30")
    async with ChaosProxy(shared_ioc.port) as proxy:
        proxy.plan.append(DEAF)
        impatient.search_at(proxy.port)
        async with Context(timeout=20) as ctx:
            (pv,) = await ctx.get_pvs("CH:value")
            await until(lambda: proxy.links and pv.circuit is not None and pv.circuit.connected)
            for turns in range(MOST_TURNS):
                await cancel_after(turns, OPERATIONS[name](ctx, pv))
                assert not left_behind(ctx)
            proxy.heal()
            assert (await pv.read()).value == 1.5


@pytest.mark.parametrize("name", OPERATIONS)
async def test_cancelled_while_the_server_does_not_answer(
    shared_ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "30")
    async with ChaosProxy(shared_ioc.port) as proxy:
        impatient.search_at(proxy.port)
        async with Context(timeout=20) as ctx:
            pv, other = await ctx.get_pvs("CH:value", "CH:array")
            await asyncio.gather(pv.wait_for_connection(), other.wait_for_connection())
            proxy.inject(Fault(Action.STALL))
            for turns in range(MOST_TURNS):
                await cancel_after(turns, OPERATIONS[name](ctx, pv))
                assert not left_behind(ctx)
            reading = asyncio.gather(pv.read(), other.read())
            proxy.heal()  # and here come the answers to all that was given up
            one, two = await reading
            assert one.value == 1.5
            assert list(two.data) == list(range(10_000))
            assert not left_behind(ctx)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_cancelled_at_any_turn_with_a_server_that_works(
    shared_ioc: CIoc, impatient: Impatience, name: str
) -> None:
    impatient.search_at(shared_ioc.port)
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("CH:value")
        for turns in range(2 * MOST_TURNS):
            await cancel_after(turns, OPERATIONS[name](ctx, pv))
            assert not left_behind(ctx)
            if turns == MOST_TURNS:
                await pv.wait_for_connection()
        assert (await pv.read()).value == 1.5


async def _wait_for(awaitable: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(awaitable, 0.05)


async def _within_a_block(awaitable: Awaitable[Any]) -> Any:
    block: Any = getattr(asyncio, "timeout", None)  # since Python 3.11
    async with block(0.05):
        return await awaitable


_needs_311 = pytest.mark.skipif(
    not hasattr(asyncio, "timeout"), reason="asyncio.timeout came with Python 3.11"
)


@pytest.mark.parametrize("limited", [_wait_for, pytest.param(_within_a_block, marks=_needs_311)])
async def test_timeout_of_the_caller(
    shared_ioc: CIoc, impatient: Impatience, limited: Callable[[Awaitable[Any]], Awaitable[Any]]
) -> None:
    async with ChaosProxy(shared_ioc.port) as proxy:
        impatient.search_at(proxy.port)
        async with Context(timeout=None) as ctx:
            (pv,) = await ctx.get_pvs("CH:value")
            await pv.wait_for_connection()
            proxy.inject(Fault(Action.STALL))
            with pytest.raises(asyncio.TimeoutError):
                await limited(pv.read())
            assert not left_behind(ctx)
            assert (await pv.read()).value == 1.5  # on the next circuit


async def test_read_that_is_repeated_is_cancelled(shared_ioc: CIoc, impatient: Impatience) -> None:
    async with ChaosProxy(shared_ioc.port) as proxy:
        impatient.search_at(proxy.port)
        async with Context(timeout=10) as ctx:
            (pv,) = await ctx.get_pvs("CH:value")
            await pv.wait_for_connection()
            proxy.inject(Fault(Action.CUT, 1))
            proxy.always = DEAF
            reading = asyncio.create_task(pv.read())
            await until(lambda: ctx._engine._parked)
            reading.cancel()
            await asyncio.wait({reading})
            assert reading.cancelled()
            assert not left_behind(ctx)
            proxy.heal()
            assert (await pv.read()).value == 1.5


async def test_cancelled_readers_do_not_disturb_the_others(
    shared_ioc: CIoc, impatient: Impatience
) -> None:
    impatient.search_at(shared_ioc.port)
    recorder = Recorder()
    async with Context(timeout=10) as ctx:
        pv, other = await ctx.get_pvs("CH:value", "CH:count")
        other.subscribe().add_callback(recorder)
        await pv.wait_for_connection()
        tasks = [asyncio.create_task(pv.read()) for _ in range(1000)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in results[::2])
        assert [each.value for each in results[1::2]] == [1.5] * 500  # type: ignore[union-attr]
        assert pv.connected
        await recorder.until(lambda values: len(values) > 2)


async def test_cancelled_writes_give_their_turn_back(
    shared_ioc: CIoc, impatient: Impatience, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "30")
    async with ChaosProxy(shared_ioc.port) as proxy:
        impatient.search_at(proxy.port)
        async with Context(timeout=20) as ctx:
            (pv,) = await ctx.get_pvs("CH:counted")
            await pv.wait_for_connection()
            proxy.inject(Fault(Action.STALL))
            most = MOST_CONFIRMED_WRITES  # under way; the others wait for their turn
            tasks = [asyncio.create_task(pv.write(1.0)) for _ in range(2 * most)]
            many = asyncio.create_task(ctx.write_many({pv: 1.0}))
            await until(lambda: len(left_behind(ctx).get("requests", ())) == most)
            for task in (*tasks, many):
                task.cancel()
            await asyncio.wait({*tasks, many})
            assert not left_behind(ctx)
            proxy.heal()
            results = await asyncio.gather(*(pv.write(2.0) for _ in range(most)))
            assert all(response is not None for response in results)
