"""How many confirmed writes may be under way on one circuit."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["MOST_CONFIRMED_WRITES", "WriteSlots"]

MOST_CONFIRMED_WRITES = 1000
"""A C IOC completes confirmed writes through a queue of 2,000 entries, which all its clients share. What finds it full
is never confirmed: 10,000 writes sent at once leave hundreds or thousands without an answer for ever."""


class WriteSlots:
    """A counter with a queue: who comes first is served first.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    """

    __slots__ = ("_loop", "_queue", "free")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.free: int = MOST_CONFIRMED_WRITES
        self._queue: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def crowded(self) -> bool:
        """Whether somebody has to wait."""
        return self.free <= 0 or bool(self._queue)

    async def acquire(self, count: int, deadline: float) -> None:
        """Take `count` slots, waiting for them if need be.

        Raises
        ------
        TimeoutError
            If they are not free before `deadline`.
        """
        if not self._queue and self.free >= count:
            self.free -= count
            return
        turn: asyncio.Future[None] = self._loop.create_future()
        entry = (count, turn)
        self._queue.append(entry)
        left = None if deadline == float("inf") else max(0.0, deadline - self._loop.time())
        try:
            done, _ = await asyncio.wait([turn], timeout=left)
        except asyncio.CancelledError:
            self._leave(entry)
            raise
        if not done:
            self._leave(entry)
            raise TimeoutError

    def _leave(self, entry: tuple[int, asyncio.Future[None]]) -> None:
        """Give up a place in the queue, or the slots if they have just been given."""
        if entry in self._queue:
            self._queue.remove(entry)
            self.release(0)  # who comes next may want less
        elif entry[1].done():
            self.release(entry[0])

    def release(self, count: int = 1) -> None:
        """Give slots back."""
        self.free += count
        while self._queue and self.free >= self._queue[0][0]:
            wanted, turn = self._queue.popleft()
            if not turn.done():
                self.free -= wanted
                turn.set_result(None)
