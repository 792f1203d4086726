"""Signals to an IOC: some end it, one makes it read its access rules again."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from .._errors import CaprotoError
from ..server.access import AccessRules

if TYPE_CHECKING:
    from .server import Context

__all__ = ["stopped_by_signals"]

_logger = logging.getLogger("caproto.ctx")
_SIGNAL_GRACE = 1.0
"""Seconds in which a second signal means the same as the first."""


@contextmanager
def stopped_by_signals(context: Context) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the server in good order, and SIGHUP read its access rules again."""
    loop = asyncio.get_running_loop()
    handled: list[int] = []

    def restore() -> None:
        while handled:
            loop.remove_signal_handler(handled.pop())

    def stop() -> None:
        # A later one ends an IOC whose shutdown hook hangs; a shell or `timeout` may send the first one twice.
        loop.call_later(_SIGNAL_GRACE, restore)
        context.stop()

    handlers: dict[int, Callable[[], None]] = dict.fromkeys((signal.SIGINT, signal.SIGTERM), stop)
    if context.access is not None and context.access.path is not None and hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = partial(_reload, context.access)
    for number, handler in handlers.items():
        try:
            loop.add_signal_handler(number, handler)
        except (NotImplementedError, ValueError, RuntimeError):
            continue  # Windows, or not the main thread
        handled.append(number)
    try:
        yield
    finally:
        restore()


def _reload(access: AccessRules) -> None:
    """Read access rules again; if that fails, the old ones stay."""
    try:
        access.reload()
    except (OSError, CaprotoError) as error:
        _logger.error("The old access rules stay: %s", error)
    else:
        _logger.info("The access rules have been read again: %r", access)
