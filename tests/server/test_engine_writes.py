"""WRITE and WRITE_NOTIFY."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from caproto import AccessRights, CaprotoValueError, ChannelType, Forbidden
from caproto.server.data import ChannelData, ChannelDouble, ChannelInteger, ChannelString
from tests.server.fake_shell import Client
from tests.server.slow_pvs import SlowWrite
from tests.support.raw_messages import raw_message

WRITE, WRITE_NOTIFY, ERROR = 4, 19, 11
NORMAL, BADTYPE, PUTFAIL, BADCOUNT, NOWTACCESS = 1, 114, 160, 176, 376


def double(*values: float) -> bytes:
    return struct.pack(f">{len(values)}d", *values)


class ReadOnly(ChannelDouble):
    def check_access(self, hostname: str, username: str) -> AccessRights:
        return AccessRights.READ


class Picky(ChannelDouble):
    def check_value(self, data: Any) -> None:
        if data == 13:
            raise CaprotoValueError("bad luck")
        if data == 14:
            raise ZeroDivisionError


def test_a_confirmed_write_is_stored_and_confirmed() -> None:
    data = ChannelDouble(value=1.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.circuit.feed(raw_message(WRITE_NOTIFY, 6, 1, sid, 9, double(2.5)))
    assert client.taken() == bytes.fromhex("0013 0000 0006 0001 00000001 00000009")
    assert data.value == 2.5


def test_a_write_is_stored_and_not_answered() -> None:
    data = ChannelDouble(value=1.0)
    client = Client({"x": data})
    sid = client.create("x")
    assert client.tell(raw_message(WRITE, 6, 1, sid, 1, double(2.5))) == []
    assert data.value == 2.5


def test_an_array_may_be_shorter_than_before_and_empty() -> None:
    data = ChannelDouble(value=[1.0, 2.0, 3.0])
    client = Client({"x": data})
    sid = client.create("x")
    client.tell(raw_message(WRITE, 6, 2, sid, 1, double(5.0, 6.0)))
    assert list(data.value) == [5.0, 6.0]
    client.tell(raw_message(WRITE, 6, 0, sid, 1))
    assert list(data.value) == []


def test_an_array_that_is_too_long_is_cut_as_a_record_does() -> None:
    data = ChannelDouble(value=[1.0, 2.0])
    client = Client({"x": data})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, 6, 3, sid, 1, double(7.0, 8.0, 9.0)))
    assert sent.p1 == NORMAL
    assert list(data.value) == [7.0, 8.0]


def test_a_write_with_an_extended_header_is_confirmed_with_one() -> None:
    data = ChannelDouble(value=[0.0], max_length=70000)
    client = Client({"x": data})
    sid = client.create("x")
    client.circuit.feed(
        raw_message(WRITE_NOTIFY, 6, 70000, sid, 9, double(*range(70000)), extended=True)
    )
    assert client.taken() == bytes.fromhex(
        "0013 ffff 0006 0000 00000001 00000009 00000000 00011170"
    )
    assert data.length == 70000
    assert data.value[-1] == 69999


def test_one_string_may_come_shorter_than_40_bytes() -> None:
    data = ChannelString(value="")
    client = Client({"x": data})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, 0, 1, sid, 1, b"hello\0"))
    assert (sent.p1, data.value) == (NORMAL, "hello")


@pytest.mark.parametrize(
    ("data_type", "count", "payload"),
    [(6, 2, double(1.0)), (0, 2, b"a".ljust(40, b"\0")), (6, 1, b""), (20, 1, bytes(16))],
)
def test_a_payload_that_is_too_short_for_its_count_is_refused(
    data_type: int, count: int, payload: bytes
) -> None:
    data = ChannelDouble(value=[1.0], max_length=5)
    client = Client({"x": data})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, data_type, count, sid, 1, payload))
    assert sent.p1 == BADCOUNT
    assert data.value == [1.0]


def test_a_write_of_nothing_to_a_scalar_fails() -> None:
    data = ChannelDouble(value=1.0)
    client = Client({"x": data})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, 6, 0, sid, 1))
    assert (sent.p1, data.value) == (PUTFAIL, 1.0)


@pytest.mark.parametrize("data_type", [37, 38, 39, 65535])
def test_types_that_cannot_be_written_are_refused(data_type: int) -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, data_type, 1, sid, 1, bytes(40)))
    assert (sent.p1, sent.data_type) == (BADTYPE, data_type)


def test_a_write_without_access_is_refused_on_the_wire() -> None:
    data = ReadOnly(value=1.0)
    client = Client({"x": data})
    sid = client.create("x", cid=41)
    request = raw_message(WRITE, 6, 1, sid, 41, double(2.5))
    confirmed, error = client.tell(raw_message(WRITE_NOTIFY, 6, 1, sid, 9, double(2.5)), request)
    assert (confirmed.p1, confirmed.p2) == (NOWTACCESS, 9)
    assert (error.command, error.p1, error.p2) == (ERROR, 41, NOWTACCESS)
    assert error.payload.startswith(request[:16])
    assert data.value == 1.0


@pytest.mark.parametrize(("value", "logged"), [(13, False), (14, True)])
def test_a_refused_value_fails_and_only_what_is_unexpected_is_logged(
    value: float, logged: bool, caplog: pytest.LogCaptureFixture
) -> None:
    data = Picky(value=1.0)
    client = Client({"x": data})
    sid = client.create("x", cid=41)
    confirmed, error = client.tell(
        raw_message(WRITE_NOTIFY, 6, 1, sid, 9, double(value)),
        raw_message(WRITE, 6, 1, sid, 41, double(value)),
    )
    assert (confirmed.p1, error.p2) == (PUTFAIL, PUTFAIL)
    assert data.value == 1.0
    assert ("ZeroDivisionError" in caplog.text) is logged


def test_a_text_that_is_no_number_fails() -> None:
    data = ChannelInteger(value=1)
    client = Client({"x": data})
    sid = client.create("x")
    good, bad = client.tell(
        raw_message(WRITE_NOTIFY, 0, 1, sid, 1, b"12\0"),
        raw_message(WRITE_NOTIFY, 0, 1, sid, 2, b"twelve\0"),
    )
    assert (good.p1, bad.p1, data.value) == (NORMAL, PUTFAIL, 12)


def test_data_without_a_conversion_says_so() -> None:
    data = ChannelData(value=1)
    client = Client({"x": data})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, 6, 1, sid, 1, double(2.0)))
    assert sent.p1 == 400  # ECA_NOCONVERT
    (sent,) = client.tell(raw_message(15, 6, 1, sid, 1))
    assert sent.p1 == 400


def test_alarm_and_time_may_come_with_the_value() -> None:
    data = ChannelDouble(value=1.0)
    client = Client({"x": data})
    sid = client.create("x")
    payload = struct.pack(">HHIIxxxxd", 3, 2, 1000, 5, 7.5)
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, 20, 1, sid, 1, payload))
    assert sent.p1 == NORMAL
    assert (data.value, data.status, data.severity) == (7.5, 3, 2)
    assert data.epics_timestamp.secondsSinceEpoch == 1000


def test_limits_that_come_with_the_value_are_not_taken() -> None:
    data = ChannelDouble(value=1.0, precision=3)
    client = Client({"x": data})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, 34, 1, sid, 1, bytes(80) + double(2.0)))
    assert sent.p1 == NORMAL
    assert (data.value, data.precision) == (2.0, 3)


def test_acknowledging_an_alarm() -> None:
    data = ChannelDouble(value=1.0)
    data.alarm.change(severity=2)
    data.alarm.change(severity=0)
    client = Client({"x": data})
    sid = client.create("x")

    def acks() -> tuple[int, ...]:
        (sent,) = client.tell(raw_message(15, 37, 1, sid, 0))
        return struct.unpack_from(">4H", sent.payload)

    assert acks() == (0, 0, 1, 2)
    client.tell(raw_message(WRITE_NOTIFY, 36, 1, sid, 1, b"\0\1"))  # PUT_ACKS, MINOR: not enough
    assert acks() == (0, 0, 1, 2)
    client.tell(raw_message(WRITE_NOTIFY, 36, 1, sid, 1, b"\0\2"))
    assert acks() == (0, 0, 1, 0)
    client.tell(raw_message(WRITE_NOTIFY, 35, 1, sid, 1, b"\0\0"))  # PUT_ACKT, no
    assert acks() == (0, 0, 0, 0)
    assert data.value == 1.0


# --- writes that take their time ---


def test_a_slow_write_is_confirmed_when_it_ends_and_holds_up_nothing_else() -> None:
    slow = SlowWrite(value=1.0)
    client = Client({"slow": slow, "x": ChannelDouble(value=3.0)})
    slow_sid, sid = client.create("slow"), client.create("x")
    (other,) = client.tell(
        raw_message(WRITE_NOTIFY, 6, 1, slow_sid, 5, double(2.0)), raw_message(15, 6, 1, sid, 6)
    )
    assert other.p2 == 6
    (late,) = client.open(slow.gates[0], 8.0)
    assert (late.command, late.p1, late.p2) == (WRITE_NOTIFY, NORMAL, 5)
    assert slow.value == 8.0


@pytest.mark.parametrize(
    ("error", "status"),
    [(Forbidden("no"), NOWTACCESS), (ZeroDivisionError(), PUTFAIL), (CaprotoValueError(), PUTFAIL)],
)
def test_a_slow_write_that_fails_is_answered(error: Exception, status: int) -> None:
    slow = SlowWrite(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x")
    client.tell(raw_message(WRITE_NOTIFY, 6, 1, sid, 5, double(2.0)))
    (sent,) = client.open(slow.gates[0], error)
    assert (sent.p1, slow.value) == (status, 1.0)


def test_a_slow_write_without_confirmation_is_answered_only_if_it_fails() -> None:
    slow = SlowWrite(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x", cid=41)
    client.tell(raw_message(WRITE, 6, 1, sid, 41, double(2.0)))
    assert client.open(slow.gates[0]) == []
    client.tell(raw_message(WRITE, 6, 1, sid, 41, double(3.0)))
    (error,) = client.open(slow.gates[1], CaprotoValueError("no"))
    assert (error.command, error.p1, error.p2) == (ERROR, 41, PUTFAIL)


def test_a_slow_pv_is_not_even_asked_when_the_request_makes_no_sense() -> None:
    slow = SlowWrite(value=1.0)
    client = Client({"x": slow})
    sid = client.create("x")
    (sent,) = client.tell(raw_message(WRITE_NOTIFY, 6, 3, sid, 5, double(2.0)))
    assert sent.p1 == BADCOUNT
    assert slow.gates == []


def test_a_pv_that_overrides_write_from_dbr_gets_what_came_over_the_wire() -> None:
    seen: list[Any] = []

    class Raw(ChannelString):
        async def write_from_dbr(
            self, data: Any, data_type: ChannelType, metadata: Any, *, flags: int = 0
        ) -> None:
            seen.append((list(data), data_type, metadata))

    client = Client({"x": Raw(value="")})
    sid = client.create("x")
    client.tell(raw_message(WRITE_NOTIFY, 0, 1, sid, 5, b"abc\0"))
    client.tell(raw_message(WRITE_NOTIFY, 5, 2, sid, 5, struct.pack(">ii", 1, 2)))
    assert seen == [([b"abc"], ChannelType.STRING, None), ([1, 2], ChannelType.LONG, None)]
