"""What an IOC gets as ``async_lib``: the parts of asyncio that start-up hooks use."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, ClassVar

from ..server.typing import AsyncLibraryLayer

__all__ = ["AsyncioAsyncLayer", "AsyncioEvent", "AsyncioQueue"]


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
        try:
            return await asyncio.wait_for(super().wait(), timeout)
        except asyncio.TimeoutError:
            return False


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
        """Put a value in, from another thread."""
        self._call(self._queue.put(value))

    def get(self) -> Any:
        """Take the oldest value out, in another thread."""
        return self._call(self._queue.get())

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


class AsyncioAsyncLayer(AsyncLibraryLayer):
    """The parts of asyncio that start-up hooks use.

    Attributes
    ----------
    name : str
    library : module
        ``asyncio`` itself, for ``async_lib.library.sleep``.
    ThreadsafeQueue, Event : type
    """

    name = "asyncio"
    library: ClassVar[Any] = asyncio
    ThreadsafeQueue: ClassVar[type[AsyncioQueue]] = AsyncioQueue
    Event: ClassVar[type[AsyncioEvent]] = AsyncioEvent

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Wait for some time."""
        await asyncio.sleep(seconds)
