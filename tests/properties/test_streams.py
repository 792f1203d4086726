"""Streams, cut anywhere."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from caproto import ChannelType, Message
from caproto._protocol.arrays import Buffer
from caproto._protocol.framing import COMMANDS, LARGE, MessageStream
from caproto._protocol.header import Head, pack_head, pack_heads

from .messages import parse
from .strategies import requests, responses


def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Divide bytes at random places."""
    places = draw(st.lists(st.integers(0, len(data)), max_size=20).map(sorted))
    return [data[a:b] for a, b in pairwise([0, *places, len(data)])]


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[Message], list[bytes], bool]:
    """Messages, and their bytes in random pieces."""
    from_client = draw(st.booleans())
    messages = draw(st.lists(requests if from_client else responses, max_size=8))
    return messages, cut(draw, b"".join(map(bytes, messages))), from_client


@given(streams())
def test_stream_in_random_chunks(stream: tuple[list[Message], list[bytes], bool]) -> None:
    messages, chunks, from_client = stream
    assert parse(*chunks, from_client=from_client) == messages


@given(st.lists(requests.filter(lambda m: m.nbytes < 4000), max_size=4))
def test_stream_byte_by_byte(messages: list[Message]) -> None:
    data = b"".join(map(bytes, messages))
    chunks = [data[i : i + 1] for i in range(len(data))]
    assert parse(*chunks, from_client=True) == messages


shorts, longs = st.integers(0, 0xFFFE), st.integers(0, 0xFFFFFFFF)


@given(st.integers(0, COMMANDS - 1), st.lists(st.tuples(shorts, shorts, longs)), longs)
def test_headers_packed_together_are_those_packed_one_by_one(
    command: int, wanted: list[tuple[int, int, int]], first: int
) -> None:
    first = min(first, 0x100000000 - len(wanted))
    shapes = [data_type << 16 | count for data_type, count, _ in wanted]
    assert pack_heads(command, shapes, (sid for *_, sid in wanted), first) == b"".join(
        pack_head(command, 0, data_type, count, sid, ioid)
        for ioid, (data_type, count, sid) in enumerate(wanted, first)
    )


@st.composite
def raw_messages(draw: st.DrawFn) -> tuple[bytes, Head, bytes]:
    """A header of any numbers, short or extended, and a payload of any size."""
    size = draw(st.sampled_from([0, 8, 16, 65520, 65528, 65536, 65544, 200_000]))
    # Where a payload is large, it must be one of values, and of as many as the header says.
    large = size >= LARGE
    head = (
        draw(st.sampled_from([1, 3, 4, 15, 19]) if large else st.integers(0, COMMANDS - 1)),
        size,
        draw(st.just(ChannelType.CHAR) if large else st.integers(0, 0xFFFF)),
        draw(st.integers(size if large else 0, 0xFFFFFFFF)),
        draw(st.integers(0, 0xFFFFFFFF)),
        draw(st.integers(0, 0xFFFFFFFF)),
    )
    long = draw(st.booleans())
    payload = draw(st.binary(min_size=8, max_size=8)) * (size // 8)
    packed = pack_head(*head, long=long)
    return packed + payload, (*head, True) if len(packed) == 24 else head, payload


class RawStream:
    """Any messages, and their bytes in random pieces."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.messages = draw(st.lists(raw_messages(), max_size=5))
        self.chunks = cut(draw, b"".join(message[0] for message in self.messages))

    def __repr__(self) -> str:
        """Leave the payloads out: they have up to 200,000 bytes."""
        sizes = [len(chunk) for chunk in self.chunks]
        return f"RawStream({[message[1] for message in self.messages]}, chunks of {sizes})"


raw_streams = st.composite(RawStream)


@given(raw_streams(), st.integers(0))
def test_headers_of_both_forms_and_payloads_of_all_sizes(stream: RawStream, straight: int) -> None:
    found: list[tuple[Head, bytes]] = []

    def take(head: Head, payload: Buffer) -> None:
        found.append((head, bytes(payload)))

    walker = MessageStream([take] * COMMANDS)
    for index, chunk in enumerate(stream.chunks):
        # Now and then as a shell does it: what it can receives straight into the large buffer
        room = walker.large_room()
        taken = min(len(room), len(chunk)) if straight >> index & 1 else 0
        if taken:
            room[:taken] = chunk[:taken]
            room.release()
            walker.large_received(taken)
        walker.feed(chunk[taken:])
    assert found == [message[1:] for message in stream.messages]
    assert walker.messages == len(stream.messages)
    assert walker.bytes_needed == 16
