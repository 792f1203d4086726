"""Users' callbacks: plain functions run on worker threads, coroutine functions on the event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from ._backlog import Backlog
from ._tasks import start_task

if TYPE_CHECKING:
    from ..client.circuit import Circuit
    from ._pv_connection import PVConnection

__all__ = [
    "CallbackHandler",
    "CoroutineQueue",
    "await_result",
    "callback_failed",
    "is_coroutine_callback",
    "log_failure",
]

_PLAIN_KINDS = (FunctionType, MethodType)
_logger = logging.getLogger("caproto.ctx")
_PLAIN_KINDS = (FunctionType, MethodType)


def log_failure(name: str, callback: Any) -> None:
    """Log an exception of a user's callback: it is never lost, and never stops anything."""
    _logger.exception(  # noqa: LOG004 - called from exception handlers only
        "A callback of PV %r failed: %r", name, callback, extra={"pv": name}
    )


def callback_failed(pv: PVConnection, callback: Any, error: BaseException) -> None:
    """Log what a plain callback raised, in an exception handler; on the loop itself, what is to end it goes on."""
    if pv._pool is None and not isinstance(error, Exception):
        raise error
    log_failure(pv.name, callback)


def await_result(pv: PVConnection, callback: Any, result: Any) -> None:
    """Take what a plain callback returned: something to await is awaited on the event loop.

    So ``lambda sub, response: queue.put(response)`` does what it seems to do.
    """
    if not inspect.isawaitable(result):
        return

    async def run() -> None:
        try:
            await result
        except Exception:
            log_failure(pv.name, callback)

    waiting = run()
    try:
        pv.context._loop.call_soon_threadsafe(pv.context._own, waiting)
    except RuntimeError:  # the loop is closed
        waiting.close()


def is_coroutine_callback(func: Any) -> bool:
    """Tell whether calling `func` gives something to await."""
    if type(func) in _PLAIN_KINDS and not func.__dict__:  # as most are; 0.2 us instead of 5
        return bool(func.__code__.co_flags & inspect.CO_COROUTINE)
    while hasattr(func, "func") and not hasattr(func, "__code__"):  # functools.partial
        func = func.func
    call = getattr(type(func), "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(call)


class CoroutineQueue:
    """Runs one coroutine function for one update after the other, on the loop.

    Parameters
    ----------
    name : str
        Of the PV.
    call : callable
        ``f(item) -> coroutine or None``; None when nobody is there any more.
    user_function : callable
        ``f() -> function``: what the log calls it.
    tasks : set
        Where the running task is registered, so that its owner can cancel it.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[Any], Coroutine[Any, Any, Any] | None],
        user_function: Callable[[], Any],
        tasks: set[asyncio.Task[Any]],
    ) -> None:
        self._name = name
        self._call = call
        self._user_function = user_function
        self._tasks = tasks
        self._items: deque[Any] = deque()
        self._running = False
        self._backlog = Backlog()

    def push(self, item: Any, circuit: Circuit | None = None, nbytes: int = 0) -> bool:
        """Add an update of so many bytes; return True if it took the place of the one before it."""
        items = self._items
        replaces = self._backlog.added(nbytes, circuit) and bool(items)
        if replaces:
            self._backlog.taken(items.pop()[1])
        items.append((item, nbytes))
        if not self._running:
            self._running = True
            start_task(asyncio.get_running_loop(), self._run(), self._tasks)
        return replaces

    async def _run(self) -> None:
        items = self._items
        try:
            while items:
                item, nbytes = items.popleft()
                try:
                    coroutine = self._call(item)
                    if coroutine is not None:
                        await coroutine
                except Exception:
                    log_failure(self._name, self._user_function())
                self._backlog.taken(nbytes)
        finally:
            self._running = False


class CallbackHandler:
    """The callbacks for one kind of event of a PV.

    Parameters
    ----------
    pv : PV
    """

    def __init__(self, pv: PVConnection) -> None:
        self.pv = pv
        self.callbacks: dict[int, Callable[..., Any]] = {}
        self._coroutines: dict[int, CoroutineQueue] = {}
        self._next_token = 0
        self._last: tuple[Any, ...] | None = None

    def add_callback(self, func: Callable[..., Any], run: bool = False) -> int:
        """Add a callback.

        Parameters
        ----------
        func : callable
            A function or a coroutine function; it is kept alive.
        run : bool
            Call it at once with the last event, if there was one.

        Returns
        -------
        token : int
            For `remove_callback`.
        """
        token, self._next_token = self._next_token, self._next_token + 1
        self.callbacks[token] = func
        if is_coroutine_callback(func):
            self._coroutines[token] = CoroutineQueue(
                self.pv.name, lambda args: func(*args), lambda: func, self.pv.context._tasks
            )
        if run and self._last is not None:
            self._call(token, func, self._last)
        return token

    def remember(self, *args: Any) -> None:
        """Take note of the last event, which callbacks added later with ``run=True`` are told."""
        self._last = args

    def remove_callback(self, token: int) -> None:
        """Remove the callback with that token, if it is there."""
        self.callbacks.pop(token, None)
        self._coroutines.pop(token, None)

    def process(self, *args: Any, **kwargs: Any) -> None:
        """Tell all callbacks."""
        self._last = args
        for token, func in list(self.callbacks.items()):
            self._call(token, func, args)

    def _call(self, token: int, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        queue = self._coroutines.get(token)
        if queue is not None:
            queue.push(args)
        else:
            self.pv._run_plain(lambda args: func(*args), args, func)
