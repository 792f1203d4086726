"""The client for programs with threads: what it promises, against the C IOC."""

from __future__ import annotations

import functools
import gc
import threading
from typing import Any

import pytest

from caproto import (
    AccessRights,
    CaprotoTimeoutError,
    CaprotoTypeError,
    CaprotoValueError,
    CAStatusError,
)
from caproto.threading.client import (
    PV,
    Batch,
    Context,
    ContextDisconnectedError,
    SharedBroadcaster,
    Subscription,
    ensure_connected,
)
from tests.support import CIoc
from tests.support.blocking import Calls, in_threads, wait_until

from .contexts import with_context


@with_context
def test_get_pvs_returns_the_same_objects_in_order(ctx: Context) -> None:
    ai, bo = ctx.get_pvs("IO:ai", "IO:bo")
    assert (ai.name, bo.name) == ("IO:ai", "IO:bo")
    assert ctx.get_pvs("IO:bo", "IO:ai") == [bo, ai]
    assert ctx.pvs == {("IO:ai", 0): ai, ("IO:bo", 0): bo}
    assert ctx.get_pvs("IO:ai", priority=5) != [ai]


@with_context
def test_read_and_reprs_are_those_of_the_asyncio_client(ctx: Context, c_ioc_env: CIoc) -> None:
    assert repr(ctx) == "<Context searches_pending=0 circuits=0 pvs=0 idle=0>"
    (ai,) = ctx.get_pvs("IO:ai")
    assert ai.read().value == 3.25
    assert repr(ai) == (
        f"<PV name='IO:ai' priority=0 address=('127.0.0.1', {c_ioc_env.port}), "
        "circuit_state=States.CONNECTED, channel_state=States.CONNECTED>"
    )
    assert repr(ctx) == "<Context searches_pending=0 circuits=1 pvs=1 idle=0>"
    ai.go_idle()
    assert repr(ai) == "<PV name='IO:ai' priority=0 (idle)>"
    assert ai.read(data_type="time", timeout=20).metadata.timestamp > 0
    for item in (ctx, ai, ai.subscribe()):
        assert item._repr_html_().startswith("<table>")


@with_context
def test_write_confirmed_unconfirmed_and_refused(ctx: Context) -> None:
    ao, readonly = ctx.get_pvs("IO:ao", "IO:access:readonly")
    before = ao.read().value
    try:
        response = ao.write(2)
        assert response.status.success
        assert ao.read().value == 2
        assert ao.write(3, wait=False) is None
        assert ao.read().value == 3  # what one thread asks for is done in that order
    finally:
        ao.write(before)
    readonly.wait_for_connection()
    with pytest.raises(CAStatusError, match="ECA_NOWTACCESS"):
        readonly.write(1)
    with pytest.raises(CAStatusError, match="ECA_NOWTACCESS"):
        readonly.write(1, wait=False)
    with pytest.raises(CaprotoValueError, match="notify=False"):
        ao.write(1, notify=False)
    with pytest.raises(CaprotoValueError, match="IO:ao"):
        ao.write("no number")


@with_context
def test_many_unconfirmed_writes_arrive_in_order(ctx: Context) -> None:
    (ao,) = ctx.get_pvs("IO:longout")
    before = ao.read().value
    seen = Calls()
    sub = ao.subscribe()
    sub.add_callback(seen)
    seen.until(1)
    try:
        for number in range(5000):
            ao.write(number % 400, wait=False)
        assert ao.read().value == 4999 % 400
        wait_until(lambda: seen.values[-1] == 4999 % 400)
    finally:
        ao.write(before)


@with_context
def test_callbacks_of_reads_and_writes_run_on_worker_threads(ctx: Context) -> None:
    (ao,) = ctx.get_pvs("IO:ao")
    replies = Calls()
    value = ao.read().value
    assert ao.read(wait=False, callback=replies) is None
    assert ao.write(value, wait=False, callback=replies) is None
    assert ao.read(callback=replies).value == value
    replies.until(3)
    assert {name.startswith("caproto-127.0.0.1") for name in replies.threads} == {True}
    assert replies.calls[0][0].value == value


@with_context
def test_subscription_calls_back_in_order_with_the_subscription(ctx: Context) -> None:
    (counter,) = ctx.get_pvs("IO:count:10Hz")
    calls = Calls()
    sub = counter.subscribe()
    assert repr(sub) == "<Subscription to 'IO:count:10Hz', id=None>"
    assert sub.add_callback(calls) == 0
    calls.until(3)
    assert {first for first, _ in calls.calls} == {sub}
    assert calls.values == list(
        range(int(calls.values[0]), int(calls.values[0]) + len(calls.values))
    )
    late = Calls()
    assert sub.add_callback(late) == 1
    late.until(1)  # the most recent value, at once
    assert isinstance(sub.subscriptionid, int)
    assert sub.most_recent_response is not None
    assert set(sub.callbacks) == {0, 1}
    sub.remove_callback(0)
    sub.remove_callback(1)
    assert not sub.callbacks
    assert repr(sub) == "<Subscription to 'IO:count:10Hz', id=None>"


@with_context
def test_subscriptions_that_ask_for_the_same_are_the_same(ctx: Context) -> None:
    (ai,) = ctx.get_pvs("IO:ai")
    sub = ai.subscribe()
    assert ai.subscribe() is sub
    timed = ai.subscribe(data_type="time")
    assert timed is not sub
    assert set(ai.subscriptions.values()) == {sub, timed}


@with_context
def test_a_subscription_with_callbacks_lives_without_a_reference(ctx: Context) -> None:
    calls = Calls()
    ctx.get_pvs("IO:count:10Hz")[0].subscribe().add_callback(calls)
    calls.until(1)
    gc.collect()
    calls.until(len(calls.calls) + 2)


@with_context
def test_callbacks_are_held_weakly_unless_strong(ctx: Context) -> None:
    (counter,) = ctx.get_pvs("IO:count:10Hz")
    kept: list[Any] = []
    sub = counter.subscribe()
    sub.add_callback(lambda sub, response: None)
    gc.collect()
    wait_until(lambda: not sub.callbacks)
    sub.add_callback(lambda sub, response: kept.append(response), strong=True)
    wait_until(lambda: len(kept) > 1)
    sub.clear()


@with_context
def test_one_argument_callbacks_work_and_are_warned_about(ctx: Context) -> None:
    (ai,) = ctx.get_pvs("IO:ai")
    values: list[float] = []

    def old(response: Any) -> None:
        values.append(response.value)

    with pytest.warns(DeprecationWarning, match="takes one argument") as caught:
        ai.subscribe().add_callback(old)
    assert caught[0].filename == __file__  # it points to who is to change something
    wait_until(lambda: values == [3.25])
    with pytest.raises(CaprotoTypeError, match="cannot be called"):
        ai.subscribe().add_callback(3)  # type: ignore[arg-type]


@with_context
def test_state_and_access_rights_callbacks(ctx: Context) -> None:
    states, rights = Calls(), Calls()
    (ai,) = ctx.get_pvs("IO:ai", connection_state_callback=states, access_rights_callback=rights)
    ai.wait_for_connection()
    both = AccessRights.READ | AccessRights.WRITE
    wait_until(lambda: states.calls == [(ai, "connected")] and rights.calls == [(ai, both)])
    assert ai.access_rights == both
    late = Calls()
    token = ai.connection_state_callback.add_callback(late, run=True)
    late.until(1)
    ai.connection_state_callback.remove_callback(token)
    ai.go_idle()
    wait_until(lambda: states.calls[1:] == [(ai, "disconnected")])
    assert late.calls == [(ai, "connected")]


@pytest.mark.parametrize("workers", [1, 2])
def test_callbacks_may_read_write_and_subscribe_themselves(c_ioc_env: CIoc, workers: int) -> None:
    """With one worker thread, which waits in the callback, and an update behind it."""
    results: list[Any] = []
    with Context(timeout=20, max_workers=workers) as ctx:
        counter, ao = ctx.get_pvs("IO:count:10Hz", "IO:ao")

        def callback(sub: Subscription, response: Any) -> None:
            value = ao.read().value
            results.append((ao.write(value).status.success, ctx.get_pvs("IO:ai")[0].read().value))
            ctx.read_many([ao, counter])

        counter.subscribe().add_callback(callback)
        wait_until(lambda: len(results) > 2)
    assert set(results) == {(True, 3.25)}


def test_a_callback_may_disconnect_the_context(c_ioc_env: CIoc) -> None:
    ended = threading.Event()
    ctx = Context(timeout=20)
    (ai,) = ctx.get_pvs("IO:ai")

    def callback(sub: Subscription, response: Any) -> None:
        ctx.disconnect()
        ended.set()

    ai.subscribe().add_callback(callback)
    assert ended.wait(20)
    with pytest.raises(ContextDisconnectedError):
        ai.read()


@with_context
def test_exceptions_in_callbacks_are_logged_with_the_name(
    ctx: Context, caplog: pytest.LogCaptureFixture
) -> None:
    after = Calls()

    def broken(sub: Subscription, response: Any) -> None:
        raise ValueError("on purpose")

    sub = ctx.get_pvs("IO:count:10Hz")[0].subscribe()
    sub.add_callback(broken)
    sub.add_callback(after)
    after.until(3)
    assert "A callback of PV 'IO:count:10Hz' failed" in caplog.text


@with_context
def test_many_threads_share_one_context(ctx: Context) -> None:
    names = ["IO:ai", "IO:bo", "IO:longin", "IO:stringin", "IO:wf:double"]

    def work(index: int) -> int:
        for _ in range(40):
            for pv in ctx.get_pvs(*names):
                assert pv.read().data is not None
        return index

    assert in_threads(8, work) == list(range(8))
    assert len(ctx.pvs) == len(names)


def test_contexts_in_many_threads_begin_and_end(c_ioc_env: CIoc) -> None:
    def work(index: int) -> float:
        for _ in range(5):
            with Context(timeout=20) as ctx:
                value = ctx.get_pvs("IO:ai")[0].read().value
        return value  # type: ignore[no-any-return]

    assert in_threads(4, work) == [3.25] * 4


def test_the_thread_ends_with_the_last_context(c_ioc_env: CIoc) -> None:
    def loops() -> list[str]:
        return [each.name for each in threading.enumerate() if each.name == "caproto-loop"]

    assert loops() == []
    with Context():
        with Context() as inner:
            inner.get_pvs("IO:ai")[0].wait_for_connection(timeout=20)
            assert len(loops()) == 1
        assert len(loops()) == 1
    assert loops() == []


@with_context
def test_batch_sends_reads_and_writes_in_order(ctx: Context) -> None:
    pvs = ctx.get_pvs("IO:ai", "IO:ao", "IO:longin")
    before = pvs[1].read().value
    results: dict[str, Any] = {}
    confirmed: list[Any] = []

    def stash(name: str, response: Any) -> None:
        results[name] = response.value

    try:
        with Batch(timeout=20) as batch:
            batch.write(pvs[1], 5)
            batch.write(pvs[1], 6, confirmed.append)
            for pv in pvs:
                batch.read(pv, functools.partial(stash, pv.name))
            assert results == {}
        wait_until(lambda: len(results) == 3 and confirmed)
        assert results["IO:ao"] == 6
        assert results["IO:ai"] == 3.25
        assert confirmed[0].status.success
    finally:
        pvs[1].write(before)


@with_context
def test_batch_says_what_did_not_come(ctx: Context, caplog: pytest.LogCaptureFixture) -> None:
    ai, missing, readonly = ctx.get_pvs("IO:ai", "IO:missing", "IO:access:readonly")
    replies = Calls()
    refused = Calls()
    with Batch(timeout=0.5) as batch:
        batch.read(missing, Calls())
        batch.read(ai, replies)
        batch.write(readonly, 1, refused)
    replies.until(1)
    refused.until(1)
    assert refused.calls[0][0].status.name == "ECA_NOWTACCESS"
    wait_until(lambda: "IO:missing" in caplog.text)


@with_context
def test_bulk_calls_return_a_result_or_an_error_for_each(ctx: Context) -> None:
    ai, ao, missing = ctx.get_pvs("IO:ai", "IO:ao", "IO:missing")
    before = ao.read().value
    try:
        first, second, third = ctx.read_many([ai, ao, missing], timeout=0.5)
        assert (first.value, second.value) == (3.25, before)  # type: ignore[union-attr]
        assert isinstance(third, CaprotoTimeoutError)
        written = ctx.write_many({ao: 4.0, missing: 1}, timeout=0.5)
        assert list(written) == [ao, missing]
        assert written[ao].status.success
        assert isinstance(written[missing], CaprotoTimeoutError)
        connected = ctx.wait_for_connections(ai, "IO:missing", timeout=0.5)
        assert connected[ai] is None
        assert isinstance(connected[missing], CaprotoTimeoutError)
    finally:
        ao.write(before)


@with_context
def test_timeouts_name_the_pv_and_the_stage(ctx: Context) -> None:
    (missing,) = ctx.get_pvs("IO:missing", timeout=0.1)
    assert missing.timeout == 0.1
    for call in (missing.read, missing.wait_for_connection, missing.wait_for_search):
        with pytest.raises(CaprotoTimeoutError, match="IO:missing") as caught:
            call()
        assert caught.value.stage == "search"
    with pytest.raises(CaprotoTimeoutError):
        missing.time_since_last_heard()


@with_context
def test_circuit_managers(ctx: Context) -> None:
    ai, counter, missing = ctx.get_pvs("IO:ai", "IO:count:10Hz", "IO:missing")
    assert (missing.circuit_manager, missing.channel) == (None, None)
    ai.wait_for_connection()
    counter.wait_for_connection()
    manager = ai.circuit_manager
    assert manager is not None
    assert manager is counter.circuit_manager
    assert manager.connected
    ((address, priority),) = ctx.circuit_managers
    assert ctx.get_circuit_manager(address, priority) is manager
    assert set(manager.pvs.values()) == {ai, counter}
    calls = Calls()
    counter.subscribe().add_callback(calls)
    calls.until(1)
    manager.events_off()
    manager.events_on()
    calls.until(len(calls.calls) + 1)
    manager.disconnect()
    wait_until(lambda: not manager.connected)
    ai.wait_for_connection()
    assert ai.circuit_manager is not manager
    calls.until(len(calls.calls) + 1)
    ctx.reconnect([("IO:ai", 0)])
    assert ai.read().value == 3.25


def test_a_broadcaster_can_be_shared(c_ioc_env: CIoc) -> None:
    broadcaster = SharedBroadcaster()
    first, second = Context(broadcaster, timeout=20), Context(broadcaster, timeout=20)
    assert first.get_pvs("IO:ai")[0].read().value == 3.25
    first.disconnect()
    (ai,) = second.get_pvs("IO:ai")
    assert ai.read().value == 3.25
    assert broadcaster.get_cached_search_result("IO:ai") == ("127.0.0.1", c_ioc_env.port)
    with pytest.raises(KeyError):
        broadcaster.get_cached_search_result("IO:missing")
    (heard,) = broadcaster.time_since_last_heard().values()
    assert 0 <= ai.time_since_last_heard() <= heard + 20
    second.get_pvs("IO:missing")
    broadcaster.search_now()
    broadcaster.cancel("IO:missing")
    assert repr(second.get_pvs("IO:ai")[0]).startswith("<PV name='IO:ai'")
    second.disconnect()


@with_context
def test_ensure_connected_waits_first(ctx: Context) -> None:
    @ensure_connected
    def native_count(pv: PV, timeout: Any = None) -> Any:
        assert pv.channel is not None
        return pv.channel.native_data_count

    assert native_count(ctx.get_pvs("IO:wf:million")[0]) == 1_000_000


def test_the_timeout_of_the_context_counts(
    c_ioc_env: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPROTO_DEFAULT_TIMEOUT", "7.5")
    with Context() as ctx:
        (ai,) = ctx.get_pvs("IO:ai")
        assert (ctx.timeout, ai.timeout) == (7.5, 7.5)
        ctx.timeout = 20
        assert ai.timeout == 20
        ai.timeout = None
        assert ai.read().value == 3.25


def test_bad_arguments_of_a_context_leave_nothing_behind() -> None:
    with pytest.raises(CaprotoValueError, match="max_workers"):
        Context(max_workers=-1)
