"""The TCP connection to a name server."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from ..client.nameserver import NameServer
from ._tasks import start_task

__all__ = ["NameServerLink"]

_CONNECT_TIME = 5.0  # seconds


class NameServerLink(asyncio.Protocol):
    """Keeps the connection to one name server.

    Parameters
    ----------
    server : NameServer
    loop : asyncio.AbstractEventLoop
    poll : callable
        Called when there may be something to send.
    """

    def __init__(self, server: NameServer, loop: asyncio.AbstractEventLoop, poll: Any) -> None:
        self.server = server
        self._loop = loop
        self._poll = poll
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._overdue = False
        self._closed: asyncio.Future[None] | None = None
        self._ending = False

    def look_after(self, now: float) -> None:
        """Connect if it is time to, and close what does not answer."""
        if self.server.wants_connection(now):
            self.server.connecting = True
            self._task = start_task(self._loop, self._connect())
        elif not self.server.check(now) and self._transport is not None:
            self._transport.abort()

    async def _connect(self) -> None:
        host, port = self.server.address
        self._overdue = False
        timer = self._loop.call_later(_CONNECT_TIME, self._give_up)
        try:
            await self._loop.create_connection(lambda: self, host, port, family=socket.AF_INET)
        except asyncio.CancelledError:
            if not self._overdue:
                raise
            self._failed("no answer")
        except (OSError, UnicodeError) as error:
            self._failed(str(error))
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        if self._task is not None:
            self._overdue = True
            self._task.cancel()

    def _failed(self, reason: str) -> None:
        self.server.lost(f"cannot connect ({reason})", self._loop.time())
        self._poll()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to talk."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._closed = self._loop.create_future()
        peer = transport.get_extra_info("peername")
        self.server.connected_by(transport.write, (peer[0], peer[1]), self._loop.time())

    def data_received(self, data: bytes) -> None:
        """Take a chunk."""
        if not self.server.feed(data, self._loop.time()) and self._transport is not None:
            self._transport.abort()
        self._poll()

    def connection_lost(self, error: Exception | None) -> None:
        """Plan the next attempt."""
        self._transport = None
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if self._ending:
            return
        self.server.lost(str(error or "it closed the connection"), self._loop.time())
        self._poll()

    async def close(self) -> None:
        """Close the connection for good."""
        self._ending = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._transport is not None:
            self._transport.abort()
            if self._closed is not None:
                await self._closed
