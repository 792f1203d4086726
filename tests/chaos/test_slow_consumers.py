"""Who cannot keep up delays nobody else, fills no memory, and has the newest value in the end."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from caproto import EventAddResponse
from caproto.asyncio._backlog import BACKLOG_HIGH
from caproto.asyncio.client import PV, Context
from tests.asyncio.waiting import until
from tests.support import CIoc

from .conftest import Impatience

IN_FLIGHT = 15_000  # updates that are on their way when the server is asked to hold back
BURST = 500  # writes in one turn of the loop


def updates_alive() -> int:
    """Return how many updates this process keeps."""
    return sum(type(each) is EventAddResponse for each in gc.get_objects())


class Source:
    """Counts CH:number up as fast as it goes."""

    def __init__(self, pv: PV, last: int) -> None:
        self.pv = pv
        self.last = last

    async def write(self, count: int) -> None:
        """Write that many values."""
        for _ in range(count // BURST):
            for _ in range(BURST):
                self.last += 1
                await self.pv.write(self.last, wait=False)
            await asyncio.sleep(0)
        await self.pv.write(self.last)  # the server is as far as this

    async def write_until(self, condition: Callable[[], object]) -> None:
        """Write until something has happened."""
        while not condition():
            await self.write(5_000)


class Setting:
    """A consumer's PV, a PV on the same circuit, and a source on another one."""

    def __init__(self, watched: PV, other: PV, source: Source) -> None:
        self.watched, self.other, self.source = watched, other, source

    @property
    def held_back(self) -> bool:
        """Whether the server has been asked to hold updates back."""
        assert self.watched.circuit is not None
        return self.watched.circuit.suspended

    async def flood(self) -> None:
        """Write until the client has had enough, and as much again."""
        before = updates_alive()
        await self.source.write_until(lambda: self.held_back)
        await self.source.write(20_000)
        assert updates_alive() - before < BACKLOG_HIGH + IN_FLIGHT
        assert (await self.other.read()).value == 1.5  # while the consumer is stuck


@asynccontextmanager
async def setting(ioc: CIoc, impatient: Impatience) -> AsyncIterator[Setting]:
    impatient.search_at(ioc.port)
    async with Context(timeout=10) as ctx, Context(timeout=10) as writing:
        watched, other = await ctx.get_pvs("CH:number", "CH:value")
        (target,) = await writing.get_pvs("CH:number")
        await asyncio.gather(*(pv.wait_for_connection() for pv in (watched, other, target)))
        yield Setting(watched, other, Source(target, (await target.read()).value))


async def test_function_that_blocks(shared_ioc: CIoc, impatient: Impatience) -> None:
    go_on = threading.Event()
    seen: list[int] = []

    def callback(sub: Any, response: Any) -> None:
        seen.append(response.value)
        go_on.wait()

    async with setting(shared_ioc, impatient) as here:
        try:
            here.watched.subscribe().add_callback(callback)
            await until(lambda: seen)
            await here.flood()
            assert len(seen) == 1
        finally:
            go_on.set()
        await until(lambda: seen[-1] == here.source.last)
        assert seen == sorted(seen)
        await until(lambda: not here.held_back)


async def test_coroutine_that_waits(shared_ioc: CIoc, impatient: Impatience) -> None:
    go_on = asyncio.Event()
    seen: list[int] = []

    async def callback(sub: Any, response: Any) -> None:
        seen.append(response.value)
        await go_on.wait()

    async with setting(shared_ioc, impatient) as here:
        here.watched.subscribe().add_callback(callback)
        await until(lambda: seen)
        await here.flood()
        assert len(seen) == 1
        go_on.set()
        await until(lambda: seen[-1] == here.source.last)
        assert seen == sorted(seen)
        assert not here.held_back


async def test_loop_body_that_waits(shared_ioc: CIoc, impatient: Impatience) -> None:
    async with setting(shared_ioc, impatient) as here:
        updates = here.watched.subscribe().updates()
        first = await anext(updates)
        await here.flood()
        seen = [first.value]
        while seen[-1] != here.source.last:
            seen.append((await anext(updates)).value)
        assert seen == sorted(seen)
        assert not here.held_back
        await updates.aclose()


async def test_loop_body_with_a_small_queue(shared_ioc: CIoc, impatient: Impatience) -> None:
    async with setting(shared_ioc, impatient) as here:
        updates = here.watched.subscribe().updates(maxsize=10)
        await anext(updates)
        before = updates_alive()
        await here.source.write(20_000)
        assert updates_alive() - before < IN_FLIGHT
        while (await anext(updates)).value != here.source.last:
            pass
        assert not here.held_back
        await updates.aclose()


async def test_loop_body_that_wants_the_latest_only(
    shared_ioc: CIoc, impatient: Impatience
) -> None:
    async with setting(shared_ioc, impatient) as here:
        sub = here.watched.subscribe()
        updates = sub.updates(policy="latest")
        await anext(updates)
        before = updates_alive()
        await here.source.write(20_000)
        assert updates_alive() - before < 10
        assert not here.held_back
        values: list[int] = []
        while not values or values[-1] != here.source.last:
            values.append((await anext(updates)).value)
        assert sub.dropped > 0
        assert len(values) + sub.dropped <= 20_000
        await updates.aclose()


async def test_backlog_of_large_arrays_is_bounded_in_bytes(
    shared_ioc: CIoc, impatient: Impatience
) -> None:
    impatient.search_at(shared_ioc.port)
    async with Context(timeout=20) as ctx, Context(timeout=20) as writing:
        watched, other = await ctx.get_pvs("CH:image", "CH:value")
        (target,) = await writing.get_pvs("CH:image")
        updates = watched.subscribe().updates()
        await anext(updates)
        for number in range(25):
            await target.write(np.full(1_000_000, number))
        assert (await other.read()).value == 1.5
        waiting = [each for each in gc.get_objects() if type(each) is EventAddResponse]
        assert sum(each.payload_size for each in waiting) < 100 << 20
        await target.write([7.0])
        while len((await anext(updates)).data) != 1:
            pass
        await updates.aclose()
        await target.write(range(1_000_000))
