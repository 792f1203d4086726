"""Reads and confirmed writes: ids, replies, failures, timeouts, and what becomes of them when a circuit dies."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from caproto._errors import (
    CaprotoTimeoutError,
    CaprotoTypeError,
    CaprotoValueError,
    CAStatusError,
    DisconnectedError,
)
from caproto._protocol.enums import ChannelType
from caproto._protocol.messages import (
    CreateChanRequest,
    EchoRequest,
    ErrorResponse,
    Message,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ServerDisconnResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)
from caproto._protocol.messages.values import DataMessage
from tests.support.fakes import (
    FakeClient,
    FakeClock,
    FakeNetwork,
    FakePV,
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


# --- failing replies ------------------------------------------------------------------------------------------------


def assert_failed(waiter: FakeWaiter, pv: FakePV, name: str, response: type[Message]) -> None:
    """Check the fields of the error of a failed request."""
    error = waiter.error
    assert isinstance(error, CAStatusError)
    assert error.pv_name == pv.name
    assert error.address == ("10.0.0.1", 5064)
    assert error.status.name == name
    assert isinstance(error.response, response)
    assert repr(pv.name) in str(error)


def test_failing_status_is_an_error_that_carries_pv_status_and_response(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Pyepics pull request 288: ECA_NOWTACCESS is to be told, not waited for."""
    pv = client.connect("a")
    server.on(
        ReadNotifyRequest,
        lambda connection, request: ReadNotifyResponse([0.0], 6, 1, 368, request.ioid),
    )
    server.on(
        WriteNotifyRequest, lambda connection, request: WriteNotifyResponse(6, 1, 376, request.ioid)
    )
    read, write = client.read(pv), client.write(pv, 1)
    clock.run(0.1)
    assert_failed(read, pv, "ECA_NORDACCESS", ReadNotifyResponse)
    assert "could not read" in str(read.error)
    assert_failed(write, pv, "ECA_NOWTACCESS", WriteNotifyResponse)
    assert "could not write to" in str(write.error)


def test_callback_gets_a_failing_reply_as_it_came(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Decision on promise 25."""
    pv = client.connect("a")
    server.on(
        WriteNotifyRequest, lambda connection, request: WriteNotifyResponse(6, 1, 160, request.ioid)
    )
    seen: list[Any] = []
    client.write(pv, 1, callback=seen.append)
    clock.run(0.1)
    assert [message.status.name for message in seen] == ["ECA_PUTFAIL"]


@pytest.mark.parametrize("status", [0xFFFF, 0xFFFFFFFE, 0x7FFFFFF8, 2, 5 << 3 | 7 - 7])
def test_unknown_status_codes_are_tolerated(
    client: FakeClient, clock: FakeClock, server: FakeServer, status: int
) -> None:
    """Protocol facts 5.7: codes of odd servers must not raise where the original has a KeyError."""
    pv = client.connect("a")
    server.on(
        ReadNotifyRequest,
        lambda connection, request: ReadNotifyResponse([0.0], 6, 1, status, request.ioid),
    )
    waiter = client.read(pv)
    clock.run(0.1)
    assert waiter.answered
    if not status & 1:
        assert waiter.error.status.code_with_severity == status
    assert pv.connected


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("kind", ["read", "deprecated read", "write"])
def test_error_reply_fails_the_request_that_it_quotes(
    client: FakeClient, clock: FakeClock, server: FakeServer, kind: str, extended: bool
) -> None:
    """Findings of 3.2, numbers 4 and 18: ignored by the original; the quoted header may be 24 bytes long."""

    def complain(connection: Any, request: Any) -> Message:
        if extended:
            request._head = (*request._head, True)
        return ErrorResponse(request, 0xFFFFFFFF, 176, "no such count")

    for cls in (ReadNotifyRequest, ReadRequest, WriteNotifyRequest):
        server.on(cls, complain)
    pv, other = client.connect("a"), client.connect("b")
    if kind == "write":
        waiter = client.write(pv, 1)
    else:
        waiter = client.read(pv, notify=kind == "read")
    clock.run(0.1)
    assert_failed(waiter, pv, "ECA_BADCOUNT", ErrorResponse)
    assert "The server says: no such count" in str(waiter.error)
    assert other.connected
    assert pv.circuit is not None
    assert pv.circuit.pending == []


def test_error_reply_goes_to_the_callback_too(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.on(
        ReadNotifyRequest, lambda connection, request: ErrorResponse(request, 0, 152, "broken")
    )
    pv = client.connect("a")
    seen: list[Any] = []
    client.request(pv, None, callback=seen.append)
    clock.run(0.1)
    assert [message.error_message for message in seen] == ["broken"]


def test_error_with_a_successful_status_is_a_failure_all_the_same(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.on(ReadNotifyRequest, lambda connection, request: ErrorResponse(request, 0, 1, "fine?"))
    pv = client.connect("a")
    waiter = client.read(pv)
    clock.run(0.1)
    assert_failed(waiter, pv, "ECA_INTERNAL", ErrorResponse)


def test_error_for_an_unconfirmed_write_is_logged_with_the_name_of_the_pv(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Protocol facts 7: the quoted header of a WRITE has the cid where others have their ioid."""
    server.on(WriteRequest, lambda connection, request: ErrorResponse(request, 0, 376, "not you"))
    client.connect("b")
    pv = client.connect("a")
    assert pv.circuit is not None
    assert pv.channel is not None
    with caplog.at_level(logging.WARNING, "caproto.ch"):
        pv.circuit.send(bytes(WriteRequest([1.0], 6, 1, pv.channel.sid or 0, pv.channel.cid)))
        clock.run(0.1)
    (record,) = caplog.records
    assert "for 'a'" in record.getMessage()
    assert "ECA_NOWTACCESS" in record.getMessage()
    assert "not you" in record.getMessage()
    assert record.__dict__["pv"] == "a"


@pytest.mark.parametrize(
    ("payload", "cid", "subject"),
    [
        (b"", 0xFFFFFFFF, ""),  # no header is quoted
        (bytes(16) + b"text\0\0\0\0", 0xFFFFFFFF, ""),  # VERSION
        # A read that nobody waits for: what is quoted there is the sid, not a cid.
        (bytes.fromhex("000f0000000600010000000000001267") + b"text\0\0\0\0", 1, " for 'b'"),
        (
            bytes.fromhex("000c0000000000000000006500000001") + b"text\0\0\0\0",
            0xFFFFFFFF,
            " for 'b'",
        ),
    ],
)
def test_error_about_something_else_names_the_right_pv_or_none(
    client: FakeClient,
    clock: FakeClock,
    server: FakeServer,
    caplog: pytest.LogCaptureFixture,
    payload: bytes,
    cid: int,
    subject: str,
) -> None:
    client.connect("a")
    client.connect("b")
    head = bytes.fromhex("000b") + len(payload).to_bytes(2, "big") + bytes(4)
    with caplog.at_level(logging.WARNING, "caproto"):
        server.connection.send(head + cid.to_bytes(4, "big") + (142).to_bytes(4, "big") + payload)
        clock.run(0.1)
    (message,) = caplog.messages
    assert message.startswith(f"Server 10.0.0.1:5064 reports ECA_INTERNAL{subject}: ")


# --- timeouts -------------------------------------------------------------------------------------------------------


def test_timeout_of_a_reply_says_who_did_not_answer_what_and_for_how_long(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 23: the wording of the page, and then what helps."""
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    clock.run(1.0)
    waiter = client.read(pv, timeout=2.0)
    seconds = clock.run_until(waiter.done)
    assert 2.0 <= seconds < 2.05
    error = waiter.error
    assert isinstance(error, CaprotoTimeoutError)
    assert str(error).startswith(
        "Server at 10.0.0.1:5064 did not respond to attempt to read channel named 'a' within 2.0-second timeout. "
        "The ioid of the expected response is 0."
    )
    assert "sent nothing for 3.0 s" in str(error)
    assert (error.pv_name, error.address) == ("a", server.address)
    assert (error.stage, error.timeout) == ("reply", 2.0)


def test_timeout_of_a_write_and_of_a_deprecated_read(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(WriteNotifyRequest, ReadRequest)
    pv = client.connect("a")
    write, read = client.write(pv, 1, timeout=0.5), client.read(pv, notify=False, timeout=0.5)
    patient = client.read(pv, timeout=5.0)
    clock.run(1.0)
    assert "attempt to write to channel named 'a' within 0.5-second" in str(write.error)
    assert "attempt to read channel named 'a' within 0.5-second" in str(read.error)
    assert patient.result is not None


def test_timeout_before_anything_was_found_says_so(client: FakeClient, clock: FakeClock) -> None:
    pv = client.pv("nobody")
    connection = client.wait(pv, timeout=1.0)
    search = client.wait(pv, timeout=1.5, for_search=True)
    clock.run(2.0)
    assert str(connection.error).startswith(
        "<PV name='nobody' priority=0 (searching....)> could not connect within 1.0-second timeout."
    )
    assert "No servers responded to a search" in str(connection.error)
    assert "It was asked for 6 times." in str(connection.error)
    assert (connection.error.stage, connection.error.timeout) == ("search", 1.0)
    assert str(search.error).startswith(
        "No servers responded to a search for a channel named 'nobody' within 1.5-second timeout."
    )
    assert search.error.stage == "search"


def test_timeout_while_the_connection_is_made_says_so(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.tcp = "ignore"
    pv = client.pv("a")
    waiter = client.wait(pv, timeout=1.0)
    found = client.wait(pv, for_search=True)
    clock.run(1.5)
    assert found.error is None
    text = str(waiter.error)
    assert "could not connect within 1.0-second timeout" in text
    assert "10.0.0.1:5064 answered the search, but a TCP connection to it is not made yet" in text
    assert "firewall" in text
    assert waiter.error.stage == "connect"
    assert waiter.error.address == server.address


def test_timeout_while_the_channel_is_made_says_so(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(CreateChanRequest)
    pv = client.pv("a")
    waiter = client.wait(pv, timeout=1.0)
    clock.run(1.5)
    assert "owes 1 channels" in str(waiter.error)
    assert waiter.error.stage == "create"


def test_timeout_of_an_idle_pv_names_it(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.engine.make_idle(pv)
    waiter = client.wait(pv, timeout=1.0)
    clock.run(1.5)
    assert str(waiter.error) == (
        "<PV name='a' priority=0 (idle)> could not connect within 1.0-second timeout."
    )
    assert waiter.error.stage is None


def test_waits_end_with_what_they_wait_for(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.pv("a")
    search, connection = client.wait(pv, for_search=True), client.wait(pv, timeout=None)
    clock.run_until(search.done)
    assert pv.states == []
    clock.run_until(connection.done)
    assert pv.states == ["connected"]
    clock.run(10.0)
    assert search.error is connection.error is None


def test_wait_that_was_cancelled_is_not_told(client: FakeClient, clock: FakeClock) -> None:
    waiter = client.wait(client.pv("nobody"), timeout=1.0)
    waiter.cancelled = True
    clock.run(2.0)
    assert waiter.error is None


def test_timeouts_cost_one_look_each_20_ms_at_most(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    clock.run(1.0)
    waiters = [client.read(pv, timeout=1.0 + number / 1000) for number in range(1000)]
    wakes = client.wakes
    clock.run(2.5)
    assert all(waiter.error is not None for waiter in waiters)
    assert client.wakes - wakes < 60


def test_timeout_none_waits_for_ever(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    waiter = client.read(pv, timeout=None)
    clock.run(10_000.0)
    assert not waiter.done()
    server.connection.send(ReadNotifyResponse([1.0], 6, 1, 1, 0))
    clock.run(0.1)
    assert waiter.result.value == 1.0


def test_request_that_was_given_up_is_forgotten(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    waiter = FakeWaiter()
    request = client.request(pv, waiter, timeout=None)
    waiter.cancelled = True
    client.engine.forget(request)
    client.engine.forget(request)
    assert pv.circuit is not None
    assert pv.circuit.pending == []
    assert not pv.busy
    server.connection.send(ReadNotifyResponse([1.0], 6, 1, 1, 0))
    clock.run(0.1)
    assert waiter.result is None


def test_request_whose_waiter_went_away_silently_is_swept_up(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    waiter = client.read(pv, timeout=1.0)
    waiter.cancelled = True
    client.read(pv, timeout=0.5)
    clock.run(0.6)
    assert pv.circuit is not None
    assert pv.circuit.pending == []


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
    assert "from 0 to 5" in str(waiter.error)


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


# --- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, 6),
        ("native", 6),
        ("status", 13),
        ("time", 20),
        ("graphic", 27),
        ("control", 34),
        (ChannelType.TIME_STRING, 14),
        (0, 0),
        (38, 38),
    ],
)
def test_types_that_can_be_read(
    client: FakeClient, server: FakeServer, given: Any, sent: int
) -> None:
    assert client.connect("a").resolve_type(given) == sent


@pytest.mark.parametrize("given", ["fancy", -1, 39, 35, ChannelType.PUT_ACKS, object(), "6"])
def test_types_that_cannot_be_read_are_refused_before_anything_is_sent(
    client: FakeClient, server: FakeServer, given: Any
) -> None:
    """A C server closes the circuit for a type that does not exist (protocol facts 43)."""
    pv = client.connect("a")
    with pytest.raises(CaprotoValueError, match="cannot be read") as caught:
        pv.resolve_type(given)
    assert caught.value.pv_name == "a"


@pytest.mark.parametrize(("given", "kind"), [(-1, ValueError), (2, ValueError), (1.5, TypeError)])
def test_counts_that_cannot_be_read_are_refused_before_anything_is_sent(
    client: FakeClient, server: FakeServer, given: Any, kind: type[Exception]
) -> None:
    pv = client.connect("a")
    with pytest.raises(kind, match="data_count="):
        pv.resolve_count(given)


def encode(pv: FakePV, data: Any, data_type: Any = None, data_count: int | None = None) -> Any:
    """Return type, count and payload of a write, the payload as bytes."""
    wire_type, count, payload = pv.encode(data, data_type, data_count)
    return wire_type, count, bytes(payload)


def test_writes_are_encoded_for_the_channel(client: FakeClient, server: FakeServer) -> None:
    """Decision on promise 29: a label for an enum and text for an array of characters both work."""
    server.records.update(
        enum=FakeRecord(ChannelType.ENUM),
        text=FakeRecord(ChannelType.CHAR, 8),
        short=FakeRecord(ChannelType.INT, 4),
    )
    double, enum, text, short = (client.connect(name) for name in ("a", "enum", "text", "short"))
    assert encode(double, 1.5) == (6, 1, bytes.fromhex("3ff8000000000000"))
    assert encode(enum, "On") == (0, 1, b"On\0\0\0\0\0\0")
    assert encode(enum, ["On"]) == (0, 1, b"On\0\0\0\0\0\0")
    assert encode(enum, 2) == (3, 1, b"\0\2" + bytes(6))
    assert encode(text, "abc") == (4, 4, b"abc\0\0\0\0\0")
    assert encode(text, "12345678") == (4, 8, b"12345678")  # its NUL has no room
    assert encode(short, [1, 2]) == (1, 2, bytes.fromhex("0001000200000000"))
    assert encode(double, 1, "time")[:2] == (20, 1)
    assert len(encode(double, 1, "time")[2]) == 24
    assert encode(double, 1, ChannelType.PUT_ACKT) == (35, 1, b"\0\1" + bytes(6))


@pytest.mark.parametrize(
    ("data", "data_type", "data_count", "kind"),
    [
        ([1, 2], None, None, CaprotoValueError),
        ("not a number", None, None, CaprotoValueError),
        (object(), None, None, CaprotoTypeError),
        (1, "fancy", None, CaprotoValueError),
        (1, ChannelType.STSACK_STRING, None, CaprotoValueError),
        (1, ChannelType.CLASS_NAME, None, CaprotoValueError),
        (1, None, 2, CaprotoValueError),
    ],
)
def test_writes_that_the_channel_cannot_take_are_refused_before_anything_is_sent(
    client: FakeClient,
    server: FakeServer,
    data: Any,
    data_type: Any,
    data_count: int | None,
    kind: type[Exception],
) -> None:
    pv = client.connect("a")
    with pytest.raises(kind, match="'a'") as caught:
        pv.encode(data, data_type, data_count)
    assert getattr(caught.value, "pv_name", None) == "a"


def test_old_servers_are_not_sent_what_their_version_cannot_express(
    network: FakeNetwork, client: FakeClient, clock: FakeClock
) -> None:
    """Protocol facts 2 and 58: extended headers since minor version 9, empty arrays since 13."""
    server = FakeServer(network, version=8)
    server.records["wave"] = FakeRecord(ChannelType.CHAR, 100_000)
    pv = client.connect("wave")
    clock.run(0.1)
    assert encode(pv, b"x" * 65_000)[1] == 65_000
    with pytest.raises(CaprotoValueError, match=r"4\.8"):
        pv.encode(b"x" * 66_000, None, None)
    with pytest.raises(CaprotoValueError, match="empty array"):
        pv.encode(b"", None, None)


def test_large_write_travels_with_an_extended_header(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.records["wave"] = FakeRecord(ChannelType.DOUBLE, 10_000)
    pv = client.connect("wave")
    waiter = client.write(pv, list(range(10_000)))
    clock.run(0.1)
    assert isinstance(waiter.result, WriteNotifyResponse)
    (request,) = server.connection.of(WriteNotifyRequest)
    assert isinstance(request, DataMessage)
    assert request.payload_size == 80_000
    assert server.records["wave"].value[-1] == 9_999.0
    assert server.connection.of(EchoRequest) == []
