"""Calls of `caproto.threading.pyepics_compat` from where they could hang: it works, or says clearly why not."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

import pytest

from caproto import CaprotoValueError
from caproto.threading.client import Context, ContextDisconnectedError
from caproto.threading.pyepics_compat import PV, caget, caget_many, caput, caput_many, get_pv
from tests.support import CIoc
from tests.support.blocking import run_program


def test_signal_handlers_that_read_and_make_pvs_interrupt_a_busy_main_thread(c_ioc: CIoc) -> None:
    """Wherever the main thread is: while it makes PVs, too, which takes locks."""
    source = """
import signal
from caproto.threading.pyepics_compat import PV, caget, get_pv

names = ["ai", "longin", "bi", "mbbi", "stringin", "wf:long", "char", "float", "short"]
values = []

def handler(number, frame):
    values.append(caget("IO:ai", use_monitor=False))
    get_pv("IO:" + names[len(values) % len(names)], form="ctrl")
    if len(values) < 100:
        signal.setitimer(signal.ITIMER_REAL, 0.0007)

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0007)
while len(values) < 100:
    assert caget("IO:ai", use_monitor=False) == 3.25
    pv = PV("IO:" + names[len(values) % len(names)])
    pv.disconnect()
print(set(values))
"""
    assert run_program(source, c_ioc.client_env()) == "{3.25}\n"


def test_calls_in_a_running_event_loop_work(c_ioc_env: CIoc) -> None:
    async def main() -> list[Any]:
        return [
            caget("IO:ai"),
            PV("IO:ai").get(use_monitor=False),
            caget_many(["IO:ai", "IO:longin"]),
            caput("IO:ao", 1.5, wait=True),
        ]

    try:
        assert asyncio.run(main()) == [3.25, 3.25, [3.25, -123456], 1]
    finally:
        PV.default_context().disconnect()


@pytest.mark.parametrize("another", [False, True])
def test_everything_says_so_after_the_context_was_disconnected(
    c_ioc_env: CIoc, another: bool
) -> None:
    """Whether the loop still runs, for another Context, or not."""
    other = Context() if another else None
    context = Context()
    pv = get_pv("IO:ai", connect=True, context=context)
    assert pv.get() == 3.25
    unopened = PV("IO:missing", context=context)
    context.disconnect()
    assert not pv.connected
    for call in (
        pv.get,
        lambda: pv.get(use_monitor=False),
        lambda: pv.value,
        lambda: pv.put(1),
        lambda: pv.put(1, wait=True),
        pv.get_ctrlvars,
        pv.get_timevars,
        pv.get_with_metadata,
        pv.wait_for_connection,
        pv.reconnect,
        unopened.get,
        unopened.wait_for_connection,
        lambda: PV("IO:bi", context=context),
        lambda: get_pv("IO:bi", context=context),
        lambda: caget("IO:ai", context=context),
        lambda: caput("IO:ao", 1.5, context=context),
        lambda: caget_many(["IO:ai"], context=context),
        lambda: caput_many(["IO:ao"], [1.5], context=context),
    ):
        with pytest.raises(ContextDisconnectedError, match="no longer usable"):
            call()
    assert repr(pv) == "<PV 'IO:ai': not connected>"
    assert (pv.info, pv.units) == (None, None)
    pv.clear_auto_monitor()
    pv.disconnect()
    unopened.disconnect()
    if other is not None:
        other.disconnect()


def test_after_its_own_disconnect_a_pv_is_not_connected(c_ioc_env: CIoc) -> None:
    with Context() as context:
        pv = PV("IO:ai", context=context)
        assert pv.get() == 3.25
        pv.disconnect()
        pv.disconnect()
        assert (pv.connected, pv.get(), pv.put(1), pv.get_ctrlvars()) == (False, None, None, None)
        assert not pv.wait_for_connection(0.01)


def test_a_context_without_worker_threads_is_refused(c_ioc_env: CIoc) -> None:
    with Context(max_workers=0) as context, pytest.raises(CaprotoValueError, match="worker"):
        PV("IO:ai", context=context)


def test_a_callback_may_disconnect_its_own_pv(c_ioc_env: CIoc) -> None:
    ended = threading.Event()

    def callback(cb_info: Any = None, **more: Any) -> None:
        cb_info[1].disconnect()
        ended.set()

    with Context() as context:
        pv = PV("IO:count:10Hz", callback=callback, context=context)
        assert ended.wait(10)
        assert not pv.connected


def test_a_callback_that_exits_ends_no_other(
    c_ioc_env: CIoc, caplog: pytest.LogCaptureFixture
) -> None:
    """Of whatever kind it is: others on the same circuit need its thread."""
    values: queue.Queue[Any] = queue.Queue()

    def leave(*_: Any, **__: Any) -> None:
        raise SystemExit

    def on_value(value: Any = None, **_: Any) -> None:
        values.put(value)

    with Context() as context:
        one = PV(
            "IO:ai",
            callback=[leave, on_value],
            connection_callback=leave,
            access_callback=leave,
            context=context,
        )
        assert values.get(timeout=20) == 3.25
        one.add_callback(on_value)
        with pytest.raises(SystemExit):
            one.run_callback(0)  # in this thread, which it may end
        PV("IO:longin", callback=on_value, context=context)
        assert values.get(timeout=20) == -123456
        assert caplog.text.count("of 'IO:ai' failed") == 3


def test_a_callback_may_disconnect_the_whole_context(c_ioc_env: CIoc) -> None:
    ended = threading.Event()
    context = Context()

    def callback(**more: Any) -> None:
        context.disconnect()
        ended.set()

    PV("IO:count:10Hz", callback=callback, context=context)
    assert ended.wait(10)


PROLOGUE = """
import os, sys, threading, warnings
from caproto import *
from caproto.threading.client import ContextDisconnectedError
from caproto.threading.pyepics_compat import *
warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a program with threads
pv = get_pv("IO:ai", connect=True)
assert pv.get() == caget("IO:ai") == 3.25
"""

FORK = (
    PROLOGUE
    + """
def child():
    assert not pv.connected
    for call in (pv.get, lambda: pv.get(use_monitor=False), lambda: pv.put(1), pv.get_ctrlvars, pv.wait_for_connection):
        try:
            call()
        except ContextDisconnectedError as error:
            assert "belongs to the parent process" in str(error), error
        else:
            raise AssertionError("nothing was raised")
    pv.disconnect()
    assert caget("IO:ai") == 3.25
    assert caget_many(["IO:ai", "IO:longin"]) == [3.25, -123456]
    assert get_pv("IO:ai") is not pv
    assert get_pv("IO:ai").get(use_monitor=False) == 3.25
"""
)


def test_a_forked_child_is_told_and_has_pvs_of_its_own(c_ioc: CIoc) -> None:
    source = (
        FORK
        + """
pid = os.fork()
if pid == 0:
    child()
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
assert pv.get(use_monitor=False) == 3.25
print("parent")
"""
    )
    assert run_program(source, c_ioc.client_env()) == "parent\n"


def test_a_child_that_was_forked_while_threads_made_pvs_does_not_wait_for_them(
    c_ioc: CIoc,
) -> None:
    """Pyepics 15: multiprocessing. Locks that other threads of the parent hold are never given back in the child."""
    source = (
        FORK
        + """
go_on = True
def work():
    number = 0
    while go_on:
        number += 1
        get_pv(f"IO:missing{number % 50}")
        PV("IO:longin").disconnect()
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
for _ in range(5):
    pid = os.fork()
    if pid == 0:
        child()
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
go_on = False
for thread in threads: thread.join()
print("parent")
"""
    )
    assert run_program(source, c_ioc.client_env()) == "parent\n"


@pytest.mark.parametrize(
    "ending",
    ["", "sys.exit(0)", "PV.default_context().disconnect()", "camonitor('IO:longin', writer=len)"],
)
def test_a_program_ends_by_itself(c_ioc: CIoc, ending: str) -> None:
    source = PROLOGUE + "PV('IO:count:10Hz', callback=lambda **more: None).get()\n" + ending
    assert run_program(source, c_ioc.client_env()) == ""
