"""What hooks get as ``async_lib``: tasks, threads and queues, and how they end with the server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from caproto.asyncio.server import AsyncioAsyncLayer
from tests.asyncio.raw_client import serving
from tests.conftest import Loopback
from tests.support import Program, free_port, loopback_env, python_command


async def test_a_task_beside_the_server_ends_with_it(loopback: Loopback) -> None:
    ended: list[Any] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with serving({}) as context:
        assert context.async_layer is not None
        task = context.async_layer.create_task(forever(), name="forever")
        await asyncio.sleep(0)
        assert context.async_layer.tasks == {task}
        assert task.get_name() == "forever"
    assert ended == ["cancelled"]
    assert not context.async_layer.tasks


async def test_a_task_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError("no way")

    layer = AsyncioAsyncLayer()
    task = layer.create_task(fail(), name="failing one")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert not layer.tasks
    assert "The task failing one failed" in caplog.text
    assert "no way" in caplog.text


async def test_a_task_has_a_result() -> None:
    layer = AsyncioAsyncLayer()
    assert await layer.create_task(layer.sleep(0, result=5)) == 5


async def test_an_ordinary_function_may_run_in_a_thread() -> None:
    layer = AsyncioAsyncLayer()
    assert await layer.to_thread(lambda x, y: x + y, 1, y=2) == 3
    assert await layer.to_thread(threading.current_thread) is not threading.current_thread()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_threads_that_wait_for_a_queue_end_quietly_with_the_server(tmp_path: Path) -> None:
    source = textwrap.dedent(
        """
        import threading
        from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

        def work(queue):
            try:
                while True:
                    queue.put(queue.get())
            finally:
                print("the thread has ended", flush=True)

        class Group(PVGroup):
            x = pvproperty(value=1)

            @x.startup
            async def x(self, instance, async_lib):
                queue = async_lib.ThreadsafeQueue()
                threading.Thread(target=work, args=(queue,)).start()
                print("the thread waits", flush=True)

        options, run_options = ioc_arg_parser(default_prefix="p:", desc="", argv=[])
        run(Group(**options).pvdb, **run_options)
        """
    )
    env = loopback_env(free_port(), free_port())
    command = python_command("-X", "dev", "-W", "error", "-c", source)
    with Program(command, env, tmp_path / "out.txt") as ioc:
        ioc.wait_for_output("the thread waits")
        assert ioc.pid is not None
        os.kill(ioc.pid, signal.SIGTERM)
        assert ioc.wait() == 0
        assert "the thread has ended" in ioc.output
        assert "Traceback" not in ioc.output


def test_a_queue_of_a_loop_that_has_ended_ends_the_thread() -> None:
    async def make() -> Any:
        return AsyncioAsyncLayer().ThreadsafeQueue()

    queue = asyncio.run(make())
    with pytest.raises(SystemExit):
        queue.get()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_later_signal_ends_an_ioc_whose_shutdown_hook_hangs(tmp_path: Path) -> None:
    source = textwrap.dedent(
        """
        import asyncio
        from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

        class Group(PVGroup):
            x = pvproperty(value=1)

            @x.shutdown
            async def x(self, instance, async_lib):
                print("the hook hangs", flush=True)
                await async_lib.Event().wait()

        options, run_options = ioc_arg_parser(default_prefix="p:", desc="", argv=[])
        run(Group(**options).pvdb, **run_options)
        """
    )
    env = loopback_env(free_port(), free_port())
    with Program(python_command("-c", source), env, tmp_path / "out.txt") as ioc:
        ioc.wait_for_output("Server startup complete")
        assert ioc.pid is not None
        os.kill(ioc.pid, signal.SIGINT)
        ioc.wait_for_output("the hook hangs")
        for _ in range(100):  # one that comes at once is taken for the same
            if not ioc.running:
                break
            os.kill(ioc.pid, signal.SIGTERM)
            time.sleep(0.1)
        assert ioc.wait() == -signal.SIGTERM
