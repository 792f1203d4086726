"""EVENT_ADD, EVENT_CANCEL, EVENTS_OFF, EVENTS_ON, and clients that do not keep up."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from caproto import AccessRights, ChannelType, RemoteProtocolError, SubscriptionType
from caproto.server._engine.circuit import ServerCircuit
from caproto.server._engine.limits import ClientLimits
from caproto.server._engine.source import LARGE_BODY, Source, type_and_count
from caproto.server.data import ChannelAlarm, ChannelChar, ChannelDouble, ChannelString
from tests.server.fake_shell import Client, FakeShell
from tests.support.raw_messages import RawMessage, raw_message

NORMAL, GETFAIL, NORDACCESS = 1, 152, 368
VALUE, LOG, ALARM, PROPERTY = 1, 2, 4, 8
EVENTS_OFF, EVENTS_ON = raw_message(8), raw_message(9)


def put(data: ChannelDouble, value: Any, **metadata: Any) -> None:
    asyncio.run(data.write(value, **metadata))


def values(sent: list[RawMessage]) -> list[float]:
    assert {each.command for each in sent} <= {1}
    return [struct.unpack_from(">d", each.payload)[0] for each in sent]


def test_the_first_update_is_sent_at_once() -> None:
    client = Client({"x": ChannelDouble(value=3.0)})
    sid = client.create("x")
    client.circuit.feed(
        raw_message(1, 6, 1, sid, 7, bytes.fromhex("00000000 00000000 00000000 0001 0000"))
    )
    assert client.taken() == bytes.fromhex("0001 0008 0006 0001 00000001 00000007 4008000000000000")


def test_every_update_is_sent_in_order_and_with_the_id_of_its_subscription() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid, id_=7)
    client.subscribe(sid, id_=8)
    for value in (1.0, 2.0):
        put(data, value)
    sent = client.turn()
    assert [(each.p2, value) for each, value in zip(sent, values(sent), strict=True)] == [
        (7, 1.0),
        (8, 1.0),
        (7, 2.0),
        (8, 2.0),
    ]


def test_the_updates_of_one_turn_leave_in_one_write() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid)
    for value in range(100):
        put(data, value)
    assert len(client.shell.wanted) == 1
    client.shell.turn()
    assert len(client.shell.writes) == 1


def test_a_program_that_never_lets_the_loop_turn_still_sends() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid)
    for value in range(3000):
        data.write_now(value, ChannelType.DOUBLE, None)
    assert len(client.shell.writes) >= 2
    client.turn()


def test_an_update_is_encoded_once_for_all_who_ask_for_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = ChannelDouble(value=0.0)
    clients = [Client({"x": data}) for _ in range(5)]
    for client in clients:
        sid = client.create("x")
        client.subscribe(sid, data_type=6)
        client.subscribe(sid, data_type=27, id_=1)
    encoded: list[int] = []
    encode = Source.encode

    def counting(self: Source, key: int) -> Any:
        encoded.append(type_and_count(key)[0])
        return encode(self, key)

    monkeypatch.setattr(Source, "encode", counting)
    put(data, 1.0)
    assert sorted(encoded) == [6, 27]
    for client in clients:
        assert [each.p2 for each in client.turn()] == [0, 1]


def test_those_who_ask_for_the_same_get_it_one_after_the_other() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    for id_, data_type in enumerate((6, 20, 34, 6, 20, 6)):
        client.subscribe(sid, id_=id_, data_type=data_type)
    put(data, 1.0)
    assert [each.p2 for each in client.turn()] == [0, 3, 5, 1, 4, 2]
    client.tell(raw_message(2, 6, 0, sid, 3), raw_message(2, 6, 0, sid, 1))
    put(data, 2.0)
    assert [each.p2 for each in client.turn()] == [0, 5, 4, 2]


@pytest.mark.parametrize(
    ("flags", "told"),
    [(VALUE, [VALUE, 15]), (LOG, [LOG, 15]), (ALARM, [ALARM, 15]), (PROPERTY, [PROPERTY, 15])],
)
def test_a_subscription_gets_what_its_mask_asks_for(flags: int, told: list[int]) -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    for mask in (VALUE, LOG, ALARM, PROPERTY, 15):
        client.subscribe(sid, id_=mask, mask=mask)
    data.publish_now(flags)
    assert [each.p2 for each in client.turn()] == told


def test_what_kind_of_change_concerns_which_mask() -> None:
    data = ChannelDouble(value=0.0, upper_alarm_limit=5, lower_alarm_limit=-5)
    client = Client({"x": data})
    sid = client.create("x")
    for mask in (VALUE, LOG, ALARM, PROPERTY):
        client.subscribe(sid, id_=mask, mask=mask)

    def told() -> set[int]:
        return {each.p2 for each in client.turn()}

    put(data, 1.0)
    assert told() == {VALUE, LOG}
    put(data, 9.0)
    assert told() == {VALUE, LOG, ALARM}
    put(data, 9.0, units="V")
    assert told() == {VALUE, LOG, PROPERTY}
    asyncio.run(data.write_metadata(units="mV"))
    assert told() == {PROPERTY}
    asyncio.run(data.write_metadata(status=1, severity=1))
    assert told() == {ALARM}
    asyncio.run(data.write_metadata(timestamp=1e9))
    assert told() == {VALUE, LOG}
    asyncio.run(data.write_metadata(publish=False, units="uV"))
    assert told() == set()
    asyncio.run(data.write(9.0, flags=SubscriptionType.DBE_PROPERTY))
    assert told() == {VALUE, LOG, PROPERTY, ALARM}


def test_the_alarm_of_one_pv_is_told_to_the_subscribers_of_all_that_share_it() -> None:
    alarm = ChannelAlarm()
    one, other = ChannelDouble(value=0.0, alarm=alarm), ChannelDouble(value=1.0, alarm=alarm)
    client = Client({"one": one, "other": other})
    client.subscribe(client.create("one"), id_=1, data_type=13, mask=ALARM)
    client.subscribe(client.create("other"), id_=2, data_type=13, mask=ALARM)
    asyncio.run(alarm.write(status=3, severity=2))
    sent = client.turn()
    assert {(each.p2, each.payload[:4]) for each in sent} == {
        (1, b"\0\3\0\2"),
        (2, b"\0\3\0\2"),
    }
    asyncio.run(alarm.write(status=3, severity=2))
    assert client.turn() == []


def test_an_array_may_change_its_length_between_updates() -> None:
    data = ChannelDouble(value=[1.0, 2.0], max_length=5)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid, id_=0, count=0)
    client.subscribe(sid, id_=1, count=2)
    put(data, [5.0, 6.0, 7.0])
    put(data, [])
    put(data, [8.0])
    sent = client.turn()
    assert [each.data_count for each in sent] == [3, 2, 0, 2, 1, 2]
    assert [len(each.payload) for each in sent] == [24, 16, 0, 16, 8, 16]


def test_large_updates_share_their_bytes_and_keep_their_place() -> None:
    data = ChannelChar(value="a" * 20000)
    small = ChannelDouble(value=0.0)
    client = Client({"x": data, "small": small})
    client.subscribe(client.create("small"), id_=1)
    client.subscribe(client.create("x"), id_=2, data_type=4)
    put(small, 1.0)
    asyncio.run(data.write("b" * 20000))
    put(small, 2.0)
    assert [each.p2 for each in client.turn()] == [1, 2, 1]
    assert data.source is not None


def test_an_update_that_cannot_be_encoded_is_a_failed_one() -> None:
    data = ChannelString(value="1")
    client = Client({"x": data})
    sid = client.create("x")
    (first,) = client.subscribe(sid, data_type=6)
    assert (first.p1, values([first])) == (NORMAL, [1.0])
    for text, status in (("no number", GETFAIL), ("2", NORMAL)):
        asyncio.run(data.write(text))
        (sent,) = client.turn()
        assert sent.p1 == status


def test_a_subscription_without_access_gets_a_refusal_and_nothing_more() -> None:
    class Unreadable(ChannelDouble):
        def check_access(self, hostname: str, username: str) -> AccessRights:
            return AccessRights.NO_ACCESS

    data = Unreadable(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    (first,) = client.subscribe(sid, count=1)
    assert (first.p1, first.payload) == (NORDACCESS, bytes(8))
    put(data, 1.0)
    assert client.turn() == []
    (confirmation,) = client.tell(raw_message(2, 6, 1, sid, 0))
    assert confirmation.payload == b""


def test_updates_stop_and_begin_again_with_the_right_to_read() -> None:
    class Moody(ChannelDouble):
        rights = AccessRights.READ

        def check_access(self, hostname: str, username: str) -> AccessRights:
            return self.rights

    data = Moody(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid)
    data.rights = AccessRights.NO_ACCESS
    client.circuit.channels[sid].refresh_rights()
    put(data, 1.0)
    rights, update = client.turn()
    assert (rights.command, rights.p2, update.command, update.p1) == (22, 0, 1, 368)
    data.rights = AccessRights.READ
    client.circuit.channels[sid].refresh_rights()
    put(data, 2.0)
    rights, *updates = client.turn()
    assert (rights.p2, values(updates)) == (1, [1.0, 2.0])


def test_a_type_that_does_not_exist_is_refused_once() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    (first,) = client.subscribe(sid, data_type=99)
    assert first.p1 == 114
    put(data, 1.0)
    assert client.turn() == []


def test_an_empty_mask_is_refused() -> None:
    client = Client({"x": ChannelDouble(value=0.0)})
    sid = client.create("x", cid=41)
    (error,) = client.subscribe(sid, mask=0)
    assert (error.command, error.p1, error.p2) == (11, 41, 330)  # ECA_BADMASK


def test_a_request_without_a_mask_ends_the_circuit() -> None:
    client = Client({"x": ChannelDouble(value=0.0)})
    sid = client.create("x")
    with pytest.raises(RemoteProtocolError, match="EVENT_ADD"):
        client.tell(raw_message(1, 6, 1, sid, 0, bytes(8)))


def test_the_number_of_subscriptions_can_be_limited() -> None:
    client = Client({"x": ChannelDouble(value=0.0)}, limits=ClientLimits(max_subscriptions=1))
    sid = client.create("x")
    client.subscribe(sid, id_=1)
    (error,) = client.subscribe(sid, id_=2)
    assert (error.command, error.p2) == (11, 48)  # ECA_ALLOCMEM


def test_an_id_that_is_used_twice_means_the_later_subscription() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid, id_=1, data_type=6)
    client.subscribe(sid, id_=1, data_type=13)
    put(data, 1.0)
    assert [each.data_type for each in client.turn()] == [13]


# --- the end of subscriptions ---


def test_a_cancellation_is_confirmed_by_an_update_without_payload() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid, id_=7, data_type=20, count=3)
    client.circuit.feed(raw_message(2, 20, 3, sid, 7))
    assert client.taken() == bytes.fromhex("0001 0000 0014 0003 00000001 00000007")
    put(data, 1.0)
    assert client.turn() == []


def test_a_cancellation_with_an_extended_header_is_confirmed_with_one() -> None:
    client = Client({"x": ChannelDouble(value=0.0, max_length=70000)})
    sid = client.create("x")
    payload = struct.pack(">fffHxx", 0, 0, 0, 1)
    client.tell(raw_message(1, 6, 70000, sid, 7, payload, extended=True))
    (confirmation,) = client.tell(raw_message(2, 6, 70000, sid, 7, extended=True))
    assert (confirmation.data_count, confirmation.payload) == (70000, b"")


def test_others_of_the_same_kind_stay_subscribed() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid, id_=1, mask=VALUE)
    client.subscribe(sid, id_=2, mask=ALARM)
    client.tell(raw_message(2, 6, 0, sid, 1))
    put(data, 1.0)
    data.publish_now(ALARM)
    assert [each.p2 for each in client.turn()] == [2]


def test_an_unknown_subscription_id_ends_the_circuit() -> None:
    client = Client({"x": ChannelDouble(value=0.0)})
    sid = client.create("x", cid=41)
    with pytest.raises(RemoteProtocolError, match="subscription 7"):
        client.circuit.feed(raw_message(2, 6, 0, sid, 7))
    error = client.taken()
    assert error[:2] == b"\0\x0b"
    assert error[12:16] == (242).to_bytes(4, "big")  # ECA_BADMONID


def test_closing_the_channel_ends_its_subscriptions() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid, id_=1)
    client.tell(EVENTS_OFF)
    put(data, 1.0)
    client.tell(raw_message(12, p1=sid, p2=1))
    assert client.tell(EVENTS_ON) == []
    put(data, 2.0)
    assert client.turn() == []


# --- events off and on ---


def test_only_the_newest_update_of_each_subscription_is_sent_when_events_are_on_again() -> None:
    one, other, still = (ChannelDouble(value=0.0) for _ in range(3))
    client = Client({"one": one, "other": other, "still": still})
    for id_, name in enumerate(("one", "other", "still")):
        client.subscribe(client.create(name), id_=id_)
    assert client.tell(EVENTS_OFF, EVENTS_OFF) == []
    for value in (1.0, 2.0, 3.0):
        put(one, value)
    put(other, 7.0)
    assert client.turn() == []
    sent = client.tell(EVENTS_ON)
    assert [(each.p2, *values([each])) for each in sent] == [(0, 3.0), (1, 7.0)]
    put(one, 4.0)
    assert values(client.turn()) == [4.0]


def test_reads_work_while_events_are_off() -> None:
    client = Client({"x": ChannelDouble(value=3.0)})
    sid = client.create("x")
    client.tell(EVENTS_OFF)
    assert [each.command for each in client.tell(raw_message(15, 6, 1, sid, 0))] == [15]


def test_a_subscription_made_while_events_are_off_gets_its_first_update_afterwards() -> None:
    data = ChannelDouble(value=3.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.tell(EVENTS_OFF)
    assert client.subscribe(sid) == []
    assert values(client.tell(EVENTS_ON)) == [3.0]


def test_a_cancelled_subscription_gets_nothing_when_events_are_on_again() -> None:
    data = ChannelDouble(value=3.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid, id_=1)
    client.tell(EVENTS_OFF)
    put(data, 4.0)
    (confirmation,) = client.tell(raw_message(2, 6, 0, sid, 1))
    assert confirmation.payload == b""
    assert client.tell(EVENTS_ON) == []


def test_events_on_without_off_is_harmless() -> None:
    assert Client({}).tell(EVENTS_ON) == []


# --- clients that do not keep up ---


def test_a_client_that_does_not_keep_up_gets_the_newest_update_and_slows_nobody() -> None:
    data = ChannelDouble(value=0.0)
    slow, quick = Client({"x": data}), Client({"x": data})
    for client in (slow, quick):
        client.subscribe(client.create("x"))
    slow.circuit.pause()
    for value in range(1, 1001):
        put(data, value)
    assert slow.turn() == []
    assert slow.circuit.held is not None
    assert len(slow.circuit.held) == 1
    assert values(quick.turn()) == list(range(1, 1001))
    slow.circuit.resume()
    assert values(slow.turn()) == [1000.0]
    put(data, 1001)
    assert values(slow.turn()) == [1001.0]


def test_a_client_that_catches_up_with_events_off_still_has_to_turn_them_on() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    client.subscribe(client.create("x"))
    client.tell(EVENTS_OFF)
    client.circuit.pause()
    put(data, 1.0)
    client.circuit.resume()
    assert client.turn() == []
    client.circuit.pause()
    assert client.tell(EVENTS_ON) == []
    client.circuit.resume()
    assert values(client.turn()) == [1.0]


def test_a_held_large_update_is_sent_from_where_it_is() -> None:
    data = ChannelChar(value="a" * 20000)
    client = Client({"x": data})
    client.subscribe(client.create("x"), data_type=4)
    client.circuit.pause()
    asyncio.run(data.write("b" * 20000))
    client.circuit.resume()
    client.shell.turn()
    assert [len(each) for each in client.shell.writes] == [16, 20000]


# --- clients that ask for more than they take ---


class FullShell(FakeShell):
    """A socket that takes one large payload, and then no more until the test says so."""

    circuit: ServerCircuit

    def write(self, data: Any) -> None:
        super().write(data)
        if len(data) >= LARGE_BODY:
            self.circuit.pause()


def full_client(pvdb: dict[str, Any]) -> Client:
    client = Client(pvdb)
    client.shell.__class__ = FullShell
    client.shell.circuit = client.circuit  # type: ignore[attr-defined]
    return client


def test_requests_wait_while_their_answers_would_fill_the_memory() -> None:
    client = full_client({"x": ChannelChar(value="a" * 20000)})
    sid = client.create("x")
    request = raw_message(15, 4, 0, sid, 0)
    sent = client.tell(*(raw_message(15, 4, 0, sid, ioid) for ioid in range(5)), raw_message(23))
    assert [each.p2 for each in sent] == [0]
    assert client.tell(request) == []
    for ioid in range(1, 5):
        client.circuit.resume()
        assert [each.p2 for each in client.turn()] == [ioid]
    client.circuit.resume()
    assert [each.command for each in client.turn()] == [23, 15]
    client.circuit.resume()
    assert client.turn() == []
    assert [each.command for each in client.tell(request)] == [15]


def test_held_updates_are_released_as_the_client_takes_them() -> None:
    pvdb = {name: ChannelChar(value=name * 20000) for name in "abc"}
    client = full_client(pvdb)
    for id_, name in enumerate(pvdb):
        sid = client.create(name)
        client.subscribe(sid, id_=id_, data_type=4)
        client.circuit.resume()
    client.circuit.pause()
    for data in pvdb.values():
        asyncio.run(data.write("new" * 10000))
    for id_ in range(2):
        client.circuit.resume()
        assert [each.p2 for each in client.turn()] == [id_]
    asyncio.run(pvdb["a"].write("newer" * 5000))
    client.circuit.resume()
    assert [each.p2 for each in client.turn()] == [2]
    client.circuit.resume()
    assert [(each.p2, each.payload[:5]) for each in client.turn()] == [(0, b"newer")]


def test_a_request_that_waited_may_still_be_malformed() -> None:
    client = Client({"x": ChannelDouble(value=0.0)})
    client.circuit.pause()
    assert client.tell(raw_message(22), raw_message(23)) == []
    with pytest.raises(RemoteProtocolError, match="command 22"):
        client.circuit.resume()


def test_a_closed_circuit_neither_pauses_nor_resumes() -> None:
    client = Client({"x": ChannelDouble(value=0.0)})
    client.circuit.pause()
    client.tell(raw_message(23))
    client.circuit.close()
    client.circuit.resume()
    client.circuit.pause()
    client.circuit.resume()
    assert client.tell(raw_message(23)) == []


def test_many_small_answers_leave_in_several_writes() -> None:
    client = Client({"x": ChannelDouble(value=[0.0] * 100)})
    sid = client.create("x")
    client.circuit.feed(raw_message(15, 6, 0, sid, 0) * 2000)
    assert 2 < len(client.shell.writes) < 10
    client.shell.writes.clear()
    client.circuit.feed(raw_message(23) * 2000)
    assert 2 < len(client.shell.writes) < 10
