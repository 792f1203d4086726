"""Whose a Context is, and what becomes of it in a child process or without its owner."""

from __future__ import annotations

import getpass
import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._context import Context

__all__ = ["keep_off_after_fork", "user_name"]

_contexts: weakref.WeakSet[Context] = weakref.WeakSet()


def keep_off_after_fork(context: Context) -> None:
    """Keep child processes off the sockets of `context`, which they share with their parent."""
    _contexts.add(context)


def _after_fork_in_child() -> None:
    for context in list(_contexts):
        context._engine.abandon()
        context.broadcaster.closed = True
        context._resolver = None
        context._managers.clear()
        context._tasks.clear()
        context._pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def user_name() -> str:
    """Return the user's name; containers may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
