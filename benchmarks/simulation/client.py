"""The smallest shell around the client's engines: what an asyncio Context is to real sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caproto._env import ClientSettings
from caproto.client.broadcast import BroadcastEngine
from caproto.client.circuit import Circuit
from caproto.client.engine import ClientEngine
from caproto.client.pv import PVCore
from caproto.client.search import Address, SearchEngine, Seeker
from tests.support.fakes import FakeClock

from .network import Network

_NEVER = float("inf")


class CountedPV(PVCore):
    """A PV that counts how many of them are connected."""

    __slots__ = ()

    connected_now = 0

    def on_connected(self) -> None:
        CountedPV.connected_now += 1

    def on_disconnected(self) -> None:
        CountedPV.connected_now -= 1


class Client:
    """
    Host and Searcher of an engine (caproto.client.host).

    Parameters
    ----------
    network
        Where it lives.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._clock: FakeClock = network.clock
        settings = ClientSettings.from_environ({})
        self.search = SearchEngine(settings.max_search_period, settings.stale_search_expiration)
        self.broadcast = BroadcastEngine(self.search, settings.server_port)
        self.engine = ClientEngine(self, self, settings, "host", "user")
        self.broadcast.on_beacon.append(self._on_beacon)
        network.client = self.broadcast
        self._poll_soon = False
        self._poll_at = self._wake_at = _NEVER
        CountedPV.connected_now = 0

    @property
    def connected(self) -> int:
        """How many PVs are connected."""
        return CountedPV.connected_now

    def add(self, name: str) -> None:
        """Ask for a PV."""
        pv = self.engine.pvs[(name, 0)] = CountedPV(name, 0, self.engine)
        self.engine.activate(pv)

    def _on_beacon(self, address: Address, anomaly: bool) -> None:
        self.engine.on_beacon(address, anomaly, self._clock.now)
        self._poll_at_end_of_turn()

    # --- Searcher -------------------------------------------------------------------------------

    def start_search(self, name: str, seeker: Seeker, delay: float) -> None:
        self.search.search(name, seeker, self._clock.now, delay)
        self._poll_at_end_of_turn()

    def leave_search(self, name: str, seeker: Seeker) -> None:
        self.search.forget(name, seeker)

    def describe_search(self, name: str) -> str:
        return "in a simulation"

    def _poll_at_end_of_turn(self) -> None:
        if not self._poll_soon:
            self._poll_soon = True
            self._clock.call_soon(self.poll)

    def poll(self) -> None:
        """Send what is due, and plan the next time; also after each datagram received."""
        self._poll_soon = False
        now = self._clock.now
        for datagram in self.search.poll(now):
            self._network.broadcast(datagram)
        deadline = max(self.search.next_deadline(), now + 0.001)
        if deadline < self._poll_at or self._poll_at <= now:
            self._poll_at = deadline
            if deadline < _NEVER:
                self._clock.call_at(deadline, self._on_poll_timer)

    def _on_poll_timer(self) -> None:
        if self._clock.now >= self._poll_at:
            self.poll()

    # --- Host -----------------------------------------------------------------------------------

    def open_circuit(self, circuit: Circuit) -> None:
        self._network.connect(circuit)

    def close_circuit(self, circuit: Circuit) -> None:
        if circuit.manager is not None:
            circuit.manager.close()

    def flush_soon(self, circuit: Circuit) -> None:
        self._clock.call_soon(circuit.flush)

    def wake_at(self, deadline: float) -> None:
        self._wake_at = deadline
        self._clock.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        if self._clock.now >= self._wake_at:
            self._wake_at = _NEVER
            self.engine.on_timer(self._clock.now)

    def run_callback(self, pv: PVCore, callback: Callable[[Any], Any], message: Any) -> None:
        raise NotImplementedError("nobody reads in a simulation")
