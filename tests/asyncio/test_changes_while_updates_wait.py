"""Callbacks that are added and removed while updates wait for the worker thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from caproto.asyncio.client import PV, Context, Subscription
from tests.support import Ioc

from .waiting import Recorder, until


@asynccontextmanager
async def held_worker() -> AsyncIterator[tuple[PV, threading.Event]]:
    """Give a PV whose worker thread does nothing until the event is set."""
    go_on = threading.Event()

    def hold(pv: PV, state: str) -> None:
        assert go_on.wait(20)

    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=hold)
        try:
            yield dt, go_on
        finally:
            go_on.set()


async def until_arrived(sub: Subscription, value: float) -> None:
    """Wait for an update at the client; it need not have reached a callback."""

    def newest() -> Any:
        response = sub.most_recent_response
        return None if response is None else response.value

    await until(lambda: newest() == value)


@pytest.mark.parametrize("beside", ["nothing", "a coroutine function", "an iteration"])
async def test_a_callback_that_is_added_while_an_update_waits_gets_it_once(
    ioc: Ioc, beside: str
) -> None:
    others: list[float] = []

    async def coroutine(sub: Subscription, response: Any) -> None:
        others.append(response.value)

    async def iterate(sub: Subscription) -> None:
        async for response in sub:
            await coroutine(sub, response)

    async with held_worker() as (dt, go_on):
        first, second, third = Recorder(), Recorder(), Recorder()
        sub = dt.subscribe()
        sub.add_callback(first)
        if beside == "a coroutine function":
            sub.add_callback(coroutine)
        iteration = asyncio.create_task(iterate(sub)) if beside == "an iteration" else None
        await until_arrived(sub, 3.0)
        sub.add_callback(second)
        await dt.write(11.0)
        await until_arrived(sub, 11.0)
        sub.add_callback(third)
        await dt.write(12.0)
        await until_arrived(sub, 12.0)
        go_on.set()
        await third.until_value(12.0)
        assert first.values == second.values == [3.0, 11.0, 12.0]
        assert third.values == [11.0, 12.0]
        if beside != "nothing":
            await until(lambda: others == [3.0, 11.0, 12.0])
        await sub.clear()
        if iteration is not None:
            await iteration


async def test_a_callback_that_is_removed_gets_none_of_what_waits(ioc: Ioc) -> None:
    """Neither the updates that found it there, nor the value that it was to be given at once."""
    async with held_worker() as (dt, go_on):
        before, meanwhile, kept = Recorder(), Recorder(), Recorder()
        sub = dt.subscribe()
        tokens = [sub.add_callback(before)]
        sub.add_callback(kept)
        await until_arrived(sub, 3.0)
        tokens.append(sub.add_callback(meanwhile))
        await dt.write(11.0)
        await until_arrived(sub, 11.0)
        for token in tokens:
            await sub.remove_callback(token)
        go_on.set()
        await kept.until_value(11.0)
        assert (before.values, meanwhile.values, kept.values) == ([], [], [3.0, 11.0])


async def test_a_callback_that_is_removed_does_not_get_the_update_that_another_has_just_got(
    ioc: Ioc,
) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        begun, go_on = threading.Event(), threading.Event()

        def hold(sub: Subscription, response: Any) -> None:
            begun.set()
            assert go_on.wait(20)

        removed, kept = Recorder(), Recorder()
        sub = dt.subscribe()
        sub.add_callback(hold)
        token = sub.add_callback(removed)
        sub.add_callback(kept)
        await until(begun.is_set)
        await sub.remove_callback(token)
        go_on.set()
        await kept.until_value(3.0)
        assert (removed.values, kept.values) == ([], [3.0])


async def test_a_callback_that_is_removed_and_added_again_gets_what_waits_once(ioc: Ioc) -> None:
    async with held_worker() as (dt, go_on):
        again, kept = Recorder(), Recorder()
        sub = dt.subscribe()
        token = sub.add_callback(again)
        sub.add_callback(kept)
        await until_arrived(sub, 3.0)
        await sub.remove_callback(token)
        sub.add_callback(again)
        await dt.write(11.0)
        await until_arrived(sub, 11.0)
        go_on.set()
        await again.until_value(11.0)
        assert again.values == kept.values == [3.0, 11.0]


async def test_what_waits_when_the_last_callback_goes_is_not_for_the_next(ioc: Ioc) -> None:
    async with held_worker() as (dt, go_on):
        former, following = Recorder(), Recorder()
        sub = dt.subscribe()
        token = sub.add_callback(former)
        await until_arrived(sub, 3.0)
        await sub.remove_callback(token)
        await dt.write(11.0)
        sub.add_callback(following)
        await until_arrived(sub, 11.0)
        go_on.set()
        await following.until_value(11.0)
        assert (former.values, following.values) == ([], [11.0])


async def test_a_callback_that_another_adds_on_the_loop_gets_each_update_once(ioc: Ioc) -> None:
    async with Context(max_workers=0) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        added = Recorder()

        def add(sub: Subscription, response: Any) -> None:
            if response.value == 3.0:
                sub.add_callback(added)

        sub = dt.subscribe()
        sub.add_callback(add)
        await added.until_value(3.0)
        await dt.write(11.0)
        await added.until_value(11.0)
        assert added.values == [3.0, 11.0]
