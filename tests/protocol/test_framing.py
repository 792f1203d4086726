"""Where messages begin and end, however the bytes arrive."""

from __future__ import annotations

import struct

import pytest

from caproto import Message, ReadNotifyResponse, RemoteProtocolError
from caproto._protocol import framing
from caproto._protocol.arrays import Buffer
from caproto._protocol.framing import COMMANDS, LARGE, MessageStream, walk_datagram
from caproto._protocol.header import Head, pack_head
from caproto._protocol.messages import wire

from .literals import LITERALS

STREAM = b"".join(each.wire for each in LITERALS)


class Collector:
    """A stream whose messages are collected."""

    def __init__(self, max_payload: int = 1 << 31) -> None:
        self.messages: list[tuple[Head, bytes]] = []
        self.stream = MessageStream([self.take] * COMMANDS, max_payload)

    def take(self, head: Head, payload: Buffer) -> None:
        self.messages.append((head, bytes(payload)))

    def feed(self, *chunks: bytes) -> Collector:
        for chunk in chunks:
            self.stream.feed(chunk)
        return self

    @property
    def wire(self) -> bytes:
        return b"".join(bytes(wire(Message, head, payload)) for head, payload in self.messages)


def chunks_of(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 15, 16, 17, 23, 24, 25, 1000])
def test_stream_in_chunks_of_any_size(size: int) -> None:
    whole = Collector().feed(STREAM)
    assert whole.wire == STREAM
    assert len(whole.messages) == len(LITERALS) == whole.stream.messages
    parts = Collector().feed(*chunks_of(STREAM, size))
    assert parts.messages == whole.messages
    assert parts.stream.messages == len(LITERALS)


def test_payload_of_a_message_is_not_the_whole_chunk() -> None:
    # A response that is kept must not keep a chunk of 256 KiB.
    kept: list[Buffer] = []
    stream = MessageStream([lambda head, payload: kept.append(payload)] * COMMANDS)
    stream.feed(bytes(ReadNotifyResponse([1.0], 6, 1, 1, 0)) * 1000)
    assert {type(payload) for payload in kept} == {bytes}
    assert {len(payload) for payload in kept} == {8}


def test_bytes_needed_until_the_next_message() -> None:
    collector = Collector()
    small = bytes(ReadNotifyResponse([1.0], 6, 1, 1, 0))
    large = bytes(ReadNotifyResponse(bytes(LARGE), 4, None, 1, 0))
    assert collector.stream.bytes_needed == 16
    for sent, needed in ((5, 11), (16, 8), (23, 1), (24, 16)):
        collector = Collector().feed(small[:sent])
        assert collector.stream.bytes_needed == needed
    # Of the extended form one learns only from the first 16 bytes.
    for sent, needed in ((16, 8), (20, 4), (24, LARGE), (25, LARGE - 1), (len(large), 16)):
        collector = Collector().feed(large[:sent])
        assert collector.stream.bytes_needed == needed
    extended = pack_head(15, 8, 6, 1, 1, 0, long=True) + bytes(8)
    assert Collector().feed(extended[:28]).stream.bytes_needed == 4


def test_extended_header_of_a_small_message() -> None:
    # rsrv/caserverio.c chooses the form by the largest size that the array can have.
    data = pack_head(1, 8, 6, 1, 1, 3, long=True) + struct.pack(">d", 2.5)
    for chunks in ([data], chunks_of(data, 1)):
        [(head, payload)] = Collector().feed(*chunks).messages
        assert head == (1, 8, 6, 1, 1, 3, True)
        assert payload == data[24:]


def test_count_0_in_a_short_header_is_no_extended_form() -> None:
    # ca/tcpiiu.cpp looks at the size only.
    [(head, _)] = Collector().feed(struct.pack(">HHHHII", 15, 0, 6, 0, 1, 0)).messages
    assert head == (15, 0, 6, 0, 1, 0)


# --- large payloads ---------------------------------------------------------------------------------


def large_message(elements: int = 100_000) -> bytes:
    return bytes(ReadNotifyResponse(range(elements), 5, None, 1, 9))


@pytest.mark.parametrize("size", [4096, 65536, 1 << 20])
def test_large_payload_is_put_together(size: int) -> None:
    data = STREAM + large_message() + STREAM + large_message() + STREAM
    collector = Collector().feed(*chunks_of(data, size))
    assert collector.wire == data
    assert collector.stream.messages == 3 * len(LITERALS) + 2


def test_large_payload_is_received_straight_into_its_buffer() -> None:
    data = large_message()
    payloads: list[Buffer] = []
    stream = MessageStream([lambda head, payload: payloads.append(payload)] * COMMANDS)
    assert not stream.large_room()
    stream.feed(data[:100])
    position = 100
    while room := stream.large_room():
        taken = min(len(room), 1000, len(data) - position)
        room[:taken] = data[position : position + taken]
        room.release()
        position += taken
        assert stream.large_received(taken) == (position == len(data))
    assert position == len(data)
    [payload] = payloads
    assert isinstance(payload, memoryview)  # memory of its own
    assert payload == data[24:]
    assert stream.messages == 1
    stream.feed(data[:10])  # and the stream goes on
    assert stream.bytes_needed == 6


def test_payload_is_large_from_64_kib_on() -> None:
    for size, large in ((LARGE - 8, False), (LARGE, True)):
        stream = MessageStream([lambda head, payload: None] * COMMANDS)
        stream.feed(pack_head(15, size, 4, size, 1, 0))
        assert bool(stream.large_room()) is large


@pytest.mark.parametrize("size", [999, 70_000])
def test_memory_for_a_large_payload_grows_with_what_is_received(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So a peer that only announces much costs nothing.
    monkeypatch.setattr(framing, "_ROOM", 1000)
    data = large_message() + STREAM
    collector = Collector()
    collector.feed(data[:24])
    expected = [collector.stream.expects_large]
    assert len(collector.stream.large_room()) == 1000
    assert collector.stream.bytes_needed == 400_000
    collector.feed(*chunks_of(data[24:], size))
    expected.append(collector.stream.expects_large)
    assert expected == [True, False]
    assert collector.wire == data


def test_handlers_can_be_exchanged_in_the_midst_of_a_chunk() -> None:
    first, second = Collector(), Collector()

    def hand_over(head: Head, payload: Buffer) -> None:
        first.take(head, payload)
        first.stream.set_handlers([second.take] * COMMANDS)

    first.stream.set_handlers([hand_over] * COMMANDS)
    first.feed(STREAM)
    assert (len(first.messages), len(second.messages)) == (1, len(LITERALS) - 1)


# --- what cannot be Channel Access ------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4, 12])
def test_misaligned_payload_ends_the_stream(size: int) -> None:
    # libca and rsrv give up such a circuit as well.
    with pytest.raises(
        RemoteProtocolError, match=f"{size} bytes of payload .* not a multiple of 8"
    ):
        Collector().feed(struct.pack(">HHHHII", 15, size, 6, 1, 1, 0) + bytes(size))


@pytest.mark.parametrize(("command", "size"), [(15, 12), (99, 800), (15, 0xFFFE)])
def test_message_that_cannot_be_is_refused_by_its_header(command: int, size: int) -> None:
    # Not only when noise has filled up what it announces.
    with pytest.raises(RemoteProtocolError):
        Collector().feed(struct.pack(">HHHHII", command, size, 6, 1, 1, 0))


@pytest.mark.parametrize("command", [28, 255, 65535])
def test_command_that_does_not_exist_ends_the_stream(command: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"command {command}, which does not exist"):
        Collector().feed(struct.pack(">HHHHII", command, 0, 6, 1, 1, 0))


@pytest.mark.parametrize(
    ("command", "size", "text"),
    [
        (15, 1 << 20, "announces 1048576 bytes"),
        (15, LARGE + 4, "not a multiple"),
        (99, LARGE, "command 99"),
        (15, LARGE, "for 1 elements of type 6"),
        (18, LARGE, "for 1 elements"),
    ],
)
def test_large_message_that_cannot_be_is_refused_before_it_is_received(
    command: int, size: int, text: str
) -> None:
    collector = Collector(max_payload=100_000)
    with pytest.raises(RemoteProtocolError, match=text):
        collector.feed(pack_head(command, size, 6, 1, 1, 0, long=True))


def test_messages_before_the_malformed_one_are_handed_over() -> None:
    collector = Collector()
    with pytest.raises(RemoteProtocolError):
        collector.feed(STREAM + b"\xff" * 32)
    assert collector.wire == STREAM


def test_closed_stream_hands_over_nothing_more() -> None:
    collector = Collector()

    def close_at_first(head: Head, payload: Buffer) -> None:
        collector.take(head, payload)
        collector.stream.close()

    collector.stream = MessageStream([close_at_first] * COMMANDS)
    collector.feed(STREAM, STREAM)
    assert len(collector.messages) == 1


# --- datagrams --------------------------------------------------------------------------------------


def test_datagram_is_walked_message_by_message() -> None:
    found = list(walk_datagram(b"".join(e.wire for e in LITERALS if len(e.wire) == 16)))
    assert len(found) == sum(len(e.wire) == 16 for e in LITERALS)
    assert list(walk_datagram(b"")) == []


def test_datagram_payload_need_not_be_aligned() -> None:
    # Some servers answer searches with a payload of two bytes.
    data = struct.pack(">HHHHII", 6, 2, 5064, 0, 0, 1) + b"\0\x0d"
    assert [payload for _, payload in walk_datagram(data * 2)] == [b"\0\x0d"] * 2


@pytest.mark.parametrize(
    ("tail", "text"),
    [
        (b"abc", "ends with 3 bytes of a header"),
        (struct.pack(">HHHHII", 6, 8, 5, 13, 1, 1) + bytes(7), "a message that ends at 48"),
        (struct.pack(">HHHHII", 6, 0xFFFF, 5, 13, 1, 1), "a message that ends at"),
    ],
)
def test_datagram_with_a_malformed_end_gives_what_comes_before(tail: bytes, text: str) -> None:
    good = struct.pack(">HHHHII", 6, 8, 5, 13, 1, 1) + bytes(8)
    walk = walk_datagram(good + tail)
    assert next(walk) == ((6, 8, 5, 13, 1, 1), bytes(8))
    with pytest.raises(RemoteProtocolError, match=text):
        next(walk)
