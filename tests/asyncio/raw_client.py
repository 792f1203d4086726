"""A Channel Access client made of plain bytes and asyncio streams."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from caproto.asyncio.server import Context
from caproto.server import AccessRules, ClientLimits
from tests.support.raw_messages import RawMessage, next_message, raw_message


class RawClient:
    """One TCP connection to a server on loopback."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, host: str = "127.0.0.1") -> RawClient:
        """Connect, and take the server's VERSION."""
        self = cls(*await asyncio.open_connection(host, port))
        assert (await self.next()).command == 0
        return self

    def send(self, *messages: bytes) -> None:
        """Send messages in one write."""
        self.writer.write(b"".join(messages))

    async def next(self) -> RawMessage:
        """Return the next message."""
        return await next_message(self.reader)

    async def create(self, name: str, cid: int = 1) -> int:
        """Open a channel and return its sid."""
        self.send(raw_message(18, 0, 0, cid, 13, name.encode() + b"\0"))
        while True:
            message = await self.next()
            if message.command == 18:
                return message.p2

    async def subscribe(self, sid: int, id_: int = 0, data_type: int = 6) -> RawMessage:
        """Subscribe to values and alarms, and return the first update."""
        self.send(raw_message(1, data_type, 0, sid, id_, struct.pack(">fffHxx", 0, 0, 0, 5)))
        return await self.next()

    async def closed(self) -> bool:
        """Wait until the server closes the connection, whatever it says before that."""
        while await self.reader.read(65536):
            pass
        return True

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


@asynccontextmanager
async def serving(
    pvdb: Mapping[str, Any],
    *,
    access: AccessRules | None = None,
    limits: ClientLimits | None = None,
    **kwargs: Any,
) -> AsyncIterator[Context]:
    """Serve PVs in this event loop until the end of the block."""
    context = Context(pvdb, access=access, limits=limits)
    ready = asyncio.Event()

    async def tell(async_lib: Any) -> None:
        ready.set()

    task = asyncio.create_task(context.run(startup_hook=tell, **kwargs))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiting.cancel()
        await task
    try:
        yield context
    finally:
        context.stop()
        await task
