"""What the type checker should know about the parts of an IOC."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ClassVar, TypeAlias, TypeVar

__all__ = ["AinitHook", "AsyncLibraryLayer", "Getter", "Putter", "Scan", "Shutdown", "Startup"]

T = TypeVar("T")

Getter: TypeAlias = Callable[..., Awaitable[Any]]
"""``async def getter(group, instance)`` returns the value, or None to keep the current one."""
Putter: TypeAlias = Callable[..., Awaitable[Any]]
"""``async def putter(group, instance, value)`` returns what to store, or None to store `value`."""
Startup: TypeAlias = Callable[..., Awaitable[None]]
"""``async def startup(group, instance, async_lib)``"""
Shutdown: TypeAlias = Startup
Scan: TypeAlias = Startup
AinitHook: TypeAlias = Callable[["AsyncLibraryLayer"], Awaitable[None]]
"""``async def startup_hook(async_lib)``"""


class AsyncLibraryLayer(ABC):
    """What a start-up hook gets, so that it need not know the asynchronous library.

    Attributes
    ----------
    name : str
    library : module
        The library itself.
    ThreadsafeQueue : type
        ``async_put``, ``async_get`` for coroutines; ``put``, ``get`` for threads.
    Event : type
        As ``asyncio.Event``, with a timeout.
    """

    name: ClassVar[str]
    library: ClassVar[Any]
    ThreadsafeQueue: ClassVar[Any]
    Event: ClassVar[Any]

    @staticmethod
    @abstractmethod
    async def sleep(delay: float, result: Any = None) -> Any:
        """Wait for some seconds, and return `result`."""

    @abstractmethod
    def create_task(self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> Any:
        """Run a coroutine beside the server, which ends it when it ends itself.

        Parameters
        ----------
        coroutine : coroutine
            If it fails, that is logged and ends nothing else.
        name : str, optional
            For people.

        Returns
        -------
        asyncio.Task
            On asyncio; it may be awaited and cancelled.
        """

    @staticmethod
    @abstractmethod
    async def to_thread(function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Call an ordinary function in another thread, so that what takes time holds up nobody."""
