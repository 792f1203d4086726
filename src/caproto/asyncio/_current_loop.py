"""The event loop that a new object belongs to."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from typing import Any

__all__ = ["current_loop"]


def current_loop() -> asyncio.AbstractEventLoop:
    """Return the running event loop, or the one on which IPython is going to run what is awaited at its prompt.

    In a terminal IPython runs its loop only while a line awaits something. So ``ctx = Context()``, on a line of its own,
    is run without one.

    Raises
    ------
    RuntimeError
        If there is neither.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        loop = _loop_of_ipython()
        if loop is None:
            raise
        return loop


def _loop_of_ipython() -> asyncio.AbstractEventLoop | None:
    """Return the loop of the IPython whose prompt this is; None if there is none, or it awaits by other means."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not shell.autoawait or str(shell.loop_runner) != "asyncio":
        return None
    helpers: Any = import_module("IPython.core.async_helpers")
    loop: asyncio.AbstractEventLoop = helpers.get_asyncio_loop()
    return loop
