"""Tasks that belong to somebody."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["start_task"]


def start_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any],
    tasks: set[asyncio.Task[Any]] | None = None,
) -> asyncio.Task[Any]:
    """Start a task that its owner cancels or waits for, and keep it in `tasks` while it runs."""
    task = loop.create_task(coroutine)
    # A program that closes its loop without disconnecting first is not told about tasks that are not its own.
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    if tasks is not None:
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    return task
