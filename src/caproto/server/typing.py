"""What the type checker should know about the parts of an IOC."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, TypeAlias

__all__ = ["AinitHook", "AsyncLibraryLayer", "Getter", "Putter", "Scan", "Shutdown", "Startup"]

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

    name: str
    library: ClassVar[Any]
    ThreadsafeQueue: ClassVar[Any]
    Event: ClassVar[Any]

    @staticmethod
    @abstractmethod
    async def sleep(seconds: float) -> None:
        """Wait for some time."""
