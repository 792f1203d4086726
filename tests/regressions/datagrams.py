"""A UDP socket that keeps what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

__all__ = ["Datagrams", "listening"]


class Datagrams(asyncio.DatagramProtocol):
    """
    What has arrived.

    Attributes
    ----------
    received : list of (bytes, (host, port))
    """

    def __init__(self) -> None:
        self.received: list[tuple[bytes, tuple[str, int]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[Any, ...]) -> None:
        self.received.append((data, (address[0], address[1])))

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        """Send a datagram."""
        self.transport.sendto(data, address)


@asynccontextmanager
async def listening(port: int = 0, host: str = "127.0.0.1") -> AsyncIterator[Datagrams]:
    """Listen at a port of loopback while the block runs."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Datagrams, (host, port))
    try:
        yield protocol
    finally:
        transport.close()
