"""READ and READ_NOTIFY."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from caproto import AccessRights, ChannelType, Forbidden
from caproto.server._engine.source import LARGE_BODY
from caproto.server.data import ChannelChar, ChannelDouble, ChannelInteger, ChannelString
from tests.server.fake_shell import Client
from tests.server.slow_pvs import SlowRead
from tests.support.raw_messages import raw_message

READ_NOTIFY = 15
READ = 3
NORMAL, BADTYPE, GETFAIL, BADCOUNT, NORDACCESS, NOCONVERT = 1, 114, 152, 176, 368, 400


def doubles(payload: bytes) -> tuple[float, ...]:
    return struct.unpack(f">{len(payload) // 8}d", payload)


class Unreadable(ChannelDouble):
    def check_access(self, hostname: str, username: str) -> AccessRights:
        return AccessRights.WRITE


class Failing(ChannelDouble):
    """Its value cannot be encoded."""

    def values_as(self, native: ChannelType) -> Any:
        raise ZeroDivisionError


def test_a_read_is_answered_with_status_ioid_and_value() -> None:
    client = Client({"x": ChannelDouble(value=3.0)})
    sid = client.create("x")
    client.circuit.feed(raw_message(READ_NOTIFY, 6, 1, sid, 0))
    assert client.taken() == (
        b"\x00\x0f\x00\x08\x00\x06\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00@\x08\x00\x00\x00\x00\x00\x00"
    )


def test_a_read_of_an_unchanged_value_is_encoded_only_once() -> None:
    data = ChannelDouble(value=3.0)
    client = Client({"x": data})
    sid = client.create("x")
    (first,) = client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 7))
    assert data.source is not None
    kept = dict(data.source.replies)
    (second,) = client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 8))
    assert data.source.replies == kept
    assert first._replace(p2=8) == second
    data.write_now(4.0, ChannelType.DOUBLE, None)
    (third,) = client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 9))
    assert doubles(third.payload) == (4.0,)


def test_count_zero_asks_for_the_current_length() -> None:
    client = Client({"x": ChannelDouble(value=[1.0, 2.0], max_length=5)})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, 6, 0, sid, 0))
    assert (sent.data_count, doubles(sent.payload)) == (2, (1.0, 2.0))


@pytest.mark.parametrize(
    ("count", "values"), [(1, (1.0,)), (2, (1.0, 2.0)), (4, (1.0, 2.0, 0.0, 0.0))]
)
def test_a_count_is_answered_with_that_count_filled_up_with_zeros(
    count: int, values: tuple[float, ...]
) -> None:
    client = Client({"x": ChannelDouble(value=[1.0, 2.0], max_length=5)})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, 6, count, sid, 0))
    assert (sent.p1, sent.data_count, doubles(sent.payload)) == (NORMAL, count, values)


def test_an_unreasonable_count_is_refused() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, 6, 1 << 30, sid, 0, extended=True))
    assert (sent.p1, sent.payload) == (BADCOUNT, b"")


def test_an_empty_array_has_no_payload_in_a_plain_type_and_metadata_in_others() -> None:
    client = Client({"x": ChannelDouble(value=[], max_length=5)})
    sid = client.create("x")
    plain, status = client.tell(
        raw_message(READ_NOTIFY, 6, 0, sid, 0), raw_message(READ_NOTIFY, 13, 0, sid, 1)
    )
    assert (plain.data_count, plain.payload) == (0, b"")
    assert (status.data_count, status.payload) == (0, bytes(8))


def test_one_string_fills_40_bytes() -> None:
    client = Client({"x": ChannelString(value="hello")})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, 0, 1, sid, 0))
    assert sent.payload == b"hello".ljust(40, b"\0")


def test_a_large_array_is_sent_from_where_it_is_with_an_extended_header() -> None:
    client = Client({"x": ChannelChar(value="a" * 70000)})
    sid = client.create("x")
    client.circuit.feed(raw_message(READ_NOTIFY, 4, 0, sid, 5) + raw_message(23))
    header, payload, echo = client.shell.writes
    assert header == bytes.fromhex("000f ffff 0004 0000 00000001 00000005 00011170 00011170")
    assert payload == b"a" * 70000
    assert echo == raw_message(23)


def test_a_payload_of_medium_size_is_not_copied_either_and_has_a_short_header() -> None:
    client = Client({"x": ChannelChar(value="a" * LARGE_BODY)})
    sid = client.create("x")
    client.circuit.feed(raw_message(READ_NOTIFY, 4, 0, sid, 5))
    assert [len(each) for each in client.shell.writes] == [16, LARGE_BODY]


def test_a_client_that_knows_no_extended_headers_is_told_so() -> None:
    client = Client({"x": ChannelChar(value="a" * 70000)})
    sid = client.create("x", version=8)
    (sent,) = client.tell(raw_message(READ_NOTIFY, 4, 0, sid, 5))
    assert (sent.p1, sent.payload) == (464, b"")


def test_a_read_without_access_is_answered_with_zeros() -> None:
    client = Client({"x": Unreadable(value=3.0)})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, 20, 2, sid, 5))
    assert (sent.p1, sent.data_count, sent.payload) == (NORDACCESS, 2, bytes(32))


@pytest.mark.parametrize("data_type", [35, 36])
def test_types_that_can_only_be_written_are_refused(data_type: int) -> None:
    client = Client({"x": ChannelDouble(value=3.0)})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, data_type, 1, sid, 5))
    assert sent.p1 == BADTYPE


@pytest.mark.parametrize("data_type", [39, 255, 65535])
def test_a_type_that_does_not_exist_is_refused(data_type: int) -> None:
    client = Client({"x": ChannelDouble(value=3.0)})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, data_type, 1, sid, 5))
    assert (sent.p1, sent.data_type, sent.payload) == (BADTYPE, data_type, b"")


def test_a_value_that_cannot_be_converted_fails_and_the_circuit_goes_on() -> None:
    client = Client({"x": ChannelString(value="no number")})
    sid = client.create("x")
    failed, fine = client.tell(
        raw_message(READ_NOTIFY, 6, 1, sid, 5), raw_message(READ_NOTIFY, 0, 1, sid, 6)
    )
    assert (failed.p1, failed.p2, failed.payload) == (GETFAIL, 5, bytes(8))
    assert (fine.p1, fine.p2) == (NORMAL, 6)


def test_an_exception_of_a_pv_is_logged_with_its_name_and_fails_only_that_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client({"x": Failing(value=3.0)})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 5))
    assert sent.p1 == GETFAIL
    (record,) = caplog.records
    assert record.__dict__["pv"] == "x"
    assert "ZeroDivisionError" in caplog.text


# --- the old form ---


def test_the_old_read_is_answered_with_the_cid() -> None:
    client = Client({"x": ChannelInteger(value=7)})
    sid = client.create("x", cid=41)
    client.circuit.feed(raw_message(READ, 5, 1, sid, 6))
    assert client.taken() == bytes.fromhex(
        "0003 0008 0005 0001 00000029 00000006 00000007 00000000"
    )


def test_the_old_read_of_a_large_array_has_an_extended_header() -> None:
    client = Client({"x": ChannelChar(value="a" * 70001)})
    sid = client.create("x", cid=41)
    (sent,) = client.tell(raw_message(READ, 4, 0, sid, 6))
    assert (sent.command, sent.data_count, sent.p1, sent.p2) == (READ, 70001, 41, 6)
    assert sent.payload == b"a" * 70001 + bytes(7)


def test_the_old_read_fails_with_an_error() -> None:
    client = Client({"x": Unreadable(value=7)})
    sid = client.create("x", cid=41)
    request = raw_message(READ, 6, 1, sid, 6)
    (error,) = client.tell(request)
    assert (error.command, error.p1, error.p2) == (11, 41, NORDACCESS)
    assert error.payload.startswith(request[:16])


# --- values that have to be waited for ---


def test_a_slow_read_holds_up_nothing_but_is_answered_in_the_end() -> None:
    slow = SlowRead(value=1.0)
    client = Client({"slow": slow, "x": ChannelDouble(value=3.0)})
    slow_sid, sid = client.create("slow"), client.create("x")
    (other,) = client.tell(
        raw_message(READ_NOTIFY, 6, 1, slow_sid, 5), raw_message(READ_NOTIFY, 6, 1, sid, 6)
    )
    assert other.p2 == 6
    (late,) = client.open(slow.gates[0], 8.0)
    assert (late.p1, late.p2, doubles(late.payload)) == (NORMAL, 5, (8.0,))
    assert client.circuit.channels[slow_sid].operations is None


@pytest.mark.parametrize("eager", [True, False])
def test_slow_reads_with_other_counts_are_filled_up_or_cut(eager: bool) -> None:
    slow = SlowRead(value=[1.0, 2.0], max_length=5)
    client = Client({"x": slow}, eager=eager)
    sid = client.create("x")
    client.tell(*(raw_message(READ_NOTIFY, 20, count, sid, count) for count in (0, 1, 3)))
    counts = {}
    for _ in range(3):
        for sent in client.turn():
            counts[sent.p2] = (sent.data_count, doubles(sent.payload[16:]))
        for gate in list(client.shell.waiting):
            for sent in client.open(gate, [5.0, 6.0]):
                counts[sent.p2] = (sent.data_count, doubles(sent.payload[16:]))
    assert counts == {0: (2, (5.0, 6.0)), 1: (1, (5.0,)), 3: (3, (5.0, 6.0, 0.0))}


def test_a_slow_read_of_one_string_fills_40_bytes() -> None:
    class SlowString(ChannelString):
        async def read(self, data_type: int) -> tuple[Any, Any]:
            return await super().read(data_type)

    client = Client({"x": SlowString(value="hello")})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, 0, 1, sid, 5))
    assert sent.payload == b"hello".ljust(40, b"\0")


@pytest.mark.parametrize(
    ("error", "status"), [(Forbidden("no"), NORDACCESS), (ZeroDivisionError(), GETFAIL)]
)
def test_a_slow_read_that_fails_is_answered_too(error: Exception, status: int) -> None:
    slow = SlowRead(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x")
    client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 5))
    (sent,) = client.open(slow.gates[0], error)
    assert (sent.p1, sent.p2, sent.payload) == (status, 5, bytes(8))


def test_a_slow_read_of_a_type_that_does_not_exist_is_refused_without_asking_the_pv() -> None:
    slow = SlowRead(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(READ_NOTIFY, 77, 1, sid, 5))
    assert sent.p1 == BADTYPE
    assert slow.gates == []


def test_the_answer_to_a_slow_read_is_dropped_when_the_client_is_gone() -> None:
    slow = SlowRead(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x")
    client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 5))
    client.circuit.close()
    assert client.open(slow.gates[0], 2.0) == []


# --- rights that change ---


def test_rights_that_change_are_told_before_the_request_is_answered() -> None:
    class Moody(ChannelDouble):
        rights = AccessRights.READ

        def check_access(self, hostname: str, username: str) -> AccessRights:
            return self.rights

    data = Moody(value=1.0)
    client = Client({"x": data})
    sid = client.create("x", cid=41)
    assert [s.command for s in client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 5))] == [READ_NOTIFY]
    data.rights = AccessRights.NO_ACCESS
    rights, refused = client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 6))
    assert (rights.command, rights.p1, rights.p2) == (22, 41, 0)
    assert refused.p1 == NORDACCESS
    data.rights = AccessRights.READ
    rights, allowed = client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 7))
    assert (rights.p2, allowed.p1) == (1, NORMAL)


def test_reads_that_waited_until_the_client_had_caught_up_are_answered() -> None:
    client = Client({"x": ChannelDouble(value=3.0)})
    sid = client.create("x")
    client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 0))  # now there is an answer that is kept
    client.circuit.pause()
    assert client.tell(raw_message(READ_NOTIFY, 6, 1, sid, 1)) == []
    client.circuit.resume()
    assert [each.p2 for each in client.turn()] == [1]
