"""Subscriptions and callbacks: findings 3.2.8, 9 and 11, and what users reported of this and of other clients."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from caproto.asyncio.client import Context, Subscription
from caproto.server.data import ChannelDouble
from tests.asyncio.raw_client import serving
from tests.asyncio.scripted_server import ScriptedServer
from tests.asyncio.sent_messages import CREATE_CHAN, SentMessages
from tests.asyncio.waiting import Recorder, States, until
from tests.support import CIoc

from ..conftest import Loopback

EVENT_ADD, EVENT_CANCEL = 1, 2


# --- finding 8: one callback must not hold up, reorder or lose anything -------------------------------------------------------


async def test_finding_3_2_08_slow_coroutine_holds_up_nobody_else(loopback: Loopback) -> None:
    slow, quick = ChannelDouble(value=0.0), ChannelDouble(value=0.0)
    release, seen = asyncio.Event(), []

    async def dawdle(sub: Subscription, response: Any) -> None:
        await release.wait()
        seen.append(response.value)

    async with serving({"slow": slow, "quick": quick}), Context(timeout=10) as ctx:
        one, other = await ctx.get_pvs("slow", "quick")
        updates = Recorder()
        blocked, free = one.subscribe(), other.subscribe()
        blocked.add_callback(dawdle)
        free.add_callback(updates)
        await updates.until_value(0.0)
        for value in range(1, 6):
            await slow.write(float(value))
            await quick.write(float(value))
        await updates.until_value(5.0)
        assert await one.read() is not None
        assert seen == []
        release.set()
        await until(lambda: len(seen) == 6)
        assert seen == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


async def test_tiled_1196_plain_callbacks_keep_their_order_and_an_error_stops_none(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    data = ChannelDouble(value=0.0)
    seen: list[float] = []
    threads: set[str] = set()

    def fail_at_times(sub: Subscription, response: Any) -> None:
        threads.add(threading.current_thread().name)
        if response.value % 3 == 1:
            raise RuntimeError("this one is bad")
        seen.append(response.value)

    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        sub = pv.subscribe()
        with caplog.at_level(logging.ERROR, "caproto"):
            sub.add_callback(fail_at_times)
            await until(lambda: seen)
            for value in range(1, 301):
                await data.write(float(value))
            await until(lambda: seen[-1] == 300.0)
    assert seen == [float(value) for value in range(301) if value % 3 != 1]
    assert len(threads) == 1
    assert threading.current_thread().name not in threads
    assert len(caplog.records) == 100
    assert all("'pv'" in record.getMessage() for record in caplog.records)
    assert all(record.exc_info for record in caplog.records)


async def fails_on_the_loop(*_: Any) -> None:
    raise RuntimeError("from the loop")


def fails_in_a_thread(*_: Any) -> None:
    raise RuntimeError("from a thread")


@pytest.mark.parametrize("callback", [fails_on_the_loop, fails_in_a_thread])
@pytest.mark.parametrize("kind", ["subscription", "connection", "access rights", "read", "write"])
async def test_finding_3_2_08_exception_of_any_callback_is_logged_with_the_pv(
    loopback: Loopback,
    caplog: pytest.LogCaptureFixture,
    kind: str,
    callback: Callable[..., Any],
) -> None:
    async with serving({"pv": ChannelDouble(value=0.0)}), Context(timeout=10) as ctx:
        with caplog.at_level(logging.ERROR, "caproto"):
            (pv,) = await ctx.get_pvs(
                "pv",
                connection_state_callback=callback if kind == "connection" else None,
                access_rights_callback=callback if kind == "access rights" else None,
            )
            await pv.wait_for_connection()
            if kind == "subscription":
                sub = pv.subscribe()
                sub.add_callback(callback)
            elif kind == "read":
                await pv.read(wait=False, callback=callback)
            elif kind == "write":
                await pv.write(1.0, wait=False, callback=callback)
            await until(lambda: caplog.records)
        (record,) = caplog.records
        assert "'pv'" in record.getMessage()
        assert callback.__name__ in record.getMessage()
        assert record.exc_info is not None
        assert await pv.read() is not None


# --- finding 9: idle PVs ----------------------------------------------------------------------------------------------------------


async def test_finding_3_2_09_idle_and_subscribe_delivers_each_update_once(c_ioc_env: CIoc) -> None:
    async with Context(timeout=10) as ctx:
        states, updates = States(), Recorder()
        (pv,) = await ctx.get_pvs("IO:ao", connection_state_callback=states)
        original = await pv.read()
        assert original is not None
        await pv.go_idle()
        sub = pv.subscribe()
        sub.add_callback(updates)
        await updates.until(lambda values: values)
        assert pv.connected
        for value in (2.0, 3.0, 4.0):
            await pv.write(value)
        await updates.until_value(4.0)
        assert updates.values == [original.value, 2.0, 3.0, 4.0]
        await pv.write(original.value)
        await updates.until_value(original.value)
        await states.until("connected", "disconnected", "connected")


async def test_finding_3_2_09_idle_and_subscribe_makes_one_channel(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        await pv.go_idle()
        updates = Recorder()
        sub = pv.subscribe()
        sub.add_callback(updates)
        await pv.wait_for_connection()
        await until(lambda: any(m.command == EVENT_ADD for m in server.received))
        commands = [m.command for m in server.received]
        assert commands.count(CREATE_CHAN) == 2
        assert commands.count(EVENT_ADD) == 1


# --- finding 11 and issues 579, 615, 658: the helper `monitor` ------------------------------------------------------------------------


async def test_finding_3_2_11_monitor_ends_cleanly_and_unsubscribes(loopback: Loopback) -> None:
    data = ChannelDouble(value=1.0)
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        monitor = ctx.monitor("pv")
        events = [await monitor.__anext__() for _ in range(2)]
        (pv,) = await ctx.get_pvs("pv")
        assert events[0] == ("connection", pv, "connected")
        assert events[1][0] == "subscription"
        assert events[1][2].value == 1.0
        sent = SentMessages(pv)
        await monitor.aclose()
        await until(lambda: EVENT_CANCEL in sent.commands)
        assert not pv.subscriptions
        assert not pv.connection_state_callback.callbacks


async def test_caproto_579_monitor_shows_the_alarm_and_the_loss_of_the_connection(
    loopback: Loopback,
) -> None:
    data = ChannelDouble(value=1.0, upper_alarm_limit=10.0)
    seen: list[Any] = []
    async with Context(timeout=10) as ctx:
        monitor = ctx.monitor("pv")
        async with serving({"pv": data}):
            seen += [await monitor.__anext__() for _ in range(2)]
            await data.write(20.0)
            seen.append(await monitor.__anext__())
        seen.append(await monitor.__anext__())
        async with serving({"pv": data}):
            seen += [await monitor.__anext__() for _ in range(2)]
        await monitor.aclose()
    assert [event for event, _, _ in seen] == [
        "connection",
        "subscription",
        "subscription",
        "connection",
        "connection",
        "subscription",
    ]
    assert [what for event, _, what in seen if event == "connection"] == [
        "connected",
        "disconnected",
        "connected",
    ]
    assert seen[2][2].value == 20.0
    assert seen[2][2].metadata.severity.name == "MAJOR_ALARM"


# --- garbage collection ------------------------------------------------------------------------------------------------------------------


async def test_caproto_808_collected_callback_unsubscribes_at_the_server_without_a_warning(
    loopback: Loopback,
) -> None:
    data = ChannelDouble(value=1.0)
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        callback, sub = Recorder(), pv.subscribe()
        sub.add_callback(callback)
        await callback.until_value(1.0)
        sent = SentMessages(pv)
        subscriptionid = sub.subscriptionid
        reference = weakref.ref(callback)
        del callback
        gc.collect()
        assert reference() is None
        await until(lambda: sent.of(EVENT_CANCEL))
        (cancel,) = sent.of(EVENT_CANCEL)
        assert cancel.p2 == subscriptionid
        assert repr(sub) == "<Subscription to 'pv', id=None>"
        later = Recorder()
        sub.add_callback(later)  # and it can be used again
        await later.until_value(1.0)


async def test_caproto_395_partial_with_strong_is_kept(loopback: Loopback) -> None:
    data = ChannelDouble(value=1.0)
    seen: list[Any] = []

    def collect(prefix: str, sub: Subscription, response: Any) -> None:
        seen.append((prefix, response.value))

    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        sub = pv.subscribe()
        sub.add_callback(functools.partial(collect, "kept"), strong=True)
        gc.collect()
        await until(lambda: seen)
        await data.write(2.0)
        await until(lambda: len(seen) == 2)
        assert seen == [("kept", 1.0), ("kept", 2.0)]


async def test_caproto_176_first_callback_gets_the_first_update(loopback: Loopback) -> None:
    async with serving({"pv": ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        for _ in range(20):
            first, sub = Recorder(), pv.subscribe()
            sub.add_callback(first)
            await first.until(lambda values: values)
            assert first.values == [1.0]
            await sub.clear()


async def ends_soon(*_: Any) -> None:
    await asyncio.sleep(0)


async def test_aioca_26_subscriptions_that_end_leave_nothing(loopback: Loopback) -> None:
    async with serving({"pv": ChannelDouble(value=1.0)}) as server, Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        references = []
        for _ in range(10):
            sub = pv.subscribe()
            async for _update in sub:
                break
            await sub.clear()
            references.append(weakref.ref(sub))
            await pv.read(wait=False, callback=ends_soon)
        del sub, _update
        await pv.read()  # the server has seen the cancellations
        await until(lambda: not ctx._tasks)
        gc.collect()
        assert [reference() for reference in references] == [None] * 10
        assert ctx.stats().circuits[0].subscriptions == 0
        (client,) = server.circuits
        (channel,) = client.circuit.channels.values()
        assert not channel.subscriptions


# --- what may be a callback ------------------------------------------------------------------------------------------------------------------


class CallableObject:
    """An object whose call is a coroutine function."""

    def __init__(self) -> None:
        self.values: list[float] = []

    async def __call__(self, sub: Subscription, response: Any) -> None:
        await asyncio.sleep(0)
        self.values.append(response.value)

    async def method(self, note: str, sub: Subscription, response: Any) -> None:
        await self(sub, response)


@pytest.mark.parametrize("max_workers", [0, 1])
@pytest.mark.parametrize("form", ["object", "partial", "lambda"])
async def test_aioca_33_whatever_gives_something_to_await_is_awaited(
    loopback: Loopback, form: str, max_workers: int
) -> None:
    data = ChannelDouble(value=1.0)
    target = CallableObject()
    forms: dict[str, Callable[..., Any]] = {
        "object": target,
        "partial": functools.partial(target.method, "note"),
        "lambda": lambda sub, response: target(sub, response),
    }
    callback = forms[form]
    async with (
        serving({"pv": data}),
        Context(timeout=10, max_workers=max_workers) as ctx,
    ):
        (pv,) = await ctx.get_pvs("pv")
        sub = pv.subscribe()
        sub.add_callback(callback)
        await until(lambda: target.values == [1.0])
        await data.write(2.0)
        await until(lambda: target.values == [1.0, 2.0])


async def test_aioca_33_failure_of_what_a_callback_returned_is_logged(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving({"pv": ChannelDouble(value=0.0)}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        with caplog.at_level(logging.ERROR, "caproto"):
            await pv.read(wait=False, callback=lambda response: fails_on_the_loop())
            await until(lambda: caplog.records)
        assert "'pv'" in caplog.records[0].getMessage()


async def test_caproto_550_callbacks_of_reads_and_writes_get_the_response(
    loopback: Loopback,
) -> None:
    async with serving({"pv": ChannelDouble(value=0.0)}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        responses: list[Any] = []
        await pv.read(wait=False, callback=responses.append)
        await pv.write(5.0, wait=False, callback=responses.append)
        await until(lambda: len(responses) == 2)
        assert [type(response).__name__ for response in responses] == [
            "ReadNotifyResponse",
            "WriteNotifyResponse",
        ]


async def test_pyepics_69_monitor_can_be_disabled_and_enabled_again(loopback: Loopback) -> None:
    data = ChannelDouble(value=0.0)
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        updates, sub = Recorder(), pv.subscribe()
        sub.add_callback(updates)
        await updates.until_value(0.0)
        await sub.clear()
        await data.write(1.0)
        assert await pv.read() is not None  # whatever was on its way has come by now
        assert updates.values == [0.0]
        sub.add_callback(updates)
        await updates.until_value(1.0)
        assert updates.values == [0.0, 1.0]


async def test_pyepics_163_connection_callback_tells_of_the_loss(loopback: Loopback) -> None:
    states: list[tuple[str, str, str]] = []

    def told(pv: Any, state: str) -> None:
        states.append((pv.name, state, repr(pv)))

    async with Context(timeout=10, max_workers=0) as ctx:
        async with ScriptedServer(loopback.ca_port):
            (pv,) = await ctx.get_pvs("pv", connection_state_callback=told)
            await pv.wait_for_connection()
        await until(lambda: len(states) == 2)
        assert [state[:2] for state in states] == [("pv", "connected"), ("pv", "disconnected")]
        assert "searching" in states[1][2]


@pytest.mark.parametrize("consumer", ["coroutine", "iteration", "plain"])
async def test_ophyd_async_960_fast_updates_are_not_dropped_by_default(
    loopback: Loopback, consumer: str
) -> None:
    data = ChannelDouble(value=0.0)
    seen: list[float] = []

    async def slowly(sub: Subscription, response: Any) -> None:
        await asyncio.sleep(0)
        seen.append(response.value)

    def plainly(sub: Subscription, response: Any) -> None:
        seen.append(response.value)

    async def iterate(sub: Subscription) -> None:
        async for response in sub:
            await slowly(sub, response)

    expected = [float(value) for value in range(501)]
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        sub = pv.subscribe()
        task = None
        if consumer == "iteration":
            task = asyncio.create_task(iterate(sub))
        else:
            sub.add_callback(slowly if consumer == "coroutine" else plainly)
        await until(lambda: seen)
        for value in expected[1:]:
            await data.write(value)
        await until(lambda: len(seen) == len(expected))
        assert seen == expected
        assert sub.dropped == 0
        await sub.clear()
        if task is not None:
            await task
