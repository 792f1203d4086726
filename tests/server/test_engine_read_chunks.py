"""Many READ_NOTIFYs in one chunk are answered together: as each would be by itself, and in the same order."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable

import pytest

from caproto import ChannelType, RemoteProtocolError
from caproto.server._engine.source import LARGE_BODY, PENDING_LIMIT, reply_key, type_and_count
from caproto.server.data import ChannelData, ChannelDouble, ChannelString
from tests.server.fake_shell import Client
from tests.server.slow_pvs import SlowRead
from tests.support.raw_messages import raw_message, split_messages

READ_NOTIFY, WRITE, ECHO = 15, 4, 23
STAMP = (5, 6)


def read(
    sid: int, ioid: int, data_type: int = 20, count: int = 1, *, extended: bool = False
) -> bytes:
    return raw_message(READ_NOTIFY, data_type, count, sid, ioid, extended=extended)


def pvs() -> dict[str, ChannelData]:
    return {
        "number": ChannelDouble(value=1.5, timestamp=STAMP),
        "text": ChannelString(value="hello", timestamp=STAMP),
        "large": ChannelDouble(value=[0.5] * LARGE_BODY, timestamp=STAMP),
        "slow": SlowRead(value=2.5, timestamp=STAMP),
    }


def requests(sids: dict[str, int]) -> list[bytes]:
    """Return all kinds of requests, most of them twice: then there is an answer that was kept."""
    number, text, large, slow = (sids[name] for name in ("number", "text", "large", "slow"))
    return [
        read(number, 1),
        read(number, 2, 6, 0),
        read(number, 3),
        read(text, 4, 14),
        read(text, 5, 14),
        read(large, 6, 6, 0),
        read(large, 7, 6, 0),
        read(large, 8, 6, 3),
        read(number, 9, extended=True),
        read(number, 10, 6, 100_000, extended=True),
        read(number, 11, 6, 100_000, extended=True),
        read(number, 0xFFFFFFFF, 77),
        read(slow, 13),
        read(number, 14),
        read(slow, 15),
        raw_message(ECHO),
        read(number, 16),
        raw_message(WRITE, 6, 1, number, 0, struct.pack(">d", 2.5)),
        *(read(number, ioid, 6) for ioid in range(20, 30)),
    ]


def answers(cut: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Return what is sent for the requests, in chunks as `cut` makes them."""
    pvdb = pvs()
    client = Client(pvdb)
    sids = {name: client.create(name, cid) for cid, name in enumerate(pvdb)}
    for chunk in cut(requests(sids)):
        client.circuit.feed(chunk)
    return client.taken()


def test_the_answers_are_those_to_single_requests() -> None:
    alone = answers(lambda messages: messages)
    ioids = [message.p2 for message in split_messages(alone) if message.command == READ_NOTIFY]
    assert ioids == [*range(1, 12), 0xFFFFFFFF, 14, 16, *range(20, 30)]
    assert answers(lambda messages: [b"".join(messages)]) == alone
    assert answers(_with_a_cut_every(1000)) == alone
    assert answers(_with_a_cut_every(71)) == alone


def _with_a_cut_every(size: int) -> Callable[[list[bytes]], list[bytes]]:
    def cut(messages: list[bytes]) -> list[bytes]:
        stream = b"".join(messages)
        return [stream[start : start + size] for start in range(0, len(stream), size)]

    return cut


def test_a_client_that_does_not_take_them_gets_the_rest_later() -> None:
    client = Client({"x": ChannelDouble(value=1.5)})
    sid = client.create("x")
    write = client.shell.writes.append

    class Pausing(list[bytes]):
        def append(self, data: bytes) -> None:
            write(data)
            client.circuit.pause()

    taken, client.shell.writes = client.shell.writes, Pausing()
    total = 2 * PENDING_LIMIT
    client.circuit.feed(b"".join(read(sid, ioid) for ioid in range(total)))
    first = [each.p2 for each in split_messages(b"".join(taken))]
    assert first == list(range(PENDING_LIMIT))
    taken.clear()
    client.shell.writes = taken
    client.circuit.resume()
    assert [each.p2 for each in client.turn()] == list(range(PENDING_LIMIT, total))


def test_what_can_be_answered_leaves_before_a_client_is_given_up() -> None:
    client = Client({"x": ChannelDouble(value=1.5)})
    sid = client.create("x")
    chunk = b"".join(read(each, ioid) for ioid, each in enumerate((sid, sid, sid, sid, 99, sid)))
    with pytest.raises(RemoteProtocolError, match="no channel with sid 99"):
        client.circuit.feed(chunk)
    assert [each.p2 for each in split_messages(client.taken())][:4] == [0, 1, 2, 3]


def test_each_request_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    client = Client({"x": ChannelDouble(value=1.5)})
    sid = client.create("x")
    with caplog.at_level(logging.DEBUG, "caproto.circ"):
        client.tell(*(read(sid, ioid) for ioid in range(6)))
    received = [each for each in caplog.messages if each.startswith("ReadNotifyRequest")]
    assert len(received) == 6


@pytest.mark.parametrize("count", [0, 1, 0xFFFE, 0xFFFF, 0x10000, 0xFFFFFFFF])
@pytest.mark.parametrize("data_type", [0, ChannelType.TIME_DOUBLE, 0xFFFF])
def test_what_a_reply_is_kept_under_tells_type_and_count(data_type: int, count: int) -> None:
    assert type_and_count(reply_key(data_type, count)) == (data_type, count)


def test_what_a_reply_is_kept_under_stands_in_the_header() -> None:
    assert reply_key(20, 0x102) == int.from_bytes(read(1, 1, 20, 0x102)[4:8], "big")
