"""The Context that pyepics-like PVs share, since programs for pyepics know of none."""

from __future__ import annotations

import os
import threading

from .._context import Context

__all__ = ["default_context"]

_lock = threading.RLock()  # re-entrant, because a signal handler may come here while its thread is
_shared: Context | None = None


def default_context() -> Context:
    """Return the Context of PVs that are made without one; the end of the process ends it."""
    global _shared
    with _lock:
        if _shared is None or _shared._background.why_ended is not None:
            made = Context()
            if _shared is None or _shared._background.why_ended is not None:
                _shared = made
            else:  # a signal handler was here meanwhile
                made.disconnect()
        return _shared


def _after_fork_in_child() -> None:
    """Let the child make its own Context: another thread may have held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
