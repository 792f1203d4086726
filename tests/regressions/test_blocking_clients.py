"""Bugs and wishes that were reported for the sync and threading clients."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from caproto import AccessRights, CaprotoTimeoutError
from caproto.sync import client as sync_client
from caproto.sync._session import session_for
from caproto.sync.client import block, interrupt, read, subscribe
from caproto.threading.client import Context, Subscription
from tests.support import CIoc, free_port, use_loopback
from tests.support.blocking import Calls, wait_until

from ..conftest import MakeCIoc


def test_sync_block_reconnects_when_the_server_comes_back(
    make_c_ioc: MakeCIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caproto 182: the sync client lacks reconnection."""
    port = free_port()
    ioc = make_c_ioc(port=port)
    use_loopback(monkeypatch, [port], ioc.repeater_port)
    calls = Calls()
    sub = subscribe("IO:count:10Hz")
    sub.add_callback(calls)

    came_back = threading.Event()

    def play() -> None:
        try:
            calls.until(2)
            ioc.restart(crash=True)
            calls.until(len(calls.calls) + 3)
            came_back.set()
        finally:
            interrupt()

    actor = threading.Thread(target=play, daemon=True)
    actor.start()
    block(sub, timeout=20)
    actor.join(20)
    assert came_back.is_set()
    assert read("IO:ai", timeout=20).value == 3.25
    sync_client.disconnect()


def test_sync_read_finds_a_server_that_was_restarted(
    make_c_ioc: MakeCIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caproto 182, and cothread 17: warm connections do not go stale."""
    port = free_port()
    ioc = make_c_ioc(port=port)
    use_loopback(monkeypatch, [port], ioc.repeater_port)
    assert read("IO:ai", timeout=20).value == 3.25
    ioc.kill()
    with pytest.raises(CaprotoTimeoutError):
        read("IO:ai", timeout=0.3)
    context = session_for(True).context
    assert context.pvs == {}  # nothing is searched on behalf of a call that has ended
    assert context.broadcaster.results.pending == 0
    ioc.restart()
    assert read("IO:ai", timeout=20).value == 3.25
    sync_client.disconnect()


def test_threading_subscriptions_come_back_after_a_restart(
    make_c_ioc: MakeCIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Caproto 798: a PV never reconnects after its connection was interrupted."""
    port = free_port()
    ioc = make_c_ioc(port=port)
    use_loopback(monkeypatch, [port], ioc.repeater_port)
    with Context(timeout=20) as ctx:
        states, updates = Calls(), Calls()
        (counter,) = ctx.get_pvs("IO:count:10Hz", connection_state_callback=states)
        sub = counter.subscribe()
        sub.add_callback(updates)
        updates.until(2)
        ioc.restart(crash=True)
        states.until(3)
        assert [state for _, state in states.calls] == ["connected", "disconnected", "connected"]
        updates.until(len(updates.calls) + 2)
        assert {first for first, _ in updates.calls} == {sub}


def test_wait_for_connection_can_be_called_again_after_a_timeout(c_ioc_env: CIoc) -> None:
    """Caproto 400: what has failed once is tried again, and says which PV it was."""
    with Context(timeout=0.1) as ctx:
        (missing,) = ctx.get_pvs("IO:missing")
        for _ in range(2):
            with pytest.raises(CaprotoTimeoutError, match="IO:missing"):
                missing.wait_for_connection()
        assert not missing.connected


@pytest.mark.parametrize("times", range(3))
def test_contexts_follow_each_other_with_the_same_pvs(c_ioc_env: CIoc, times: int) -> None:
    """Caproto 824, 862: a context used again, or another one after it, finds and updates its PVs."""
    with Context(timeout=20) as ctx:
        (first,) = ctx.get_pvs("IO:ai")
        assert first.read().value == 3.25
        first.go_idle()
        (again,) = ctx.get_pvs("IO:ai")
        assert again is first
        calls = Calls()
        again.subscribe().add_callback(calls)
        calls.until(1)
        assert calls.values == [3.25]


def test_values_have_the_byte_order_of_the_machine(c_ioc_env: CIoc) -> None:
    """Caproto 863: arrays from the blocking clients can be calculated with."""
    with Context(timeout=20) as ctx:
        value = ctx.get_pvs("IO:wf:double")[0].read().value
    assert value.dtype.isnative
    assert read("IO:wf:double", timeout=20).value.dtype.isnative
    sync_client.disconnect()


def test_callbacks_added_by_get_pvs_of_a_known_pv_are_replayed(c_ioc_env: CIoc) -> None:
    """Caproto 851, 846: who comes later learns of a state that was there before."""
    with Context(timeout=20) as ctx:
        ctx.get_pvs("IO:ai")[0].wait_for_connection()
        states, rights = Calls(), Calls()
        (ai,) = ctx.get_pvs(
            "IO:ai", connection_state_callback=states, access_rights_callback=rights
        )
        both = AccessRights.READ | AccessRights.WRITE
        wait_until(lambda: states.calls == [(ai, "connected")] and rights.calls == [(ai, both)])


def test_many_contexts_leave_no_sockets_and_threads(c_ioc_env: CIoc) -> None:
    """Pyepics 171: too many open files after a thousand disconnects; the check for leaks is the test."""
    for _ in range(30):
        with Context(timeout=20) as ctx:
            (ai,) = ctx.get_pvs("IO:ai")
            updates = Calls()
            ai.subscribe().add_callback(updates)
            updates.until(1)


def test_a_monitor_can_be_ended_and_begun_again(c_ioc_env: CIoc) -> None:
    """Pyepics 69: a monitor cannot be disabled."""
    with Context(timeout=20) as ctx:
        (counter,) = ctx.get_pvs("IO:count:10Hz")
        for _ in range(3):
            updates = Calls()
            sub = counter.subscribe()
            sub.add_callback(updates)
            updates.until(1)
            counter.unsubscribe_all()
            assert sub.subscriptionid is None
            assert ctx.stats().subscriptions == 0


def test_the_first_update_comes_even_if_the_callback_is_added_late(c_ioc_env: CIoc) -> None:
    """Caproto 176: the first response is guaranteed."""
    with Context(timeout=20) as ctx:
        (ai,) = ctx.get_pvs("IO:ai")
        ai.wait_for_connection()
        got: list[Any] = []

        def callback(sub: Subscription, response: Any) -> None:
            got.append((sub.pv.name, response.value))

        ai.subscribe().add_callback(callback)
        wait_until(lambda: got == [("IO:ai", 3.25)])
