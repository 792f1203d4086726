"""What an IOC gets as ``async_lib``: the parts of asyncio that start-up hooks use."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any, ClassVar, TypeVar

from ..server.typing import AsyncLibraryLayer

__all__ = ["AsyncioAsyncLayer", "AsyncioEvent", "AsyncioQueue"]

T = TypeVar("T")
logger = logging.getLogger("caproto.ctx")


class AsyncioEvent(asyncio.Event):
    """An event whose `wait` takes a timeout."""

    async def wait(self, timeout: float | None = None) -> bool:  # type: ignore[override]
        """Wait for the event.

        Parameters
        ----------
        timeout : float, optional
            In seconds; None waits forever.

        Returns
        -------
        bool
            Whether the event is set.
        """
        if timeout is None:
            return await super().wait()
        # Not wait_for: before Python 3.12 that loses a cancellation which comes together with the event.
        waiting = asyncio.ensure_future(super().wait())
        try:
            await asyncio.wait({waiting}, timeout=timeout)
        finally:
            waiting.cancel()
        return self.is_set()


class AsyncioQueue:
    """A queue between coroutines and other threads.

    ``async_put`` and ``async_get`` are for coroutines of one event loop, ``put`` and ``get`` for threads.

    Parameters
    ----------
    maxsize : int
        0 is no limit.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(maxsize)
        self._loop = asyncio.get_running_loop()

    async def async_put(self, value: Any) -> None:
        """Put a value in; wait while the queue is full."""
        await self._queue.put(value)

    async def async_get(self) -> Any:
        """Take the oldest value out; wait until there is one."""
        return await self._queue.get()

    def put(self, value: Any) -> None:
        """Put a value in, from another thread.

        Raises
        ------
        SystemExit
            When the server ends; so the thread ends too, quietly.
        """
        self._call(self._queue.put(value))

    def get(self) -> Any:
        """Take the oldest value out, in another thread.

        Raises
        ------
        SystemExit
            When the server ends; so the thread ends too, quietly.
        """
        return self._call(self._queue.get())

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the loop of the server, and wait for it in another thread."""
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
        except concurrent.futures.CancelledError:
            raise SystemExit from None  # which threading does not print
        except RuntimeError:
            if not self._loop.is_closed():
                raise
            coroutine.close()
            raise SystemExit from None  # which threading does not print


class AsyncioAsyncLayer(AsyncLibraryLayer):
    """The parts of asyncio that start-up hooks use.

    Attributes
    ----------
    name : str
    library : module
        ``asyncio`` itself, for ``async_lib.library.sleep``.
    ThreadsafeQueue, Event : type
    tasks : set of asyncio.Task
        Those of `create_task` that still run.
    circuits : collection of VirtualCircuit
        The clients of the server.
    """

    name: ClassVar[str] = "asyncio"
    library: ClassVar[Any] = asyncio
    ThreadsafeQueue: ClassVar[type[AsyncioQueue]] = AsyncioQueue
    Event: ClassVar[type[AsyncioEvent]] = AsyncioEvent

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[Any]] = set()
        self.circuits: Collection[Any] = ()

    @staticmethod
    async def sleep(delay: float, result: Any = None) -> Any:
        """Wait for some seconds, and return `result`."""
        return await asyncio.sleep(delay, result)

    def create_task(
        self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None
    ) -> asyncio.Task[T]:
        """Run a coroutine beside the server, which ends it when it ends itself."""
        task = asyncio.get_running_loop().create_task(coroutine, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._task_is_done)
        return task

    def _task_is_done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("The task %s failed", task.get_name(), exc_info=task.exception())

    @staticmethod
    async def to_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call an ordinary function in another thread."""
        return await asyncio.to_thread(function, *args, **kwargs)
