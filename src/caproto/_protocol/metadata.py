"""What stands before the value: the fields of DBR types, and how they are shown.

An instance looks into the received bytes and decodes a field when it is asked for (CA protocol specification, "Payload
data types"; ``db_access.h`` of EPICS base). The classes of the single types are in `dbr`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, ClassVar

from .._constants import (
    EPICS2UNIX_EPOCH,
    MAX_ENUM_STATES,
    MAX_ENUM_STRING_SIZE,
    MAX_STRING_SIZE,
    MAX_UNITS_SIZE,
)
from .._errors import CaprotoTypeError, CaprotoValueError
from .enums import AlarmSeverity, AlarmStatus, ChannelType
from .timestamps import FlexibleTime, TimeStamp

if TYPE_CHECKING:
    import datetime

__all__ = [
    "CONTROL_LIMITS",
    "ELEMENT_SIZES",
    "GRAPHIC_LIMITS",
    "AlarmFields",
    "ControlFields",
    "DbrMetadata",
    "EnumFields",
    "NoFields",
    "Number",
    "NumericFields",
    "StatusFields",
    "TimeFields",
]

_U16 = Struct(">H")
_STAMP = Struct(">II")
_ALARM_AND_STAMP = Struct(">HHII")

ELEMENT_SIZES = (MAX_STRING_SIZE, 2, 4, 2, 1, 4, 8)
"""Bytes per element, by plain type code."""
_FORMATS = ("40s", "h", "f", "H", "B", "i", "d")
# Pads that bring the value to its natural alignment (protocol specification, "Payload data types").
_STS_PAD = (0, 0, 0, 0, 1, 0, 4)
_TIME_PAD = (0, 2, 0, 2, 3, 0, 4)
GRAPHIC_LIMITS = (
    "upper_disp_limit",
    "lower_disp_limit",
    "upper_alarm_limit",
    "upper_warning_limit",
    "lower_warning_limit",
    "lower_alarm_limit",
)
CONTROL_LIMITS = (*GRAPHIC_LIMITS, "upper_ctrl_limit", "lower_ctrl_limit")
"""The limits of control data, in their order on the wire."""


class DbrMetadata:
    """What a DBR type carries beside the value.

    An instance is backed by one contiguous buffer with the bytes of the wire; ``bytes(metadata)`` returns them.

    Parameters
    ----------
    **fields
        Any of the type's fields by name; the others are zero.
    """

    __slots__ = ("_buffer",)
    DBR_ID: ClassVar[int]
    SIZE: ClassVar[int]
    info_fields: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **fields: Any) -> None:
        self._buffer: bytes | bytearray | memoryview = bytearray(self.SIZE)
        for name, value in fields.items():
            if name not in self.info_fields and name != "stamp":
                known = ", ".join(self.info_fields)
                raise CaprotoTypeError(
                    f"{type(self).__name__} has no field {name!r}; it has {known}"
                )
            setattr(self, name, value)

    @classmethod
    def from_buffer(cls, buffer: bytes | bytearray | memoryview) -> Any:
        """Look into `buffer`, which starts with the metadata; nothing is copied."""
        self = cls.__new__(cls)
        self._buffer = buffer
        return self

    def _own(self) -> bytearray:
        """Return a buffer that may be written to: received bytes are never changed."""
        buffer = self._buffer
        if not isinstance(buffer, bytearray) or len(buffer) != self.SIZE:
            buffer = self._buffer = bytearray(memoryview(buffer)[: self.SIZE])
        return buffer

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {name: getattr(self, name) for name in self.info_fields}

    def __bytes__(self) -> bytes:
        return bytes(memoryview(self._buffer)[: self.SIZE])

    def __len__(self) -> int:
        return self.SIZE

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.info_fields)
        return f"{type(self).__name__}({fields})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DbrMetadata):
            return NotImplemented
        return type(self) is type(other) and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))


_INTEGER_LIMITS = {
    "h": (-0x8000, 0x7FFF),
    "H": (0, 0xFFFF),
    "B": (0, 0xFF),
    "i": (-0x80000000, 0x7FFFFFFF),
}


class Number:
    """A descriptor: one number at a fixed place."""

    __slots__ = ("_limits", "_name", "_offset", "_struct")

    def __init__(self, format_: str, offset: int) -> None:
        self._struct = Struct(">" + format_)
        self._offset = offset
        self._limits = _INTEGER_LIMITS.get(format_)

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, obj: DbrMetadata | None, owner: type | None = None) -> Any:
        if obj is None:
            return self
        return self._struct.unpack_from(obj._buffer, self._offset)[0]

    def __set__(self, obj: DbrMetadata, value: Any) -> None:
        """Store the nearest number that fits: the limits of a PV may be wider than the type asked for."""
        if self._limits is not None:
            low, high = self._limits
            value = int(min(max(value, low), high)) if value == value else 0
        try:
            self._struct.pack_into(obj._own(), self._offset, value)
        except OverflowError:  # too large for a 32-bit float
            self._struct.pack_into(obj._own(), self._offset, math.copysign(math.inf, value))


class _Text(Number):
    """A descriptor: NUL-terminated text, shown as bytes."""

    __slots__ = ()

    def __get__(self, obj: DbrMetadata | None, owner: type | None = None) -> Any:
        value = super().__get__(obj, owner)
        return value if obj is None else value.partition(b"\0")[0]

    def __set__(self, obj: DbrMetadata, value: str | bytes) -> None:
        raw = value.encode("latin-1", "replace") if isinstance(value, str) else bytes(value)
        self._struct.pack_into(obj._own(), self._offset, raw[: self._struct.size - 1])


class AlarmFields(DbrMetadata):
    """Alarm status and severity, with which nearly every type begins."""

    __slots__ = ()
    info_fields: ClassVar[tuple[str, ...]] = ("status", "severity")

    @property
    def status(self) -> AlarmStatus:
        """Why the PV is in alarm; a number that has no name is returned as it came."""
        number: int = _U16.unpack_from(self._buffer, 0)[0]
        return _ALARM_STATUS[number] if number < len(_ALARM_STATUS) else number  # type: ignore[return-value]

    @status.setter
    def status(self, value: int) -> None:
        _U16.pack_into(self._own(), 0, value)

    @property
    def severity(self) -> AlarmSeverity:
        """How bad the alarm is; a number that has no name is returned as it came."""
        number: int = _U16.unpack_from(self._buffer, 2)[0]
        return _ALARM_SEVERITY[number] if number < 4 else number  # type: ignore[return-value]

    @severity.setter
    def severity(self, value: int) -> None:
        _U16.pack_into(self._own(), 2, value)


_ALARM_STATUS = tuple(AlarmStatus)
_ALARM_SEVERITY = tuple(AlarmSeverity)


class StatusFields(AlarmFields):
    __slots__ = ()

    def __init_subclass__(cls, native: int) -> None:
        cls.SIZE = 4 + _STS_PAD[native]


class TimeFields(AlarmFields):
    """Alarm and time."""

    __slots__ = ()
    info_fields = ("status", "severity", "timestamp")

    def __init_subclass__(cls, native: int) -> None:
        cls.SIZE = 12 + _TIME_PAD[native]

    @property
    def timestamp(self) -> float:
        """Unix time in seconds."""
        seconds, nanoseconds = _STAMP.unpack_from(self._buffer, 4)
        timestamp: float = seconds + EPICS2UNIX_EPOCH + 1e-9 * nanoseconds
        return timestamp

    @timestamp.setter
    def timestamp(self, value: FlexibleTime) -> None:
        self.stamp = TimeStamp.from_flexible_value(value)

    @property
    def stamp(self) -> TimeStamp:
        """The time with its raw integers."""
        return TimeStamp(*_STAMP.unpack_from(self._buffer, 4))

    @stamp.setter
    def stamp(self, value: TimeStamp | datetime.datetime | float) -> None:
        stamp = TimeStamp.from_flexible_value(value)
        _STAMP.pack_into(self._own(), 4, stamp.secondsSinceEpoch, stamp.nanoSeconds)

    @property
    def secondsSinceEpoch(self) -> int:  # noqa: N802
        """Whole seconds since the EPICS epoch."""
        return int(_STAMP.unpack_from(self._buffer, 4)[0])

    @property
    def nanoSeconds(self) -> int:  # noqa: N802
        """Nanoseconds within the second, as they came."""
        return int(_STAMP.unpack_from(self._buffer, 4)[1])

    def numbers(self) -> tuple[int, int, int, int]:
        """Return status, severity, and seconds and nanoseconds of the EPICS time, as they came, all at once."""
        return _ALARM_AND_STAMP.unpack_from(self._buffer)


class NumericFields(AlarmFields):
    """Alarm, units, precision (of floating-point types) and limits."""

    __slots__ = ()
    _limits: ClassVar[tuple[str, ...]] = GRAPHIC_LIMITS
    # What `__init_subclass__` declares, for those who read types: there is a precision in FLOAT and DOUBLE only.
    precision: int
    units: bytes
    upper_disp_limit: float
    lower_disp_limit: float
    upper_alarm_limit: float
    upper_warning_limit: float
    lower_warning_limit: float
    lower_alarm_limit: float

    def __init_subclass__(cls, native: int | None = None) -> None:
        if native is None:
            return
        offset = 4
        tail: tuple[str, ...] = ("units",)
        if native in (ChannelType.FLOAT, ChannelType.DOUBLE):
            cls._declare("precision", Number("h", offset))
            tail = ("precision", "units")
            offset += 4
        cls._declare("units", _Text(f"{MAX_UNITS_SIZE}s", offset))
        offset += MAX_UNITS_SIZE
        for name in cls._limits:
            cls._declare(name, Number(_FORMATS[native], offset))
            offset += ELEMENT_SIZES[native]
        cls.info_fields = ("status", "severity", *cls._limits, *tail)
        cls.SIZE = offset + (1 if native == ChannelType.CHAR else 0)

    @classmethod
    def _declare(cls, name: str, field: Number) -> None:
        setattr(cls, name, field)
        field.__set_name__(cls, name)


class ControlFields(NumericFields):
    """The same, with the limits within which the PV may be set."""

    __slots__ = ()
    _limits = CONTROL_LIMITS
    upper_ctrl_limit: float
    lower_ctrl_limit: float


class EnumFields(AlarmFields):
    """Alarm and the labels of an enum."""

    __slots__ = ()
    info_fields = ("status", "severity", "enum_strings")
    SIZE = 6 + MAX_ENUM_STATES * MAX_ENUM_STRING_SIZE

    @property
    def no_str(self) -> int:
        """How many labels there are."""
        return int(_U16.unpack_from(self._buffer, 4)[0])

    @property
    def enum_strings(self) -> tuple[bytes, ...]:
        """The labels, at most 16 of at most 25 bytes."""
        raw = bytes(memoryview(self._buffer)[6 : self.SIZE])
        count = min(self.no_str, MAX_ENUM_STATES)
        step = MAX_ENUM_STRING_SIZE
        return tuple(raw[i * step : (i + 1) * step].partition(b"\0")[0] for i in range(count))

    @enum_strings.setter
    def enum_strings(self, labels: Sequence[str | bytes]) -> None:
        if len(labels) > MAX_ENUM_STATES:
            raise CaprotoValueError(
                f"an enum has at most {MAX_ENUM_STATES} labels on the wire, not {len(labels)}"
            )
        buffer = self._own()
        buffer[4 : self.SIZE] = bytes(self.SIZE - 4)
        _U16.pack_into(buffer, 4, len(labels))
        for index, label in enumerate(labels):
            raw = label.encode("latin-1", "replace") if isinstance(label, str) else bytes(label)
            start = 6 + index * MAX_ENUM_STRING_SIZE
            raw = raw[: MAX_ENUM_STRING_SIZE - 1]
            buffer[start : start + len(raw)] = raw


class NoFields(DbrMetadata):
    """A plain type carries nothing but its value."""

    __slots__ = ()
    SIZE = 0
