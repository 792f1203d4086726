"""Iterating over the updates of a subscription."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from .._protocol.messages import EventAddResponse
from ._backlog import Backlog

if TYPE_CHECKING:
    from ._subscription import Subscription

__all__ = ["Mailbox", "Updates"]


class Mailbox:
    """The updates that wait for one iteration."""

    __slots__ = ("_backlog", "_items", "_latest", "_waiter", "is_closed")

    def __init__(self, maxsize: int, latest: bool) -> None:
        self._items: deque[EventAddResponse] = deque()
        self._backlog = Backlog(maxsize)
        self._waiter: asyncio.Future[None] | None = None
        self._latest = latest
        self.is_closed = False

    def put(self, sub: Any, message: EventAddResponse) -> None:
        """Add an update."""
        items = self._items
        if not self._latest:
            if self._backlog.added(message.payload_size, sub.circuit) and items:
                self._backlog.taken(items.pop().payload_size)
                sub.dropped += 1
        elif items:
            items.clear()
            sub.dropped += 1
        items.append(message)
        if self._waiter is not None:
            self._wake()

    def close(self) -> None:
        """End the iteration when what is there has been taken."""
        self.is_closed = True
        self._wake()
        self.release()

    def release(self) -> None:
        """Let the server send again."""
        self._backlog.release()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def get(self) -> EventAddResponse:
        """Return the next update."""
        while not self._items:
            if self.is_closed:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message = self._items.popleft()
        if not self._latest:
            self._backlog.taken(message.payload_size)
        return message


class Updates:
    """An asynchronous iterator over the updates of a subscription.

    The subscription forgets it when it is closed or garbage-collected, as at the end of an ``async for``.
    """

    def __init__(self, subscription: Subscription, maxsize: int, latest: bool) -> None:
        self._subscription = subscription
        self._mailbox = Mailbox(maxsize, latest)
        self._token: int | None = None

    def __aiter__(self) -> Updates:
        return self

    async def __anext__(self) -> EventAddResponse:
        if self._token is None:
            sub = self._subscription
            self._token = sub._new_token()
            sub._iterators[self._token] = self._mailbox
            sub._added(self._token)
        return await self._mailbox.get()

    async def aclose(self) -> None:
        """End the iteration."""
        self._mailbox.close()
        if self._token is not None:
            self._subscription._discard(self._token)

    def __del__(self) -> None:
        token, sub = self._token, self._subscription
        if token is None or sub.pv.context._loop.is_closed():
            return
        self._mailbox.is_closed = True
        try:
            sub.pv.context._loop.call_soon_threadsafe(self._mailbox.release)
            sub.pv.context._loop.call_soon_threadsafe(sub._discard, token)
        except RuntimeError:
            pass
