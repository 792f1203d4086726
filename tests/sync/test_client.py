"""The blocking one-shot functions, against the C IOC."""

from __future__ import annotations

import functools
import gc
import inspect
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from caproto import (
    CaprotoRuntimeError,
    CaprotoTimeoutError,
    CaprotoTypeError,
    CaprotoValueError,
    CAStatusError,
    ChannelType,
)
from caproto.sync import client
from caproto.sync._session import session_for
from caproto.sync.client import (
    Subscription,
    block,
    disconnect,
    interrupt,
    read,
    read_write_read,
    subscribe,
    write,
)
from tests.support import CIoc
from tests.support.blocking import Calls, in_threads, run_program, wait_until

SIGNATURES = {
    "block": "(*subscriptions, duration=None, timeout=2.0, force_int_enums=False, repeater=True)",
    "interrupt": "()",
    "read": (
        "(pv_name, *, data_type=None, data_count=None, timeout=2.0, priority=0, notify=True, "
        "force_int_enums=False, repeater=True)"
    ),
    "read_write_read": (
        "(pv_name, data, *, notify=False, read_data_type=None, write_data_type=None, metadata=None, "
        "timeout=2.0, priority=0, force_int_enums=False, repeater=True)"
    ),
    "subscribe": (
        "(pv_name, priority=0, data_type=None, data_count=None, low=0.0, high=0.0, to=0.0, mask=None)"
    ),
    "write": (
        "(pv_name, data, *, notify=False, data_type=None, metadata=None, timeout=2.0, priority=0, "
        "repeater=True)"
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signature(name: str) -> None:
    function = getattr(client, name)
    parameters = inspect.signature(function).parameters.values()
    bare = [parameter.replace(annotation=parameter.empty) for parameter in parameters]
    assert str(inspect.Signature(bare)) == SIGNATURES[name]
    assert inspect.getdoc(function)


def closing(test: Callable[..., None]) -> Callable[..., None]:
    """Close what the one-shot calls keep open, before the check for leaks."""

    @functools.wraps(test)
    def run(*args: Any, **fixtures: Any) -> None:
        try:
            test(*args, **fixtures)
        finally:
            disconnect()

    return run


@closing
def test_read_gives_labels_of_enums_unless_told_otherwise(c_ioc_env: CIoc) -> None:
    assert read("IO:ai", timeout=20).data == [3.25]
    assert read("IO:bo").value == "Closed"
    assert read("IO:bo", force_int_enums=True).value == 0
    assert read("IO:bo", data_type="native").value == 0
    response = read("IO:bo", data_type="time")
    assert response.data_type == ChannelType.TIME_ENUM
    assert read("IO:ai", data_type="control").metadata.units is not None
    assert read("IO:wf:double", data_count=2, notify=False).data_count == 2


@closing
def test_the_second_read_does_not_search(c_ioc_env: CIoc) -> None:
    read("IO:ai", timeout=20)
    context = session_for(True).context
    read("IO:ai")
    assert session_for(True).context is context
    assert list(context.pvs) == [("IO:ai", 0)]
    (circuit,) = context.stats().circuits
    assert (circuit.channels, context.broadcaster.results.pending) == (1, 0)


@closing
def test_write_and_read_write_read(c_ioc_env: CIoc) -> None:
    before = read("IO:ao", timeout=20).value
    try:
        assert write("IO:ao", 5) is None
        assert read("IO:ao").value == 5
        response = write("IO:ao", 6, notify=True)
        assert response is not None
        assert response.status.success
        initial, confirmation, final = read_write_read("IO:ao", 7, notify=True)
        assert (initial.value, final.value) == (6, 7)
        assert confirmation is not None
        assert read_write_read("IO:ao", 8)[1] is None
        assert write("IO:ao", "7.5", data_type=ChannelType.STRING) is None
        assert read("IO:ao").value == 7.5
    finally:
        write("IO:ao", before, notify=True)


@closing
def test_errors_are_raised_and_nothing_is_searched_afterwards(c_ioc_env: CIoc) -> None:
    for call in (
        lambda: read("IO:missing", timeout=0.2),
        lambda: write("IO:missing", 1, timeout=0.2),
        lambda: block(subscribe("IO:missing"), timeout=0.2),
    ):
        with pytest.raises(CaprotoTimeoutError, match="IO:missing") as caught:
            call()
        assert caught.value.stage == "search"
    context = session_for(True).context
    assert context.pvs == {}
    assert context.broadcaster.results.pending == 0
    for notify in (False, True):
        with pytest.raises(CAStatusError, match="ECA_NOWTACCESS"):
            write("IO:access:readonly", 1, notify=notify, timeout=20)
    with pytest.raises(CaprotoValueError, match="IO:ao"):
        write("IO:ao", [1, 2, 3], timeout=20)
    with pytest.raises(CaprotoValueError):
        read("IO:ai", data_count=5, timeout=20)
    with pytest.raises(CaprotoTypeError):
        read(3)  # type: ignore[arg-type]


@closing
def test_block_calls_back_in_this_thread_until_the_time_is_over(c_ioc_env: CIoc) -> None:
    calls = Calls()
    sub = subscribe("IO:count:10Hz")
    token = sub.add_callback(calls)
    block(sub, duration=0.5, timeout=20)
    assert calls.values == list(
        range(int(calls.values[0]), int(calls.values[0]) + len(calls.values))
    )
    assert set(calls.threads) == {threading.current_thread().name}
    assert {first for first, _ in calls.calls} == {sub}
    assert calls.calls[0][1].data_type == ChannelType.TIME_DOUBLE
    assert session_for(True).context.stats().subscriptions == 0
    sub.remove_callback(token)
    sub.clear()
    assert sub.callbacks == {}


@closing
def test_block_gives_labels_of_enums_with_time(c_ioc_env: CIoc) -> None:
    calls = Calls()

    def callback(sub: Subscription, response: Any) -> None:
        calls(sub, response)
        interrupt()

    sub = subscribe("IO:bo")
    sub.add_callback(callback)
    sub.block(timeout=20)
    sub.block(force_int_enums=True)
    assert [each.data_type for _, each in calls.calls] == [
        ChannelType.TIME_STRING,
        ChannelType.TIME_ENUM,
    ]


@closing
def test_a_callback_may_read_and_write(c_ioc_env: CIoc) -> None:
    values: list[Any] = []

    def callback(sub: Subscription, response: Any) -> None:
        value = read("IO:ao").value
        write("IO:ao", value, notify=True)
        values.append(value)
        sub.interrupt()

    sub = subscribe("IO:ai")
    sub.add_callback(callback)
    block(sub, timeout=20)
    assert values == [read("IO:ao").value]


@closing
def test_interrupt_from_another_thread_ends_every_block(c_ioc_env: CIoc) -> None:
    calls = [Calls(), Calls()]

    def work(index: int) -> None:
        if index == 2:
            for each in calls:
                each.until(1)
            interrupt()
            interrupt()
            return
        sub = subscribe("IO:ai")
        sub.add_callback(calls[index])
        block(sub, timeout=20)

    in_threads(3, work)


@closing
def test_exceptions_of_callbacks_come_out_of_block(c_ioc_env: CIoc) -> None:
    def broken(sub: Subscription, response: Any) -> None:
        raise LookupError("on purpose")

    sub = subscribe("IO:ai")
    sub.add_callback(broken)
    with pytest.raises(LookupError, match="on purpose"):
        block(sub, timeout=20)
    with pytest.raises(CaprotoTypeError):
        sub.add_callback(3)  # type: ignore[arg-type]


@closing
def test_callbacks_are_held_weakly_and_old_ones_are_adapted(c_ioc_env: CIoc) -> None:
    sub = subscribe("IO:ai")
    sub.add_callback(lambda sub, response: None)
    gc.collect()
    assert sub.callbacks == {}
    values: list[float] = []

    def old(response: Any) -> None:
        values.append(response.value)
        interrupt()

    with pytest.warns(UserWarning, match="takes only a response"):
        sub.add_callback(old)
    block(sub, timeout=20)
    assert values == [3.25]


@closing
def test_calls_from_many_threads(c_ioc_env: CIoc) -> None:
    def work(index: int) -> float:
        for _ in range(50):
            value = read("IO:ai", timeout=20).value
        return value  # type: ignore[no-any-return]

    assert in_threads(8, work) == [3.25] * 8


@closing
def test_a_call_on_the_loop_of_the_clients_is_told(c_ioc_env: CIoc) -> None:
    read("IO:ai", timeout=20)
    background = session_for(True).background
    for call in (
        functools.partial(read, "IO:ai"),
        functools.partial(write, "IO:ao", 1, notify=True),
        functools.partial(block, subscribe("IO:ai")),
    ):
        with pytest.raises(CaprotoRuntimeError, match="event loop that has to answer it"):
            background.call(call)


@closing
def test_another_environment_gets_other_connections(
    c_ioc_env: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read("IO:ai", timeout=20).value == 3.25
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "127.0.0.1:1")
    with pytest.raises(CaprotoTimeoutError, match=r"127\.0\.0\.1:1"):
        read("IO:ai", timeout=0.2)


@closing
@pytest.mark.parametrize("wanted", [True, False])
def test_a_repeater_is_started_only_if_that_is_wanted(
    loopback: Any, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    """Nobody answers on the repeater's port, so a client that may do so starts one at its second attempt."""
    monkeypatch.delenv("CAPROTO_NO_REPEATER")
    started: list[int] = []
    monkeypatch.setattr("caproto.asyncio._broadcaster.spawn_repeater", started.append)
    session = session_for(wanted)
    broadcaster = session.context.broadcaster
    wait_until(lambda: broadcaster._attempts >= 2)
    assert started == ([loopback.repeater_port] if wanted else [])


@closing
def test_after_disconnect_the_next_call_connects_again(c_ioc_env: CIoc) -> None:
    for _ in range(2):
        assert read("IO:ai", timeout=20).value == 3.25
        disconnect()
    disconnect()


@pytest.mark.timeout(method="thread")
@closing
def test_a_signal_handler_may_read_and_interrupt(c_ioc_env: CIoc) -> None:
    values: list[Any] = []

    def handler(number: int, frame: Any) -> None:
        values.append(read("IO:ai", timeout=20).value)
        interrupt()

    before = signal.signal(signal.SIGALRM, handler)
    try:
        calls = Calls()
        sub = subscribe("IO:count:10Hz")
        sub.add_callback(calls)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        block(sub, timeout=20)
        wait_until(lambda: values == [3.25])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_programs_end_by_themselves_also_forked_ones(c_ioc: CIoc) -> None:
    source = """
import os, signal, sys, threading, warnings
from caproto.sync.client import block, read, subscribe
warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a program with threads
assert read("IO:ai", timeout=20).value == 3.25
pid = os.fork()
if pid == 0:
    assert read("IO:ai", timeout=20).value == 3.25
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
signal.signal(signal.SIGINT, signal.default_int_handler)
count = 0
def callback(sub, response):
    global count
    count += 1
    if count == 2:
        os.kill(os.getpid(), signal.SIGINT)
sub = subscribe("IO:count:10Hz")
sub.add_callback(callback)
block(sub)
print(count)
"""
    assert run_program(source, c_ioc.client_env()) == "2\n"


def test_a_value_written_at_the_end_of_a_program_arrives(c_ioc: CIoc) -> None:
    source = """
from caproto.sync.client import write
write("IO:ao", {value}, timeout=20)
"""
    check = 'from caproto.sync.client import read; print(read("IO:ao", timeout=20).value)'
    before = run_program(check, c_ioc.client_env())
    run_program(source.replace("{value}", "4.5"), c_ioc.client_env())
    assert run_program(check, c_ioc.client_env()) == "4.5\n"
    run_program(source.replace("{value}", before.strip()), c_ioc.client_env())
