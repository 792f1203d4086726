"""Datagrams and connections between fake clients and fake servers."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Protocol

from caproto.client.search import Address

from .clock import FakeClock
from .connection import FakeConnection

if TYPE_CHECKING:
    from caproto.client.circuit import Circuit

    from .server import FakeServer

__all__ = ["Datagrams", "FakeNetwork"]


class Datagrams(Protocol):
    """Who receives datagrams."""

    address: Address

    def receive_datagram(self, data: bytes, sender: Any) -> None:
        """Take one; the sender is another of this kind."""
        ...


class FakeNetwork:
    """
    Everything between clients and servers.

    Attributes
    ----------
    delay : float
        Seconds that everything takes one way.
    jitter : float
        A datagram takes up to so many seconds more, each another time: they overtake one another.
    loss, duplication : float
        Which part of the datagrams is lost, or arrives twice.
    cut_off : set of Address
        Servers that nothing reaches and nothing comes from; connections just go quiet.
    chunk : int or None
        Connections hand over so many bytes at a time.
    """

    def __init__(self, clock: FakeClock | None = None, seed: int = 1) -> None:
        self.clock = FakeClock() if clock is None else clock
        self.random = random.Random(seed)
        self.delay = 0.0005
        self.jitter = 0.0
        self.loss = 0.0
        self.duplication = 0.0
        self.cut_off: set[Address] = set()
        self.chunk: int | None = None
        self.servers: dict[Address, FakeServer] = {}
        self.datagrams_to_servers = 0
        self.datagrams_lost = 0

    # --- datagrams ----------------------------------------------------------------------------------------------------

    def broadcast(self, data: bytes, client: Datagrams) -> None:
        """Send to every server."""
        self.datagrams_to_servers += 1
        for server in list(self.servers.values()):
            self.send_datagram(data, server, client)

    def send_datagram(self, data: bytes, receiver: Datagrams, sender: Datagrams) -> None:
        """Send, with the faults of this network."""
        if receiver.address in self.cut_off or sender.address in self.cut_off:
            return
        if self.loss and self.random.random() < self.loss:
            self.datagrams_lost += 1
            return
        copies = 2 if self.duplication and self.random.random() < self.duplication else 1
        for _ in range(copies):
            late = self.jitter * self.random.random() if self.jitter else 0.0
            self.clock.call_later(
                self.delay + late, lambda: receiver.receive_datagram(data, sender)
            )

    # --- connections --------------------------------------------------------------------------------------------------

    def connect(self, circuit: Circuit) -> None:
        """Begin to connect a circuit to the server at its address."""
        server = self.servers.get(circuit.address)
        if circuit.address in self.cut_off or (server is not None and server.tcp == "ignore"):
            return
        if server is None or server.tcp == "refuse":
            reason = "Connection refused"
            self.clock.call_later(2 * self.delay, lambda: circuit.close(reason, self.clock.now))
            return
        self.clock.call_later(2 * self.delay, lambda: self._accept(circuit, server))

    def _accept(self, circuit: Circuit, server: FakeServer) -> None:
        if circuit.state.value == "connecting":
            connection = FakeConnection(self, server, circuit)
            circuit.manager = connection
            circuit.connected_by(connection.write, self.clock.now)
            server.accepted(connection)
