"""A number that nothing has to be asked about takes a short way: it must end where the long one does."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from caproto import AlarmSeverity, AlarmStatus
from caproto.server import PVGroup, PvpropertyDouble, pvproperty
from caproto.server.data import (
    CannotExceedLimits,
    ChannelAlarm,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelShort,
    channel,
)
from caproto.server.data.encoding import EPOCH
from caproto.server.data.overriding import NUMBER_METHODS, plain
from tests.server.fake_shell import Client
from tests.support.raw_messages import RawMessage, raw_message

NOW = 1_000_000_000_123_456_789
"""In nanoseconds since the EPICS epoch."""
TIME_INT, TIME_LONG, TIME_DOUBLE = 15, 19, 20
ALL = 15
NORMAL, BADCOUNT = 1, 176


@pytest.fixture(autouse=True)
def _fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "now", lambda: NOW)
    monkeypatch.setattr(channel, "time_ns", lambda: NOW + EPOCH)


def run(coroutine: Any) -> None:
    """Run what waits for nothing."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def updates(data: ChannelData, value: Any, data_type: int, **request: Any) -> list[RawMessage]:
    """Return what a subscriber gets by one write."""
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid, data_type=data_type, **request)
    client.subscribe(sid, id_=1, data_type=data_type, **request)
    run(data.write(value))
    return client.turn()


def long_way_of(cls: type[ChannelData]) -> type[ChannelData]:
    """Return a class that does the same with a method of its own, and so must not take the short way."""
    return type("Long", (cls,), {"forget_encoded": lambda self: cls.forget_encoded(self)})


def is_quick(data: ChannelData, value: Any) -> bool:
    return data.take_number(value)


@pytest.mark.parametrize("data_type", [0, 5, 6, TIME_INT, TIME_LONG, TIME_DOUBLE, 27, 34])
@pytest.mark.parametrize("count", [0, 1, 2])
@pytest.mark.parametrize(
    ("cls", "value"),
    [
        (ChannelDouble, 1.5),
        (ChannelDouble, -math.inf),
        (ChannelDouble, math.nan),
        (ChannelDouble, 3),
        (ChannelDouble, 1e300),
        (ChannelInteger, -(1 << 31)),
        (ChannelInteger, 7),
        (ChannelShort, 32767),
    ],
)
def test_the_bytes_are_those_of_the_long_way(
    cls: type[ChannelData], value: Any, count: int, data_type: int
) -> None:
    quick = cls(value=0)
    long = long_way_of(cls)(value=0)
    assert is_quick(quick, value)
    assert not is_quick(long, value)
    sent = updates(quick, value, data_type, count=count)
    assert sent == updates(long, value, data_type, count=count)
    assert [each.p2 for each in sent] == [0, 1]
    assert repr(quick.value) == repr(long.value) == repr(value)
    assert quick.epics_timestamp == long.epics_timestamp


def test_a_read_after_it_gets_the_new_value() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    before = client.tell(_read(sid))
    run(data.write(2.5))
    (after,) = client.tell(_read(sid))
    assert before[0].payload != after.payload
    assert after.payload[-8:] == bytes.fromhex("4004000000000000")
    assert after.payload[4:12] == (NOW // 10**9).to_bytes(4, "big") + (NOW % 10**9).to_bytes(
        4, "big"
    )


def _read(sid: int) -> bytes:
    return raw_message(15, TIME_DOUBLE, 1, sid, 7)


@pytest.mark.parametrize("command", [4, 19])
@pytest.mark.parametrize(
    ("data_type", "payload", "value"),
    [
        (6, struct.pack(">d", 2.5), 2.5),
        (2, struct.pack(">f", 2.5), 2.5),
        (5, struct.pack(">i", -3), -3),
        (1, struct.pack(">h", -3), -3),
        (3, struct.pack(">H", 3), 3),
        (4, b"\xff", 255),
        (0, b"2.5\0", 2.5),
        (TIME_DOUBLE, bytes(16) + struct.pack(">d", 2.5), 2.5),
    ],
)
def test_a_client_may_write_any_type(
    data_type: int, payload: bytes, value: float, command: int
) -> None:
    for data, stored in (
        (ChannelDouble(value=0.0), float(value)),
        (ChannelInteger(value=0), int(value)),
    ):
        client = Client({"x": data})
        sid = client.create("x")
        sent = client.tell(raw_message(command, data_type, 1, sid, 7, payload))
        confirmed = [RawMessage(19, data_type, 1, NORMAL, 7, b"")]
        assert sent == (confirmed if command == 19 else [])
        assert (type(data.value), data.value) == (type(stored), stored)


def test_a_write_without_its_value_is_refused() -> None:
    data = ChannelDouble(value=1.0)
    client = Client({"x": data})
    sid = client.create("x")
    assert client.tell(raw_message(19, 6, 1, sid, 7))[0].p1 == BADCOUNT
    assert data.value == 1.0


def test_an_extended_header_is_answered_in_kind() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    sid = client.create("x")
    request = raw_message(19, 6, 1, sid, 7, struct.pack(">d", 2.5), extended=True)
    client.circuit.feed(request)
    assert client.taken() == (
        bytes.fromhex("0013 ffff 0006 0000 00000001 00000007 00000000 00000001")
    )


@pytest.mark.parametrize("name", NUMBER_METHODS)
def test_a_method_that_a_program_overrides_is_not_left_out(name: str) -> None:
    ours = getattr(ChannelDouble, name)
    cls = type("Own", (ChannelDouble,), {name: lambda self, *args, **kw: ours(self, *args, **kw)})
    assert not is_quick(cls(value=0.0), 1.0)
    again = type("Derived", (cls,), {name: plain(ours)})
    assert not is_quick(again(value=0.0), 1.0)


@pytest.mark.parametrize(
    "value", [True, "1", b"1", [1.0], (1.0,), None], ids=lambda value: repr(value)
)
def test_other_values_than_numbers_go_the_long_way(value: Any) -> None:
    assert not is_quick(ChannelDouble(value=0.0), value)


@pytest.mark.parametrize("value", [1 << 31, -(1 << 31) - 1])
def test_what_a_type_cannot_hold_goes_the_long_way(value: int) -> None:
    assert not is_quick(ChannelInteger(value=0), value)


@pytest.mark.parametrize(
    "data",
    [
        ChannelDouble(value=[1.0, 2.0]),
        ChannelDouble(value=0.0, max_length=3),
        ChannelDouble(value=0.0, value_atol=0.1),
        ChannelDouble(value=0.0, log_atol=0.1),
        ChannelFloat(value=0.0),
        ChannelEnum(value=0, enum_strings=("a", "b")),
    ],
    ids=lambda data: type(data).__name__,
)
def test_pvs_that_look_at_their_values_do_so(data: ChannelData) -> None:
    assert not is_quick(data, 0.5)
    assert not is_quick(data, 1)


def test_control_limits_hold_from_the_moment_they_are_set() -> None:
    data = ChannelDouble(value=0.0, lower_ctrl_limit=-1.0, upper_ctrl_limit=1.0)
    assert is_quick(data, 1.0)
    with pytest.raises(CannotExceedLimits):
        data.write(1.5).send(None)
    run(data.write_metadata(upper_ctrl_limit=2.0))
    assert not is_quick(data, 1.5)  # the alarm has to end
    run(data.write(1.5))
    assert is_quick(data, 1.5)
    run(data.write_metadata(upper_ctrl_limit=-1.0))  # both the same: none
    assert is_quick(data, 1e9)


def test_limits_beyond_the_type_do_not_widen_it() -> None:
    data = ChannelShort(value=0, lower_ctrl_limit=-1e6, upper_ctrl_limit=1e6)
    assert not is_quick(data, 40_000)


@pytest.mark.parametrize(
    "limits",
    [
        {"upper_alarm_limit": 3, "lower_alarm_limit": -3},
        {"upper_warning_limit": 2.5},
        {"lower_warning_limit": -2, "upper_alarm_limit": 3, "upper_ctrl_limit": 4},
        {"upper_alarm_limit": math.nan, "lower_warning_limit": -2, "upper_warning_limit": math.nan},
        {"upper_alarm_limit": -3, "lower_alarm_limit": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("cls", [ChannelDouble, ChannelInteger])
def test_values_and_alarms_are_those_of_the_long_way(
    cls: type[ChannelData], limits: dict[str, Any]
) -> None:
    outcomes = []
    for one in (cls, long_way_of(cls)):
        alarm = ChannelAlarm()
        data, other = (
            one(value=1, alarm=alarm, **limits),
            ChannelDouble(value=0.0, alarm=alarm, timestamp=(5, 6)),
        )
        client = Client({"x": data, "other": other})
        client.subscribe(client.create("x"), data_type=TIME_DOUBLE, mask=ALL)
        client.subscribe(client.create("other"), id_=1, data_type=TIME_DOUBLE, mask=ALL)
        outcome: list[Any] = []
        number: Any = float if cls is ChannelDouble else int
        for value in (0, 1, 2, 3, 2, 3, 4, 5, 1, -1, -2, -3, -4, 0, 2, 2.5, 0):
            if value == -1:
                run(alarm.write(status=AlarmStatus.COMM, severity=AlarmSeverity.INVALID_ALARM))
            try:
                run(data.write(number(value)))
            except CannotExceedLimits:
                outcome.append("refused")
            state = (data.value, data.severity, data.status, alarm.severity_to_acknowledge)
            outcome.append((state, client.turn()))
        outcomes.append(outcome)
    assert outcomes[0] == outcomes[1]


def test_a_pv_with_alarm_limits_is_quick_out_of_alarm() -> None:
    data = ChannelDouble(value=0.0, upper_alarm_limit=3.0, lower_alarm_limit=-3.0)
    assert is_quick(data, math.nextafter(3.0, 0.0))
    assert not is_quick(data, 3.0)
    run(data.write(3.0))
    assert not is_quick(data, 0.0)  # the alarm has to end
    run(data.write(0.0))
    assert is_quick(data, 0.0)


def test_alarm_limits_and_dead_bands_hold_from_the_moment_they_are_set() -> None:
    data = ChannelDouble(value=0.0)
    assert is_quick(data, 0.0)
    run(data.write_metadata(upper_alarm_limit=3.0, lower_alarm_limit=-3.0))
    run(data.write(5.0))
    assert data.severity == AlarmSeverity.MAJOR_ALARM
    run(data.write_metadata(upper_alarm_limit=0, lower_alarm_limit=0))
    run(data.write(0.0))
    assert is_quick(data, 0.0)
    data.value_atol = 0.5
    assert data.value_atol == 0.5
    assert not is_quick(data, 0.1)
    data.value_atol = 0.0
    data.log_atol = 0.5
    assert data.log_atol == 0.5
    assert not is_quick(data, 0.1)


def test_a_pv_in_alarm_goes_the_long_way_which_ends_it() -> None:
    data = ChannelDouble(value=0.0)
    run(data.alarm.write(status=AlarmStatus.COMM, severity=AlarmSeverity.INVALID_ALARM))
    assert not is_quick(data, 1.0)
    assert updates(data, 1.0, TIME_DOUBLE)[0].payload[:4] == bytes(4)
    assert is_quick(data, 1.0)


def test_a_mask_without_values_gets_nothing_unless_a_flag_says_so() -> None:
    data = ChannelDouble(value=0.0)
    assert updates(data, 1.0, TIME_DOUBLE, mask=8) == []
    client = Client({"x": data})
    client.subscribe(client.create("x"), data_type=TIME_DOUBLE, mask=8)
    run(data.write(2.0, flags=8))
    assert len(client.turn()) == 1


def test_while_a_client_is_slow_the_newest_is_kept_for_it() -> None:
    data = ChannelDouble(value=0.0)
    client = Client({"x": data})
    client.subscribe(client.create("x"), data_type=TIME_DOUBLE)
    client.circuit.pause()
    for value in (1.0, 2.0, 3.0):
        run(data.write(value))
    client.circuit.resume()
    (update,) = client.turn()
    assert update.payload[-8:] == bytes.fromhex("4008000000000000")


def test_a_write_with_a_time_of_its_own_keeps_it() -> None:
    data = ChannelDouble(value=0.0)
    run(data.write(1.0, timestamp=(5, 6)))
    assert data.stamp == (5, 6)
    run(data.write(1.0, timestamp=(5, 1 << 31)))  # a client may send such nonsense
    assert data.stamp == (5, 999_999_999)


class Group(PVGroup):
    x = pvproperty(value=0.0)

    @pvproperty(value=0.0).putter
    async def refusing(self, instance: Any, value: Any) -> None:
        raise ValueError("no")


class Guarding(PVGroup):
    x = pvproperty(value=0.0)

    async def group_write(self, instance: Any, value: Any) -> Any:
        return value + 1


def test_putters_are_called() -> None:
    group = Group(prefix="")
    assert is_quick(group.x, 1.0)
    with pytest.raises(ValueError, match="no"):
        group.refusing.write(1.0).send(None)
    assert group.refusing.value == 0.0
    guarding = Guarding(prefix="")
    run(guarding.x.write(1.0))
    assert guarding.x.value == 2.0


def test_a_putter_may_come_later() -> None:
    x = Group(prefix="").x

    async def double(instance: PvpropertyDouble, value: float) -> float:
        return 2 * value

    run(x.write(1.0))
    x.putter = double
    assert x.putter is double
    run(x.write(1.0))
    assert x.value == 2.0
    x.putter = None
    run(x.write(1.0))
    assert x.value == 1.0


async def _own_auth_write(self: ChannelDouble, *args: Any, **kwargs: Any) -> Any:
    hostname, username, data, data_type, metadata = args
    assert len(data) == 1  # a sequence, as is documented
    return await ChannelDouble.auth_write(
        self, hostname, username, data, data_type, metadata, **kwargs
    )


async def _own_write_from_dbr(self: ChannelDouble, data: Any, *args: Any, **kwargs: Any) -> Any:
    assert len(data) == 1
    return await ChannelDouble.write_from_dbr(self, data, *args, **kwargs)


@pytest.mark.parametrize(
    "methods",
    [{"auth_write": _own_auth_write}, {"write_from_dbr": _own_write_from_dbr}],
    ids=lambda methods: next(iter(methods)),
)
def test_overridden_methods_get_a_sequence_of_one_element(methods: dict[str, Any]) -> None:
    data = type("Own", (ChannelDouble,), methods)(value=0.0)
    client = Client({"x": data})
    sid = client.create("x")
    (confirmation,) = client.tell(raw_message(19, 6, 1, sid, 7, struct.pack(">d", 2.5)))
    assert confirmation.p1 == NORMAL
    assert data.value == 2.5


@pytest.mark.parametrize(
    ("data_type", "payload"), [(6, struct.pack(">d", 3.0)), (0, b"3\0"), (4, b"\x03")]
)
def test_a_putter_gets_a_number_whatever_a_client_sends(data_type: int, payload: bytes) -> None:
    got = []

    class Keeping(PVGroup):
        @pvproperty(value=0.0).putter
        async def x(self, instance: Any, value: Any) -> None:
            got.append(value)

    group = Keeping(prefix="")
    client = Client(group.pvdb)
    sid = client.create("x")
    (confirmation,) = client.tell(raw_message(19, data_type, 1, sid, 7, payload))
    assert confirmation.p1 == NORMAL
    assert [(type(value), value) for value in got] == [(float, 3.0)]
