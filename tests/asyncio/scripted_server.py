"""A Channel Access server made of plain bytes that does what a test tells it, right or wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import cast

from tests.support.raw_messages import HEADER, RawMessage, next_message, raw_message, split_messages

from .sent_messages import CREATE_CHAN

VERSION, SEARCH, ACCESS_RIGHTS = 0, 6, 22
CREATE_CH_FAIL, SERVER_DISCONN = 26, 27
DOUBLE = 6
READ_AND_WRITE = 3


def channel(created: RawMessage, sid: int = 1) -> bytes:
    """Return the answer to a CREATE_CHAN: a scalar double that may be read and written."""
    cid = created.p1
    return raw_message(ACCESS_RIGHTS, 0, 0, cid, READ_AND_WRITE) + raw_message(
        CREATE_CHAN, DOUBLE, 1, cid, sid
    )


class ScriptedServer:
    """
    A server on loopback; use it in ``async with``.

    Parameters
    ----------
    port
        For UDP and TCP.

    Attributes
    ----------
    advertised_port : int
        TCP port in the answers to searches; 0 for none.
    searches : list of str
        The names of all search requests, in order.
    received : list of RawMessage
        Everything that came by TCP, on whatever connection.
    on_message : callable
        ``f(message) -> bytes``: what to answer. By default, a channel for each CREATE_CHAN.
    version : int or None
        Minor protocol version; None for a server that does not send VERSION by TCP.
    """

    def __init__(self, port: int) -> None:
        self.port = self.advertised_port = port
        self.searches: list[str] = []
        self.received: list[RawMessage] = []
        self.on_message: Callable[[RawMessage], bytes] = self.answer
        self.version: int | None = 13
        self.connections: list[asyncio.StreamWriter] = []
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    def answer(self, received: RawMessage) -> bytes:
        """Make every channel."""
        return channel(received) if received.command == CREATE_CHAN else b""

    async def __aenter__(self) -> ScriptedServer:
        loop = asyncio.get_running_loop()
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _Searches(self), ("127.0.0.1", self.port)
        )
        self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._udp is not None
        assert self._tcp is not None
        self._udp.close()
        self._tcp.close()
        self.hang_up()
        await self._tcp.wait_closed()

    def hang_up(self) -> None:
        """Close all connections."""
        for connection in self.connections:
            connection.close()

    def send(self, data: bytes) -> None:
        """Send something unasked on the newest connection."""
        self.connections[-1].write(data)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        if self.version is not None:
            writer.write(raw_message(VERSION, 0, self.version))
        try:
            while True:
                received = await next_message(reader)
                self.received.append(received)
                writer.write(self.on_message(received))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Searches(asyncio.DatagramProtocol):
    """Answers searches."""

    def __init__(self, server: ScriptedServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # On Python 3.11 the transport is not an instance of the class whose interface it has.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        server = self._server
        version = server.version or 0
        reply = raw_message(VERSION, 0, version)
        for request in split_messages(data):
            if request.command == SEARCH:
                server.searches.append(request.payload.rstrip(b"\0").decode())
                reply += HEADER.pack(
                    SEARCH, 8, server.advertised_port, 0, 0xFFFFFFFF, request.p1
                ) + version.to_bytes(2, "big").ljust(8, b"\0")
        if server.advertised_port:
            self._transport.sendto(reply, address)
