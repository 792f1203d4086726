"""What a program may ask for: the rest is refused at the call, before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest

from caproto._errors import (
    CaprotoTypeError,
    CaprotoValueError,
)
from caproto._protocol.enums import ChannelType
from caproto._protocol.messages import (
    EchoRequest,
    WriteNotifyRequest,
    WriteNotifyResponse,
)
from caproto._protocol.messages.values import DataMessage
from tests.support.fakes import (
    FakeClient,
    FakeClock,
    FakeNetwork,
    FakePV,
    FakeRecord,
    FakeServer,
)


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
    assert client.connect("a").open_channel.readable_type(given) == sent


@pytest.mark.parametrize("given", ["fancy", -1, 39, 35, ChannelType.PUT_ACKS, object(), "6"])
def test_types_that_cannot_be_read_are_refused_before_anything_is_sent(
    client: FakeClient, server: FakeServer, given: Any
) -> None:
    """A C server closes the circuit for a type that does not exist."""
    pv = client.connect("a")
    with pytest.raises(CaprotoValueError, match=r"^a: .*(known|type|written only)") as caught:
        pv.open_channel.readable_type(given)
    assert caught.value.pv_name == "a"


@pytest.mark.parametrize(("given", "kind"), [(-1, ValueError), (2, ValueError), (1.5, TypeError)])
def test_counts_that_cannot_be_read_are_refused_before_anything_is_sent(
    client: FakeClient, server: FakeServer, given: Any, kind: type[Exception]
) -> None:
    pv = client.connect("a")
    with pytest.raises(kind, match=r"^a: data_count"):
        pv.open_channel.readable_count(given)


def encode(pv: FakePV, data: Any, data_type: Any = None, data_count: int | None = None) -> Any:
    """Return type, count and payload of a write, the payload as bytes."""
    wire_type, count, payload = pv.open_channel.write_body(data, data_type, data_count)
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
    with pytest.raises(kind, match=r"^a: ") as caught:
        pv.open_channel.write_body(data, data_type, data_count)
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
        pv.open_channel.write_body(b"x" * 66_000, None, None)
    with pytest.raises(CaprotoValueError, match="empty array"):
        pv.open_channel.write_body(b"", None, None)


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
