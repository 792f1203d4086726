"""From a client's bytes to the bytes that answer them: the server's hot path, without a socket."""

from __future__ import annotations

import struct

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.bench_monitor import report
from caproto import ChannelDouble
from caproto.server import PVGroup, PvpropertyDouble, pvproperty
from tests.server.fake_shell import Client
from tests.support.raw_messages import raw_message

REQUESTS = 1_000
CLIENTS = 100
TIME_DOUBLE = 20
UPDATE_BYTES = 40
CONFIRMATION_BYTES = 16


def test_reads_are_answered_while_the_chunk_is_walked(benchmark: BenchmarkFixture) -> None:
    """Guards the bytes that are kept from the last one who asked, and the walk by headers: the target is 0.4 us."""
    client = Client({"pv": ChannelDouble(value=1.5)})
    sid = client.create("pv")
    chunk = b"".join(raw_message(15, TIME_DOUBLE, 1, sid, ioid) for ioid in range(REQUESTS))
    writes = client.shell.writes

    def feed() -> None:
        writes.clear()
        client.circuit.feed(chunk)

    benchmark(feed)
    assert sum(map(len, writes)) == REQUESTS * UPDATE_BYTES
    assert not client.shell.waiting  # nothing was left for later
    report(benchmark, REQUESTS)


def test_reads_that_come_alone(benchmark: BenchmarkFixture) -> None:
    """Guards that one message is not prepared for as if it were many: the target is 1.5 us, of which most is the chunk's."""
    client = Client({"pv": ChannelDouble(value=1.5)})
    chunk = raw_message(15, TIME_DOUBLE, 1, client.create("pv"), 7)
    feed, writes = client.circuit.feed, client.shell.writes

    def feed_all() -> None:
        writes.clear()
        for _ in range(REQUESTS):
            feed(chunk)

    benchmark(feed_all)
    assert {len(write) for write in writes} == {UPDATE_BYTES}
    assert len(writes) == REQUESTS
    report(benchmark, REQUESTS)


def test_confirmed_writes(benchmark: BenchmarkFixture) -> None:
    """Guards the short way of numbers that nothing has to be asked about, `take_number`: the target is 1.5 us."""
    data = ChannelDouble(value=0.0)
    client = Client({"pv": data})
    sid = client.create("pv")
    chunk = b"".join(
        raw_message(19, 6, 1, sid, ioid, struct.pack(">d", ioid)) for ioid in range(REQUESTS)
    )
    writes = client.shell.writes

    def feed() -> None:
        writes.clear()
        client.circuit.feed(chunk)

    benchmark(feed)
    assert sum(map(len, writes)) == REQUESTS * CONFIRMATION_BYTES
    assert data.value == REQUESTS - 1
    report(benchmark, REQUESTS)


def test_writes_to_a_handler(benchmark: BenchmarkFixture) -> None:
    """Guards what a request does around a putter, limits and rights above all: the target is 12 us."""
    put: list[float] = []

    async def putter(group: PVGroup, instance: PvpropertyDouble, value: float) -> None:
        put.append(value)

    group = type("Group", (PVGroup,), {"x": pvproperty(value=0.0, put=putter)})(prefix="")
    client = Client(group.pvdb)
    sid = client.create("x")
    chunks = [raw_message(4, 6, 1, sid, 0, struct.pack(">d", number)) for number in range(REQUESTS)]

    def feed() -> None:
        put.clear()
        for chunk in chunks:
            client.circuit.feed(chunk)
            client.shell.turn()

    benchmark(feed)
    assert put == list(range(REQUESTS))
    report(benchmark, REQUESTS)


def test_new_value_to_one_subscriber(benchmark: BenchmarkFixture) -> None:
    """Guards the same for `ChannelData.write` of the IOC itself: the target is 1.2 us."""
    data, clients = _subscribed(1)
    assert data.take_number(0.5)
    _bench_one_subscriber(benchmark, data, *clients)


def test_new_value_within_alarm_limits(benchmark: BenchmarkFixture) -> None:
    """Guards the short way of a PV that stays out of alarm: the target is 1.5 us."""
    data, clients = _subscribed(1, upper_alarm_limit=1e9)
    assert data.take_number(0.5)
    _bench_one_subscriber(benchmark, data, *clients)


def test_new_value_that_has_to_be_looked_at(benchmark: BenchmarkFixture) -> None:
    """Guards the long way, which a PV with a dead-band takes: the target is 5 us."""
    data, clients = _subscribed(1, value_atol=0.5)
    assert not data.take_number(0.5)
    _bench_one_subscriber(benchmark, data, *clients)


def test_new_value_to_many_subscribers(benchmark: BenchmarkFixture) -> None:
    """Guards that an update is encoded once for all clients: the target is 0.5 us for each."""
    data, clients = _subscribed(CLIENTS)

    def write() -> None:
        _run(data, 1.5)
        for client in clients:
            client.shell.writes.clear()
            client.shell.turn()

    benchmark(write)
    assert {len(b"".join(client.shell.writes)) for client in clients} == {UPDATE_BYTES}
    report(benchmark, CLIENTS)


def _bench_one_subscriber(benchmark: BenchmarkFixture, data: ChannelDouble, client: Client) -> None:
    """Write again and again, and let the event loop turn in between."""

    def write() -> None:
        for number in range(REQUESTS):
            _run(data, float(number))
        client.shell.writes.clear()
        client.shell.turn()

    benchmark(write)
    # The rest has gone before, in between: no more than some hundreds of updates gather.
    assert 0 < len(b"".join(client.shell.writes)) <= REQUESTS * UPDATE_BYTES
    report(benchmark, REQUESTS)


def _subscribed(
    count: int, upper_alarm_limit: float = 0.0, value_atol: float = 0.0
) -> tuple[ChannelDouble, list[Client]]:
    """Return a PV, and clients that are subscribed to it."""
    data = ChannelDouble(value=0.0, upper_alarm_limit=upper_alarm_limit, value_atol=value_atol)
    clients = [Client({"pv": data}) for _ in range(count)]
    for client in clients:
        client.subscribe(client.create("pv"), data_type=TIME_DOUBLE, count=1)
    return data, clients


def _run(data: ChannelDouble, value: float) -> None:
    """Do what ``await data.write(value)`` does; it waits for nothing."""
    writing = data.write(value)
    try:
        writing.send(None)
    except StopIteration:
        return
    raise AssertionError("the write waits for something")
