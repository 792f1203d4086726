"""Addresses from a directory that the site keeps, instead of from a search."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from .._addresses import is_ipv4, parse_address
from .._constants import DEFAULT_PROTOCOL_VERSION
from ..client.search import Address, Seeker
from ._tasks import start_task

if TYPE_CHECKING:
    from ._broadcaster import SharedBroadcaster

__all__ = ["Resolver", "ResolvingSearcher"]

logger = logging.getLogger("caproto.bcast.search")

Place: TypeAlias = "Address | str | None"
Resolver: TypeAlias = "Mapping[str, Place] | Callable[[str], Awaitable[Place]]"
"""A mapping from name to ``(host, port)`` or ``'host:port'``, or an async function that returns one of these or None."""

_PAUSE = 1.0  # seconds before a server that could not be used is tried again


class ResolvingSearcher:
    """Asks the directory first, and searches the network for what it does not know.

    Parameters
    ----------
    resolver : mapping or async callable
    broadcaster : SharedBroadcaster
    loop : asyncio.AbstractEventLoop
    """

    def __init__(
        self, resolver: Resolver, broadcaster: SharedBroadcaster, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._resolver = resolver
        self._broadcaster = broadcaster
        self._loop = loop
        self._tasks: dict[tuple[str, Seeker], asyncio.Task[None]] = {}
        self._unfinished: set[asyncio.Task[None]] = set()

    def start_search(self, name: str, seeker: Seeker, delay: float) -> None:
        """See `caproto.client.host.Searcher`."""
        key = (name, seeker)
        resolving = self._resolve(name, seeker, delay)
        task = self._tasks[key] = start_task(self._loop, resolving, self._unfinished)
        task.add_done_callback(lambda done: self._tasks.get(key) is done and self._tasks.pop(key))

    def leave_search(self, name: str, seeker: Seeker) -> None:
        """See `caproto.client.host.Searcher`."""
        task = self._tasks.pop((name, seeker), None)
        if task is not None:
            task.cancel()
        self._broadcaster.leave_search(name, seeker)

    def describe_search(self, name: str) -> str:
        """See `caproto.client.host.Searcher`."""
        if self._broadcaster.results.get(name) is not None:
            return f"The resolver does not know it. {self._broadcaster.describe_search(name)}"
        return "It was left to the Context's resolver, which has given no server that can be used."

    async def close(self) -> None:
        """End what is under way."""
        tasks = list(self._unfinished)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _resolve(self, name: str, seeker: Seeker, delay: float) -> None:
        if delay > 0.0:
            await asyncio.sleep(delay)
        while (address := await self._ask(name)) is not None:
            if seeker.found(address, DEFAULT_PROTOCOL_VERSION, self._loop.time()):
                return
            await asyncio.sleep(_PAUSE)
        self._broadcaster.start_search(name, seeker, 0.0)

    async def _ask(self, name: str) -> Address | None:
        """Return the address that the directory has, with numbers only."""
        try:
            if isinstance(self._resolver, Mapping):
                place = self._resolver.get(name)
            else:
                place = await self._resolver(name)
            return None if place is None else await self._numeric(place)
        except Exception:
            logger.exception("The resolver failed for %r; searching the network", name)
            return None

    async def _numeric(self, place: Any) -> Address:
        default = self._broadcaster.settings.server_port
        host, port = parse_address(place, default) if isinstance(place, str) else place
        if is_ipv4(host):
            return (host, int(port))
        found = await self._loop.getaddrinfo(host, port, family=2, type=1)
        return (str(found[0][4][0]), int(port))
