"""The Context that functions without one of their own share, one for each event loop."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator

from ._context import Context
from ._tasks import start_task

__all__ = ["default_context", "leave_context", "present_context"]

_contexts: weakref.WeakKeyDictionary[
    asyncio.AbstractEventLoop, tuple[Context, AsyncGenerator[None, None]]
] = weakref.WeakKeyDictionary()
_leaving: dict[Context, AsyncGenerator[None, None]] = {}
_tasks: set[asyncio.Task[None]] = set()


async def default_context() -> Context:
    """Return the Context that `caget` and the others share in the running event loop.

    It is made on first use, and disconnected when ``asyncio.run`` ends.
    """
    loop = asyncio.get_running_loop()
    known = _contexts.get(loop)
    if known is not None and not known[0]._engine.closed:
        return known[0]
    context = Context()
    guard = _until_the_loop_ends(context)
    await guard.__anext__()
    _contexts[loop] = context, guard
    return context


def present_context() -> Context | None:
    """Return what `default_context` has made in the running event loop, if it has."""
    known = _contexts.get(asyncio.get_running_loop())
    return None if known is None else known[0]


def leave_context() -> None:
    """Begin to disconnect what `default_context` has made in the running event loop; the next one will be a new one."""
    loop = asyncio.get_running_loop()
    context, guard = _contexts.pop(loop, (None, None))
    if context is not None and guard is not None:
        _leaving[context] = guard  # which the loop closes if it ends before the task does
        start_task(loop, _leave(context, guard), _tasks)


async def _leave(context: Context, guard: AsyncGenerator[None, None]) -> None:
    await context.disconnect()
    await guard.aclose()


async def _until_the_loop_ends(context: Context) -> AsyncGenerator[None, None]:
    """Disconnect `context` when the loop closes its asynchronous generators, as ``asyncio.run`` makes it do."""
    try:
        yield
    finally:
        await context.disconnect()
        _leaving.pop(context, None)
