"""Run a coroutine as a test and find out what it left behind in its event loop."""

from __future__ import annotations

import asyncio
import gc
import io
import traceback
from collections.abc import Coroutine, Iterable
from typing import Any

# Turns of the loop in which a task that has been told to end may do so. No clock is involved.
SETTLING_TURNS = 10


class AsyncTestError(AssertionError):
    """The test's coroutine hung, or it left something behind."""


def _stacks(tasks: Iterable[asyncio.Task[Any]]) -> str:
    text = io.StringIO()
    for task in tasks:
        task.print_stack(file=text)
    return text.getvalue()


def _describe(context: dict[str, Any]) -> str:
    error = context.get("exception")
    text = str(context.get("message"))
    details = {k: v for k, v in context.items() if k not in ("message", "exception")}
    if details:
        text += f" {details}"
    if isinstance(error, BaseException):
        text += "\n" + "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return text


async def _supervise(
    test: Coroutine[Any, Any, object], timeout: float, unhandled: list[str]
) -> None:
    """Await `test` with a time limit, then look for tasks that are still there."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: unhandled.append(_describe(context)))
    me = asyncio.current_task()
    running = loop.create_task(test, name="the test")
    await asyncio.wait({running}, timeout=timeout)
    if not running.done():
        stacks = _stacks(task for task in asyncio.all_tasks() if task is not me)
        running.cancel()
        await asyncio.wait({running}, timeout=1)
        raise AsyncTestError(f"the test did not end within {timeout:g} s:\n{stacks}")
    await running  # raises what the test raised
    for _ in range(SETTLING_TURNS):
        left = [task for task in asyncio.all_tasks() if task is not me]
        if not left:
            return
        await asyncio.sleep(0)
    raise AsyncTestError(f"the test left {len(left)} task(s) running:\n{_stacks(left)}")


def run_async_test(test: Coroutine[Any, Any, object], timeout: float) -> None:
    """
    Run a test's coroutine in a new event loop.

    Parameters
    ----------
    test
        The coroutine.
    timeout
        Seconds after which the test has failed; the stacks of all tasks are shown.

    Raises
    ------
    AsyncTestError
        When the test hung, left tasks running, or when something called the loop's exception
        handler (an exception in a callback, or in a task that nobody awaited).
    """
    unhandled: list[str] = []
    asyncio.run(_supervise(test, timeout, unhandled), debug=False)
    # A task that failed unseen reports itself when it is collected.
    gc.collect()
    if unhandled:
        raise AsyncTestError(
            "the event loop met exceptions that nobody handled:\n" + "\n".join(unhandled)
        )
