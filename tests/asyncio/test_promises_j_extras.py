"""What is not on the reference page, but used by programs that were written for it."""

from __future__ import annotations

import asyncio
import importlib
import logging
from typing import Any

import pytest

import caproto
from caproto import AccessRights, ContextDisconnectedError, EventAddResponse
from caproto.asyncio.client import PV, Context, SharedBroadcaster, Subscription
from tests.support import Ioc

from ..conftest import Loopback
from .waiting import Recorder, States, until


async def test_promise_j_disconnect(ioc: Ioc) -> None:
    ctx = Context()
    states = States()
    (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=states)
    await dt.read()
    await ctx.disconnect()
    await ctx.disconnect()
    assert states.states == ["connected", "disconnected"]
    message = r"This Context is no longer usable\."
    with pytest.raises(ContextDisconnectedError, match=message):
        await ctx.get_pvs("random_walk:x")
    for operation in (dt.read(), dt.write(1), dt.wait_for_connection(), dt.wait_for_search()):
        with pytest.raises(ContextDisconnectedError, match=message):
            await operation
    with pytest.raises(ContextDisconnectedError, match=message):
        dt.subscribe().add_callback(print)


async def test_promise_j_disconnect_ends_what_waits(loopback: Loopback) -> None:
    ctx = Context()
    (missing,) = await ctx.get_pvs("missing")
    tasks = [
        asyncio.create_task(operation)
        for operation in (
            missing.read(timeout=None),
            missing.write(1, timeout=None),
            missing.wait_for_connection(timeout=None),
            missing.wait_for_search(timeout=None),
        )
    ]
    await asyncio.sleep(0)
    await ctx.disconnect()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ContextDisconnectedError] * 4


async def test_promise_j_disconnect_ends_loops(ioc: Ioc) -> None:
    values: list[float] = []

    async def collect(sub: Subscription) -> None:
        async for response in sub:
            values.append(response.value)  # noqa: PERF401  # seen from outside, one by one

    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        collecting = asyncio.create_task(collect(dt.subscribe()))
        await until(lambda: values)
    await collecting  # ends without an error
    assert values == [3.0]


async def test_promise_j_context_as_a_block(ioc: Ioc) -> None:
    async with Context() as ctx:
        assert isinstance(ctx, Context)
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.read()
    assert not dt.connected
    assert repr(ctx) == "<Context circuits=0 pvs=1 idle=0>"
    with pytest.raises(ZeroDivisionError):
        async with Context():
            raise ZeroDivisionError


async def test_promise_j_subscription_as_a_block(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        updates = Recorder()
        async with dt.subscribe() as sub:
            sub.add_callback(updates)
            await updates.until_value(3.0)
        await dt.write(11.0)
        await dt.read()
        assert updates.values == [3.0]


async def test_promise_j_monitor(ioc: Ioc) -> None:
    async with Context() as ctx:
        events: list[tuple[str, Any, Any]] = []
        monitor = ctx.monitor("random_walk:x", "random_walk:dt")
        async for event in monitor:
            events.append(event)
            if len(events) == 4:
                break
        await monitor.aclose()
        states = [(source.name, data) for kind, source, data in events if kind == "connection"]
        assert sorted(states) == [("random_walk:dt", "connected"), ("random_walk:x", "connected")]
        updates = [(source, data) for kind, source, data in events if kind == "subscription"]
        assert {sub.pv.name for sub, _ in updates} == {"random_walk:x", "random_walk:dt"}
        for sub, response in updates:
            assert isinstance(sub, Subscription)
            assert isinstance(response, EventAddResponse)
            assert response.metadata.timestamp
        (dt,) = await ctx.get_pvs("random_walk:dt")
        assert not dt.subscriptions
        await dt.go_idle()
        assert repr(dt).endswith("(idle)>")


async def test_promise_j_reconnect(ioc: Ioc) -> None:
    async with Context() as ctx:
        states = States()
        (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=states)
        await dt.wait_for_connection()
        await ctx.reconnect([("random_walk:dt", 0)])
        await dt.read()
        await states.until("connected", "disconnected", "connected")


async def test_promise_j_attributes(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        assert ctx.pvs == {("random_walk:dt", 0): dt}
        assert ctx.circuit_managers == {}
        assert ctx.broadcaster.results is not None
        assert getattr(dt, "access_rights") is None  # noqa: B009  # it changes below
        await dt.wait_for_connection()
        address = ("127.0.0.1", ioc.port)
        assert ctx.circuit_managers == {(address, 0): dt.circuit_manager}
        assert ctx.get_circuit_manager(address, 0) is dt.circuit_manager
        assert dt.access_rights == AccessRights.READ | AccessRights.WRITE
        assert isinstance(dt.log, logging.LoggerAdapter)
        assert dt.log.logger.name == "caproto.ch"
        updates = Recorder()
        sub = dt.subscribe()
        sub.note = "programs keep things here"  # type: ignore[attr-defined]
        sub.add_callback(updates)
        await updates.until_value(3.0)
        assert list(dt.subscriptions or ()) == [sub]
        assert sub.most_recent_response is updates.responses[0]
        assert isinstance(sub.log, logging.LoggerAdapter)


async def test_promise_j_connection_state_callback_attribute(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        states, replayed = States(), States()
        token = dt.connection_state_callback.add_callback(states)
        await dt.wait_for_connection()
        await states.until("connected")
        dt.connection_state_callback.add_callback(replayed, run=True)
        await replayed.until("connected")
        dt.connection_state_callback.remove_callback(token)
        await dt.go_idle()
        await replayed.until("connected", "disconnected")
        assert states.states == ["connected"]


async def test_promise_j_search_with_a_queue(ioc: Ioc) -> None:
    broadcaster = SharedBroadcaster()
    queue: asyncio.Queue[Any] = asyncio.Queue()
    await broadcaster.search(queue, "random_walk:dt")
    address, names = await asyncio.wait_for(queue.get(), 20)
    assert (address, names) == (("127.0.0.1", ioc.port), ["random_walk:dt"])
    await broadcaster.disconnect()


NAMES = [
    "AccessRights",
    "AddressFilter",
    "AlarmSeverity",
    "AlarmStatus",
    "Beacon",
    "Broadcaster",
    "CASeverity",
    "CAStatus",
    "CAStatusCode",
    "CaprotoError",
    "CaprotoTimeoutError",
    "CaprotoTypeError",
    "CaprotoValueError",
    "ChannelType",
    "ClientChannel",
    "DBR_TYPES",
    "ErrorResponseReceived",
    "EventAddRequest",
    "EventAddResponse",
    "LocalProtocolError",
    "MessageHeader",
    "PVFilter",
    "ReadNotifyRequest",
    "ReadNotifyResponse",
    "RemoteProtocolError",
    "RoleFilter",
    "ServerChannel",
    "States",
    "SubscriptionType",
    "TimeStamp",
    "VirtualCircuit",
    "WriteNotifyRequest",
    "WriteNotifyResponse",
    "config_caproto_logging",
    "get_environment_variables",
    "native_type",
]


@pytest.mark.parametrize("name", NAMES)
def test_promise_j_top_level_name(name: str) -> None:
    assert getattr(caproto, name) is not None


@pytest.mark.parametrize(
    "name",
    [
        "ContextDisconnectedError",
        "DeadCircuitError",
        "DisconnectedError",
        "ThreadingClientException",
    ],
)
def test_promise_j_exceptions_of_the_client(name: str) -> None:
    common = importlib.import_module("caproto.client.common")
    assert issubclass(getattr(common, name), caproto.CaprotoError)
    assert getattr(common, name) is getattr(caproto._errors, name)


def test_promise_j_pv_is_told_by_its_context_only() -> None:
    with pytest.raises(TypeError):
        PV("random_walk:x")  # type: ignore[call-arg]
