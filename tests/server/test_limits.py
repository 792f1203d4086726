"""What one client may take, in the engine."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from caproto import ChannelByte, ChannelDouble, RemoteProtocolError
from caproto.server import ClientLimits
from caproto.server._engine.limits import HeldUpdates
from tests.support.raw_messages import RawMessage, raw_message

from .fake_shell import Client
from .slow_pvs import SlowBoth, SlowRead, SlowWrite

ALLOCMEM, TOLARGE = 48, 72
LARGE_COUNT = 4000


def complaint(sent: list[RawMessage]) -> tuple[int, str]:
    """Return status and text of the one error message."""
    (error,) = sent
    assert error.command == 11
    return error.p2, error.payload[16:].partition(b"\0")[0].decode()


def test_one_channel_too_many_is_refused_and_the_others_stay() -> None:
    client = Client({"x": ChannelDouble(value=1.0)}, limits=ClientLimits(max_channels=1))
    sid = client.create("x", 1)
    error, failed = client.tell(raw_message(18, p1=2, p2=13, payload=b"x\0"))
    assert complaint([error]) == (ALLOCMEM, "a client may have 1 channels, no more")
    assert (failed.command, failed.p1) == (26, 2)
    client.tell(raw_message(12, p1=sid, p2=1))
    client.create("x", 3)


def test_subscriptions_of_one_channel_and_of_all_are_limited() -> None:
    limits = ClientLimits(max_subscriptions=2, max_client_subscriptions=3)
    client = Client({"x": ChannelDouble(value=1.0)}, limits=limits)
    first, second = client.create("x", 1), client.create("x", 2)
    for id_ in (1, 2):
        assert [each.command for each in client.subscribe(first, id_)] == [1]
    status, text = complaint(client.subscribe(first, 3))
    assert (status, text) == (ALLOCMEM, "no more than 2 subscriptions to x")
    assert [each.command for each in client.subscribe(second, 4)] == [1]
    status, text = complaint(client.subscribe(second, 5))
    assert (status, text) == (ALLOCMEM, "a client may have 3 subscriptions, no more")
    client.tell(raw_message(2, 6, 0, first, 1))
    assert [each.command for each in client.subscribe(second, 5)] == [1]
    client.tell(raw_message(12, p1=first, p2=1))
    assert client.circuit.subscriptions == 2
    assert [each.command for each in client.subscribe(second, 5)] == [1]  # in place of itself
    assert client.circuit.subscriptions == 2


@pytest.mark.parametrize("command", [4, 19])
def test_requests_that_wait_for_a_slow_pv_are_limited(command: int) -> None:
    pv = SlowWrite(value=0.0)
    client = Client({"x": pv, "y": ChannelDouble(value=1.0)}, limits=ClientLimits(max_requests=2))
    slow, quick = client.create("x", 1), client.create("y", 2)
    value = struct.pack(">d", 1.0)
    for ioid in (1, 2):
        assert client.tell(raw_message(command, 6, 1, slow, ioid, value)) == []
    status, text = complaint(client.tell(raw_message(command, 6, 1, slow, 3, value)))
    assert (status, text) == (ALLOCMEM, "x: 2 requests wait already for slow PVs")
    assert [each.command for each in client.tell(raw_message(15, 6, 1, quick, 4))] == [15]
    client.open(pv.gates[0])
    assert client.tell(raw_message(command, 6, 1, slow, 5, value)) == []


def test_bytes_that_wait_to_be_written_are_limited_but_one_request_always_fits() -> None:
    pv = SlowWrite(value=[0.0] * LARGE_COUNT)
    client = Client({"x": pv}, limits=ClientLimits(max_queued_bytes=1000))
    sid = client.create("x")
    assert client.tell(large_write(sid, 1)) == []
    status, text = complaint(client.tell(large_write(sid, 2)))
    assert (status, text) == (ALLOCMEM, "x: 32000 bytes wait already to be written to slow PVs")
    client.open(pv.gates[0])
    assert client.tell(large_write(sid, 3)) == []


def large_write(sid: int, ioid: int) -> bytes:
    return raw_message(19, 6, LARGE_COUNT, sid, ioid, bytes(8 * LARGE_COUNT))


def test_room_of_waiting_requests_is_free_again_when_their_channel_is_closed() -> None:
    pv = SlowBoth(value=0.0)
    client = Client({"x": pv}, limits=ClientLimits(max_requests=3))
    sid = client.create("x", 1)
    value = struct.pack(">d", 1.0)
    client.tell(raw_message(15, 6, 1, sid, 9))
    for ioid in range(2):
        client.tell(raw_message(19, 6, 1, sid, ioid, value))
    client.tell(raw_message(12, p1=sid, p2=1))
    sid = client.create("x", 2)
    for ioid in range(2):  # the read that has begun is the third
        assert client.tell(raw_message(19, 6, 1, sid, ioid, value)) == []
    assert complaint(client.tell(raw_message(19, 6, 1, sid, 9, value)))[0] == ALLOCMEM


def test_slow_reads_and_subscriptions_are_limited_too() -> None:
    client = Client({"x": SlowRead(value=0.0)}, limits=ClientLimits(max_requests=1))
    sid = client.create("x")
    assert client.tell(raw_message(15, 6, 1, sid, 1)) == []
    assert complaint(client.tell(raw_message(15, 6, 1, sid, 2)))[0] == ALLOCMEM
    assert complaint(client.subscribe(sid, 3))[0] == ALLOCMEM
    assert client.circuit.subscriptions == 0
    assert not client.circuit.channels[sid].subscriptions


@pytest.mark.parametrize(
    ("pv", "command", "size", "count"),
    [
        ("small", 19, 1 << 25, 1 << 25),
        ("none", 19, 1 << 17, 1 << 17),
        ("small", 15, 1 << 17, 1 << 17),
        ("small", 1, 1 << 17, 1 << 17),
        ("small", 18, 1 << 17, 0),
    ],
)
def test_payload_that_no_pv_could_need_is_refused_before_it_is_received(
    pv: str, command: int, size: int, count: int
) -> None:
    client = Client({"small": ChannelByte(value=b"1", max_length=100)})
    sid = client.create("small") if pv == "small" else 99
    head = struct.pack(">HHHHIIII", command, 0xFFFF, 4, 0, sid, 1, size, count)
    with pytest.raises(RemoteProtocolError, match="allowed"):
        client.circuit.feed(head)
    status, text = complaint([RawMessage(*each) for each in split_errors(client.taken())])
    assert status == TOLARGE
    assert str(size) in text


def split_errors(data: bytes) -> list[Any]:
    """Take error messages apart whose embedded header is an extended one."""
    command, size, data_type, count, p1, p2 = struct.unpack_from(">HHHHII", data)
    assert len(data) == 16 + size
    return [(command, data_type, count, p1, p2, data[24:])]


def test_longer_array_than_the_pv_holds_is_cut_as_the_c_ioc_does() -> None:
    pv = ChannelDouble(value=[0.0, 0.0], max_length=2)
    client = Client({"x": pv})
    sid = client.create("x")
    (answer,) = client.tell(raw_message(19, 6, 3, sid, 1, struct.pack(">3d", 1, 2, 3)))
    assert (answer.command, answer.p1) == (19, 1)
    assert list(pv.value) == [1.0, 2.0]


def test_limit_below_what_a_chunk_holds_counts_as_well() -> None:
    pv = ChannelDouble(value=[0.0] * LARGE_COUNT)
    client = Client({"x": pv}, limits=ClientLimits(max_payload=16384))
    sid = client.create("x")
    with pytest.raises(RemoteProtocolError, match="16384 are allowed"):
        client.circuit.feed(large_write(sid, 1))
    assert complaint([RawMessage(*each) for each in split_errors(client.taken())])[0] == TOLARGE


def test_updates_beyond_the_bytes_that_may_be_held_come_with_the_value_of_later() -> None:
    size = 8 * LARGE_COUNT
    pvs = {f"a{i}": ChannelDouble(value=[0.0] * LARGE_COUNT) for i in range(4)}
    client = Client(pvs, limits=ClientLimits(max_queued_bytes=2 * size + 100))
    for cid, name in enumerate(pvs):
        client.subscribe(client.create(name, cid), cid)
    client.tell(raw_message(8))
    for number in (1.0, 2.0, 3.0):
        for pv in pvs.values():
            pv.write_now([number] * LARGE_COUNT, pv.data_type, None)
    held = client.circuit.held
    assert held is not None
    assert held.nbytes == 2 * size
    assert [update is None for update in held.values()] == [False, False, True, True]
    sent = client.tell(raw_message(9))
    found = sorted((each.p2, struct.unpack_from(">d", each.payload)[0]) for each in sent)
    assert found == [(i, 3.0) for i in range(4)]


def test_held_updates_count_their_bytes() -> None:
    held = HeldUpdates(100)
    one: Any = "a subscription"
    two: Any = "another"
    held[one] = (b"", b"1234", b"56")
    held[one] = (b"", b"12", b"")
    assert held.nbytes == 2
    held[two] = (b"", b"", bytes(99))
    assert held[two] is None
    held.discard(two)
    held.discard(two)
    assert held.take(one) == (b"", b"12", b"")
    assert held.nbytes == 0


def test_names_of_clients_are_cut() -> None:
    client = Client({}, greet=False)
    client.tell(raw_message(20, payload=b"x" * 5000), raw_message(21, payload=b"y" * 5000))
    assert (len(client.circuit.client_name), len(client.circuit.host_name)) == (512, 512)
