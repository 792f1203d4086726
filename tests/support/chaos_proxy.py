"""A network that misbehaves on purpose: a proxy between clients and one server on loopback.

It runs in the event loop that it is entered in. A fault is tied to a byte of a connection, not to a moment, and what
is random comes from one seed, so what went wrong once goes wrong again.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections import deque
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from types import TracebackType
from typing import Any

from .raw_ca import CA_PROTO_SEARCH
from .raw_messages import HEADER

_HELD_LIMIT = (
    1 << 20
)  # bytes that wait in the proxy before it stops to read, as a router's or a socket's buffer
_MOST_ROUTES = 100  # clients that search
_EXTENDED = struct.Struct(">16xII")  # size and count
_ABORT_BY_RST = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class Way(Enum):
    """A direction of a connection."""

    TO_SERVER = "to the server"
    TO_CLIENT = "to the client"


class Action(Enum):
    """What can happen to a connection."""

    CUT = "cut"  # both ends are told that the other one has closed
    RESET = "reset"  # the client is sent an RST, the server a FIN
    STALL = "stall"  # nothing passes any more in this direction, and nobody is told
    DELAY = "delay"  # nothing passes for `amount` seconds
    TRUNCATE = "truncate"  # `amount` bytes get lost
    CORRUPT = "corrupt"  # `amount` bytes are changed: XOR `mask`


@dataclass(frozen=True)
class Fault:
    """Something that happens to a connection when `at` bytes have passed in direction `way`.

    With `between`, it waits for the end of the message that is passing then.
    """

    action: Action
    at: int = 0
    way: Way = Way.TO_CLIENT
    amount: float = 1
    mask: int = 0xFF
    between: bool = False


@dataclass(frozen=True)
class Weather:
    """What happens to each datagram, in either direction.

    Attributes
    ----------
    loss, duplication : float
        Probabilities.
    delay : float
        Longest delay, in seconds. Delays differ, so datagrams overtake each other.
    """

    loss: float = 0.0
    duplication: float = 0.0
    delay: float = 0.0


class Link:
    """One connection of a client, and the proxy's own one to the server that belongs to it."""

    def __init__(self, proxy: ChaosProxy, faults: Iterable[Fault]) -> None:
        self.proxy = proxy
        self.closed = False
        self.pipes = {way: _Pipe(self, way) for way in Way}
        self.client = _Side(self, self.pipes[Way.TO_SERVER], self.pipes[Way.TO_CLIENT])
        self.server = _Side(self, self.pipes[Way.TO_CLIENT], self.pipes[Way.TO_SERVER])
        for fault in faults:
            self.pipes[fault.way].faults.append(fault)
        for pipe in self.pipes.values():
            pipe.faults.sort(key=lambda fault: fault.at)

    def passed(self, way: Way) -> int:
        """Return how many bytes have arrived for that direction, lost ones included."""
        return self.pipes[way].passed

    def inject(self, fault: Fault) -> None:
        """Let something happen when `fault.at` *more* bytes have passed; with 0, now."""
        pipe = self.pipes[fault.way]
        pipe.faults.append(replace(fault, at=fault.at + pipe.passed))
        pipe.faults.sort(key=lambda each: each.at)
        pipe.pump()

    def heal(self) -> None:
        """End a stall, and forget what was still to happen: what was held back passes now."""
        for pipe in self.pipes.values():
            pipe.faults.clear()
            pipe.stalled = False
            pipe.pump()

    def close(self, *, reset: bool = False) -> None:
        """Close both sides, the client's with an RST if `reset`."""
        if self.closed:
            return
        self.closed = True
        self.proxy.links.remove(self)
        for side in (self.client, self.server):
            transport = side.transport
            if transport is None:
                continue
            if reset and side is self.client:
                sock = transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT_BY_RST)
                transport.abort()
            else:
                transport.close()


class MessageEnds:
    """Knows where in a stream of Channel Access one message ends and the next begins."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    @property
    def until_next(self) -> int:
        """How many bytes may pass before it is worth asking again; 0 between two messages."""
        return self._left or (1 if self._head else 0)

    def passed(self, data: bytes) -> None:
        """Take note of bytes that pass."""
        while data:
            if self._left:
                taken = min(self._left, len(data))
                self._left -= taken
                data = data[taken:]
                continue
            taken = _EXTENDED.size - len(self._head)
            head = self._head + data[:taken]
            if len(head) < HEADER.size:
                self._head = head
                return
            size = HEADER.unpack_from(head)[1]
            start = HEADER.size
            if size == 0xFFFF:
                if len(head) < _EXTENDED.size:
                    self._head = head
                    return
                size, start = _EXTENDED.unpack_from(head)[0], _EXTENDED.size
            data = data[start - len(self._head) :]
            self._head, self._left = b"", size


class _Pipe:
    """One direction of a link."""

    def __init__(self, link: Link, way: Way) -> None:
        self.link = link
        self.way = way
        self.faults: list[Fault] = []
        self.passed = 0
        self.stalled = False
        self.ended = False
        self._held = bytearray()
        self._messages = MessageEnds()
        self._to_drop = 0
        self._to_change = 0
        self._mask = 0

    @property
    def _source(self) -> _Side:
        link = self.link
        return link.server if self.way is Way.TO_CLIENT else link.client

    @property
    def _sink(self) -> _Side:
        link = self.link
        return link.client if self.way is Way.TO_CLIENT else link.server

    def feed(self, data: bytes) -> None:
        """Take what came from the one side."""
        self._held += data
        self.pump()

    def end(self) -> None:
        """Pass it on that the one side has closed, unless nothing passes."""
        self.ended = True
        self.pump()

    def pump(self) -> None:
        """Hand on what may pass, and let happen what is due."""
        while not self.stalled and not self.link.closed:
            fault = self.faults[0] if self.faults else None
            room = len(self._held) if fault is None else self._distance(fault)
            if fault is not None and room == 0:
                del self.faults[0]
                self._apply(fault)
            elif self._held and self._sink.transport is not None:
                chunk = bytes(self._held[:room])
                del self._held[:room]  # first, because writing may lead back here
                self._pass(chunk)
            else:
                break
        if self.ended and not self._held and not self.stalled:
            self.link.close()
        self._source.read(len(self._held) < _HELD_LIMIT and self._sink.writable)

    def _distance(self, fault: Fault) -> int:
        """Return how many bytes may pass before `fault`, or before it is worth asking again."""
        distance = max(0, fault.at - self.passed)
        return distance or (self._messages.until_next if fault.between else 0)

    def _pass(self, data: bytes) -> None:
        self.passed += len(data)
        self._messages.passed(data)
        dropped = min(self._to_drop, len(data))
        self._to_drop -= dropped
        data = data[dropped:]
        changed = min(self._to_change, len(data))
        self._to_change -= changed
        data = bytes(byte ^ self._mask for byte in data[:changed]) + data[changed:]
        if data:
            assert self._sink.transport is not None
            self._sink.transport.write(data)

    def _apply(self, fault: Fault) -> None:
        action = fault.action
        self.link.proxy.happened.append(fault)
        if action is Action.CUT or action is Action.RESET:
            self.link.close(reset=action is Action.RESET)
        elif action is Action.TRUNCATE:
            self._to_drop += int(fault.amount)
        elif action is Action.CORRUPT:
            self._to_change, self._mask = int(fault.amount), fault.mask
        else:
            self.stalled = True
            if action is Action.DELAY:
                asyncio.get_running_loop().call_later(fault.amount, self._go_on)

    def _go_on(self) -> None:
        self.stalled = False
        self.pump()


class _Side(asyncio.Protocol):
    """One socket of a link."""

    def __init__(self, link: Link, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._link = link
        self._incoming, self._outgoing = incoming, outgoing
        self.transport: asyncio.Transport | None = None
        self.writable = True
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._link.proxy._sockets.add(self._gone)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._link.closed:
            transport.close()
            return
        for pipe in self._link.pipes.values():
            pipe.pump()

    def data_received(self, data: bytes) -> None:
        self._incoming.feed(data)

    def eof_received(self) -> bool:
        self._incoming.end()
        return True  # a half-closed socket stays open until the link is closed

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._gone.set_result(None)
        self._link.proxy._sockets.discard(self._gone)
        if self is self._link.client:
            self._link.close()
        else:
            self._incoming.end()

    def read(self, on: bool) -> None:
        """Read, or let the peer wait."""
        if self.transport is not None and not self.transport.is_closing():
            if on:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def pause_writing(self) -> None:
        self.writable = False
        self._outgoing.pump()

    def resume_writing(self) -> None:
        self.writable = True
        self._outgoing.pump()


class ChaosProxy:
    """Stands between clients and a server; use it in ``async with``.

    Parameters
    ----------
    server_port : int
        UDP and TCP port of the server, on loopback.
    seed : int
        Of what is random.

    Attributes
    ----------
    server_port : int
        May be changed at any time.
    port : int
        UDP port where clients shall search.
    tcp_port : int
        TCP port of the proxy.
    advertised_port : int
        TCP port that clients are told in the answers to their searches; the proxy's own one at first.
    links : list of Link
        The connections that stand, oldest first.
    connections : int
        How many clients have connected.
    plan : deque of sequences of Fault
        For the next connections, one each.
    always : tuple of Fault
        For all connections when the plan is used up.
    happened : list of Fault
        What took place.
    weather : Weather
        Of the datagrams.
    datagrams : int
        How many came from clients.
    """

    def __init__(self, server_port: int, *, seed: int = 0) -> None:
        self.server_port = server_port
        self.random = random.Random(seed)
        self.port = self.tcp_port = self.advertised_port = 0
        self.links: list[Link] = []
        self.connections = 0
        self.plan: deque[tuple[Fault, ...]] = deque()
        self.always: tuple[Fault, ...] = ()
        self.happened: list[Fault] = []
        self.weather = Weather()
        self.datagrams = 0
        self._listener: socket.socket | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._routes: dict[tuple[str, int], asyncio.DatagramTransport] = {}
        self._sockets: set[asyncio.Future[None]] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._open = False

    async def __aenter__(self) -> ChaosProxy:
        loop = asyncio.get_running_loop()
        self._open = True
        self._udp, _ = await loop.create_datagram_endpoint(
            lambda: _FromClients(self), ("127.0.0.1", 0)
        )
        self.port = self._udp.get_extra_info("sockname")[1]
        self.listen()
        self.advertised_port = self.tcp_port
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        assert self._udp is not None
        self._udp.close()
        for route in self._routes.values():
            route.close()
        self.refuse()
        if self._connecting:
            await asyncio.wait(self._connecting, timeout=1.0)  # a server may accept nothing
        for task in list(self._connecting):
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for link in list(self.links):
            link.close(reset=True)
        if self._sockets:
            await asyncio.wait(list(self._sockets))

    # --- TCP ------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Accept connections, at first or again."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.tcp_port))
            self._listener.setblocking(False)
            self.tcp_port = self._listener.getsockname()[1]
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def refuse(self) -> None:
        """Refuse new connections; searches are still answered."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # whoever it was has gone again
        faults = self.plan.popleft() if self.plan else self.always
        link = Link(self, faults)
        self.links.append(link)
        self.connections += 1
        self._own(self._connect(link, sock))

    def _own(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, link: Link, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: link.client, sock)
            await loop.create_connection(lambda: link.server, "127.0.0.1", self.server_port)
        except OSError:
            link.close(reset=True)

    def inject(self, fault: Fault) -> None:
        """Let something happen to every connection that stands; see `Link.inject`."""
        for link in list(self.links):
            link.inject(fault)

    def heal(self) -> None:
        """Let everything pass from now on, on the connections that stand and on further ones."""
        self.plan.clear()
        self.always = ()
        self.weather = Weather()
        for link in list(self.links):
            link.heal()

    # --- UDP ------------------------------------------------------------------------------------

    async def _route(self, client: tuple[str, int]) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _FromServer(self, client), ("127.0.0.1", 0)
        )
        return transport

    def from_client(self, data: bytes, client: tuple[str, int]) -> None:
        """Pass a search on."""
        self.datagrams += 1
        route = self._routes.get(client)
        if route is None:
            self._own(self._first_from(client, data))
        else:
            self._deliver(route, data, ("127.0.0.1", self.server_port))

    async def _first_from(self, client: tuple[str, int], data: bytes) -> None:
        route = await self._route(client)
        if self._open and client not in self._routes:
            self._routes[client] = route
            if (
                len(self._routes) > _MOST_ROUTES
            ):  # clients come and go, and nobody says when they go
                self._routes.pop(next(iter(self._routes))).close()
        else:
            route.close()
        if self._open:
            self._deliver(self._routes[client], data, ("127.0.0.1", self.server_port))

    def from_server(self, data: bytes, client: tuple[str, int]) -> None:
        """Pass an answer on; it names the proxy's port now."""
        assert self._udp is not None
        self._deliver(self._udp, self._rewritten(data), client)

    def send_to_clients(self, data: bytes) -> None:
        """Send a datagram of our own to every client that has searched."""
        assert self._udp is not None
        for client in self._routes:
            self._udp.sendto(data, client)

    def _deliver(
        self, transport: asyncio.DatagramTransport, data: bytes, to: tuple[str, int]
    ) -> None:
        weather, rng = self.weather, self.random
        copies = 2 if rng.random() < weather.duplication else 1
        for _ in range(copies):
            if rng.random() < weather.loss:
                continue
            delay = rng.random() * weather.delay
            if delay:
                asyncio.get_running_loop().call_later(delay, self._send_later, transport, data, to)
            else:
                transport.sendto(data, to)

    def _send_later(
        self, transport: asyncio.DatagramTransport, data: bytes, to: tuple[str, int]
    ) -> None:
        if not transport.is_closing():
            transport.sendto(data, to)

    def _rewritten(self, data: bytes) -> bytes:
        """Return a datagram of the server with our TCP port in its answers."""
        changed = bytearray(data)
        offset = 0
        while offset + HEADER.size <= len(changed):
            command, size, _, count, _, cid = HEADER.unpack_from(changed, offset)
            if command == CA_PROTO_SEARCH:
                reply = (command, size, self.advertised_port, count, 0xFFFFFFFF, cid)
                HEADER.pack_into(changed, offset, *reply)
            offset += HEADER.size + size
        return bytes(changed)


class _FromClients(asyncio.DatagramProtocol):
    def __init__(self, proxy: ChaosProxy) -> None:
        self._proxy = proxy

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._proxy.from_client(data, address)


class _FromServer(asyncio.DatagramProtocol):
    def __init__(self, proxy: ChaosProxy, client: tuple[str, int]) -> None:
        self._proxy, self._client = proxy, client

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._proxy.from_server(data, self._client)
