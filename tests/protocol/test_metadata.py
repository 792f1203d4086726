"""What DBR types carry beside the value."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest

from caproto import (
    DBR_TYPES,
    AlarmSeverity,
    AlarmStatus,
    CaprotoTypeError,
    CaprotoValueError,
    ChannelType,
    EventAddResponse,
    ReadNotifyResponse,
    TimeStamp,
    char_types,
    control_types,
    enum_types,
    field_types,
    float_types,
    graphical_types,
    int_types,
    native_types,
    status_types,
    string_types,
    time_types,
)
from caproto._dbr import (
    DBR_CTRL_CHAR,
    DBR_CTRL_DOUBLE,
    DBR_CTRL_ENUM,
    DBR_CTRL_FLOAT,
    DBR_CTRL_INT,
    DBR_GR_ENUM,
    DBR_STSACK_STRING,
    DBR_TIME_DOUBLE,
    DBR_TIME_INT,
    DbrMetadata,
)
from caproto._protocol.dbr import METADATA_SIZES, promote_type, value_offset

T = ChannelType

# "Payload data types" of the specification; db_access.h of EPICS base. GR_STRING and CTRL_STRING are laid out as
# STS_STRING (ca/convert.cpp).
SIZES = {
    "STRING": (0, 4, 12, 4, 4),
    "INT": (0, 4, 14, 24, 28),
    "FLOAT": (0, 4, 12, 40, 48),
    "ENUM": (0, 4, 14, 422, 422),
    "CHAR": (0, 5, 15, 19, 21),
    "LONG": (0, 4, 12, 36, 44),
    "DOUBLE": (0, 8, 16, 64, 80),
}


def test_sizes_of_metadata() -> None:
    for native, sizes in SIZES.items():
        for prefix, size in zip(("", "STS_", "TIME_", "GR_", "CTRL_"), sizes, strict=True):
            member = ChannelType[prefix + native]
            assert METADATA_SIZES[member] == DBR_TYPES[member].SIZE == value_offset(member) == size
            assert len(bytes(DBR_TYPES[member]())) == len(DBR_TYPES[member]()) == size
    assert [METADATA_SIZES[code] for code in range(35, 39)] == [0, 0, 8, 0]


def test_each_type_has_its_class() -> None:
    assert list(DBR_TYPES) == list(T)
    for member, cls in DBR_TYPES.items():
        assert cls.__name__ == f"DBR_{member.name}"
        assert cls.DBR_ID is member
        assert repr(cls()).startswith(f"DBR_{member.name}(")


# A CTRL_DOUBLE: alarm HIGH/MINOR, precision 3, "mm", then the limits in the order of db_access.h
CTRL_DOUBLE = struct.pack(
    ">HHh2x8s8d", 4, 1, 3, b"mm", 10.0, -10.0, 8.0, 6.0, -6.0, -8.0, 9.0, -9.0
)
LIMITS = {
    "upper_disp_limit": 10.0,
    "lower_disp_limit": -10.0,
    "upper_alarm_limit": 8.0,
    "upper_warning_limit": 6.0,
    "lower_warning_limit": -6.0,
    "lower_alarm_limit": -8.0,
    "upper_ctrl_limit": 9.0,
    "lower_ctrl_limit": -9.0,
}


def test_control_metadata_are_decoded() -> None:
    metadata = DBR_CTRL_DOUBLE.from_buffer(CTRL_DOUBLE)
    assert metadata.to_dict() == {
        "status": AlarmStatus.HIGH,
        "severity": AlarmSeverity.MINOR_ALARM,
        **LIMITS,
        "precision": 3,
        "units": b"mm",
    }
    assert bytes(metadata) == CTRL_DOUBLE


def test_control_metadata_are_composed() -> None:
    metadata = DBR_CTRL_DOUBLE(status=4, severity=1, precision=3, units="mm", **LIMITS)
    assert bytes(metadata) == CTRL_DOUBLE
    assert metadata == DBR_CTRL_DOUBLE.from_buffer(CTRL_DOUBLE)
    assert hash(metadata) == hash(DBR_CTRL_DOUBLE.from_buffer(CTRL_DOUBLE))
    assert metadata != DBR_CTRL_DOUBLE()
    assert metadata != CTRL_DOUBLE


def test_repr_has_the_fields_in_the_order_that_programs_know() -> None:
    assert repr(DBR_CTRL_DOUBLE.from_buffer(CTRL_DOUBLE)) == (
        "DBR_CTRL_DOUBLE(status=<AlarmStatus.HIGH: 4>, severity=<AlarmSeverity.MINOR_ALARM: 1>, "
        "upper_disp_limit=10.0, lower_disp_limit=-10.0, upper_alarm_limit=8.0, "
        "upper_warning_limit=6.0, lower_warning_limit=-6.0, lower_alarm_limit=-8.0, "
        "upper_ctrl_limit=9.0, lower_ctrl_limit=-9.0, precision=3, units=b'mm')"
    )


@pytest.mark.parametrize("member", [m for m in T if METADATA_SIZES[m]], ids=lambda m: m.name)
def test_every_field_can_be_set_and_read(member: ChannelType) -> None:
    values: dict[str, Any] = {
        name: 1 for name in DBR_TYPES[member].info_fields if name not in ("units", "enum_strings")
    }
    if "units" in DBR_TYPES[member].info_fields:
        values["units"] = b"mm"
    if "enum_strings" in DBR_TYPES[member].info_fields:
        values["enum_strings"] = (b"a", b"b")
    if "timestamp" in values:
        values["timestamp"] = 1699987489.5
    made = DBR_TYPES[member](**values)
    received = EventAddResponse([], member, 0, 1, 0, metadata=made).metadata
    assert received.to_dict() == values
    assert bytes(received) == bytes(made)
    for name in values:  # one field does not reach into another
        cleared = DBR_TYPES[member](**{key: v for key, v in values.items() if key != name})
        assert {key: v for key, v in cleared.to_dict().items() if key != name} == {
            key: v for key, v in values.items() if key != name
        }


def test_received_bytes_are_never_changed() -> None:
    for received in (CTRL_DOUBLE, bytearray(CTRL_DOUBLE + b"value..."), memoryview(CTRL_DOUBLE)):
        before = bytes(received)
        metadata = DBR_CTRL_DOUBLE.from_buffer(received)
        metadata.precision = 9
        assert metadata.precision == 9
        assert bytes(received) == before
        assert bytes(metadata)[8:] == CTRL_DOUBLE[8:]


def test_metadata_view_the_payload() -> None:
    payload = bytearray(24)
    metadata = DBR_TIME_DOUBLE.from_buffer(payload)
    payload[1] = 3
    assert metadata.status is AlarmStatus.HIHI


def test_alarm_numbers_without_a_name_are_returned_as_they_came() -> None:
    metadata = DBR_TIME_DOUBLE.from_buffer(struct.pack(">HHII", 99, 7, 0, 0))
    status: Any = metadata.status
    severity: Any = metadata.severity
    assert (status, severity) == (99, 7)


def test_timestamp_keeps_the_raw_integers() -> None:
    # The low bits may be a pulse id.
    metadata = DBR_TIME_DOUBLE.from_buffer(struct.pack(">HHII", 0, 0, 1068835489, 547011017))
    assert (metadata.secondsSinceEpoch, metadata.nanoSeconds) == (1068835489, 547011017)
    assert metadata.stamp == TimeStamp(1068835489, 547011017)
    assert metadata.timestamp == pytest.approx(1699987489.547011, abs=1e-6)
    metadata.stamp = TimeStamp(1, 2)
    assert (metadata.secondsSinceEpoch, metadata.nanoSeconds) == (1, 2)
    assert bytes(DBR_TIME_INT(stamp=TimeStamp(1, 2))) == struct.pack(">HHII2x", 0, 0, 1, 2)


def test_enum_labels() -> None:
    labels = [f"state {i}" for i in range(16)]
    metadata = DBR_GR_ENUM(enum_strings=labels)
    assert metadata.enum_strings == tuple(label.encode() for label in labels)
    assert metadata.no_str == 16
    assert len(bytes(metadata)) == 422
    metadata.enum_strings = ("off", b"on")
    assert metadata.enum_strings == (b"off", b"on")
    assert bytes(metadata) == bytes(DBR_GR_ENUM(enum_strings=["off", "on"]))
    assert bytes(metadata)[4:6] == b"\0\x02"


def test_enum_labels_are_cut_to_25_bytes() -> None:
    metadata = DBR_CTRL_ENUM(enum_strings=["x" * 30, "y"])
    assert metadata.enum_strings == (b"x" * 25, b"y")


def test_more_than_16_labels_are_refused() -> None:
    with pytest.raises(CaprotoValueError, match="at most 16 labels on the wire, not 17"):
        DBR_CTRL_ENUM(enum_strings=["x"] * 17)


def test_received_label_count_above_16_is_cut() -> None:
    assert len(DBR_CTRL_ENUM.from_buffer(b"\0\0\0\0\0\xff" + b"a" * 416).enum_strings) == 16


def test_units_are_cut_to_7_bytes() -> None:
    assert DBR_CTRL_INT(units="millimetre").units == b"millime"


@pytest.mark.parametrize(
    ("cls", "value", "stored"),
    [
        (DBR_CTRL_INT, 1e9, 32767),
        (DBR_CTRL_INT, -1e9, -32768),
        (DBR_CTRL_INT, math.nan, 0),
        (DBR_CTRL_INT, 2.9, 2),
        (DBR_CTRL_CHAR, -5, 0),
        (DBR_CTRL_CHAR, 1000, 255),
        (DBR_CTRL_FLOAT, 1e300, math.inf),
        (DBR_CTRL_FLOAT, -1e300, -math.inf),
        (DBR_CTRL_DOUBLE, 1e300, 1e300),
    ],
)
def test_limit_that_does_not_fit_becomes_the_nearest_that_does(
    cls: Any, value: float, stored: float
) -> None:
    assert cls(upper_disp_limit=value).upper_disp_limit == stored


def test_unknown_field_is_refused() -> None:
    with pytest.raises(
        CaprotoTypeError, match="DBR_TIME_DOUBLE has no field 'units'; it has status"
    ):
        DBR_TIME_DOUBLE(units="mm")


def test_acknowledgement_type() -> None:
    # STSACK_STRING: four 16-bit numbers before the string
    response = ReadNotifyResponse(
        ["ok"], T.STSACK_STRING, 1, 1, 0, metadata=DBR_STSACK_STRING(status=1, ackt=1, acks=2)
    )
    assert bytes(response)[16:26] == bytes.fromhex("0001 0000 0001 0002") + b"ok"
    assert response.payload_size == 48
    assert (response.metadata.ackt, response.metadata.acks) == (1, 2)
    assert response.value == "ok"


@pytest.mark.parametrize(
    "metadata",
    [
        DBR_CTRL_DOUBLE(status=4, severity=1),
        DBR_TIME_DOUBLE(status=4, severity=1, timestamp=3.0),
        DBR_TIME_INT(status=4, severity=1),
        {"status": 4, "severity": 1},
        bytes.fromhex("00040001"),
    ],
    ids=lambda m: type(m).__name__,
)
def test_metadata_of_another_type_are_taken_as_far_as_they_go(metadata: Any) -> None:
    received = ReadNotifyResponse([1], T.TIME_INT, 1, 1, 0, metadata=metadata).metadata
    assert (received.status, received.severity) == (4, 1)
    assert ReadNotifyResponse([1], T.INT, 1, 1, 0, metadata=metadata).metadata is None


def test_metadata_of_another_type_keep_the_raw_time() -> None:
    made = DBR_TIME_DOUBLE(stamp=TimeStamp(1068835489, 547011017))
    received = ReadNotifyResponse([1], T.TIME_INT, 1, 1, 0, metadata=made).metadata
    assert received.stamp == made.stamp


def test_plain_types_have_no_fields() -> None:
    assert DBR_TYPES[T.DOUBLE]().to_dict() == {}
    assert DbrMetadata.info_fields == ()


def test_class_attributes_are_descriptors() -> None:
    assert DBR_CTRL_DOUBLE.precision is DBR_CTRL_DOUBLE.__dict__["precision"]
    assert DBR_CTRL_DOUBLE.units is DBR_CTRL_DOUBLE.__dict__["units"]


# --- families ---------------------------------------------------------------------------------------


def test_promotion_within_the_five_families() -> None:
    assert promote_type(T.DOUBLE, "native") is T.DOUBLE
    assert promote_type(T.DOUBLE, "status") is T.STS_DOUBLE
    assert promote_type(T.DOUBLE, "time") is T.TIME_DOUBLE
    assert promote_type(T.STRING, "graphic") is T.GR_STRING
    assert promote_type(T.STRING, "control") is T.CTRL_STRING
    with pytest.raises(KeyError):
        promote_type(T.DOUBLE, "other")


def test_sets_of_types() -> None:
    families = [native_types, status_types, time_types, graphical_types, control_types]
    assert [len(family) for family in families] == [7] * 5
    assert set().union(*families) == set(list(T)[:35])
    assert enum_types == {T.ENUM, T.STS_ENUM, T.TIME_ENUM, T.GR_ENUM, T.CTRL_ENUM}
    assert T.TIME_CHAR in char_types
    assert T.CTRL_STRING in string_types
    assert T.GR_LONG in int_types
    assert T.STS_FLOAT in float_types


def test_field_types_lead_from_any_type_to_any_family() -> None:
    assert field_types["time"][T.CTRL_DOUBLE] is T.TIME_DOUBLE
    assert field_types["native"][T.GR_ENUM] is T.ENUM
    assert field_types["control"][T.STRING] is T.CTRL_STRING
    assert field_types["graphic"][T.CLASS_NAME] is T.CLASS_NAME
