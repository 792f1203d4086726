"""Calls from where a blocking call could hang: it works, or says clearly why not."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from caproto import CaprotoRuntimeError
from caproto.threading.client import (
    Context,
    ContextDisconnectedError,
    SharedBroadcaster,
    Subscription,
)
from tests.support import CIoc
from tests.support.blocking import Calls, in_threads, run_program, wait_until

from .contexts import with_context

# --- signal handlers -------------------------------------------------------------------------------------------------------
# As programs: a handler that interrupts pytest, or what measures coverage, may meet a lock of theirs.

ALARMS = """
import signal
from caproto import CaprotoTimeoutError
from caproto.threading.client import Context
from tests.support.blocking import wait_until

def on_alarm(handler, delay):
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, delay)
"""


def test_a_signal_handler_may_read_while_the_main_thread_waits(c_ioc: CIoc) -> None:
    source = (
        ALARMS
        + """
values = []

def handler(number, frame):
    values.append(ai.read().value)
    with Context(timeout=20) as another:
        values.append(another.get_pvs("IO:ai")[0].read().value)

with Context(timeout=20) as ctx:
    ai, missing = ctx.get_pvs("IO:ai", "IO:missing")
    ai.wait_for_connection()
    on_alarm(handler, 0.05)
    try:
        missing.read(timeout=1)
    except CaprotoTimeoutError:
        print(values)
"""
    )
    assert run_program(source, c_ioc.client_env()) == "[3.25, 3.25]\n"


def test_signal_handlers_that_read_interrupt_a_busy_main_thread(c_ioc: CIoc) -> None:
    """Wherever the main thread is: between two lines of the client, too."""
    source = (
        ALARMS
        + """
values = []

def handler(number, frame):
    values.append(ai.read().value)
    if len(values) < 200:
        signal.setitimer(signal.ITIMER_REAL, 0.0007)

with Context(timeout=20) as ctx:
    (ai,) = ctx.get_pvs("IO:ai")
    ai.wait_for_connection()
    on_alarm(handler, 0.0007)
    while len(values) < 200:
        assert ai.read().value == 3.25
        with Context() as another:
            another.get_pvs("IO:ai")
    print(set(values))
"""
    )
    assert run_program(source, c_ioc.client_env()) == "{3.25}\n"


def test_what_a_signal_handler_raises_ends_the_wait(c_ioc: CIoc) -> None:
    """As Ctrl-C does; the next call is not disturbed, and the request is forgotten."""
    source = (
        ALARMS
        + """
def handler(number, frame):
    raise KeyboardInterrupt

with Context(timeout=20) as ctx:
    slow, missing = ctx.get_pvs("IO:slow.A", "IO:missing")
    slow.wait_for_connection()
    for wait in (lambda: missing.read(timeout=None), lambda: slow.write(1, timeout=None)):
        on_alarm(handler, 0.05)
        try:
            wait()
        except KeyboardInterrupt:
            print("interrupted")
    assert slow.read().value is not None
    wait_until(lambda: not slow._core.busy)
    wait_until(lambda: slow._core.circuit_manager.write_slots.free == 1000)
    assert not missing._core._waits
"""
    )
    assert run_program(source, c_ioc.client_env()) == "interrupted\ninterrupted\n"


# --- threads and loops -----------------------------------------------------------------------------------------------------


@with_context
def test_a_coroutine_callback_that_blocks_its_own_loop_is_told(ctx: Context) -> None:
    ai, counter = ctx.get_pvs("IO:ai", "IO:count:10Hz")
    errors: list[Exception] = []

    async def callback(sub: Subscription, response: Any) -> None:
        for call in (ai.read, sub.clear, Context, lambda: ctx.get_pvs("IO:bo"), ctx.disconnect):
            try:
                call()
            except Exception as error:
                errors.append(error)

    counter.subscribe().add_callback(callback)
    wait_until(lambda: len(errors) >= 5)
    assert {type(error) for error in errors} == {CaprotoRuntimeError}
    assert "event loop that has to answer it" in str(errors[0])
    assert ai.read().value == 3.25


@with_context
def test_a_call_in_another_running_event_loop_works(ctx: Context) -> None:
    (ai,) = ctx.get_pvs("IO:ai")

    async def main() -> float:
        return ai.read().value  # type: ignore[no-any-return]

    assert asyncio.run(main()) == 3.25


@with_context
def test_callbacks_without_worker_threads_run_on_the_loop(ctx: Context) -> None:
    with Context(timeout=20, max_workers=0) as inline:
        calls = Calls()
        inline.get_pvs("IO:count:10Hz")[0].subscribe().add_callback(calls)
        calls.until(2)
        assert set(calls.threads) == {"caproto-loop"}


# --- after the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("another", [False, True])
def test_everything_says_so_after_disconnect(c_ioc_env: CIoc, another: bool) -> None:
    """Whether the loop still runs, for another Context, or not."""
    other = Context() if another else None
    ctx = Context(timeout=20)
    (ai,) = ctx.get_pvs("IO:ai")
    ai.wait_for_connection()
    sub = ai.subscribe()
    sub.add_callback(Calls())
    ctx.disconnect()
    ctx.disconnect()
    for call in (
        ai.read,
        lambda: ai.write(1),
        lambda: ai.write(1, wait=False),
        ai.wait_for_connection,
        ai.wait_for_search,
        lambda: ctx.get_pvs("IO:bo"),
        lambda: ctx.read_many([ai]),
        lambda: ctx.write_many({ai: 1}),
        lambda: sub.add_callback(print),
        lambda: ai.read(wait=False, callback=print),
    ):
        with pytest.raises(ContextDisconnectedError, match="no longer usable"):
            call()
    assert repr(ai) == "<PV name='IO:ai' priority=0 (closed)>"
    assert "Context" in repr(ctx)
    if other is not None:
        other.disconnect()


def test_a_context_does_not_take_a_broadcaster_that_has_ended(c_ioc_env: CIoc) -> None:
    broadcaster = SharedBroadcaster()
    broadcaster.disconnect()
    with pytest.raises(CaprotoRuntimeError, match="make another one"):
        Context(broadcaster)
    with Context():
        broadcaster = SharedBroadcaster()
        broadcaster.disconnect()
        with pytest.raises(CaprotoRuntimeError, match="make another one"):
            Context(broadcaster)


@with_context
def test_threads_that_wait_are_told_when_the_context_is_disconnected(ctx: Context) -> None:
    begun = threading.Semaphore(0)
    other = Context(timeout=None)

    def wait(index: int) -> None:
        (pv,) = other.get_pvs(f"IO:missing{index}")
        begun.release()
        with pytest.raises(ContextDisconnectedError):
            pv.read() if index % 2 else pv.wait_for_connection()

    def end() -> None:
        for _ in range(6):
            assert begun.acquire(timeout=20)
        wait_until(lambda: sum(bool(pv._core._waits) for pv in other.pvs.values()) == 6)
        other.disconnect()

    in_threads(7, lambda index: wait(index) if index < 6 else end())


def test_disconnect_without_waiting_ends_soon(c_ioc_env: CIoc) -> None:
    ctx = Context(timeout=20)
    ctx.get_pvs("IO:ai")[0].wait_for_connection()
    ctx.disconnect(wait=False)
    wait_until(lambda: ctx._background.why_ended is not None)
    with pytest.raises(ContextDisconnectedError):
        ctx.get_pvs("IO:ai")


def test_a_callback_that_exits_ends_no_other(
    c_ioc_env: CIoc, caplog: pytest.LogCaptureFixture
) -> None:
    """It took the worker thread along, and with it all callbacks of the circuit."""

    def leave(*_: Any) -> None:
        raise SystemExit

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with Context(timeout=20) as ctx:
        ai, longin = ctx.get_pvs("IO:ai", "IO:longin", connection_state_callback=leave)
        before, beside, behind, replies = Calls(), Calls(), Calls(), Calls()
        sub = ai.subscribe()
        sub.add_callback(before)
        for callback in (leave, interrupt, beside):
            sub.add_callback(callback)
        beside.until(1)
        ai.read(callback=leave)
        ai.read(callback=replies)
        replies.until(1)
        longin.subscribe().add_callback(behind)
        behind.until(1)
        assert caplog.text.count("'IO:ai' failed") == 4
    assert (before.values, beside.values, behind.values) == ([3.25], [3.25], [-123456])


def test_a_callback_that_disconnects_its_context_is_not_waited_for(
    c_ioc_env: CIoc, caplog: pytest.LogCaptureFixture
) -> None:
    """It took two seconds, and a warning told that the callback was left behind: it was the one that waited."""
    ctx = Context(timeout=20)
    ended = threading.Event()

    def disconnect(sub: Any, response: Any) -> None:
        ctx.disconnect()
        ended.set()

    ctx.get_pvs("IO:ai")[0].subscribe().add_callback(disconnect, strong=True)
    assert ended.wait(20)
    assert "left behind" not in caplog.text


# --- programs --------------------------------------------------------------------------------------------------------------

PROLOGUE = """
import os, sys, threading, time
from caproto import *
from caproto.threading.client import Context, ContextDisconnectedError
ctx = Context(timeout=20)
ai, counter = ctx.get_pvs("IO:ai", "IO:count:10Hz")
def callback(sub, response): pass
sub = counter.subscribe(); sub.add_callback(callback)
assert ai.read().value == 3.25
"""

ENDINGS = {
    "without a word": "",
    "exit": "sys.exit(0)",
    "in a callback": """
ended = threading.Event()
def slow(sub, response):
    ended.set()
    time.sleep(0.3)
sub.add_callback(slow)
ended.wait()
""",
    # Python stops daemon threads without a word, and so do we.
    "daemon threads that read, and that make Contexts": """
def work():
    while True: ai.read()
def make():
    while True:
        with Context(timeout=20) as another: another.get_pvs("IO:ai")[0].read()
for target in (work, make):
    threading.Thread(target=target, daemon=True).start()
""",
    "at exit, one reads": """
import atexit
atexit.register(lambda: print(ai.read().value))
""",
    "disconnected before": "ctx.disconnect()",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_program_ends_by_itself(c_ioc: CIoc, ending: str) -> None:
    output = run_program(PROLOGUE + ENDINGS[ending], c_ioc.client_env())
    assert output == ("3.25\n" if ending == "at exit, one reads" else "")


FORK = """
def child():
    for call in (ai.read, lambda: ai.write(1, wait=False), lambda: ctx.get_pvs("IO:bo"), lambda: sub.clear()):
        try:
            call()
        except ContextDisconnectedError as error:
            assert "belongs to the parent process" in str(error), error
        else:
            raise AssertionError("nothing was raised")
    ctx.disconnect()
    with Context(timeout=20) as own:
        assert own.get_pvs("IO:ai")[0].read().value == 3.25
    left = Context(timeout=20)
    left.get_pvs("IO:ai")[0].read()
"""


def test_a_forked_child_is_told_and_makes_its_own_context(c_ioc: CIoc) -> None:
    source = (
        PROLOGUE
        + FORK
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a program with threads
pid = os.fork()
if pid == 0:
    child()
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert ai.read().value == 3.25
number = counter.read().value
while counter.read().value == number: pass
print("parent")
"""
    )
    assert run_program(source, c_ioc.client_env()) == "parent\n"


def test_multiprocessing_by_fork_works(c_ioc: CIoc) -> None:
    source = (
        PROLOGUE
        + FORK
        + """
import multiprocessing, warnings
warnings.simplefilter("ignore", DeprecationWarning)
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
assert process.exitcode == 0, process.exitcode
assert ai.read().value == 3.25
"""
    )
    assert run_program(source, c_ioc.client_env()) == ""


def test_a_fork_in_a_signal_handler_does_not_leave_the_child_waiting(c_ioc: CIoc) -> None:
    """The child returns from the handler into a wait whose thread only its parent has."""
    source = (
        PROLOGUE
        + """
import signal, warnings
warnings.simplefilter("ignore", DeprecationWarning)
pids = []
def handler(number, frame): pids.append(os.fork())
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.1)
(missing,) = ctx.get_pvs("IO:missing")
try:
    missing.read(timeout=1.5)
except ContextDisconnectedError:
    assert pids == [0]
    os._exit(7)
except CaprotoTimeoutError:
    assert pids[0] != 0
assert os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]) == 7
"""
    )
    assert run_program(source, c_ioc.client_env()) == ""


def test_ctrl_c_ends_a_program_that_waits_for_ever(c_ioc: CIoc) -> None:
    source = (
        PROLOGUE
        + """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
(missing,) = ctx.get_pvs("IO:missing")
try:
    missing.wait_for_connection(timeout=None)
except KeyboardInterrupt:
    print("interrupted")
"""
    )
    assert run_program(source, c_ioc.client_env()) == "interrupted\n"


def test_importing_costs_nothing_to_those_who_use_asyncio_only(c_ioc: CIoc) -> None:
    source = """
import sys
import caproto, caproto.asyncio.client, caproto.server, caproto.asyncio.server
extra = [name for name in sys.modules if name.startswith(("caproto.threading", "caproto.sync", "caproto._background"))]
assert extra == [], extra
import caproto.threading.client, caproto.sync.client
import threading
assert threading.active_count() == 1
assert "uvloop" not in sys.modules
"""
    assert run_program(source, c_ioc.client_env()) == ""
