"""The signatures on the reference page, character for character."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from caproto import AccessRights
from caproto.asyncio import client
from caproto.asyncio.client import (
    CONTEXT_DEFAULT_TIMEOUT,
    PV,
    PV_DEFAULT_TIMEOUT,
    Context,
    SharedBroadcaster,
    Subscription,
    VirtualCircuitManager,
)
from tests.support import CIoc, Ioc
from tests.support.signatures import signature

from .conftest import StartIoc
from .waiting import States, until

# Parameters that the page does not have. They are given by keyword only, and can be left out.
OURS: dict[Any, set[str]] = {Context: {"resolver"}, Subscription.add_callback: {"strong"}}

CLASSES = {
    Context: "(broadcaster=None, *, timeout=2.0, host_name=None, client_name=None, max_workers=1)",
    PV: "(name, priority, context, connection_state_callback, access_rights_callback, timeout)",
    Subscription: "(pv, data_type, data_count, low, high, to, mask)",
    VirtualCircuitManager: "(context, circuit, timeout=2.0)",
    SharedBroadcaster: "(*, registration_retry_time=10.0)",
}

COROUTINES = {
    Context.get_pvs: (
        "(*names, priority=0, connection_state_callback=None, access_rights_callback=None, "
        "timeout=CONTEXT_DEFAULT_TIMEOUT)"
    ),
    PV.wait_for_search: "(*, timeout=PV_DEFAULT_TIMEOUT)",
    PV.wait_for_connection: "(*, timeout=PV_DEFAULT_TIMEOUT)",
    PV.go_idle: "()",
    PV.read: (
        "(*, wait=True, callback=None, timeout=PV_DEFAULT_TIMEOUT, data_type=None, "
        "data_count=None, notify=True)"
    ),
    PV.write: (
        "(data, *, wait=True, callback=None, timeout=PV_DEFAULT_TIMEOUT, notify=None, "
        "data_type=None, data_count=None)"
    ),
    PV.unsubscribe_all: "()",
    Subscription.clear: "()",
    Subscription.remove_callback: "(token)",
    VirtualCircuitManager.send: "(*commands, extra=None)",
    VirtualCircuitManager.events_off: "()",
    VirtualCircuitManager.events_on: "()",
    VirtualCircuitManager.disconnect: "()",
    SharedBroadcaster.remove_listener: "(listener)",
    SharedBroadcaster.send: "(*commands)",
    SharedBroadcaster.disconnect: "()",
    SharedBroadcaster.register: "()",
    SharedBroadcaster.search: "(results_queue, *names)",
}

FUNCTIONS = {
    PV.access_rights_changed: "(rights)",
    PV.connection_state_changed: "(state, channel)",
    PV.subscribe: "(data_type=None, data_count=None, low=0.0, high=0.0, to=0.0, mask=None)",
    PV.time_since_last_heard: "(timeout=PV_DEFAULT_TIMEOUT)",
    Subscription.add_callback: "(func)",
    SharedBroadcaster.add_listener: "(listener)",
    SharedBroadcaster.cancel: "(*names)",
    SharedBroadcaster.time_since_last_heard: "()",
}

PROPERTIES = [
    (PV, "timeout"),
    (PV, "circuit_manager"),
    (PV, "connected"),
    (VirtualCircuitManager, "server_protocol_version"),
    (VirtualCircuitManager, "connected"),
]


def name_of(item: Any) -> str:
    """Return what names a test."""
    return str(getattr(item, "__qualname__", item))


@pytest.mark.parametrize("function", [*CLASSES, *COROUTINES, *FUNCTIONS], ids=name_of)
def test_promise_i_signature(function: Any) -> None:
    expected: dict[Any, str] = {**CLASSES, **COROUTINES, **FUNCTIONS}
    assert signature(function, OURS.get(function, ())) == expected[function]
    assert inspect.iscoroutinefunction(function) is (function in COROUTINES)


@pytest.mark.parametrize("function", [*CLASSES, *COROUTINES, *FUNCTIONS], ids=name_of)
def test_promise_i_everything_on_the_page_has_a_docstring(function: Any) -> None:
    assert inspect.getdoc(function)
    assert function.__doc__ is not object.__doc__


@pytest.mark.parametrize(("owner", "name"), PROPERTIES)
def test_promise_i_property(owner: type, name: str) -> None:
    assert isinstance(inspect.getattr_static(owner, name), property)


def test_promise_i_sentinels_print_as_their_names() -> None:
    assert (
        repr(CONTEXT_DEFAULT_TIMEOUT) == str(CONTEXT_DEFAULT_TIMEOUT) == "CONTEXT_DEFAULT_TIMEOUT"
    )
    assert repr(PV_DEFAULT_TIMEOUT) == str(PV_DEFAULT_TIMEOUT) == "PV_DEFAULT_TIMEOUT"


def test_promise_i_classes_are_importable_from_the_documented_module() -> None:
    for owner in CLASSES:
        assert getattr(client, owner.__name__) is owner
        assert owner.__name__ in client.__all__


async def test_promise_i_repr_of_a_subscription(ioc: Ioc) -> None:
    async with Context() as ctx:
        (x,) = await ctx.get_pvs("random_walk:x")
        sub = x.subscribe()
        assert repr(sub) == "<Subscription to 'random_walk:x', id=None>"
        async for _ in sub:
            assert repr(sub) == "<Subscription to 'random_walk:x', id=0>"
            break


async def test_promise_i_properties_of_a_pv_and_its_circuit(ioc: Ioc) -> None:
    async with Context() as ctx:
        (x,) = await ctx.get_pvs("random_walk:x")
        assert (x.connected, x.circuit_manager, x.channel) == (False, None, None)
        await x.wait_for_connection()
        assert x.connected is True
        assert x.channel is not None
        assert x.channel.name == "random_walk:x"
        manager = x.circuit_manager
        assert isinstance(manager, VirtualCircuitManager)
        assert (manager.connected, manager.server_protocol_version) == (True, 13)
        await manager.disconnect()
        assert manager.connected is False
        await x.wait_for_connection()  # by itself, on another circuit
        assert x.circuit_manager is not manager


async def test_promise_i_connection_state_callback_is_replayed(ioc: Ioc) -> None:
    async with Context() as ctx:
        (x,) = await ctx.get_pvs("random_walk:x")
        await x.wait_for_connection()
        late = States()
        await ctx.get_pvs("random_walk:x", connection_state_callback=late)
        await late.until("connected")
        await x.go_idle()
        later = States()
        await ctx.get_pvs("random_walk:x", connection_state_callback=later)
        await later.until("disconnected")
        await late.until("connected", "disconnected")


async def test_promise_i_access_rights_callback(ioc: Ioc) -> None:
    async with Context() as ctx:
        told: list[tuple[PV, AccessRights]] = []

        def callback(pv: PV, rights: AccessRights) -> None:
            told.append((pv, rights))

        (x,) = await ctx.get_pvs("random_walk:x", access_rights_callback=callback)
        await x.wait_for_connection()
        both = AccessRights.READ | AccessRights.WRITE
        await until(lambda: told == [(x, both)])
        assert isinstance(told[0][1], AccessRights)
        await ctx.get_pvs("random_walk:x", access_rights_callback=callback)
        await until(lambda: told == [(x, both)] * 2)  # replayed for the second registration


async def test_promise_i_access_rights_callback_learns_of_changes(c_ioc_env: CIoc) -> None:
    async with Context(timeout=20) as ctx:
        told: list[AccessRights] = []

        async def callback(pv: PV, rights: AccessRights) -> None:
            told.append(rights)

        pv, switch = await ctx.get_pvs("IO:access:switched", "IO:access:switch")
        await ctx.get_pvs("IO:access:switched", access_rights_callback=callback)
        await pv.wait_for_connection()
        await until(lambda: told == [AccessRights.READ])
        await switch.write(1)
        await until(lambda: told == [AccessRights.READ, AccessRights.READ | AccessRights.WRITE])
        await switch.write(0)
        await until(lambda: told[2:] == [AccessRights.READ])


async def test_promise_i_state_is_a_string(start_ioc: StartIoc, two_ports: tuple[int, int]) -> None:
    ioc = start_ioc(two_ports[0])
    async with Context(timeout=20) as ctx:
        states = States()
        (x,) = await ctx.get_pvs("random_walk:x", connection_state_callback=states)
        await x.wait_for_connection()
        ioc.kill()
        await states.until("connected", "disconnected")
        assert all(type(state) is str for state in states.states)
