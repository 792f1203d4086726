"""Faults while values travel: every request ends, and every subscription ends up with the newest value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from caproto import CaprotoError, DisconnectedError
from caproto.asyncio.client import PV, Context
from tests.asyncio.waiting import Recorder, until
from tests.support import CIoc, free_port, write_bulk_database
from tests.support.chaos_proxy import Action, ChaosProxy, Fault, Way, Weather

from .conftest import Impatience

AT_ONCE = 12
READ_REQUEST, READ_REPLY = 16, 24
WRITE_REQUEST, WRITE_REPLY = 24, 16
UPDATE = 24
LOSSES = [Action.CUT, Action.RESET, Action.STALL]
"""What the client cannot take for an answer."""
DAMAGES = [Action.TRUNCATE, Action.CORRUPT]
"""What it can: nothing in the protocol tells a wrong value from a right one."""


@asynccontextmanager
async def connected(
    ioc: CIoc, impatient: Impatience, name: str
) -> AsyncIterator[tuple[ChaosProxy, PV]]:
    """A proxy, and a PV that is connected through it."""
    async with ChaosProxy(ioc.port) as proxy:
        impatient.search_at(proxy.port)
        async with Context(timeout=15) as ctx:
            (pv,) = await ctx.get_pvs(name)
            await pv.wait_for_connection()
            yield proxy, pv


async def several_at_once(test: Callable[[int], Coroutine[Any, Any, None]], count: int) -> None:
    """Run `test(0)`, `test(1)`, ... and show all that failed."""
    free = asyncio.Semaphore(AT_ONCE)

    async def guarded(position: int) -> None:
        async with free:
            await test(position)

    results = await asyncio.gather(*map(guarded, range(count)), return_exceptions=True)
    failed = {position: error for position, error in enumerate(results) if error is not None}
    assert not failed


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("action", [*LOSSES, Action.DELAY])
async def test_read_is_repeated_when_its_circuit_fails(
    shared_ioc: CIoc, impatient: Impatience, way: Way, action: Action
) -> None:
    async def at(position: int) -> None:
        async with connected(shared_ioc, impatient, "CH:value") as (proxy, pv):
            proxy.inject(Fault(action, position, way, amount=0.1))
            assert (await pv.read()).value == 1.5
            assert len(proxy.happened) == 1

    await several_at_once(at, READ_REPLY if way is Way.TO_CLIENT else READ_REQUEST)


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("action", DAMAGES)
async def test_read_ends_when_bytes_are_damaged(
    shared_ioc: CIoc, impatient: Impatience, way: Way, action: Action
) -> None:
    async def at(position: int) -> None:
        async with connected(shared_ioc, impatient, "CH:value") as (proxy, pv):
            proxy.inject(Fault(action, position, way))
            try:
                response = await pv.read(timeout=1.0)
                assert response is not None
                assert response.data is not None
            except CaprotoError:
                pass
            # Whatever it was taken for, it does not last.
            await until_read(pv, 1.5)

    await several_at_once(at, READ_REPLY if way is Way.TO_CLIENT else READ_REQUEST)


async def until_read(pv: PV, value: object) -> None:
    """Read until that is the value."""

    async def read() -> None:
        while True:
            try:
                if (await pv.read(timeout=2.0)).value == value:
                    return
            except CaprotoError:
                continue

    await asyncio.wait_for(read(), 20)


@pytest.mark.parametrize("action", LOSSES)
async def test_large_array_is_read_again_when_its_circuit_fails(
    shared_ioc: CIoc, impatient: Impatience, action: Action
) -> None:
    positions = [0, 15, 16, 23, 24, 25, 65_535, 65_536, 79_999, 80_023]

    async def at(index: int) -> None:
        async with connected(shared_ioc, impatient, "CH:array") as (proxy, pv):
            proxy.inject(Fault(action, positions[index]))
            response = await pv.read()
            assert list(response.data) == list(range(10_000))
            assert len(proxy.happened) == 1

    await several_at_once(at, len(positions))


async def _writes(ioc: CIoc, impatient: Impatience) -> float:
    """Return how often CH:counted was written."""
    impatient.search_at(ioc.port)
    async with Context(timeout=15) as ctx:
        (pv,) = await ctx.get_pvs("CH:writes")
        return float((await pv.read()).value)


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("action", LOSSES)
async def test_confirmed_write_is_never_done_twice(
    shared_ioc: CIoc, impatient: Impatience, way: Way, action: Action
) -> None:
    positions = range(1, WRITE_REPLY if way is Way.TO_CLIENT else WRITE_REQUEST)
    before = await _writes(shared_ioc, impatient)
    unknown: list[DisconnectedError] = []

    async def at(index: int) -> None:
        async with connected(shared_ioc, impatient, "CH:counted") as (proxy, pv):
            proxy.inject(Fault(action, positions[index], way))
            with pytest.raises(
                DisconnectedError, match="whether the value was written is not known"
            ) as caught:
                await pv.write(float(index))
            assert caught.value.pv_name == "CH:counted"
            unknown.append(caught.value)
            await pv.wait_for_connection()

    await several_at_once(at, len(positions))
    assert len(unknown) == len(positions)
    done = await _writes(shared_ioc, impatient) - before
    # A request that was cut short was not done; one whose reply was cut short was.
    assert done == (len(positions) if way is Way.TO_CLIENT else 0)


@pytest.mark.parametrize(
    ("action", "way"),
    [
        *((action, way) for action in (*LOSSES, Action.DELAY, Action.TRUNCATE) for way in Way),
        # In the other direction the server would take it for another subscription that somebody wants.
        (Action.CORRUPT, Way.TO_CLIENT),
    ],
)
async def test_subscription_ends_up_with_the_newest_value(
    shared_ioc: CIoc, impatient: Impatience, way: Way, action: Action
) -> None:
    async def at(position: int) -> None:
        async with connected(shared_ioc, impatient, "CH:other") as (proxy, pv):
            recorder = Recorder()
            sub = pv.subscribe()
            fault = Fault(action, position, way, amount=0.1 if action is Action.DELAY else 1)
            if way is Way.TO_SERVER:
                proxy.inject(fault)
                sub.add_callback(recorder)
            else:
                sub.add_callback(recorder)
                await recorder.until(len)
                proxy.inject(fault)
            watchers.append(recorder)
            if len(watchers) == count:
                everybody_is_there.set()
            await everybody_is_there.wait()
            shared_ioc.iocsh("dbpf CH:other 4.5")
            shared_ioc.iocsh("dbpf CH:other 5.5")
            await recorder.until_value(5.5)

    count = UPDATE // 2
    watchers: list[Recorder] = []
    everybody_is_there = asyncio.Event()
    await several_at_once(lambda index: at(2 * index), count)


async def test_everything_is_found_in_bad_weather(tmp_path: Path, impatient: Impatience) -> None:
    database = tmp_path / "bulk.db"
    names = write_bulk_database(database, 200)
    with CIoc(database, folder=tmp_path, port=free_port()) as ioc:
        async with ChaosProxy(ioc.port, seed=3) as proxy:
            proxy.weather = Weather(loss=0.3, duplication=0.3, delay=0.03)
            impatient.search_at(proxy.port)
            async with Context(timeout=20) as ctx:
                pvs = await ctx.get_pvs(*names)
                values = await asyncio.gather(*(pv.read() for pv in pvs))
            assert [value.value for value in values] == list(range(200))


async def test_stall_of_one_direction_is_noticed_and_heals(
    shared_ioc: CIoc, impatient: Impatience
) -> None:
    async with connected(shared_ioc, impatient, "CH:value") as (proxy, pv):
        for way in Way:
            first = pv.circuit
            proxy.inject(Fault(Action.STALL, 0, way))
            await until(lambda first=first: pv.connected and pv.circuit is not first)  # type: ignore[misc]
            assert (await pv.read()).value == 1.5
