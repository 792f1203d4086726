"""The simulation, phase by phase."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tests.support.fakes import FakeClock

from .client import Client
from .network import Network, Server, name_of

HOUR = 3600.0


@dataclass(frozen=True)
class Phase:
    """What one phase took.

    Attributes
    ----------
    name : str
    seconds : float
        Of virtual time.
    datagrams, requests : int
        Searches sent.
    lost, overflows : int
        Datagrams lost by the network, and for want of room in a buffer.
    connected : int
        Channels, in the end.
    bytes_per_channel : float or None
        Growth of the process's memory, in the phase that makes the channels.
    """

    name: str
    seconds: float
    datagrams: int
    requests: int
    lost: int
    overflows: int
    connected: int
    bytes_per_channel: float | None = None

    def __str__(self) -> str:
        text = (
            f"{self.name}: {self.seconds:.2f} s of virtual time, {self.datagrams:,} search datagrams with "
            f"{self.requests:,} names, {self.lost:,} datagrams lost, {self.overflows:,} for want of room; "
            f"{self.connected:,} channels connected"
        )
        if self.bytes_per_channel is not None:
            text += f"; {self.bytes_per_channel:.0f} bytes of memory per channel"
        return text


def _memory() -> int:
    """Return how much memory this process occupies, in bytes (Linux; 0 elsewhere)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


class Simulation:
    """
    A client and many servers.

    Parameters
    ----------
    channels, servers
        How many; the channels are spread evenly.
    loss
        Probability with which a datagram gets lost.
    seed
        Of what is random.
    in_order
        Ask for the channels server by server, as a program does that has a list for each. In random order, every
        datagram of searches is answered by dozens of servers.
    """

    def __init__(
        self,
        channels: int,
        servers: int,
        loss: float = 0.05,
        seed: int = 1,
        *,
        in_order: bool = False,
    ) -> None:
        self.channels = channels
        self.clock = FakeClock()
        self.network = Network(self.clock, servers, loss, seed)
        self.client = Client(self.network)
        self._random = random.Random(seed)
        self._names = [name_of(index % servers, index // servers) for index in range(channels)]
        if in_order:
            self._names.sort()
        else:
            self._random.shuffle(self._names)

    def _phase(self, name: str, before: Phase) -> Phase:
        """Return what has changed since `before`, which was made by `_now`."""
        now = self._now()
        return Phase(
            name,
            now.seconds - before.seconds,
            now.datagrams - before.datagrams,
            now.requests - before.requests,
            now.lost - before.lost,
            now.overflows - before.overflows,
            now.connected,
        )

    def _now(self) -> Phase:
        """Return how things stand since the beginning."""
        search, network = self.client.search, self.network
        return Phase(
            "all so far",
            self.clock.now,
            search.datagrams_sent,
            search.requests_sent,
            network.lost,
            network.overflows,
            self.client.connected,
        )

    def _until_connected(self, count: int) -> None:
        client = self.client
        self.clock.run_until(lambda: client.connected == count, HOUR)

    def phases(self) -> Iterator[Phase]:
        """Run, and tell after each phase what it took."""
        yield self._start()
        servers = self.network.servers
        victims = self._random.sample(servers, len(servers) // 10)
        yield self._kill(victims)
        yield self._wait(600.0)
        yield self._revive(victims)

    def _start(self) -> Phase:
        gc.collect()
        memory, before = _memory(), self._now()
        gc.disable()  # as a Context does while it connects many PVs
        try:
            for name in self._names:
                self.client.add(name)
            self.network.start_beacons()
            self._until_connected(self.channels)
        finally:
            gc.enable()
        phase = self._phase("all connected", before)
        self.clock.run(20.0)  # searches are remembered for a while, to recognise second answers
        gc.collect()
        return replace(phase, bytes_per_channel=(_memory() - memory) / self.channels)

    def _kill(self, victims: list[Server]) -> Phase:
        """Kill, half of them so that nobody is told, and wait until all their channels are given up."""
        before = self._now()
        for index, server in enumerate(victims):
            self.network.kill(server, silently=index % 2 == 0)
        left = self.channels - sum(
            1 for name in self._names if not self.network.servers[int(name[1:5])].alive
        )
        self._until_connected(left)
        return self._phase(f"{len(victims)} servers killed and noticed", before)

    def _wait(self, seconds: float) -> Phase:
        before = self._now()
        self.clock.run(seconds)
        return self._phase("searching what is not there", before)

    def _revive(self, victims: list[Server]) -> Phase:
        before = self._now()
        for server in victims:
            self.network.revive(server)
        self._until_connected(self.channels)
        return self._phase("servers back, all connected", before)
