"""Reads and writes that the server answers with a failure."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from caproto._errors import (
    CAStatusError,
)
from caproto._protocol.messages import (
    ErrorResponse,
    Message,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)
from tests.support.fakes import (
    FakeClient,
    FakeClock,
    FakePV,
    FakeServer,
    FakeWaiter,
)


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
