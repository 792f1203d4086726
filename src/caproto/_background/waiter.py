"""Waiting in one thread for what another one has to say."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Lock
from typing import Any

__all__ = ["ThreadWaiter"]

# On Windows a thread that waits for a lock does not notice Ctrl-C, so it looks up from time to time.
_ATTENTION = 0.1 if sys.platform == "win32" else -1


class ThreadWaiter:
    """Blocks a thread until the event loop has a result for it (`caproto.client.host.Waiter`).

    A bare lock that the loop releases: a read that takes 60 µs with `concurrent.futures.Future` and a task behind it
    takes 42 with this (``bench_blocking.py``). And there is nothing that could be left half done when a signal
    handler interrupts the waiting thread, with Ctrl-C or with a call of its own.

    Attributes
    ----------
    on_abandon : callable or None
        Called on the loop, without arguments, when nobody waits any more although there is no result yet.
    """

    __slots__ = ("_done", "_error", "_lock", "_on_done", "_result", "on_abandon")

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()
        self._done = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._on_done: Callable[[], Any] | None = None
        self.on_abandon: Callable[[], Any] | None = None

    def done(self) -> bool:
        """Tell whether nobody waits any more."""
        return self._done

    def set_result(self, result: Any, /) -> None:
        """Hand over the result."""
        if not self._done:
            self._result = result
            self._end()

    def set_exception(self, exception: BaseException, /) -> None:
        """Hand over the reason why there is none."""
        if not self._done:
            self._error = exception
            self._end()

    def call_when_done(self, on_done: Callable[[], Any]) -> None:
        """Call `on_done` at the end; this is for the loop's thread only."""
        if self._done:
            on_done()
        else:
            self._on_done = on_done

    def _end(self) -> None:
        self._done = True
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            on_done()
        try:
            self._lock.release()
        except RuntimeError:
            pass  # two threads told the end at the same time

    def abandon(self) -> None:
        """Take note, on the loop, that nobody waits any more."""
        if not self._done:
            self._end()
            if self.on_abandon is not None:
                self.on_abandon()

    def wait(self) -> Any:
        """Return the result, or raise the error, when it is there.

        Raises
        ------
        BaseException
            Also what a signal handler raises meanwhile, as for Ctrl-C: nobody waits any more then.
        """
        acquire = self._lock.acquire
        while not acquire(True, _ATTENTION):
            pass
        error = self._error
        if error is not None:
            try:
                raise error
            finally:
                del error, self._error  # or the traceback would refer to itself
        return self._result
