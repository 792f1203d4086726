"""The wire form of a PV's value with its metadata, and of time."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING

from ..._constants import EPICS2UNIX_EPOCH, MAX_STRING_SIZE
from ..._errors import CaprotoValueError
from ..._protocol.arrays import Buffer, encode_values
from ..._protocol.dbr import DBR_TYPES, ELEMENT_SIZES, METADATA_SIZES, NATIVE_TYPES
from ..._protocol.enums import ChannelType
from ..._protocol.status import CAStatus
from ..._protocol.timestamps import TimeStamp
from .._engine.timed_numbers import SECOND

if TYPE_CHECKING:
    from .state import ChannelState

__all__ = [
    "EPOCH",
    "encode_metadata",
    "encode_value",
    "epics_time",
    "now",
    "pack_stamp",
    "resized",
]

_ALARM_AND_TIME = Struct(">4sII")
pack_stamp: Callable[[int, int], bytes] = Struct(">II").pack
_ACKNOWLEDGE = Struct(">HHHH")
EPOCH = int(EPICS2UNIX_EPOCH) * SECOND
"""In Unix time, in nanoseconds."""
_LARGEST_FILL = 1 << 24
_FIRST_STS = ChannelType.STS_STRING
_FIRST_TIME = ChannelType.TIME_STRING
_FIRST_GR = ChannelType.GR_STRING


def encode_value(data: ChannelState, data_type: int, data_count: int) -> tuple[Buffer, int]:
    """Return metadata and values in wire form; see `ChannelData.encode`."""
    if data_type >= ChannelType.PUT_ACKT:
        return _encode_special(data, data_type)
    native = NATIVE_TYPES[data_type]
    size = ELEMENT_SIZES[native]
    values, count = encode_values(native, data.values_as(native))
    if native is ChannelType.STRING and count == 1:
        values = bytes(values).ljust(MAX_STRING_SIZE, b"\0")  # it comes as short as it is
    if data_count not in (0, count):
        values, count = resized(values, count, data_count, size, data.max_length)
    if data_type < _FIRST_STS:
        return values, count
    return encode_metadata(data, data_type) + bytes(values), count


def resized(
    values: Buffer, count: int, data_count: int, size: int, max_length: int
) -> tuple[bytes, int]:
    """Bring values to the number that was asked for: fill up with zeros, or leave the rest out."""
    if data_count in (0, count):
        return bytes(values), count
    if data_count > max_length and size * data_count > _LARGEST_FILL:
        raise CaprotoValueError(
            f"{data_count} elements are more than the {max_length} there can be",
            status=CAStatus.ECA_BADCOUNT.value,
        )
    return bytes(values)[: size * data_count].ljust(size * data_count, b"\0"), data_count


def encode_metadata(data: ChannelState, data_type: int) -> bytes:
    """Return what stands before the values of a type."""
    if data_type < _FIRST_STS:
        return b""
    size = METADATA_SIZES[data_type]
    alarm = data.current_alarm
    if data_type < _FIRST_TIME:
        return alarm.wire.ljust(size, b"\0")
    if data_type < _FIRST_GR:
        stamp = _ALARM_AND_TIME.pack(alarm.wire, *data.stamp)
        return stamp.ljust(size, b"\0")
    metadata = DBR_TYPES[ChannelType(data_type)]()
    data.fill_metadata(metadata)
    return bytes(metadata)


def _encode_special(data: ChannelState, data_type: int) -> tuple[bytes, int]:
    """Encode the two types that can only be read."""
    head = b""
    if data_type == ChannelType.CLASS_NAME:
        texts, count = encode_values(ChannelType.STRING, data.reported_record_type)
    elif data_type == ChannelType.STSACK_STRING:
        texts, count = encode_values(ChannelType.STRING, data.values_as(ChannelType.STRING))
        alarm = data.current_alarm
        head = _ACKNOWLEDGE.pack(
            alarm.status,
            alarm.severity,
            alarm.must_acknowledge_transient,
            alarm.severity_to_acknowledge,
        )
    else:
        raise CaprotoValueError(
            f"{ChannelType(data_type).name} can only be written",
            status=CAStatus.ECA_BADTYPE.value,
        )
    size = MAX_STRING_SIZE * count
    return head + bytes(texts)[:size].ljust(size, b"\0"), count


def now() -> int:
    """Return the current time in nanoseconds since the EPICS epoch."""
    return time.time_ns() - EPOCH


def epics_time(
    timestamp: TimeStamp | datetime.datetime | float | tuple[int, int],
) -> int:
    """Return a time, given in any form, in nanoseconds since the EPICS epoch."""
    stamp = TimeStamp.from_flexible_value(timestamp)
    # A client may have sent more nanoseconds than a second has.
    return stamp.secondsSinceEpoch * SECOND + min(stamp.nanoSeconds, SECOND - 1)
