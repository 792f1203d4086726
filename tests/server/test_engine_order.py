"""The order in which the requests to one channel are done when some of them take their time."""

from __future__ import annotations

import struct

import pytest

from caproto import ChannelType
from tests.server.fake_shell import Client
from tests.server.slow_pvs import QuickCoroutine, SlowBoth, SlowRead, SlowWrite
from tests.support.raw_messages import raw_message

READ, WRITE = 15, 19


def write(sid: int, ioid: int, value: float) -> bytes:
    return raw_message(WRITE, 6, 1, sid, ioid, struct.pack(">d", value))


def read(sid: int, ioid: int) -> bytes:
    return raw_message(READ, 6, 1, sid, ioid)


def value_of(payload: bytes) -> float:
    return float(struct.unpack(">d", payload)[0])


def test_a_write_does_not_wait_for_one_that_waits_for_something_else() -> None:
    slow = SlowWrite(value=0.0)
    client = Client({"x": slow})
    sid = client.create("x")
    assert client.tell(*(write(sid, ioid, ioid) for ioid in (1, 2, 3))) == []
    assert slow.written == [1, 2, 3]
    for ioid in (2, 1, 3):
        (sent,) = client.open(slow.gates[ioid - 1])
        assert (sent.p2, slow.value) == (ioid, ioid)
    assert client.circuit.channels[sid].operations is None


@pytest.mark.parametrize("eager", [True, False])
def test_a_read_does_not_wait_for_a_write_that_waits_for_something_else(eager: bool) -> None:
    slow = SlowWrite(value=1.0)
    client = Client({"x": slow}, eager=eager)
    sid = client.create("x")
    sent = client.tell(write(sid, 1, 2.0), read(sid, 2)) or client.turn()
    assert [(each.p2, value_of(each.payload)) for each in sent] == [(2, 1.0)]
    (sent_later,) = client.open(slow.gates[0])
    assert sent_later.p2 == 1


@pytest.mark.parametrize("eager", [True, False])
def test_a_read_sees_the_write_before_it_when_that_waits_for_nothing(eager: bool) -> None:
    data = QuickCoroutine(value=1.0)
    client = Client({"x": data}, eager=eager)
    sid = client.create("x")
    sent = client.tell(write(sid, 1, 2.0), read(sid, 2)) or client.turn()
    assert [each.p2 for each in sent] == [1, 2]
    assert value_of(sent[1].payload) == 4.0


@pytest.mark.parametrize("eager", [True, False])
def test_a_thousand_requests_in_a_row_are_done_one_after_the_other(eager: bool) -> None:
    data = QuickCoroutine(value=1.0)
    client = Client({"x": data}, eager=eager)
    sid = client.create("x")
    sent = client.tell(*(write(sid, ioid, ioid) for ioid in range(5000)))
    for _ in range(5000):
        if len(sent) == 5000:
            break
        sent += client.turn()
    assert [each.p2 for each in sent] == list(range(5000))


def test_a_read_that_came_before_a_write_does_not_see_it() -> None:
    data = SlowRead(value=1.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.tell(read(sid, 1), write(sid, 2, 9.0))
    assert data.value == 1.0
    first, second = client.open(data.gates[0])
    assert (first.p2, value_of(first.payload)) == (1, 1.0)
    assert (second.p2, data.value) == (2, 9.0)


def test_a_write_waits_for_the_end_of_the_reads_before_it() -> None:
    data = SlowBoth(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.tell(write(sid, 1, 1.0), read(sid, 3), write(sid, 2, 2.0))
    assert data.written == [1.0]
    write_gate, read_gate = data.gates
    (sent,) = client.open(write_gate)
    assert sent.p2 == 1
    assert data.written == [1.0]
    (sent,) = client.open(read_gate)
    assert (sent.p2, value_of(sent.payload)) == (3, 1.0)
    assert data.written == [1.0, 2.0]
    (sent,) = client.open(data.gates[2])
    assert (sent.p2, data.value) == (2, 2.0)


def test_two_channels_of_one_pv_do_not_wait_for_each_other() -> None:
    slow = SlowWrite(value=0.0)
    client = Client({"x": slow})
    first, second = client.create("x", 1), client.create("x", 2)
    client.tell(write(first, 1, 1.0), write(second, 2, 2.0))
    assert slow.written == [1.0, 2.0]
    assert [each.p2 for each in client.open(slow.gates[1])] == [2]
    assert [each.p2 for each in client.open(slow.gates[0])] == [1]


def test_closing_a_channel_lets_what_has_begun_end_and_begins_nothing_more() -> None:
    slow = SlowBoth(value=0.0)
    client = Client({"x": slow})
    sid = client.create("x")
    client.tell(write(sid, 1, 1.0), read(sid, 2), write(sid, 3, 2.0))
    client.tell(raw_message(12, p1=sid, p2=1))
    for gate in slow.gates:
        client.open(gate)
    assert (slow.written, slow.value) == ([1.0], 1.0)


def test_a_subscription_to_a_pv_that_is_being_read_waits_its_turn() -> None:
    slow = SlowRead(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x")
    client.tell(read(sid, 1))
    client.subscribe(sid, id_=7)
    (first,) = client.open(slow.gates[0], 2.0)
    assert first.command == READ
    (update,) = client.open(slow.gates[1], 3.0)
    assert (update.command, update.p2, value_of(update.payload)) == (1, 7, 3.0)
    slow.publish_now(1)
    (update,) = client.turn()
    assert update.p2 == 7


def test_a_subscription_that_is_cancelled_while_the_pv_is_read_gets_only_the_confirmation() -> None:
    slow = SlowRead(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x")
    client.subscribe(sid, id_=7)
    (confirmation,) = client.tell(raw_message(2, 6, 0, sid, 7))
    assert confirmation.payload == b""
    assert client.open(slow.gates[0], 2.0) == []
    assert slow.source is not None
    assert not slow.source.subscriptions


def test_a_subscription_may_wait_behind_a_write_that_is_starting() -> None:
    data = QuickCoroutine(value=1.0)
    client = Client({"x": data}, eager=False)
    sid = client.create("x")
    client.tell(write(sid, 1, 2.0))
    client.subscribe(sid, id_=7)
    written, update = client.turn()
    assert (written.command, update.command, value_of(update.payload)) == (WRITE, 1, 4.0)


def test_a_write_that_need_not_wait_waits_behind_one_that_does() -> None:
    slow = SlowRead(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x")
    client.tell(read(sid, 1), write(sid, 2, 5.0), write(sid, 3, 6.0))
    sent = client.open(slow.gates[0], None)
    assert [each.p2 for each in sent] == [1, 2, 3]
    assert slow.value == 6.0
    assert slow.data_type is ChannelType.DOUBLE
