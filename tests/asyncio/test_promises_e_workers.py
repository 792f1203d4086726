"""What the reference page promises about where and when callbacks run (43)."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from typing import Any

import pytest

from caproto import EventAddResponse
from caproto.asyncio.client import PV, Context, Subscription
from tests.support import Ioc

from .waiting import Recorder, until


class Gate:
    """A plain callback that waits until the test opens the gate; it notes who came and went."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.ended: list[float] = []
        self.threads: set[threading.Thread] = set()
        self._gates: dict[float, threading.Event] = {}

    def __call__(self, sub: Subscription, response: EventAddResponse) -> None:
        self.threads.add(threading.current_thread())
        self.begun.append(response.value)
        assert self._gate(response.value).wait(20)
        self.ended.append(response.value)

    def _gate(self, value: float) -> threading.Event:
        return self._gates.setdefault(value, threading.Event())

    def open(self, *values: float) -> None:
        """Let the calls for these values go on."""
        for value in values:
            self._gate(value).set()


async def write_all(pv: PV, *values: float) -> None:
    """Write several values, each confirmed before the next."""
    for value in values:
        await pv.write(value)


async def test_promise_43_one_worker_keeps_everything_in_order(ioc: Ioc) -> None:
    async with Context(max_workers=1) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        gate = Gate()
        sub = dt.subscribe()
        sub.add_callback(gate)
        await until(lambda: gate.begun == [3.0])
        await write_all(dt, 11.0, 12.0, 13.0)
        await dt.read()
        assert (gate.begun, gate.ended) == ([3.0], [])  # the only worker is busy
        gate.open(13.0, 12.0, 11.0)
        assert gate.begun == [3.0]
        gate.open(3.0)
        await until(lambda: len(gate.ended) == 4)
        assert gate.begun == gate.ended == [3.0, 11.0, 12.0, 13.0]
        assert len(gate.threads) == 1
        assert threading.main_thread() not in gate.threads


async def test_promise_43_one_worker_is_the_default(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        gate = Gate()
        sub = dt.subscribe()
        sub.add_callback(gate)
        await until(lambda: gate.begun)
        await write_all(dt, 11.0)
        await dt.read()
        assert gate.begun == [3.0]
        gate.open(3.0, 11.0)
        await until(lambda: gate.ended == [3.0, 11.0])


async def test_promise_43_more_workers_begin_in_order_and_may_finish_out_of_order(
    ioc: Ioc,
) -> None:
    async with Context(max_workers=3) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        gate = Gate()
        sub = dt.subscribe()
        sub.add_callback(gate)
        await until(lambda: gate.begun == [3.0])
        for count, value in enumerate((11.0, 12.0), start=2):
            await dt.write(value)
            await until(lambda count=count: len(gate.begun) == count)  # type: ignore[misc]
        await write_all(dt, 13.0, 14.0)
        await dt.read()
        assert gate.begun == [3.0, 11.0, 12.0]  # three workers, all busy
        gate.open(12.0)
        await until(lambda: gate.begun == [3.0, 11.0, 12.0, 13.0])
        assert gate.ended == [12.0]
        gate.open(3.0, 11.0, 13.0, 14.0)
        await until(lambda: len(gate.ended) == 5)
        assert gate.begun == [3.0, 11.0, 12.0, 13.0, 14.0]
        assert len(gate.threads) == 3


async def test_promise_43_no_workers_means_the_event_loop(ioc: Ioc) -> None:
    async with Context(max_workers=0) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        seen: list[tuple[float, threading.Thread]] = []

        def callback(sub: Subscription, response: EventAddResponse) -> None:
            seen.append((response.value, threading.current_thread()))

        sub = dt.subscribe()
        sub.add_callback(callback)
        await until(lambda: len(seen) == 1)
        await write_all(dt, 11.0, 12.0)
        await until(lambda: len(seen) == 3)
        assert [value for value, _ in seen] == [3.0, 11.0, 12.0]
        assert {thread for _, thread in seen} == {threading.main_thread()}


async def test_promise_43_coroutine_functions_run_on_the_loop_one_update_after_the_other(
    ioc: Ioc,
) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        go_on = asyncio.Event()

        class Slow:
            def __init__(self) -> None:
                self.begun: list[float] = []
                self.ended: list[float] = []

            async def __call__(self, sub: Subscription, response: EventAddResponse) -> None:
                assert threading.current_thread() is threading.main_thread()
                self.begun.append(response.value)
                await go_on.wait()
                self.ended.append(response.value)

        instance, second, quick = Slow(), Slow(), Recorder()

        async def function(sub: Subscription, response: EventAddResponse) -> None:
            await second(sub, response)

        sub = dt.subscribe()
        for callback in (instance, function, quick):
            sub.add_callback(callback)
        await until(lambda: instance.begun and second.begun)
        await write_all(dt, 11.0, 12.0)
        await quick.until_value(12.0)  # which the slow ones delay not at all
        assert instance.begun == second.begun == [3.0]
        go_on.set()
        await until(lambda: len(instance.ended) == len(second.ended) == 3)
        for slow in (instance, second):
            assert slow.begun == slow.ended == [3.0, 11.0, 12.0]


async def test_promise_43_a_removed_coroutine_function_gets_none_of_what_waited_for_it(
    ioc: Ioc,
) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        go_on, quick = asyncio.Event(), Recorder()
        calls: list[float] = []

        async def slow(sub: Subscription, response: EventAddResponse) -> None:
            calls.append(response.value)
            await go_on.wait()
            calls.append(-response.value)

        sub = dt.subscribe()
        token = sub.add_callback(slow)
        sub.add_callback(quick)
        await write_all(dt, 11.0, 12.0)
        await quick.until_value(12.0)
        await sub.remove_callback(token)
        go_on.set()
        await until(lambda: calls == [3.0, -3.0])
        await dt.read()
        assert calls == [3.0, -3.0]


async def test_promise_43_a_slow_coroutine_delays_no_other_pv(ioc: Ioc) -> None:
    async with Context() as ctx:
        x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        stuck = asyncio.Event()

        async def slow(sub: Subscription, response: EventAddResponse) -> None:
            stuck.set()
            await asyncio.Event().wait()

        sub = x.subscribe()
        sub.add_callback(slow)
        await asyncio.wait_for(stuck.wait(), 20)
        updates = Recorder()
        other = dt.subscribe()
        other.add_callback(updates)
        await updates.until_value(3.0)
        await dt.write(11.0)
        await updates.until_value(11.0)
        # And it does not hold up the end of the block either.


@pytest.mark.parametrize("max_workers", [0, 1, 3])
async def test_promise_43_exceptions_are_logged_with_the_name_of_the_pv(
    ioc: Ioc, max_workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with Context(max_workers=max_workers) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        calls: list[str] = []

        def fails(*args: Any) -> None:
            calls.append("plain")
            raise ZeroDivisionError("on purpose")

        async def fails_too(*args: Any) -> None:
            calls.append("coroutine")
            raise ZeroDivisionError("on purpose")

        sub, updates = dt.subscribe(), Recorder()
        for callback in (fails, fails_too, updates):
            sub.add_callback(callback)
        await updates.until_value(3.0)
        await dt.write(11.0)
        await updates.until_value(11.0)
        await until(lambda: len(calls) == 4)
        await sub.clear()
        for callback in (fails, fails_too):
            await dt.read(callback=callback)
            await dt.write(3.0, callback=callback)
            await ctx.get_pvs("random_walk:dt", connection_state_callback=callback)
        await until(lambda: len(errors(caplog)) == 10)
        assert sorted(calls) == ["coroutine"] * 5 + ["plain"] * 5
        records = errors(caplog)
        assert all("'random_walk:dt'" in record.getMessage() for record in records)
        assert all(re.search("function .*fails", record.getMessage()) for record in records)
        assert all(getattr(record, "pv", None) == "random_walk:dt" for record in records)
        assert all(record.exc_info and record.exc_info[0] for record in records)
        assert repr(ctx) == "<Context circuits=1 pvs=1 idle=0>"


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return the errors logged so far."""
    return [record for record in caplog.records if record.levelno == logging.ERROR]
