"""What can be seen from outside: statistics, and the log of every message."""

from __future__ import annotations

import logging

import pytest

from caproto._protocol.messages import (
    EchoRequest,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ServerDisconnResponse,
)
from caproto.client.stats import snapshot
from tests.support.fakes import FakeClient, FakeClock, FakeNetwork, FakeServer


def test_snapshot_counts_what_there_is(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    FakeServer(network, ["x"], ("10.0.0.2", 5064)).tcp = "ignore"
    a, b = client.connect("a"), client.connect("b")
    client.pv("x")
    client.pv("nobody")
    client.engine.make_idle(b)
    sub = client.subscribe(a)
    sub.dropped = 3
    clock.run(0.1)
    server.ignore(ReadNotifyRequest)
    client.read(a)
    assert a.circuit is not None
    a.circuit.suspend("user")
    clock.run(0.5)
    stats = snapshot(client.engine, client.search, clock.now)
    assert (stats.pvs, stats.connected, stats.searching, stats.idle) == (4, 1, 1, 1)
    assert stats.names_searching == 1
    assert stats.search_datagrams == client.search.datagrams_sent > 0
    assert stats.search_requests == client.search.requests_sent >= 4
    assert (stats.subscriptions, stats.dropped, stats.reconnects) == (1, 3, 0)
    standing, attempted = stats.circuits
    assert (standing.address, standing.priority) == (server.address, 0)
    assert standing.connected
    assert not attempted.connected
    assert standing.version == 13
    assert standing.messages_out == len(server.connection.received) == 9
    assert standing.bytes_out == sum(len(data) for data in server.connection.writes)
    assert standing.messages_in == 7
    assert standing.bytes_in == 7 * 16 + 8
    assert (standing.channels, standing.requests, standing.subscriptions) == (1, 1, 1)
    assert standing.suspended
    assert standing.echo_round_trip is None
    assert standing.silent_for == pytest.approx(0.5, abs=0.11)


def test_snapshot_shows_echoes_and_reconnects(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    clock.run(31.0)
    (circuit,) = snapshot(client.engine, client.search, clock.now).circuits
    assert circuit.echo_round_trip == pytest.approx(0.001)
    server.connection.close()
    clock.run_until(lambda: not pv.connected)
    clock.run_until(lambda: pv.connected)
    assert snapshot(client.engine, client.search, clock.now).reconnects == 1


# --- the log of messages --------------------------------------------------------------------------------------------


def traces(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str | None]]:
    """Return direction, class and PV of the messages in the log."""
    return [
        (record.__dict__["direction"], record.getMessage().split("(")[0], record.__dict__["pv"])
        for record in caplog.records
        if "direction" in record.__dict__
    ]


def test_every_message_is_logged_with_direction_addresses_and_pv(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "caproto.circ"):
        pv = client.connect("a")
        sub = client.subscribe(pv)
        client.read(pv)
        clock.run(0.1)
        sub.stop()
        clock.run(40.0)
        assert pv.channel is not None
        server.connection.send(ServerDisconnResponse(pv.channel.cid))
        clock.run(0.1)
    sent, received = "--->>>", "<<<---"
    assert traces(caplog)[:16] == [
        (sent, "VersionRequest", None),
        (sent, "ClientNameRequest", None),
        (sent, "HostNameRequest", None),
        (sent, "CreateChanRequest", "a"),
        (received, "VersionResponse", None),
        (received, "AccessRightsResponse", "a"),
        (received, "CreateChanResponse", "a"),
        (sent, "EventAddRequest", "a"),
        (sent, "ReadNotifyRequest", "a"),
        (received, "EventAddResponse", "a"),
        (received, "ReadNotifyResponse", "a"),
        (sent, "EventCancelRequest", "a"),
        (received, "EventCancelResponse", None),
        (sent, "EchoRequest", None),
        (received, "EchoResponse", None),
        (received, "ServerDisconnResponse", "a"),
    ]
    record = next(record for record in caplog.records if "ReadNotifyRequest" in record.getMessage())
    assert record.__dict__["their_address"] == server.address
    assert record.__dict__["bytesize"] == 16
    assert record.__dict__["role"] == "CLIENT"


def test_log_can_be_turned_on_and_off_while_a_circuit_stands(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    pv = client.connect("a")
    client.read(pv)
    clock.run(0.1)
    assert traces(caplog) == []
    with caplog.at_level(logging.DEBUG, "caproto.circ"):
        waiters = [client.read(pv), client.read(pv)]
        clock.run(0.1)
        assert traces(caplog)[0] == ("<<<---", "ReadNotifyResponse", "a")
        waiters.append(client.read(pv))
        clock.run(0.1)
        assert all(waiter.result is not None for waiter in waiters)
    count = len(traces(caplog))
    client.read(pv)  # known to be off with the next chunk
    clock.run(0.1)
    after = len(traces(caplog))
    waiter = client.read(pv)
    clock.run(0.1)
    assert waiter.result is not None
    assert len(traces(caplog)) == after <= count + 1


@pytest.mark.parametrize(
    "odd",
    [
        ReadNotifyResponse([1.0], 6, 1, 1, 4711),  # of no request
        bytes.fromhex("00020000000600010000000100000000"),  # a request that a server does not send
        bytes.fromhex("000f0008000600050000000100000000") + bytes(8),  # five elements in 8 bytes
        bytes.fromhex("00010008006300050000000100000000") + bytes(8),  # no such type
        bytes.fromhex("000b0000000000000000000000000000"),  # an ERROR without a quoted header
    ],
)
def test_log_of_odd_messages_raises_nothing(
    client: FakeClient,
    clock: FakeClock,
    server: FakeServer,
    caplog: pytest.LogCaptureFixture,
    odd: bytes,
) -> None:
    with caplog.at_level(logging.DEBUG, "caproto.circ"):
        pv = client.connect("a")
        clock.run(0.1)
        before = len(traces(caplog))
        server.connection.send(odd)
        clock.run(0.1)
        waiter = client.read(pv)
        clock.run(0.1)
    assert len(traces(caplog)) == before + 3
    assert waiter.result is not None
    assert pv.states == ["connected"]
    assert server.connection.of(EchoRequest) == []
