"""Reads and confirmed writes: their ids and replies, and what becomes of them when a circuit dies."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from caproto._errors import (
    CaprotoTimeoutError,
    CaprotoValueError,
    DisconnectedError,
)
from caproto._protocol.enums import ChannelType
from caproto._protocol.messages import (
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ServerDisconnResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
)
from tests.support.fakes import (
    FakeClient,
    FakeClock,
    FakeNetwork,
    FakeRecord,
    FakeServer,
    FakeWaiter,
)


def ioids(server: FakeServer) -> list[int]:
    """Return the ids of all reads and confirmed writes that the server received."""
    kinds = (ReadNotifyRequest, ReadRequest, WriteNotifyRequest)
    return [message.ioid for message in server.connection.received if isinstance(message, kinds)]


# --- ids and replies ------------------------------------------------------------------------------------------------


def test_ioids_count_from_0_on_each_circuit_and_are_shared_by_reads_and_writes_of_all_pvs(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 13."""
    other = FakeServer(network, ["x"], ("10.0.0.2", 5064))
    a, b, x = client.connect("a"), client.connect("b"), client.connect("x")
    client.read(a)
    client.read(b, data_type="time")
    client.write(a, 1)
    client.read(a, notify=False)
    client.read(x)
    clock.run(0.1)
    assert ioids(server) == [0, 1, 2, 3]
    assert ioids(other) == [0]


def test_ioids_wrap_at_32_bits_and_skip_those_outstanding(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Findings of 3.2, number 7: the original overwrites outstanding ids after a wrap."""
    pv = client.connect("a")
    server.ignore(ReadNotifyRequest)
    early = client.read(pv, timeout=None)  # 0 stays outstanding
    assert pv.circuit is not None
    pv.circuit._next_ioid = 0xFFFFFFFE
    for _ in range(5):
        client.read(pv, timeout=None)
    clock.run(0.1)
    assert ioids(server) == [0, 0xFFFFFFFE, 0xFFFFFFFF, 1, 2, 3]
    assert len(pv.circuit.pending) == 6
    server.connection.send(ReadNotifyResponse([7.0], 6, 1, 1, 0))
    clock.run(0.1)
    assert early.result.value == 7.0


def test_replies_in_any_order_reach_those_who_asked(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    server.ignore(ReadNotifyRequest, WriteNotifyRequest)
    waiters = [client.read(pv), client.read(pv), client.write(pv, 3)]
    clock.run(0.01)
    server.connection.send(
        WriteNotifyResponse(6, 1, 1, 2),
        ReadNotifyResponse([1.0], 6, 1, 1, 1),
        ReadNotifyResponse([2.0], 6, 1, 1, 0),
    )
    clock.run(0.01)
    assert [waiter.result.ioid for waiter in waiters] == [0, 1, 2]
    assert [waiters[0].result.value, waiters[1].result.value] == [2.0, 1.0]


def test_read_asks_for_as_many_elements_as_there_are(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1, 2, 3])
    pv = client.connect("wave")
    whole, part, all_ = (
        client.read(pv),
        client.read(pv, data_count=2),
        client.read(pv, data_count=0),
    )
    clock.run(0.1)
    assert [request.data_count for request in server.connection.of(ReadNotifyRequest)] == [0, 2, 0]
    assert [len(waiter.result.data) for waiter in (whole, part, all_)] == [3, 2, 3]


@pytest.mark.parametrize("version", [11, 12])
def test_server_before_4_13_is_asked_for_the_native_count(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, version: int
) -> None:
    """Protocol facts 34: such a server answers a count of 0 with ECA_BADCOUNT."""
    server = FakeServer(network, version=version)
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1, 2, 3])
    pv = client.connect("wave")
    client.read(pv)
    client.read(pv, data_count=0)
    clock.run(0.1)
    assert [request.data_count for request in server.connection.of(ReadNotifyRequest)] == [10, 10]


@pytest.mark.parametrize(("search", "circuit"), [(12, 13), (13, 12)])
def test_count_0_needs_version_13_both_in_the_search_and_on_the_circuit(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, search: int, circuit: int
) -> None:
    """Original issue 213: a gateway of version 4.12 answered ECA_BADCOUNT."""
    server = FakeServer(network, version=circuit)
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1])
    pv = client.pv("wave")
    pv.found(server.address, search, clock.now)
    clock.run_until(lambda: pv.connected)
    clock.run(0.1)
    client.read(pv)
    clock.run(0.1)
    assert [request.data_count for request in server.connection.of(ReadNotifyRequest)] == [10]


def test_search_that_tells_no_version_does_not_forbid_count_0(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.pv("a")
    pv.found(server.address, 0, clock.now)
    clock.run_until(lambda: pv.connected)
    client.read(pv)
    clock.run(0.1)
    assert [request.data_count for request in server.connection.of(ReadNotifyRequest)] == [0]


def test_deprecated_read_is_answered_too(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Its reply has no status, and a count of 0 has no meaning in it."""
    server.records["a"].value = [4.0]
    pv = client.connect("a")
    waiter = client.read(pv, notify=False)
    clock.run(0.1)
    assert [request.data_count for request in server.connection.of(ReadRequest)] == [1]
    assert waiter.result.value == 4.0


def test_callback_gets_the_reply_beside_the_waiter(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    seen: list[Any] = []
    waiter = client.read(pv, callback=seen.append)
    client.request(pv, None, callback=seen.append)
    client.write(pv, 1, callback=seen.append)
    clock.run(0.1)
    assert seen[0] is waiter.result
    assert [type(message).__name__ for message in seen] == [
        "ReadNotifyResponse",
        "ReadNotifyResponse",
        "WriteNotifyResponse",
    ]


def test_unknown_and_late_replies_are_dropped(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, timeout=0.5)
    clock.run(1.0)
    assert isinstance(waiter.error, CaprotoTimeoutError)
    server.connection.send(
        ReadNotifyResponse([1.0], 6, 1, 1, 0),
        ReadNotifyResponse([1.0], 6, 1, 1, 4711),
        WriteNotifyResponse(6, 1, 1, 4711),
        bytes.fromhex("0003 0008 0006 0001 00000001 00001267".replace(" ", "")) + bytes(8),
    )
    clock.run(1.0)
    assert pv.connected
    assert waiter.result is None


def test_messages_that_a_client_does_not_expect_are_ignored(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    for command in (2, 4, 6, 8, 9, 13, 14, 16, 17, 20, 21, 24, 25):
        server.connection.send(command.to_bytes(2, "big") + bytes(14))
    clock.run(1.0)
    assert pv.states == ["connected"]


# --- when the circuit dies ------------------------------------------------------------------------------------------


def test_read_in_flight_survives_a_dead_circuit(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    clock.run(10.0)
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, timeout=5.0)
    callbacks: list[Any] = []
    client.request(pv, None, timeout=None, callback=callbacks.append)
    clock.run(0.1)
    server.connection.close()
    server.script.clear()
    clock.run_until(waiter.done)
    clock.run(0.1)
    assert waiter.result is not None
    assert len(callbacks) == 1
    assert not pv.busy


def test_read_survives_a_channel_that_is_taken_away(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, timeout=5.0)
    clock.run(0.1)
    server.script.clear()
    assert pv.channel is not None
    server.connection.send(ServerDisconnResponse(pv.channel.cid))
    clock.run_until(waiter.done)
    assert waiter.result is not None


def test_read_that_no_server_takes_up_again_times_out_in_time(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    server.ignore(ReadNotifyRequest)
    waiter, given_up = client.read(pv, timeout=2.0), FakeWaiter()
    request = client.request(pv, given_up, timeout=2.0)
    silent = client.read(pv, timeout=2.0)
    server.stop()
    clock.run(1.0)
    assert pv.busy
    given_up.cancelled = True
    client.engine.forget(request)
    silent.cancelled = True
    seconds = 1.0 + clock.run_until(waiter.done)
    assert 2.0 <= seconds < 2.05
    assert "could not connect within 2.0-second timeout" in str(waiter.error)
    assert waiter.error.stage == "search"
    assert not pv.busy


def test_request_that_was_answered_or_given_up_before_the_circuit_died_is_not_sent_again(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    clock.run(10.0)
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, timeout=5.0)
    waiter.cancelled = True
    clock.run(0.1)
    server.connection.close()
    clock.run_until(lambda: len(server.connections) == 2 and pv.connected)
    clock.run(1.0)
    assert ioids(server) == []


def test_confirmed_write_in_flight_fails_with_unknown_outcome(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Findings of 3.2, number 5: KeyError('response') in the original. It is never sent twice."""
    pv = client.connect("a")
    clock.run(10.0)
    server.ignore(WriteNotifyRequest)
    waiter = client.write(pv, 1, timeout=5.0)
    client.write(pv, 2, callback=lambda message: None)
    clock.run(0.1)
    server.connection.close("Connection reset by peer")
    with caplog.at_level(logging.WARNING, "caproto.ch"):
        clock.run_until(waiter.done)
    error = waiter.error
    assert isinstance(error, DisconnectedError)
    assert error.pv_name == "a"
    assert "whether the value was written is not known" in str(error)
    assert "Connection reset by peer" in str(error)
    assert (
        "whether the value was written is not known" in caplog.text
    )  # nobody waits for the second
    clock.run_until(lambda: pv.connected)
    clock.run(1.0)
    assert ioids(server) == []


def test_confirmed_write_that_never_left_is_sent_on_the_next_circuit(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    clock.run(10.0)
    first = client.write(pv, 1, timeout=5.0)
    second = client.write(pv, 2, timeout=5.0)  # joined: it waits for the end of the turn
    assert pv.circuit is not None
    pv.circuit.close("cut", clock.now)
    clock.run_until(second.done)
    assert isinstance(first.error, DisconnectedError)
    assert isinstance(second.result, WriteNotifyResponse)
    assert server.records["a"].value == [2.0]


def test_read_of_more_elements_than_the_pv_has_after_reconnection_fails_at_once(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1, 2, 3])
    pv = client.connect("wave")
    clock.run(10.0)
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, data_count=8, timeout=5.0)
    clock.run(0.1)
    server.records["wave"].count = 5
    server.connection.close()
    server.script.clear()
    clock.run_until(waiter.done)
    assert isinstance(waiter.error, CaprotoValueError)
    assert "at most 5" in str(waiter.error)


def test_read_of_everything_is_repeated_as_the_next_server_understands_it(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Count 0 would fail at an older server that has the PV, too."""
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1])
    pv = client.connect("wave")
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, timeout=5.0)
    older = FakeServer(network, address=("10.0.0.2", 5064), version=11)
    older.records["wave"] = FakeRecord(ChannelType.LONG, 7, [1])
    server.stop()
    clock.run_until(waiter.done)
    assert [request.data_count for request in older.connection.of(ReadNotifyRequest)] == [7]
