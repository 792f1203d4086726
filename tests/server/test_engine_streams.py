"""Streams in other pieces than they were sent, and streams that are no Channel Access at all."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from caproto import RemoteProtocolError
from caproto.server._engine.limits import ClientLimits
from caproto.server._engine.search import SearchResponder
from caproto.server.data import ChannelDouble, ChannelEnum, ChannelString
from tests.server.fake_shell import Client
from tests.support.raw_messages import raw_message

MASK = struct.pack(">fffHxx", 0, 0, 0, 5)
CONVERSATION = [
    raw_message(0, 0, 13),
    raw_message(20, payload=b"ada\0"),
    raw_message(21, payload=b"lovelace\0"),
    raw_message(6, 10, 13, 3, 3, b"x\0"),
    raw_message(6, 10, 13, 4, 4, b"nobody\0"),
    raw_message(18, p1=1, p2=13, payload=b"x\0"),
    raw_message(18, p1=2, p2=13, payload=b"s\0"),
    raw_message(18, p1=3, p2=13, payload=b"nobody\0"),
    raw_message(15, 6, 0, 1, 0),
    raw_message(15, 6, 0, 1, 1, extended=True),
    raw_message(3, 0, 1, 2, 2),
    raw_message(1, 13, 0, 1, 0, MASK),
    raw_message(19, 6, 3, 1, 3, struct.pack(">3d", 1, 2, 3)),
    raw_message(4, 0, 1, 2, 2, b"new text\0"),
    raw_message(8),
    raw_message(19, 6, 70000, 1, 4, struct.pack(">70000d", *range(70000)), extended=True),
    raw_message(15, 0, 1, 2, 5),
    raw_message(9),
    raw_message(23, payload=b"ping"),
    raw_message(10),
    raw_message(2, 13, 0, 1, 0),
    raw_message(12, p1=1, p2=1),
]


def served() -> Client:
    return Client(
        {
            "x": ChannelDouble(value=[1.5], max_length=100000),
            "s": ChannelString(value="text"),
            "e": ChannelEnum(value=0, enum_strings=["a", "b"]),
        },
        greet=False,
    )


def answer_to(chunks: list[bytes]) -> bytes:
    client = served()
    for chunk in chunks:
        client.circuit.feed(chunk)
    client.shell.turn()
    return client.taken()


EXPECTED = answer_to(CONVERSATION)


def test_the_conversation_is_worth_splitting() -> None:
    assert len(EXPECTED) > 560000
    assert EXPECTED.count(b"\0\x0b\0") == 0


def test_one_chunk_is_answered_like_one_message_after_the_other() -> None:
    assert answer_to([b"".join(CONVERSATION)]) == EXPECTED


def test_a_stream_may_come_byte_by_byte() -> None:
    stream = b"".join(CONVERSATION[:15] + CONVERSATION[16:])
    assert answer_to([bytes([byte]) for byte in stream]) == answer_to(
        CONVERSATION[:15] + CONVERSATION[16:]
    )


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=300))
def test_a_stream_may_come_in_any_pieces(sizes: list[int]) -> None:
    stream = b"".join(CONVERSATION)
    chunks, offset = [], 0
    for size in sizes:
        chunks.append(stream[offset : offset + size])
        offset += size
    assert answer_to([*chunks, stream[offset:]]) == EXPECTED


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
        bytes.fromhex("000f 0007 0006 0001 00000001 00000000 00000000000000"),
        bytes.fromhex("00ff 0000 0000 0000 00000000 00000000"),
        bytes.fromhex("0013 ffff 0006 0000 00000001 00000000 fffffff8 1fffffff"),
    ],
)
def test_what_is_no_channel_access_ends_the_circuit(noise: bytes) -> None:
    client = served()
    with pytest.raises(RemoteProtocolError):
        client.circuit.feed(noise)


def test_a_request_beyond_the_limit_ends_the_circuit_before_it_is_received() -> None:
    pv = ChannelDouble(value=[0.0], max_length=100000)
    client = Client({"x": pv}, limits=ClientLimits(max_payload=100000))
    client.create("x")
    with pytest.raises(RemoteProtocolError, match="100000 are allowed"):
        client.circuit.feed(
            bytes.fromhex("0013 ffff 0006 0000 00000001 00000000 000186a8 000030d5")
        )


words = st.sampled_from(
    [0, 1, 2, 5, 6, 7, 8, 13, 16, 20, 34, 35, 36, 37, 38, 39, 40, 0xFFFE, 0xFFFF]
)
heads = st.tuples(
    st.integers(0, 28), words, words, words, st.integers(0, 4), st.integers(0, 4)
).map(lambda fields: struct.pack(">HHHHII", *fields))
streams = st.lists(st.one_of(heads, st.binary(max_size=40), st.sampled_from(CONVERSATION[:15])))


@given(streams)
@example([raw_message(18, p1=1, p2=13, payload=b"e\0"), raw_message(4, 3, 1, 1, 1, b"\xff\xff")])
def test_whatever_comes_only_a_protocol_error_gets_out(chunks: list[bytes]) -> None:
    client = served()
    client.circuit.feed(b"".join(CONVERSATION[:8]))
    try:
        for chunk in chunks:
            client.circuit.feed(chunk)
    except RemoteProtocolError:
        client.circuit.close()
    client.shell.turn()


@given(st.one_of(st.binary(max_size=100), streams.map(b"".join)))
def test_whatever_datagram_comes_only_a_protocol_error_gets_out(datagram: bytes) -> None:
    responder = SearchResponder(lambda name: True, 5064)
    try:
        replies = responder.answer_datagram(datagram, ("10.0.0.7", 40000))
    except RemoteProtocolError:
        return
    assert all(len(reply) <= 1472 for reply in replies)
