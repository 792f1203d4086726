"""Findings 3.2, circuits and channels: whatever a server does, it ends in a correct state and a new search."""

from __future__ import annotations

import logging
import struct
from itertools import pairwise

import pytest

from caproto import (
    CaprotoTimeoutError,
    CAStatusError,
    ChannelType,
    DisconnectedError,
    ErrorResponse,
)
from caproto._protocol.messages import (
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    ReadNotifyRequest,
    ServerDisconnResponse,
    WriteNotifyRequest,
)
from caproto.client.circuit import Circuit
from caproto.client.pv import PVState
from tests.support.fakes import FakeClient, FakeNetwork, FakeRecord, FakeServer
from tests.support.raw_messages import HEADER

ERROR = 11
NORDACCESS, GETFAIL, BADTYPE = 368, 152, 114


def error_message(original: bytes, status: int, text: bytes = b"no") -> bytes:
    """Return an ERROR that sends `original`, a header, back."""
    payload = original + text + b"\0"
    payload += bytes(-len(payload) % 8)
    return HEADER.pack(ERROR, len(payload), 0, 0, 0, status) + payload


@pytest.mark.parametrize("tcp", ["refuse", "ignore"])
def test_finding_3_2_01_failed_tcp_connect_leads_to_a_new_search(tcp: str) -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    server.tcp = tcp  # type: ignore[assignment]
    client = FakeClient(network)
    pv = client.pv("pv")
    network.clock.run_until(lambda: pv.state is PVState.CONNECTING)
    network.clock.run_until(lambda: pv.state is PVState.SEARCHING, limit=5.1)
    assert not client.engine.circuits
    server.tcp = "accept"
    network.clock.run_until(lambda: pv.connected, limit=2.0)
    assert pv.states == ["connected"]


def test_finding_3_2_01_pauses_between_attempts_to_connect_grow_and_have_an_end() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    server.tcp = "refuse"
    client = FakeClient(network, EPICS_CA_MAX_SEARCH_PERIOD="60")
    pv = client.pv("pv")
    attempts: list[float] = []
    connect = network.connect

    def count(circuit: Circuit) -> None:
        attempts.append(network.clock.now)
        connect(circuit)

    network.connect = count  # type: ignore[method-assign]
    network.clock.run(600.0)
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert pauses[0] >= 0.5
    assert len(attempts) < 30
    network.clock.run(200_000.0)  # long enough for a penalty that doubles without end to overflow
    server.tcp = "accept"
    network.clock.run_until(lambda: pv.connected, limit=100.0)


def test_finding_3_2_01_unreachable_server_delays_nobody_else() -> None:
    network = FakeNetwork()
    dead, alive = FakeServer(network, ["dead"]), FakeServer(network, ["alive"], ("10.0.0.2", 5064))
    dead.tcp = "ignore"
    client = FakeClient(network)
    client.pv("dead")
    other = client.pv("alive")
    assert network.clock.run_until(lambda: other.connected) < 0.1
    assert alive.connections


def test_finding_3_2_02_create_ch_fail_leads_to_a_new_search() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    refusals = 0

    def refuse_twice(connection: object, request: CreateChanRequest) -> object:
        nonlocal refusals
        refusals += 1
        if refusals == 2:
            server.script.clear()
        return CreateChFailResponse(request.cid)

    server.on(CreateChanRequest, refuse_twice)  # type: ignore[arg-type]
    client = FakeClient(network)
    pv = client.pv("pv")
    took = network.clock.run_until(lambda: pv.connected)
    assert server.searched == ["pv"] * 3
    # The pause grows, so that a server that is wrong about a name is not asked at the speed of the network.
    assert 0.5 + 1.0 < took < 2.0
    assert pv.states == ["connected"]


def test_finding_3_2_03_server_disconn_takes_the_channel_away() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv", "other"])
    client = FakeClient(network)
    pv, other = client.connect("pv"), client.connect("other")
    sub = client.subscribe(pv)
    network.clock.settle()
    stale_sid = pv.channel.sid  # type: ignore[union-attr]
    server.connection.send(ServerDisconnResponse(pv.channel.cid))  # type: ignore[union-attr]
    network.clock.run_until(lambda: not pv.connected)
    assert other.connected
    network.clock.run_until(lambda: pv.connected)
    assert pv.channel.sid != stale_sid  # type: ignore[union-attr]
    assert pv.states == ["connected", "disconnected", "connected"]
    assert other.states == ["connected"]
    server.post("pv", 7.0)
    network.clock.run(0.1)
    assert sub.values[-1] == 7.0


@pytest.mark.parametrize("extended", [False, True])
def test_finding_3_2_04_and_18_error_reply_fails_the_request_it_is_about(extended: bool) -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    server.records["pv"] = FakeRecord(count=100_000, value=[0.0] * 100_000)
    client = FakeClient(network)
    pv = client.connect("pv")

    def refuse(connection: object, request: ReadNotifyRequest) -> bytes:
        if extended:  # 24 bytes: the length and the count do not fit the short header
            original = HEADER.pack(15, 0xFFFF, 6, 0, request.sid, request.ioid)
            original += struct.pack(">II", 0, 100_000)
        else:
            original = HEADER.pack(15, 0, 6, 0, request.sid, request.ioid)
        return error_message(original, GETFAIL, b"sensor unplugged")

    server.on(ReadNotifyRequest, refuse)
    waiter = client.read(pv)
    network.clock.run(0.1)  # much less than the timeout
    error = waiter.error
    assert isinstance(error, CAStatusError)
    assert error.status.name == "ECA_GETFAIL"
    assert error.pv_name == "pv"
    assert "sensor unplugged" in str(error)
    assert pv.connected


def test_finding_3_2_04_error_reply_to_a_write_with_a_text_that_is_not_terminated() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    pv = client.connect("pv")

    def refuse(connection: object, request: WriteNotifyRequest) -> bytes:
        original = HEADER.pack(19, 8, 6, 1, request.sid, request.ioid)
        return HEADER.pack(ERROR, 24, 0, 0, 0, BADTYPE) + original + b"12345678"

    server.on(WriteNotifyRequest, refuse)
    waiter = client.write(pv, 1.0)
    network.clock.run(0.1)
    assert isinstance(waiter.error, CAStatusError)
    assert isinstance(waiter.error.response, ErrorResponse)
    assert waiter.error.response.error_message == "12345678"


def test_finding_3_2_04_error_reply_to_a_subscription_is_logged_with_the_pv(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    pv = client.connect("pv")

    def refuse(connection: object, request: EventAddRequest) -> bytes:
        original = HEADER.pack(1, 16, 6, 1, request.sid, request.subscriptionid)
        return error_message(original, NORDACCESS)

    server.on(EventAddRequest, refuse)
    with caplog.at_level(logging.WARNING, "caproto"):
        client.subscribe(pv)
        network.clock.run(0.1)
    assert "ECA_NORDACCESS" in caplog.text
    assert "'pv'" in caplog.text
    assert pv.connected


@pytest.mark.parametrize("status", [0, 7, 9999, 0xFFFFFFFF])
def test_finding_3_2_04_error_reply_with_a_status_that_does_not_exist(status: int) -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    pv = client.connect("pv")

    def refuse(connection: object, request: ReadNotifyRequest) -> bytes:
        return error_message(HEADER.pack(15, 0, 6, 1, request.sid, request.ioid), status)

    server.on(ReadNotifyRequest, refuse)
    waiter = client.read(pv)
    network.clock.run(0.1)
    assert isinstance(waiter.error, CAStatusError)
    assert pv.connected


def test_finding_3_2_05_write_whose_circuit_dies_fails_with_an_error_that_says_so() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    pv = client.connect("pv")
    server.die_on(WriteNotifyRequest)
    waiter = client.write(pv, 1.0)
    network.clock.run(1.0)
    assert isinstance(waiter.error, DisconnectedError)
    assert "whether the value was written is not known" in str(waiter.error)
    # It is never sent again: the server may have done it.
    writes = sum(len(connection.of(WriteNotifyRequest)) for connection in server.connections)
    assert writes == 1


def test_finding_3_2_05_read_whose_circuit_dies_is_repeated_on_the_next_one() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    pv = client.connect("pv")
    server.die_on(ReadNotifyRequest)
    waiter = client.read(pv, timeout=5.0)
    network.clock.run_until(lambda: not pv.connected)
    server.script.clear()
    network.clock.run_until(waiter.done)
    assert waiter.result is not None
    assert waiter.result.value == 0.0


def test_finding_3_2_12_dead_circuits_are_removed() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    pv = client.connect("pv")
    for _ in range(5):
        network.clock.run(1.0)
        server.stop()
        network.clock.run_until(lambda: not pv.connected)
        assert client.engine.circuits == {}
        server.start()
        network.clock.run_until(lambda: pv.connected)
        assert len(client.engine.circuits) == 1


def test_finding_3_2_13_empty_update_is_delivered_with_empty_data() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    record = server.records["pv"] = FakeRecord(count=10, value=[])
    client = FakeClient(network)
    pv = client.connect("pv")
    sub = client.subscribe(pv)
    network.clock.run(0.1)
    server.post("pv", [1.0, 2.0])
    server.post("pv", [])
    network.clock.run(0.1)
    assert record.value == []
    assert [len(update.data) for update in sub.updates] == [0, 2, 0]
    assert [update.data_count for update in sub.updates] == [0, 2, 0]


def test_finding_3_2_13_confirmation_of_a_cancellation_is_not_an_empty_update() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    server.records["pv"] = FakeRecord(count=10, value=[])
    client = FakeClient(network)
    pv = client.connect("pv")
    sub = client.subscribe(pv)
    network.clock.run(0.1)
    sub.stop()
    network.clock.run(0.1)
    assert len(server.connection.of(EventCancelRequest)) == 1
    assert len(sub.updates) == 1


@pytest.mark.parametrize("data_type", [ChannelType.DOUBLE, ChannelType.TIME_DOUBLE])
def test_finding_3_2_13_value_of_an_empty_update_is_an_empty_array(data_type: int) -> None:
    message = EventAddResponse([], data_type, 0, 1, 0)
    assert len(message.data) == 0
    assert len(message.value) == 0
    assert "data_count=0" in repr(message)


# --- the finding that ours had of its own -------------------------------------------------------------------------------


def test_finding_3_2_01_server_that_closes_every_connection_is_not_stormed() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    server.die_on(CreateChanRequest)
    client = FakeClient(network)
    client.pv("pv")
    network.clock.run(60.0)
    # Pauses of 0.5 s, 1 s, 2 s, ..., and not one attempt per round trip.
    assert 4 <= len(server.connections) <= 12


def test_finding_3_2_01_server_that_dies_of_a_subscription_is_not_stormed() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    server.die_on(EventAddRequest)
    client = FakeClient(network)
    pv = client.connect("pv")
    client.subscribe(pv)
    network.clock.run(30.0)
    assert 10 <= len(server.connections) <= 80


def test_finding_3_2_01_channel_that_cannot_be_right_is_not_asked_for_in_a_storm() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    server.on(
        CreateChanRequest,
        lambda connection, request: (
            CreateChanResponse(ChannelType.DOUBLE, 1, request.cid, 1)
            .__bytes__()
            .replace(b"\0\x06\0\x01", b"\0\x63\0\x01")
        ),  # no such data type
    )
    client = FakeClient(network)
    pv = client.pv("pv")
    waiter = client.wait(pv, timeout=30.0)
    network.clock.run(60.0)
    assert isinstance(waiter.error, CaprotoTimeoutError)
    assert len(server.connections) <= 12
