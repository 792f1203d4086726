"""What all PVs have: value, length, time, access, and the ways to read and write them."""

from __future__ import annotations

import array
import datetime
import gc
from collections import deque
from typing import Any, ClassVar
from unittest.mock import MagicMock

import numpy as np
import pytest

import caproto
from caproto import (
    AccessRights,
    AlarmSeverity,
    AlarmStatus,
    CaprotoError,
    CaprotoValueError,
    ChannelType,
    Forbidden,
    SkipWrite,
    SubscriptionType,
    TimeStamp,
)
from caproto.server.data import (
    ChannelAlarm,
    ChannelByte,
    ChannelChar,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelInteger,
    ChannelString,
)


@pytest.mark.parametrize(
    ("data", "value", "max_length", "length"),
    [
        (ChannelDouble(value=1.0), 1.0, 1, 1),
        (ChannelDouble(value=[1.0]), 1.0, 1, 1),
        (ChannelDouble(value=[1.0, 2.0]), [1.0, 2.0], 2, 2),
        (ChannelDouble(value=[1.0, 2.0], max_length=5), [1.0, 2.0], 5, 2),
        (ChannelDouble(value=1.0, max_length=4), [1.0], 4, 1),
        (ChannelDouble(value=[], max_length=4), [], 4, 0),
        (ChannelInteger(value=(1, 2)), (1, 2), 2, 2),
        (ChannelInteger(value=np.int32(3)), 3, 1, 1),
        (ChannelInteger(value=np.array(3)), 3, 1, 1),
        (ChannelInteger(value=np.array([3])), 3, 1, 1),
        (ChannelString(value="abc"), "abc", 1, 1),
        (ChannelString(value=["a", "b"]), ["a", "b"], 2, 2),
        (ChannelEnum(value=0), 0, 1, 1),
        (ChannelChar(value="hello"), "hello", 5, 5),
        (ChannelByte(value=b"abc"), b"abc", 3, 3),
        (ChannelData(value=3), 3, 1, 1),
    ],
)
def test_a_value_tells_the_length_of_its_pv(
    data: ChannelData, value: Any, max_length: int, length: int
) -> None:
    assert (data.value, data.max_length, data.length) == (value, max_length, length)


def test_a_value_that_is_too_long_is_refused_and_the_old_one_stays() -> None:
    with pytest.raises(CaprotoValueError, match="3 elements"):
        ChannelDouble(value=[1.0, 2.0, 3.0], max_length=2)
    with pytest.raises(CaprotoValueError, match="empty"):
        ChannelDouble(value=[])


async def test_a_scalar_takes_an_array_of_one_and_no_other() -> None:
    data = ChannelDouble(value=1.0)
    await data.write([2.0])
    assert data.value == 2.0
    await data.write(np.array([3.0]))
    assert data.value == 3.0
    for value in ([], [1.0, 2.0], np.zeros(2)):
        with pytest.raises(CaprotoValueError):
            await data.write(value)
    assert data.value == 3.0


async def test_an_array_takes_a_scalar_as_one_element() -> None:
    data = ChannelDouble(value=[1.0, 2.0])
    await data.write(5.0)
    assert data.value == [5.0]
    with pytest.raises(CaprotoValueError):
        await data.write([1.0, 2.0, 3.0])


def test_what_counts_as_an_array() -> None:
    data = ChannelDouble(value=1.0)
    assert data.is_compatible_array([1.0])
    assert data.is_compatible_array(np.zeros(2))
    assert data.is_compatible_array(array.array("d", [1.0]))
    assert not data.is_compatible_array("text")
    assert not data.is_compatible_array(1.0)


# --- time ---


def test_a_value_has_the_time_at_which_it_was_set() -> None:
    before = TimeStamp.now()
    stamp = ChannelDouble(value=1.0).epics_timestamp
    assert (before.secondsSinceEpoch, 0) <= (stamp.secondsSinceEpoch, stamp.nanoSeconds)
    assert stamp.timestamp - before.timestamp < 5


@pytest.mark.parametrize(
    "timestamp",
    [
        631152001.5,
        TimeStamp(1, 500_000_000),
        (1, 500_000_000),
        datetime.datetime(1990, 1, 1, 0, 0, 1, 500_000, tzinfo=datetime.timezone.utc),
    ],
)
async def test_a_time_may_be_given_in_any_form(timestamp: Any) -> None:
    data = ChannelDouble(value=1.0, timestamp=timestamp)
    assert data.epics_timestamp == TimeStamp(1, 500_000_000)
    await data.write(2.0)
    assert data.timestamp > 1e9
    await data.write(3.0, timestamp=timestamp)
    assert data.timestamp == 631152001.5
    await data.write_metadata(timestamp=5e9)
    assert data.timestamp == 5e9


# --- reading ---


@pytest.mark.parametrize("family", [0, 7, 14, 21, 28])
@pytest.mark.parametrize(
    "data",
    [
        ChannelDouble(value=3.0),
        ChannelDouble(value=[3.0, 4.0]),
        ChannelInteger(value=3),
        ChannelString(value="3"),
        ChannelEnum(value=3, enum_strings=["3", "2", "1", "0"]),
        ChannelChar(value="3"),
        ChannelByte(value=b"3"),
    ],
    ids=lambda data: f"{type(data).__name__}{data.max_length}",
)
async def test_every_pv_can_be_read_as_every_type(data: ChannelData, family: int) -> None:
    for native in range(7):
        metadata, values = await data.read(family + native)
        assert len(values) == (2 if data.max_length == 2 else 1)
        assert len(metadata) == len(bytes(metadata))
        assert bool(metadata) is (family > 0)


async def test_a_read_returns_what_a_client_would_get() -> None:
    data = ChannelDouble(value=3.25, units="mm", precision=2, timestamp=1e9)
    metadata, values = await data.read(ChannelType.TIME_DOUBLE)
    assert metadata.timestamp == 1e9
    assert values.tolist() == [3.25]
    assert (await data.read(ChannelType.STRING)) == (b"", [b"3.25"])
    metadata, values = await data.read(ChannelType.CTRL_DOUBLE)
    assert (metadata.units, metadata.precision) == (b"mm", 2)


async def test_the_two_types_that_can_only_be_read() -> None:
    data = ChannelDouble(value=3.25, precision=2, reported_record_type="ai")
    data.alarm.change(status=AlarmStatus.HIGH, severity=AlarmSeverity.MINOR_ALARM)
    metadata, values = await data.read(ChannelType.STSACK_STRING)
    assert (metadata.status, metadata.severity, metadata.ackt, metadata.acks) == (4, 1, 1, 1)
    assert values == [b"3.25"]
    assert (await data.read(ChannelType.CLASS_NAME)) == (b"", [b"ai"])
    with pytest.raises(CaprotoValueError, match="PUT_ACKT"):
        await data.read(ChannelType.PUT_ACKT)


async def test_data_of_no_particular_type_is_read_and_written_as_what_it_is() -> None:
    data = ChannelData(value=2)
    await data.write_from_dbr([3, 4], ChannelType.LONG, None)
    assert (await data.read(ChannelType.LONG))[1].tolist() == [3]
    with pytest.raises(CaprotoError, match="DOUBLE"):
        await data.read(ChannelType.DOUBLE)


# --- writing ---


async def test_what_is_read_can_be_written_back() -> None:
    data = ChannelDouble(value=[1.0, 2.0, 3.0])
    _, values = await data.read(ChannelType.DOUBLE)
    await data.write_from_dbr(values, ChannelType.DOUBLE, None)
    assert list(data.value) == [1.0, 2.0, 3.0]
    assert (await data.read(ChannelType.DOUBLE))[1].tolist() == [1.0, 2.0, 3.0]


async def test_metadata_may_be_a_dict_when_it_comes_with_a_value() -> None:
    data = ChannelDouble(value=1.0)
    await data.write_from_dbr([2.0], ChannelType.DOUBLE, {"timestamp": 1e9, "status": 4})
    assert (data.timestamp, data.status) == (1e9, AlarmStatus.HIGH)


async def test_a_putter_may_change_a_value_or_leave_it_or_refuse_it() -> None:
    class Checked(ChannelInteger):
        fields: ClassVar[list[Any]] = []

        async def verify_value(self, data: Any) -> Any:
            if data == 13:
                raise SkipWrite
            if data == 14:
                raise CaprotoValueError("no")
            return None if data == 15 else data * 2

        async def update_fields(self, value: Any) -> None:
            self.fields.append(value)

    data = Checked(value=1)
    assert not data.writes_at_once
    await data.write(2)
    assert data.value == 4
    await data.write(13)
    assert data.value == 4
    with pytest.raises(CaprotoValueError, match="no"):
        await data.write(14)
    await data.write(15)
    assert data.value == 15
    await data.write(13, verify_value=False)
    assert data.value == 13
    await data.write(1, update_fields=False)
    assert data.value == 2
    assert data.fields == [4, 15, 13]


async def test_a_check_may_skip_a_write_of_the_ioc_and_of_a_client() -> None:
    class Checked(ChannelInteger):
        def check_value(self, data: Any) -> None:
            if data < 0:
                raise SkipWrite

    data = Checked(value=1)
    assert data.writes_at_once
    await data.write(-1)
    data.write_now([-2], ChannelType.LONG, None)
    assert data.value == 1
    await data.write(2)
    assert data.value == 2


async def test_unknown_metadata_is_refused() -> None:
    with pytest.raises(CaprotoValueError, match="nonsense"):
        await ChannelDouble(value=1.0).write(1.0, nonsense=3)
    with pytest.raises(CaprotoValueError, match="units"):
        await ChannelString(value="").write_metadata(units="V")


async def test_metadata_that_is_none_stays() -> None:
    data = ChannelDouble(value=1.0, units="V")
    await data.write_metadata(units=None, severity=None)
    assert data.units == "V"


async def test_publishing_what_nobody_has_subscribed_to_is_harmless() -> None:
    data = ChannelDouble(value=1.0)
    await data.publish(SubscriptionType.DBE_VALUE)
    await data.alarm.publish(SubscriptionType.DBE_ALARM)


async def test_an_alarm_is_acknowledged_by_a_write_of_its_own_type() -> None:
    data = ChannelDouble(value=1.0)
    data.alarm.change(severity=2)
    await data.write_from_dbr([2], ChannelType.PUT_ACKS, None)
    assert (data.value, data.alarm.severity_to_acknowledge) == (1.0, 0)
    with pytest.raises(CaprotoValueError, match="STSACK_STRING"):
        await data.write_from_dbr([b"x"], ChannelType.STSACK_STRING, None)


# --- access ---


async def test_everybody_may_do_everything_by_default() -> None:
    data = ChannelDouble(value=1.0)
    assert data.check_access("host", "user") == AccessRights.READ | AccessRights.WRITE
    assert (await data.auth_read("host", "user", ChannelType.DOUBLE))[1].tolist() == [1.0]
    await data.auth_write("host", "user", [2.0], ChannelType.DOUBLE, None)
    assert data.value == 2.0


async def test_access_is_checked_for_host_and_user() -> None:
    class Private(ChannelDouble):
        def check_access(self, hostname: str, username: str) -> AccessRights:
            return AccessRights.READ if username == "ada" else AccessRights.NO_ACCESS

    data = Private(value=1.0)
    assert not data.access_is_fixed
    await data.auth_read("host", "ada", ChannelType.DOUBLE)
    with pytest.raises(Forbidden, match="bob@host"):
        await data.auth_read("host", "bob", ChannelType.DOUBLE)
    with pytest.raises(Forbidden, match="write"):
        await data.auth_write("host", "ada", [2.0], ChannelType.DOUBLE, None)


# --- alarm ---


def test_an_alarm_can_be_exchanged() -> None:
    data = ChannelDouble(value=1.0)
    old, new = data.alarm, ChannelAlarm(status=3, severity=2)
    data.alarm = new
    assert (data.status, data.severity) == (3, 2)
    assert old.channels == []
    assert new.channels == [data]
    assert repr(new) == "<ChannelAlarm(status=3, severity=2)>"


def test_a_pv_that_is_gone_has_no_alarm() -> None:
    alarm = ChannelAlarm()
    data = ChannelDouble(value=1.0, alarm=alarm)
    assert alarm.channels == [data]
    del data
    gc.collect()
    assert alarm.channels == []


def test_a_pv_gets_an_alarm_of_its_own_when_it_is_asked_for() -> None:
    data, other = ChannelDouble(value=1.0), ChannelDouble(value=1.0)
    assert data.severity == AlarmSeverity.NO_ALARM
    data.alarm.change(severity=2)
    assert data.alarm is data.alarm
    assert (data.severity, other.severity) == (2, 0)
    given = ChannelAlarm()
    other.alarm = given
    assert other.alarm is given


async def test_an_alarm_is_read_as_metadata() -> None:
    alarm = ChannelAlarm(
        status=3,
        severity=2,
        must_acknowledge_transient=False,
        severity_to_acknowledge=1,
        alarm_string="hot",
    )
    dbr = await alarm.read()
    assert (dbr.status, dbr.severity, dbr.ackt, dbr.acks) == (3, 2, 0, 1)
    assert alarm.alarm_string == "hot"
    metadata, _ = await ChannelDouble(value=1.0).read(ChannelType.STS_DOUBLE)
    assert (await alarm.read(metadata)) is metadata
    assert (metadata.status, metadata.severity) == (3, 2)


async def test_an_alarm_has_to_be_acknowledged_if_it_was_bad_enough() -> None:
    alarm = ChannelAlarm()
    await alarm.write(severity=2)
    await alarm.write(severity=1, alarm_string="warm")
    assert (alarm.severity, alarm.severity_to_acknowledge) == (1, 2)
    await alarm.write(must_acknowledge_transient=False, publish=False)
    await alarm.write(severity=0)
    assert alarm.severity_to_acknowledge == 0
    assert alarm.alarm_string == "warm"


def test_acknowledgement_of_what_is_over_may_be_waived() -> None:
    alarm = ChannelAlarm(severity=1, severity_to_acknowledge=2)
    alarm.require_acknowledgement(False)
    assert alarm.severity_to_acknowledge == 1
    alarm.require_acknowledgement(True)
    assert (alarm.must_acknowledge_transient, alarm.severity_to_acknowledge) == (True, 1)
    alarm.require_acknowledgement(True)
    alarm.acknowledge(0)
    assert alarm.severity_to_acknowledge == 1
    alarm.acknowledge(2)
    assert alarm.severity_to_acknowledge == 0


async def test_the_pv_that_sets_a_shared_alarm_may_be_left_out() -> None:
    told: list[str] = []

    class Telling(ChannelDouble):
        async def publish(self, flags: int) -> None:
            told.append(f"{self.value}:{flags}")

    alarm = ChannelAlarm()
    one, other = Telling(value=1.0, alarm=alarm), Telling(value=2.0, alarm=alarm)
    await alarm.publish(4, except_for=one)
    assert told == ["2.0:4"]
    assert other.alarm is alarm


async def test_without_numpy_arrays_are_read_and_written_too() -> None:
    caproto.select_backend("array")
    try:
        data = ChannelDouble(value=[1.5, 2.5], precision=1)
        values = (await data.read(ChannelType.DOUBLE))[1]
        assert isinstance(values, array.array)
        await data.write_from_dbr(values, ChannelType.DOUBLE, None)
        assert list(data.value) == [1.5, 2.5]
        assert (await data.read(ChannelType.LONG))[1].tolist() == [1, 2]
        await data.write_from_dbr(array.array("i", [7, 8]), ChannelType.LONG, None)
        assert (await data.read(ChannelType.STRING))[1] == [b"7.0", b"8.0"]
    finally:
        caproto.select_backend("numpy")


def test_states_have_hooks_that_do_nothing_by_default() -> None:
    data = ChannelDouble(value=1.0)
    data.pre_state_change("state", 1)
    data.post_state_change("state", 1)


async def test_a_mock_is_one_value() -> None:
    data = ChannelDouble(value=1.0)
    mock = MagicMock()
    await data.write(mock)
    assert data.value is mock


@pytest.mark.parametrize(
    "value",
    [
        [1.0, 2.0],
        (1.0, 2.0),
        range(1, 3),
        array.array("d", [1.0, 2.0]),
        np.array([1.0, 2.0]),
        deque([1.0, 2.0]),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_sequence_of_any_kind_is_an_array(value: Any) -> None:
    data = ChannelDouble(value=value)
    assert (data.max_length, data.length) == (2, 2)
    _, values = await data.read(ChannelType.DOUBLE)
    assert list(values) == [1.0, 2.0]
    scalar = ChannelDouble(value=0.0)
    await scalar.write(value[:1] if not isinstance(value, deque) else deque([1.0]))
    assert scalar.value == 1.0
