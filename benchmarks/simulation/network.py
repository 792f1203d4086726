"""A network of many servers, made to be cheap: what takes time in reality takes virtual time here."""

from __future__ import annotations

import random
import struct
from collections import deque

from caproto._protocol.enums import Command
from caproto._protocol.framing import COMMANDS, Handler, MessageStream, walk_datagram
from caproto._protocol.header import HEADER, Head
from caproto.client.broadcast import BroadcastEngine
from caproto.client.circuit import Circuit
from caproto.client.search import Address
from tests.support.fakes import FakeClock

DELAY = 0.0005  # seconds from the client to a server, or back
SERVER_BUFFER = 92  # datagrams: 208 KiB, of which Linux charges 2304 bytes for one of 1 KB
SERVER_TIME = 2e-6  # seconds that a server takes to look a name up, its own or not
CLIENT_BUFFER = 1365  # datagrams: 1 MiB at 768 bytes for each that is small
CLIENT_TIME = 15e-6  # seconds that a client takes for each answer
BEACON_PERIOD = 15.0
PORT = 5064
VERSION = 13
_VERSION_REPLY = HEADER.pack(Command.VERSION, 0, 0, VERSION, 0, 0)
_SEARCH_PAYLOAD = struct.pack(">H6x", VERSION)


def name_of(server: int, channel: int) -> str:
    """Return the name of a PV, which tells the server that has it."""
    return f"S{server:04d}:PV{channel:05d}"


def address_of(server: int) -> Address:
    """Return where a server is."""
    return f"10.1.{server >> 8}.{server & 255}", PORT


class Server:
    """
    One server.

    Attributes
    ----------
    alive : bool
    connections : list of Connection
        Of clients.
    beacons : int
        How many it has sent.
    """

    def __init__(self, number: int) -> None:
        self.address = address_of(number)
        self.alive = True
        self.connections: list[Connection] = []
        self.beacons = 0


class Network:
    """
    Everything between one client and the servers.

    Parameters
    ----------
    clock
        Virtual time.
    servers
        How many.
    loss
        Probability with which a datagram gets lost, on its way to each server or back.
    seed
        Of what is random.

    Attributes
    ----------
    lost, overflows : int
        Datagrams that the network lost, and those for which a buffer had no room.
    """

    def __init__(self, clock: FakeClock, servers: int, loss: float, seed: int) -> None:
        self.clock = clock
        self.servers = [Server(number) for number in range(servers)]
        self._by_address = {server.address: server for server in self.servers}
        self.loss = loss
        self.random = random.Random(seed)
        self.client: BroadcastEngine | None = None
        self.lost = self.overflows = 0
        # All servers hear the same datagrams, so their buffers are equally full: the moments when each is worked off.
        self._server_queue: deque[float] = deque()
        self._client_queue: deque[float] = deque()

    def _take_in(self, queue: deque[float], room: int, arrival: float, work: float) -> float | None:
        """Return when a datagram that arrives has been worked off; None if there is no room for it."""
        while queue and queue[0] <= arrival:
            queue.popleft()
        if len(queue) >= room:
            self.overflows += 1
            return None
        done = max(arrival, queue[-1] if queue else 0.0) + work
        queue.append(done)
        return done

    # --- datagrams ------------------------------------------------------------------------------

    def broadcast(self, datagram: bytes) -> None:
        """Send searches to every server."""
        by_server: dict[int, list[int]] = {}
        sequence = names = 0
        for head, payload in walk_datagram(datagram):
            if head[0] == Command.VERSION:
                sequence = head[4]
            else:
                by_server.setdefault(int(payload[1:5]), []).append(head[4])
                names += 1
        done = self._take_in(
            self._server_queue, SERVER_BUFFER, self.clock.now + DELAY, names * SERVER_TIME
        )
        if done is None:
            return
        for number, cids in by_server.items():
            server = self.servers[number]
            if server.alive and not self._is_lost():
                parts = [HEADER.pack(Command.VERSION, 0, 1, VERSION, sequence, 0)]
                parts += [
                    HEADER.pack(Command.SEARCH, 8, PORT, 0, 0xFFFFFFFF, cid) + _SEARCH_PAYLOAD
                    for cid in cids
                ]
                self._to_client(b"".join(parts), server, done + DELAY, len(cids))

    def _is_lost(self) -> bool:
        lost = self.random.random() < self.loss
        self.lost += lost
        return lost

    def _to_client(self, datagram: bytes, server: Server, arrival: float, answers: int) -> None:
        if self._is_lost():
            return
        done = self._take_in(self._client_queue, CLIENT_BUFFER, arrival, answers * CLIENT_TIME)
        if done is not None:
            self.clock.call_at(done, lambda: self._deliver(datagram, server.address, done))

    def _deliver(self, datagram: bytes, sender: Address, now: float) -> None:
        assert self.client is not None
        self.client.on_datagram(datagram, sender, now)

    def start_beacons(self) -> None:
        """Let every server send a beacon every 15 seconds, each at another moment."""
        for index, server in enumerate(self.servers):
            self.clock.call_later(
                BEACON_PERIOD * index / len(self.servers),
                lambda server=server: self._beacon(server),  # type: ignore[misc]
            )

    def _beacon(self, server: Server) -> None:
        if server.alive:
            data = HEADER.pack(Command.RSRV_IS_UP, 0, VERSION, PORT, server.beacons, 0)
            server.beacons += 1
            self._to_client(data, server, self.clock.now + DELAY, 1)
        self.clock.call_later(BEACON_PERIOD, lambda: self._beacon(server))

    # --- connections ----------------------------------------------------------------------------

    def connect(self, circuit: Circuit) -> None:
        """Connect, unless the server is dead, in which case nobody answers."""
        server = self._by_address[circuit.address]

        def accept() -> None:
            if server.alive and circuit.state.value == "connecting":
                circuit.manager = Connection(self, server, circuit)
                circuit.connected_by(circuit.manager.write, self.clock.now)

        self.clock.call_later(2 * DELAY, accept)

    def kill(self, server: Server, *, silently: bool) -> None:
        """End a server: its connections are reset, or if the power went, nobody is told."""
        server.alive = False
        server.beacons = 0
        for connection in list(server.connections):
            connection.server_died(silently)

    def revive(self, server: Server) -> None:
        """Start a server again; it sends a beacon at once."""
        server.alive = True
        data = HEADER.pack(Command.RSRV_IS_UP, 0, VERSION, PORT, 0, 0)
        server.beacons = 1
        self._to_client(data, server, self.clock.now + DELAY, 1)


class Connection:
    """A TCP connection, with the server's end of it."""

    def __init__(self, network: Network, server: Server, circuit: Circuit) -> None:
        self._network = network
        self._server = server
        self._circuit: Circuit | None = circuit
        handlers: list[Handler] = [self._ignore] * COMMANDS
        handlers[Command.CREATE_CHAN] = self._on_create
        handlers[Command.ECHO] = self._on_echo
        self._stream = MessageStream(handlers)
        self._replies: list[bytes] = [_VERSION_REPLY]
        self._next_sid = 0
        server.connections.append(self)

    def write(self, data: bytes) -> None:
        """Take what the client sends."""
        self._network.clock.call_later(DELAY, lambda: self._arrive(data))

    def _arrive(self, data: bytes) -> None:
        if self._circuit is None or not self._server.alive:
            return
        self._stream.feed(data)
        reply = b"".join(self._replies)
        self._replies.clear()
        if reply:
            self._network.clock.call_later(DELAY, lambda: self._answer(reply))

    def _answer(self, reply: bytes) -> None:
        if self._circuit is not None:
            self._circuit.feed(reply, self._network.clock.now)

    def _ignore(self, head: Head, payload: object) -> None:
        """Greetings and the end of channels need no answer."""

    def _on_create(self, head: Head, payload: object) -> None:
        self._next_sid += 1
        cid = head[4]
        self._replies.append(
            HEADER.pack(Command.ACCESS_RIGHTS, 0, 0, 0, cid, 3)
            + HEADER.pack(Command.CREATE_CHAN, 0, 6, 1, cid, self._next_sid)
        )

    def _on_echo(self, head: Head, payload: object) -> None:
        self._replies.append(HEADER.pack(Command.ECHO, 0, 0, 0, 0, 0))

    def close(self) -> None:
        """Close at the client's end."""
        if self._circuit is not None:
            self._circuit = None
            self._server.connections.remove(self)

    def server_died(self, silently: bool) -> None:
        """Lose the server's end."""
        circuit = self._circuit
        if not silently and circuit is not None:
            network = self._network
            network.clock.call_later(
                DELAY, lambda: circuit.close("Connection reset by peer", network.clock.now)
            )
