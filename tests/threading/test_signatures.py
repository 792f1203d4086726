"""The signatures of the documented API, character for character."""

from __future__ import annotations

import inspect
import socket
from typing import Any

import pytest

import caproto
from caproto import _errors
from caproto.threading import client
from caproto.threading.client import (
    PV,
    Batch,
    CallbackHandler,
    Context,
    SelectorThread,
    SharedBroadcaster,
    Subscription,
    VirtualCircuitManager,
)
from tests.support.blocking import wait_until
from tests.support.signatures import signature

# Parameters that the original does not have. They are given by keyword only, and can be left out.
OURS: dict[Any, set[str]] = {Context: {"resolver"}, Subscription.add_callback: {"strong"}}

SIGNATURES: dict[Any, str] = {
    Batch: "(timeout=2)",
    Batch.read: "(pv, callback, data_type=None, data_count=None)",
    Batch.write: "(pv, data, callback=None, data_type=None, data_count=None)",
    CallbackHandler: "(pv)",
    CallbackHandler.add_callback: "(func, run=False)",
    CallbackHandler.remove_callback: "(token)",
    CallbackHandler.process: "(*args, **kwargs)",
    Context: "(broadcaster=None, *, timeout=2.0, host_name=None, client_name=None, max_workers=1)",
    Context.get_pvs: (
        "(*names, priority=0, connection_state_callback=None, access_rights_callback=None, "
        "timeout=CONTEXT_DEFAULT_TIMEOUT)"
    ),
    Context.reconnect: "(keys)",
    Context.get_circuit_manager: "(address, priority)",
    Context.disconnect: "(*, wait=True)",
    PV: "(name, priority, context, timeout)",
    PV.access_rights_changed: "(rights)",
    PV.connection_state_changed: "(state, channel)",
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
    PV.subscribe: "(data_type=None, data_count=None, low=0.0, high=0.0, to=0.0, mask=None)",
    PV.unsubscribe_all: "()",
    PV.time_since_last_heard: "(timeout=PV_DEFAULT_TIMEOUT)",
    SelectorThread: "(*, parent=None)",
    SelectorThread.stop: "()",
    SelectorThread.start: "()",
    SelectorThread.add_socket: "(sock, target_obj)",
    SelectorThread.remove_socket: "(sock)",
    SharedBroadcaster: "(*, registration_retry_time=10.0)",
    SharedBroadcaster.new_id: "()",
    SharedBroadcaster.add_listener: "(listener)",
    SharedBroadcaster.remove_listener: "(listener)",
    SharedBroadcaster.disconnect: "(*, wait=True)",
    SharedBroadcaster.send: "(*commands)",
    SharedBroadcaster.get_cached_search_result: "(name, *, threshold=10.0)",
    SharedBroadcaster.search: "(results_queue, names, *, timeout=2)",
    SharedBroadcaster.cancel: "(*names)",
    SharedBroadcaster.search_now: "()",
    SharedBroadcaster.received: "(bytes_recv, address)",
    SharedBroadcaster.command_loop: "()",
    SharedBroadcaster.time_since_last_heard: "()",
    Subscription: "(pv, data_type, data_count, low, high, to, mask)",
    Subscription.compose_command: "(timeout=PV_DEFAULT_TIMEOUT)",
    Subscription.clear: "()",
    Subscription.process: "(command)",
    Subscription.add_callback: "(func)",
    Subscription.remove_callback: "(token)",
    VirtualCircuitManager: "(context, circuit, selector, timeout=2.0)",
    VirtualCircuitManager.send: "(*commands, extra=None)",
    VirtualCircuitManager.received: "(bytes_recv, address)",
    VirtualCircuitManager.events_off: "()",
    VirtualCircuitManager.events_on: "()",
    VirtualCircuitManager.disconnect: "()",
    client.ensure_connected: "(func)",
}

PROPERTIES = [
    (PV, "timeout"),
    (PV, "circuit_manager"),
    (PV, "channel"),
    (PV, "connected"),
    (SelectorThread, "running"),
    (Subscription, "log"),
    (VirtualCircuitManager, "connected"),
]


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda item: item.__qualname__)
def test_signature(function: Any) -> None:
    assert signature(function, OURS.get(function, ())) == SIGNATURES[function]
    assert inspect.getdoc(function)
    assert function.__doc__ is not object.__doc__


@pytest.mark.parametrize(("owner", "name"), PROPERTIES)
def test_property(owner: type, name: str) -> None:
    assert isinstance(inspect.getattr_static(owner, name), property)


def test_names_and_errors_are_importable_from_the_documented_module() -> None:
    assert issubclass(Subscription, CallbackHandler)
    for name in client.__all__:
        assert hasattr(client, name)
    for name in (
        "ContextDisconnectedError",
        "DeadCircuitError",
        "DisconnectedError",
        "ThreadingClientException",
    ):
        assert getattr(client, name) is getattr(_errors, name)
        assert issubclass(getattr(client, name), caproto.CaprotoError)
    assert issubclass(client.ContextDisconnectedError, client.ThreadingClientException)
    assert list(client.SUBSCRIBE_SIG.parameters) == [
        "data_type",
        "data_count",
        "low",
        "high",
        "to",
        "mask",
    ]


def test_a_selector_thread_gives_what_sockets_receive_to_objects() -> None:
    class Target:
        def __init__(self) -> None:
            self.received_bytes: list[bytes] = []

        def received(self, bytes_recv: bytes, address: Any) -> None:
            self.received_bytes.append(bytes_recv)

    selector, target = SelectorThread(), Target()
    one, other = socket.socketpair()
    with one, other:
        selector.add_socket(one, target)
        assert selector.running is False
        selector.start()
        wait_until(lambda: selector.running)
        other.send(b"hello")
        wait_until(lambda: target.received_bytes == [b"hello"])
        selector.remove_socket(one)
        selector.add_socket(one, target)
        other.close()
        wait_until(lambda: target.received_bytes == [b"hello", b""])
        selector.stop()
        assert not selector.running
