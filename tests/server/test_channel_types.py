"""What is particular to numbers, states, text and bytes."""

from __future__ import annotations

import copy
import enum
import pickle
from typing import Any

import numpy as np
import pytest

from caproto import (
    AlarmSeverity,
    AlarmStatus,
    CaprotoConversionError,
    CaprotoValueError,
    ChannelType,
    SubscriptionType,
)
from caproto.server.data import (
    CannotExceedLimits,
    ChannelAlarm,
    ChannelByte,
    ChannelChar,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelShort,
    ChannelString,
    EnumLabel,
)

T = ChannelType


async def as_type(data: ChannelData, data_type: ChannelType) -> list[Any]:
    values = (await data.read(data_type))[1]
    return list(values.tolist() if hasattr(values, "tolist") else values)


# --- numbers ---


def test_types_of_the_classes() -> None:
    assert ChannelDouble(value=1).data_type is T.DOUBLE
    assert ChannelFloat(value=1).data_type is T.FLOAT
    assert ChannelInteger(value=1).data_type is T.LONG
    assert ChannelShort(value=1).data_type is T.INT
    assert ChannelEnum(value=1).data_type is T.ENUM
    assert ChannelString(value="1").data_type is T.STRING
    assert ChannelChar(value="1").data_type is T.CHAR
    assert ChannelByte(value=b"1").data_type is T.CHAR


async def test_a_double_is_read_as_other_types_as_the_c_ioc_converts_it() -> None:
    data = ChannelDouble(value=-3.7, precision=1)
    assert await as_type(data, T.STRING) == [b"-3.7"]
    assert await as_type(data, T.INT) == [-3]
    assert await as_type(data, T.ENUM) == [65533]
    assert await as_type(data, T.CHAR) == [253]
    assert await as_type(data, T.LONG) == [-3]
    assert await as_type(data, T.FLOAT) == [float(np.float32(-3.7))]


async def test_precision_zero_shows_no_digits_as_on_a_c_ioc() -> None:
    assert await as_type(ChannelDouble(value=3.25), T.STRING) == [b"3"]


@pytest.mark.parametrize("kind", [list, np.array])
async def test_an_array_is_read_as_other_types(kind: Any) -> None:
    data = ChannelDouble(value=kind([1.5, -2.5, 1e20]), precision=1)
    assert await as_type(data, T.STRING) == [b"1.5", b"-2.5", b" 1.0e+20"]
    assert await as_type(data, T.LONG) == [1, -2, -2147483648]
    assert await as_type(data, T.DOUBLE) == [1.5, -2.5, 1e20]


async def test_a_value_is_first_what_its_own_type_can_hold() -> None:
    assert await as_type(ChannelFloat(value=0.1), T.DOUBLE) == [float(np.float32(0.1))]
    assert await as_type(ChannelFloat(value=[0.1, 3e38]), T.DOUBLE) == [
        float(np.float32(0.1)),
        float(np.float32(3e38)),
    ]
    assert await as_type(ChannelInteger(value=3.7), T.DOUBLE) == [3.0]
    assert await as_type(ChannelInteger(value=3.7), T.LONG) == [3]
    assert await as_type(ChannelInteger(value=3.7), T.STRING) == [b"3"]


async def test_of_a_whole_number_that_does_not_fit_clients_get_the_lowest_bits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = ChannelShort(value=1)
    for value, bits in ((32768, -32768), (-32769, 32767)):
        await data.write(value)
        assert data.value == value
        assert await as_type(data, T.INT) == [bits]
        assert f"{value}: it is beyond what INT can hold" in caplog.text
    assert await as_type(ChannelInteger(value=2**31), T.LONG) == [-(2**31)]


@pytest.mark.parametrize("limits", [{}, {"upper_ctrl_limit": 5.0}, {"upper_alarm_limit": 5.0}])
@pytest.mark.parametrize("dead_band", [{}, {"value_atol": 1.0}])
async def test_an_ioc_whose_number_is_none_goes_on_and_clients_get_an_error(
    limits: dict[str, Any], dead_band: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    data = ChannelDouble(value=1.0, **limits, **dead_band)
    for _ in range(2):
        await data.write("1.5 is")
        await data.write("offline")
    assert data.value == "offline"
    assert caplog.text.count("ChannelDouble was set to 'offline'") == 1
    for native in (T.DOUBLE, T.LONG, T.STRING):
        with pytest.raises(CaprotoConversionError, match="'offline' is not a number"):
            await as_type(data, native)
    await data.write(2.0)
    assert await as_type(data, T.DOUBLE) == [2.0]


async def test_none_is_not_a_number_among_floats_and_an_error_among_integers() -> None:
    assert np.isnan(await as_type(ChannelDouble(value=None), T.DOUBLE))
    assert await as_type(ChannelFloat(value=None), T.STRING) == [b"nan"]
    with pytest.raises(CaprotoConversionError, match="None is not a number"):
        await as_type(ChannelInteger(value=None), T.LONG)


async def test_text_is_taken_for_the_number_it_spells() -> None:
    data = ChannelDouble(value=1.0)
    await data.write("2.5")
    assert data.value == 2.5
    with pytest.raises(CaprotoConversionError):
        await data.write_from_dbr([b"abc"], T.STRING, None)
    assert data.value == 2.5


@pytest.mark.parametrize(
    ("cls", "values", "data_type", "expected"),
    [
        (ChannelInteger, [3.7], T.DOUBLE, 3),
        (ChannelInteger, [b"12"], T.STRING, 12),
        (ChannelInteger, [b""], T.STRING, 0),
        (ChannelDouble, [7], T.LONG, 7.0),
        (ChannelDouble, 7, T.LONG, 7.0),
        (ChannelShort, 70000, T.LONG, 4464),
        (ChannelFloat, [b"1.5 V"], T.STRING, 1.5),
    ],
)
async def test_what_comes_over_the_wire_is_converted(
    cls: type[ChannelDouble], values: Any, data_type: ChannelType, expected: float
) -> None:
    data = cls(value=1)
    await data.write_from_dbr(values, data_type, None)
    assert data.value == expected
    assert type(data.value) in (int, float)


async def test_an_empty_text_among_several_is_refused() -> None:
    data = ChannelDouble(value=[1.0, 2.0])
    with pytest.raises(CaprotoConversionError):
        await data.write_from_dbr([b"", b"1"], T.STRING, None)
    await data.write_from_dbr([b"5", b"6"], T.STRING, None)
    assert data.value == [5.0, 6.0]


LIMITS = {
    "upper_disp_limit": 12,
    "lower_disp_limit": -12,
    "upper_alarm_limit": 8,
    "upper_warning_limit": 5,
    "lower_warning_limit": -5,
    "lower_alarm_limit": -8,
    "upper_ctrl_limit": 10,
    "lower_ctrl_limit": -10,
}


@pytest.mark.parametrize(
    ("value", "status", "severity"),
    [
        (0, AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM),
        (5, AlarmStatus.HIGH, AlarmSeverity.MINOR_ALARM),
        (8, AlarmStatus.HIHI, AlarmSeverity.MAJOR_ALARM),
        (-5, AlarmStatus.LOW, AlarmSeverity.MINOR_ALARM),
        (-8, AlarmStatus.LOLO, AlarmSeverity.MAJOR_ALARM),
    ],
)
async def test_limits_set_the_alarm(
    value: float, status: AlarmStatus, severity: AlarmSeverity
) -> None:
    data = ChannelDouble(value=1.0, **LIMITS)
    await data.write(value)
    assert (data.status, data.severity) == (status, severity)
    await data.write(0.0)
    assert data.severity == AlarmSeverity.NO_ALARM


async def comm_alarm(data: ChannelData) -> None:
    """Let the IOC say that it does not reach its hardware."""
    await data.alarm.write(status=AlarmStatus.COMM, severity=AlarmSeverity.INVALID_ALARM)


@pytest.mark.parametrize("limits", [{}, LIMITS], ids=["no limits", "limits"])
async def test_an_alarm_set_by_the_ioc_is_over_with_the_next_number(limits: dict[str, Any]) -> None:
    data = ChannelDouble(value=1.0, **limits)
    await comm_alarm(data)
    await data.write(2.0, verify_value=False)
    assert data.severity == AlarmSeverity.INVALID_ALARM
    await data.write(2.0)
    assert (data.status, data.severity) == (AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)


@pytest.mark.parametrize(
    "data",
    [
        ChannelEnum(value=1, enum_strings=["a", "b"]),
        ChannelString(value="1"),
        ChannelChar(value="1"),
        ChannelByte(value=b"1"),
        ChannelDouble(value=[1.0, 2.0]),
    ],
    ids=lambda data: type(data).__name__,
)
async def test_an_alarm_set_by_the_ioc_stays_where_it_is_about_no_number(data: ChannelData) -> None:
    await comm_alarm(data)
    await data.write(data.value)
    assert data.severity == AlarmSeverity.INVALID_ALARM


@pytest.mark.parametrize("limits", [{}, LIMITS], ids=["no limits", "limits"])
async def test_an_alarm_given_with_a_value_is_the_one_to_have(limits: dict[str, Any]) -> None:
    data = ChannelDouble(value=1.0, **limits)
    await data.write(9.0, status=AlarmStatus.LINK, severity=AlarmSeverity.MINOR_ALARM)
    assert (data.status, data.severity) == (AlarmStatus.LINK, AlarmSeverity.MINOR_ALARM)
    await data.write(1.0, severity=AlarmSeverity.NO_ALARM)
    assert (data.status, data.severity) == (AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)


async def test_a_value_beyond_the_limits_is_an_alarm_until_a_write_succeeds() -> None:
    data = ChannelDouble(value=1.0, upper_ctrl_limit=5.0)
    for refused in (data.write(6.0), data.write_from_dbr([7], ChannelType.LONG, None)):
        with pytest.raises(CannotExceedLimits):
            await refused
        assert (data.status, data.severity) == (AlarmStatus.WRITE, AlarmSeverity.MAJOR_ALARM)
        await data.write(2.0)
        assert (data.status, data.severity) == (AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)


async def test_what_cannot_be_converted_is_no_alarm() -> None:
    data = ChannelDouble(value=1.0)
    with pytest.raises(CaprotoConversionError):
        await data.write_from_dbr([b"junk"], ChannelType.STRING, None)
    assert data.severity == AlarmSeverity.NO_ALARM


async def test_pvs_that_share_an_alarm_do_not_end_that_of_the_value_of_another() -> None:
    alarm = ChannelAlarm()
    hot = ChannelDouble(value=1.0, alarm=alarm, **LIMITS)
    warm = ChannelDouble(value=1.0, alarm=alarm, **LIMITS)
    other = ChannelInteger(value=1, alarm=alarm)
    seen = []
    for data, value in ((hot, 9), (other, 2), (warm, 6), (warm, 0), (hot, 6), (warm, 9), (hot, 0)):
        await data.write(value)
        seen.append(alarm.severity)
    assert seen == [2, 2, 2, 2, 1, 2, 2]
    await warm.write(0.0)
    assert alarm.severity == AlarmSeverity.NO_ALARM


async def test_a_value_has_to_come_back_by_more_than_the_hysteresis() -> None:
    data = ChannelDouble(value=1.0, **LIMITS)
    data.hysteresis = 0.5
    seen = []
    for value in (7.9, 8.0, 7.6, 7.4, 4.6, 4.4, 4.6, -5.0, -4.6, -4.4, -8.0, -7.6, -7.4):
        await data.write(value)
        seen.append(data.status)
    high, hihi, none, low, lolo = (
        AlarmStatus.HIGH,
        AlarmStatus.HIHI,
        AlarmStatus.NO_ALARM,
        AlarmStatus.LOW,
        AlarmStatus.LOLO,
    )
    assert seen == [
        *(high, hihi, hihi, high, high, none, none),
        *(low, low, none, lolo, lolo, low),
    ]


async def test_limits_do_not_concern_arrays() -> None:
    data = ChannelDouble(value=[1.0, 2.0], **LIMITS)
    await data.write([100.0, 200.0])
    assert data.severity == AlarmSeverity.NO_ALARM


@pytest.mark.parametrize("value", [10.5, -11, float("nan")])
async def test_values_beyond_the_control_limits_are_refused(value: float) -> None:
    data = ChannelDouble(value=1.0, **LIMITS)
    with pytest.raises(CannotExceedLimits, match="-10 and 10"):
        await data.write(value)
    assert data.value == 1.0
    await data.write(10)
    assert data.value == 10


async def test_every_limit_is_told_and_can_be_changed() -> None:
    data = ChannelDouble(value=1.0, units="V", precision=3, **LIMITS)
    metadata, _ = await data.read(T.CTRL_DOUBLE)
    assert {name: getattr(metadata, name) for name in LIMITS} == LIMITS
    assert (metadata.units, metadata.precision) == (b"V", 3)
    changed: dict[str, Any] = {name: 2 * limit for name, limit in LIMITS.items()}
    await data.write_metadata(units="mV", precision=1, **changed)
    metadata, _ = await data.read(T.CTRL_INT)
    assert {name: getattr(metadata, name) for name in LIMITS} == changed
    assert {name: getattr(data, name) for name in LIMITS} == changed
    assert (data.units, data.precision) == ("mV", 1)
    metadata, _ = await data.read(T.GR_FLOAT)
    assert (metadata.precision, metadata.upper_disp_limit) == (1, 24.0)


async def test_limits_of_a_double_are_wrapped_in_smaller_types() -> None:
    data = ChannelDouble(value=1.0, upper_disp_limit=1e10)
    metadata, _ = await data.read(T.GR_CHAR)
    assert metadata.upper_disp_limit == 0


async def test_a_number_as_an_enum_has_no_labels_and_as_a_string_no_limits() -> None:
    data = ChannelDouble(value=1.0, units="V")
    metadata, _ = await data.read(T.CTRL_ENUM)
    assert metadata.enum_strings == ()
    metadata, values = await data.read(T.CTRL_STRING)
    assert (bytes(metadata), values) == (bytes(4), [b"1"])


async def test_dead_bands_hold_back_small_changes() -> None:
    data = ChannelDouble(value=1.0, value_atol=1.0, log_atol=3.0)
    told: list[tuple[float, int]] = []

    class Source:
        def forget(self) -> None:
            pass

        def publish(self, flags: int) -> None:
            told.append((data.value, flags))

    data.source = Source()  # type: ignore[assignment]
    for value in (1.5, 2.0, 2.1, 2.5, 3.2, 4.3):
        await data.write(value)
    value_flag, log_flag = SubscriptionType.DBE_VALUE, SubscriptionType.DBE_LOG
    assert told == [
        (1.5, 0),
        (2.0, 0),
        (2.1, value_flag),
        (2.5, 0),
        (3.2, value_flag),
        (4.3, value_flag | log_flag),
    ]
    told.clear()
    for value in (float("nan"), 4.3, 4.3):
        await data.write(value)
    assert [flags & 1 for _, flags in told] == [1, 1, 0]


# --- states ---


LABELS = ["off", "on", "out of order"]


class Color(enum.IntEnum):
    red = 0
    green = 1


@pytest.mark.parametrize("value", [1, "on", b"on", EnumLabel("on", 1), np.uint16(1), [1], ["on"]])
async def test_a_state_may_be_given_in_any_form(value: Any) -> None:
    data = ChannelEnum(value=0, enum_strings=LABELS)
    await data.write(value)
    assert data.value == "on"
    assert data.raw_value == 1


async def test_a_state_may_be_a_member_of_an_enum() -> None:
    data = ChannelEnum(value=Color.green, enum_strings=list(Color.__members__))
    assert data.value == "green"
    await data.write(Color.red)
    assert data.value == "red"


def test_a_label_compares_and_counts_as_its_number() -> None:
    label = EnumLabel("on", 1)
    assert label == "on"
    assert label == 1
    assert label == EnumLabel("on", 1)
    assert label != "off"
    assert label != 0
    assert not label != 1  # noqa: SIM202 -- both operators are defined
    assert label
    assert not EnumLabel("off", 0)
    assert int(label) == 1
    assert LABELS[label] == "on"
    assert {"on": 3}[label] == 3
    assert copy.copy(label).number == 1
    assert pickle.loads(pickle.dumps(label)).number == 1
    assert f"{label}" == "on"


async def test_a_state_without_a_label_is_a_number() -> None:
    data = ChannelEnum(value=7, enum_strings=LABELS)
    assert data.value == 7
    assert await as_type(data, T.STRING) == [b"7"]
    assert data.get_raw_value("2") == 2
    assert data.get_raw_value(2) == 2
    assert data.get_raw_value(("on", 2)) == [1, 2]


async def test_what_is_no_state_is_refused_to_clients() -> None:
    data = ChannelEnum(value="on", enum_strings=LABELS)
    with pytest.raises(CaprotoConversionError, match="'off', 'on', 'out of order'"):
        await data.write_from_dbr([b"broken"], T.STRING, None)
    assert data.value == "on"


@pytest.mark.parametrize("value", ["broken", -1, 65536, object])
async def test_an_ioc_whose_state_is_none_goes_on_and_clients_get_an_error(
    value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    data = ChannelEnum(value="on", enum_strings=LABELS)
    await data.write(value)
    assert data.value == value
    assert f"ChannelEnum was set to {value!r}" in caplog.text
    with pytest.raises(CaprotoConversionError):
        await as_type(data, T.ENUM)
    await data.write_metadata(enum_strings=["on", "broken"])
    if value == "broken":
        assert await as_type(data, T.ENUM) == [1]


async def test_states_are_read_as_labels_and_as_numbers() -> None:
    data = ChannelEnum(value="out of order", enum_strings=LABELS)
    assert await as_type(data, T.STRING) == [b"out of order"]
    assert await as_type(data, T.ENUM) == [2]
    assert await as_type(data, T.DOUBLE) == [2.0]
    metadata, _ = await data.read(T.CTRL_ENUM)
    assert metadata.enum_strings == (b"off", b"on", b"out of order")


@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        ([2], T.ENUM),
        ([2.9], T.DOUBLE),
        ([b"2"], T.STRING),
        (["out of order"], T.STRING),
        (2, T.LONG),
    ],
)
async def test_states_are_written_as_numbers_and_labels(
    values: Any, data_type: ChannelType
) -> None:
    data = ChannelEnum(value=0, enum_strings=LABELS)
    await data.write_from_dbr(values, data_type, None)
    assert data.value == "out of order"


async def test_an_array_of_states() -> None:
    data = ChannelEnum(value=[0, "on"], enum_strings=LABELS, max_length=5)
    assert data.value == ["off", "on"]
    assert data.raw_value == [0, 1]
    assert await as_type(data, T.LONG) == [0, 1]
    await data.write_from_dbr([2, 1, 0], T.ENUM, None)
    assert data.value == ["out of order", "on", "off"]


async def test_the_number_of_a_state_stays_when_the_labels_change() -> None:
    data = ChannelEnum(value="on", enum_strings=LABELS)
    await data.write_metadata(enum_strings=["stop", "go"])
    assert data.value == "go"
    assert data.enum_strings == ("stop", "go")


async def test_states_have_no_units() -> None:
    with pytest.raises(CaprotoValueError, match="units"):
        await ChannelEnum(value=0, enum_strings=LABELS).write(1, units="V")


def test_there_are_at_most_16_states() -> None:
    assert len(ChannelEnum(value=0, enum_strings=["x"] * 16).enum_strings) == 16
    with pytest.raises(CaprotoValueError, match="17"):
        ChannelEnum(value=0, enum_strings=["x"] * 17)


def test_a_state_is_zero_by_default() -> None:
    assert ChannelEnum(enum_strings=LABELS).value == "off"


# --- strings ---


async def test_long_strings_are_cut_to_what_can_travel() -> None:
    data = ChannelString(value="a" * 100)
    assert data.value == "a" * 100
    assert await as_type(data, T.STRING) == [b"a" * 39]


@pytest.mark.parametrize(("value", "text"), [(b"abc", "abc"), (5, "5"), (None, "")])
async def test_strings_take_anything_that_prints(value: Any, text: str) -> None:
    data = ChannelString(value="x")
    await data.write(value)
    assert data.value == text


async def test_strings_are_read_as_the_numbers_they_spell() -> None:
    assert await as_type(ChannelString(value="12.5"), T.DOUBLE) == [12.5]
    assert await as_type(ChannelString(value="12.5"), T.LONG) == [12]
    with pytest.raises(CaprotoConversionError):
        await ChannelString(value="text").read(T.DOUBLE)


@pytest.mark.parametrize(
    ("values", "data_type", "text"),
    [
        ([b"abc"], T.STRING, "abc"),
        ([3.7], T.DOUBLE, "3.700000"),
        ([12345678.9], T.DOUBLE, "12345678.900"),
        ([7], T.LONG, "7"),
        (np.frombuffer(b"text\0rest", dtype="u1"), T.CHAR, "text"),
    ],
)
async def test_strings_are_written_as_text_numbers_and_characters(
    values: Any, data_type: ChannelType, text: str
) -> None:
    data = ChannelString(value="")
    await data.write_from_dbr(values, data_type, None)
    assert data.value == text


async def test_arrays_of_strings() -> None:
    data = ChannelString(value=["a", b"b", 3], max_length=5)
    assert data.value == ["a", "b", "3"]
    assert await as_type(data, T.STRING) == [b"a", b"b", b"3"]
    await data.write("c")
    assert data.value == ["c"]
    await data.write_from_dbr([b"x", "y"], T.STRING, None)
    assert data.value == ["x", "y"]


async def test_text_travels_in_the_encoding_of_the_pv() -> None:
    for cls in (ChannelString, ChannelChar):
        data = cls(value="grün", string_encoding="utf-8")
        native = data.data_type
        assert data.value == "grün"
        values = (await data.read(native))[1]
        raw = bytes(values) if native is T.CHAR else values[0]
        assert raw == b"gr\xc3\xbcn"
        await data.write_from_dbr([raw] if native is T.STRING else values, native, None)
        assert data.value == "grün"
        await data.write(b"\xff")  # not UTF-8
        assert data.value == "\xff"
    assert await as_type(ChannelString(value="\u20ac"), T.STRING) == [b"?"]


def test_a_text_in_a_list_tells_the_length() -> None:
    assert ChannelChar(value=["abc"]).max_length == 3
    assert ChannelChar(value="\u00fc", string_encoding="utf-8").max_length == 2


def test_a_string_has_a_length_as_a_long_one() -> None:
    assert ChannelString(value="x").long_string_max_length == 81
    assert ChannelChar(value="x", max_length=300).long_string_max_length == 300


# --- characters ---


@pytest.mark.parametrize(
    "value",
    ["abc", b"abc", ["abc"], [b"abc"], [97, 98, 99], bytearray(b"abc\0\0"), np.array([97, 98, 99])],
)
async def test_characters_may_be_given_in_any_form(value: Any) -> None:
    data = ChannelChar(value="", max_length=10)
    await data.write(value)
    assert (data.value, data.length) == ("abc", 3)


@pytest.mark.parametrize("value", [5, [300], ["a", "b"], None])
async def test_what_is_no_text_is_refused(value: Any) -> None:
    if value is not None:
        with pytest.raises(CaprotoValueError, match="text"):
            ChannelChar(value=value)
    data = ChannelChar(value="x", max_length=10)
    with pytest.raises(CaprotoValueError, match="text"):
        await data.write(value)
    assert data.value == "x"


async def test_characters_are_read_as_characters_numbers_and_as_one_string() -> None:
    data = ChannelChar(value="ab" * 30, max_length=100)
    assert await as_type(data, T.CHAR) == [97, 98] * 30
    assert await as_type(data, T.LONG) == [97, 98] * 30
    assert await as_type(data, T.STRING) == [(b"ab" * 30)[:39]]


@pytest.mark.parametrize(
    ("values", "data_type"),
    [
        (np.frombuffer(b"text\0\0", dtype="u1"), T.CHAR),
        ([116, 101, 120, 116], T.LONG),
        ([b"text"], T.STRING),
        (["text"], T.STRING),
        ([116.2, 101.0, 120.0, 116.0, 0.0, 99.0], T.DOUBLE),
    ],
)
async def test_characters_are_written_as_text_and_as_numbers(
    values: Any, data_type: ChannelType
) -> None:
    data = ChannelChar(value="", max_length=10)
    await data.write_from_dbr(values, data_type, None)
    assert data.value == "text"


async def test_writing_no_characters_empties_the_text() -> None:
    data = ChannelChar(value="x", max_length=10)
    await data.write_from_dbr([], T.STRING, None)
    assert (data.value, data.length) == ("", 0)


async def test_characters_may_be_reported_as_a_string() -> None:
    data = ChannelChar(value="a text", max_length=100, report_as_string=True)
    assert (data.data_type, data.max_length) == (T.STRING, 1)
    assert await as_type(data, T.STRING) == [b"a text"]


async def test_text_may_be_longer_than_announced() -> None:
    data = ChannelChar(value="")
    await data.write("as long as you like")
    assert bytes((await data.read(T.CHAR))[1]) == b"as long as you like"


# --- bytes ---


@pytest.mark.parametrize("value", [b"ab", bytearray(b"ab"), [97, 98], np.array([97, 98]), b"ab\0"])
async def test_bytes_may_be_given_in_any_form(value: Any) -> None:
    data = ChannelByte(value=b"", max_length=10)
    await data.write(value)
    assert (data.value, data.length) == (b"ab", 2)


async def test_one_byte_may_be_a_number_and_zero() -> None:
    data = ChannelByte(value=200)
    assert data.value == b"\xc8"
    await data.write(0)
    assert data.value == b"\0"
    assert await as_type(data, T.CHAR) == [0]


async def test_zeros_at_the_end_may_count() -> None:
    data = ChannelByte(value=b"a\0", max_length=10, strip_null_terminator=False)
    assert data.value == b"a\0"


@pytest.mark.parametrize("value", ["text", 300, [300], None, b"12345678901"])
async def test_what_is_no_bytes_is_refused(value: Any) -> None:
    data = ChannelByte(value=b"x", max_length=10)
    with pytest.raises(CaprotoValueError):
        await data.write(value)


def test_bytes_have_no_encoding() -> None:
    with pytest.raises(CaprotoValueError, match="ChannelChar"):
        ChannelByte(value=b"", string_encoding="utf-8")  # type: ignore[arg-type]


async def test_bytes_are_numbers_to_clients() -> None:
    data = ChannelByte(value=b"\x01\xff", upper_ctrl_limit=5, upper_alarm_limit=5, max_length=4)
    assert await as_type(data, T.LONG) == [1, 255]
    assert await as_type(data, T.STRING) == [b"1", b"255"]
    await data.write_from_dbr(np.array([1.5, 2.5]), T.DOUBLE, None)
    assert data.value == b"\x01\x02"
    await data.write_from_dbr([b"7", b"0x10"], T.STRING, None)
    assert data.value == b"\x07\x10"
    assert data.severity == AlarmSeverity.NO_ALARM
