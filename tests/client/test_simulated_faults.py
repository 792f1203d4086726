"""Ten minutes of random faults in virtual time: every request ends in time, and everything comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from caproto._protocol.messages import CreateChanRequest, ServerDisconnResponse
from tests.support.fakes import (
    FakeClient,
    FakeNetwork,
    FakePV,
    FakeServer,
    FakeSubscription,
    FakeWaiter,
)

SERVERS, NAMES = 6, 60
TIMEOUT = 2.0


class World:
    """Servers that have each PV twice, a client that uses them all, and somebody who breaks things."""

    def __init__(self, seed: int) -> None:
        self.network = FakeNetwork(seed=seed)
        self.random = self.network.random
        self.clock = self.network.clock
        self.network.loss, self.network.duplication, self.network.jitter = 0.05, 0.05, 0.005
        self.servers = [
            FakeServer(
                self.network,
                [f"pv:{number}" for number in range(NAMES) if index in (number % 6, number // 10)],
                (f"10.0.1.{index}", 5064),
            )
            for index in range(SERVERS)
        ]
        self.client = FakeClient(self.network)
        self.pvs: list[FakePV] = [self.client.pv(f"pv:{number}") for number in range(NAMES)]
        self.subs: list[FakeSubscription] = [self.client.subscribe(pv) for pv in self.pvs]
        self.waiters: list[tuple[float, FakeWaiter]] = []

    # --- use --------------------------------------------------------------------------------------------------------

    def use(self) -> None:
        """Read or write something, if it is connected; otherwise wait for it."""
        pv = self.random.choice(self.pvs)
        if not pv.connected:
            waiter = self.client.wait(pv, TIMEOUT)
        elif self.random.random() < 0.5:
            waiter = self.client.read(pv, TIMEOUT)
        else:
            waiter = self.client.write(pv, self.random.random(), TIMEOUT)
        self.waiters.append((self.clock.now, waiter))

    def check(self) -> None:
        """Everything that was begun more than the timeout ago has ended, one way or the other."""
        now = self.clock.now
        late = [
            began
            for began, waiter in self.waiters
            if now - began > TIMEOUT + 0.05 and not waiter.done()
        ]
        assert late == []
        for pv in self.pvs:
            assert (pv.circuit is None) is (pv.channel is None)
            assert pv.states.count("connected") - pv.states.count("disconnected") == pv.connected
        assert self.client.search._outstanding >= 0

    # --- faults -----------------------------------------------------------------------------------------------------

    def stop_or_start(self, server: FakeServer) -> None:
        if server.running:
            server.stop()
        else:
            server.start()
            server.beacon(self.client)

    def partition(self, server: FakeServer) -> None:
        self.network.cut_off ^= {server.address}

    def stall(self, server: FakeServer) -> None:
        for connection in server.connections:
            connection.stalled = not connection.stalled

    def close(self, server: FakeServer) -> None:
        for connection in server.connections:
            connection.close()

    def take_channels(self, server: FakeServer) -> None:
        for connection in server.connections:
            connection.send(*(ServerDisconnResponse(cid) for cid in range(10)))

    def damage(self, server: FakeServer) -> None:
        for connection in server.connections:
            connection.send(self.random.randbytes(40))

    def tcp(self, server: FakeServer) -> None:
        server.tcp = self.random.choice(["accept", "refuse", "ignore"])

    def make_no_channels(self, server: FakeServer) -> None:
        if server.script:
            server.script.clear()
        else:
            server.ignore(CreateChanRequest)

    def break_something(self) -> None:
        """Choose a fault and a server."""
        faults: list[Callable[[FakeServer], None]] = [
            self.stop_or_start,
            self.partition,
            self.stall,
            self.close,
            self.take_channels,
            self.damage,
            self.tcp,
            self.make_no_channels,
        ]
        self.random.choice(faults)(self.random.choice(self.servers))

    def heal(self) -> None:
        """Repair everything."""
        self.network.cut_off.clear()
        self.network.loss = 0.0
        for server in self.servers:
            server.script.clear()
            server.tcp = "accept"
            if not server.running:
                server.start()
            for connection in server.connections:
                connection.stalled = False


@pytest.mark.parametrize("seed", range(3))
def test_every_request_ends_in_time_and_everything_comes_back(seed: int) -> None:
    world = World(seed)
    clock, client = world.clock, world.client
    clock.run(5.0)
    for step in range(2_400):
        clock.run(0.25)
        world.use()
        if step % 8 == 0:
            world.break_something()
        world.check()
    results = [waiter for _, waiter in world.waiters if waiter.error is None]
    assert 0 < len(results) < len(world.waiters)  # there were successes and failures

    world.heal()
    clock.run_until(lambda: all(pv.connected for pv in world.pvs), 700.0)
    clock.run(40.0)  # circuits that were stalled for long may still die
    clock.run_until(lambda: all(pv.connected for pv in world.pvs), 700.0)
    world.check()
    for server in world.servers:
        for name in server.records:
            server.post(name, 42.0)
    clock.run(1.0)
    assert {sub.values[-1] for sub in world.subs} == {42.0}
    assert client.search.pending == 0
    assert not client.engine._parked
    assert not client.engine._waits
    assert all(circuit.pending == [] for circuit in client.engine.circuits.values())
    opened = [
        connection
        for server in world.servers
        for connection in server.connections
        if connection.open
    ]
    assert {id(connection.circuit) for connection in opened} == {
        id(circuit) for circuit in client.engine.circuits.values()
    }
    client.close()
    assert all(pv.states[-2:] == ["connected", "disconnected"] for pv in world.pvs)
