"""Calls of `caproto.aioca_compat` from where they could hang: it works, or says clearly why not."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest

import caproto.aioca_compat as ca
from tests.support import CIoc
from tests.support.blocking import in_threads, run_program


async def test_a_signal_handler_of_the_loop_may_start_reads_and_monitors(c_ioc_env: CIoc) -> None:
    loop = asyncio.get_running_loop()
    updates: asyncio.Queue[Any] = asyncio.Queue()
    tasks: list[asyncio.Task[Any]] = []
    called = asyncio.Event()

    def handler() -> None:
        tasks.append(loop.create_task(ca.caget("IO:ai")))
        tasks.append(loop.create_task(watch()))
        called.set()

    async def watch() -> None:
        subscription = ca.camonitor("IO:ai", updates.put_nowait)
        await updates.get()
        subscription.close()

    loop.add_signal_handler(signal.SIGUSR1, handler)
    try:
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(called.wait(), 20)
        value, _ = await asyncio.wait_for(asyncio.gather(*tasks), 20)
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)
    assert value == 3.25


async def test_a_callback_may_read_write_and_monitor(c_ioc_env: CIoc) -> None:
    done: asyncio.Queue[Any] = asyncio.Queue()
    inner: list[ca.Subscription] = []

    async def callback(value: Any) -> None:
        inner.append(ca.camonitor("IO:longin", done.put_nowait))
        await done.put(await ca.caget("IO:ai"))
        await done.put((await ca.caput("IO:ao", 1.5, wait=True)).ok)

    subscription = ca.camonitor("IO:ai", callback)
    seen = [await asyncio.wait_for(done.get(), 20) for _ in range(3)]
    assert sorted(seen) == [-123456, True, 3.25]
    for one in (subscription, *inner):
        one.close()


async def test_purging_from_a_callback_ends_all_and_the_next_call_starts_again(
    c_ioc_env: CIoc,
) -> None:
    purged = asyncio.Event()

    def callback(value: Any) -> None:
        ca.purge_channel_caches()
        purged.set()

    subscription = ca.camonitor("IO:count:10Hz", callback)
    await asyncio.wait_for(purged.wait(), 20)
    assert subscription.state == ca.Subscription.CLOSED
    subscription.close()
    assert await ca.caget("IO:ai") == 3.25


def test_what_is_left_of_a_loop_that_has_ended_does_not_disturb_the_next(c_ioc_env: CIoc) -> None:
    async def first() -> ca.Subscription:
        got = asyncio.Event()
        subscription = ca.camonitor("IO:ai", lambda value: got.set())
        await got.wait()
        return subscription

    async def second() -> Any:
        return await ca.caget("IO:ai")

    left = asyncio.run(first())
    left.close()
    assert asyncio.run(second()) == 3.25
    with pytest.raises(RuntimeError, match="no running event loop"):
        ca.purge_channel_caches()


def test_threads_with_loops_of_their_own_do_not_meet(c_ioc_env: CIoc) -> None:
    async def main() -> Any:
        values = [await ca.caget("IO:ai") for _ in range(20)]
        return set(map(float, values))

    assert in_threads(4, lambda index: asyncio.run(main())) == [{3.25}] * 4


async def test_running_in_a_running_loop_is_refused(c_ioc_env: CIoc) -> None:
    call = ca.caget("IO:ai")
    with pytest.warns(DeprecationWarning, match="asyncio.run"), pytest.raises(RuntimeError):
        ca.run(call)
    call.close()


def test_a_forked_child_has_channels_of_its_own(c_ioc: CIoc) -> None:
    source = """
import asyncio, os, warnings
from caproto.aioca_compat import caget, camonitor
warnings.simplefilter("ignore", DeprecationWarning)

async def main():
    updates = asyncio.Queue()
    subscription = camonitor("IO:ai", updates.put_nowait)
    assert await updates.get() == await caget("IO:ai") == 3.25
    subscription.close()

async def while_it_runs():
    await main()
    pid = os.fork()
    if pid == 0:
        os._exit(in_a_child())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    await main()

def in_a_child():
    import threading
    thread = threading.Thread(target=asyncio.run, args=(main(),))  # this thread has the parent's running loop
    thread.start()
    thread.join()
    return 7

asyncio.run(while_it_runs())
pid = os.fork()
asyncio.run(main())
if pid == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
print("parent")
"""
    assert run_program(source, c_ioc.client_env()) == "parent\n"
