"""DBR types: what stands before the value, and the classes that show it.

Each type that carries metadata has a class here. An instance looks into the received bytes and decodes a field when
it is asked for (CA protocol specification, "Payload data types"; ``db_access.h`` of EPICS base).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from struct import Struct
from typing import Any, ClassVar

from .._constants import (
    EPICS2UNIX_EPOCH,
    MAX_ENUM_STATES,
    MAX_ENUM_STRING_SIZE,
    MAX_STRING_SIZE,
    MAX_UNITS_SIZE,
)
from .enums import AlarmSeverity, AlarmStatus, ChannelType
from .timestamps import FlexibleTime, TimeStamp

__all__ = [
    "DBR_TYPES",
    "ELEMENT_SIZES",
    "METADATA_SIZES",
    "NATIVE_TYPES",
    "DbrMetadata",
    "native_type",
    "promote_type",
    "value_offset",
]

_U16 = Struct(">H")
_STAMP = Struct(">II")
_OFFSET = EPICS2UNIX_EPOCH

_NATIVE_NAMES = ("STRING", "INT", "FLOAT", "ENUM", "CHAR", "LONG", "DOUBLE")
NATIVE_TYPES: tuple[ChannelType, ...] = (
    *(ChannelType(code % 7) for code in range(35)),
    ChannelType.ENUM,  # PUT_ACKT and PUT_ACKS carry an unsigned 16-bit number
    ChannelType.ENUM,
    ChannelType.STRING,
    ChannelType.STRING,
)
"""The plain type of the value, by type code."""
ELEMENT_SIZES = (MAX_STRING_SIZE, 2, 4, 2, 1, 4, 8)
"""Bytes per element, by plain type code."""
_FORMATS = ("40s", "h", "f", "H", "B", "i", "d")
# Pads that bring the value to its natural alignment (protocol specification, "Payload data types").
_STS_PAD = (0, 0, 0, 0, 1, 0, 4)
_TIME_PAD = (0, 2, 0, 2, 3, 0, 4)
_LIMITS = (
    "upper_disp_limit",
    "lower_disp_limit",
    "upper_alarm_limit",
    "upper_warning_limit",
    "lower_warning_limit",
    "lower_alarm_limit",
)
_CTRL_LIMITS = ("upper_ctrl_limit", "lower_ctrl_limit")


def native_type(ftype: int) -> ChannelType:
    """Return the plain type in which values of the DBR type `ftype` travel."""
    return NATIVE_TYPES[ftype]


_FAMILIES = {"native": 0, "status": 7, "time": 14, "graphic": 21, "control": 28}


def promote_type(native: int, family: str) -> ChannelType:
    """Return the type of `family` that carries values of the plain type `native`.

    Parameters
    ----------
    native : int
        A plain type code, 0 to 6.
    family : {'native', 'status', 'time', 'graphic', 'control'}

    Raises
    ------
    KeyError
        If there is no such family.
    """
    return ChannelType(native + _FAMILIES[family])


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
                raise TypeError(f"{type(self).__name__} has no field {name!r}; it has {known}")
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


class _Number:
    """A descriptor: one number at a fixed place."""

    __slots__ = ("_name", "_offset", "_struct")

    def __init__(self, format_: str, offset: int) -> None:
        self._struct = Struct(">" + format_)
        self._offset = offset

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, obj: DbrMetadata | None, owner: type | None = None) -> Any:
        if obj is None:
            return self
        return self._struct.unpack_from(obj._buffer, self._offset)[0]

    def __set__(self, obj: DbrMetadata, value: Any) -> None:
        if self._struct.format[-1] not in "fd":
            value = int(value)
        self._struct.pack_into(obj._own(), self._offset, value)


class _Text(_Number):
    """A descriptor: NUL-terminated text, shown as bytes."""

    __slots__ = ()

    def __get__(self, obj: DbrMetadata | None, owner: type | None = None) -> Any:
        value = super().__get__(obj, owner)
        return value if obj is None else value.partition(b"\0")[0]

    def __set__(self, obj: DbrMetadata, value: str | bytes) -> None:
        raw = value.encode("latin-1", "replace") if isinstance(value, str) else bytes(value)
        self._struct.pack_into(obj._own(), self._offset, raw)


class _AlarmFields(DbrMetadata):
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


class _StatusFields(_AlarmFields):
    __slots__ = ()

    def __init_subclass__(cls, native: int) -> None:
        cls.SIZE = 4 + _STS_PAD[native]


class _TimeFields(_AlarmFields):
    """Alarm and time."""

    __slots__ = ()
    info_fields = ("status", "severity", "timestamp")

    def __init_subclass__(cls, native: int) -> None:
        cls.SIZE = 12 + _TIME_PAD[native]

    @property
    def timestamp(self) -> float:
        """Unix time in seconds."""
        seconds, nanoseconds = _STAMP.unpack_from(self._buffer, 4)
        return float(seconds + _OFFSET + 1e-9 * nanoseconds)

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


class _NumericFields(_AlarmFields):
    """Alarm, units, precision (of floating-point types) and limits."""

    __slots__ = ()
    _limits: ClassVar[tuple[str, ...]] = _LIMITS

    def __init_subclass__(cls, native: int | None = None) -> None:
        if native is None:
            return
        offset = 4
        tail: tuple[str, ...] = ("units",)
        if native in (ChannelType.FLOAT, ChannelType.DOUBLE):
            cls._declare("precision", _Number("h", offset))
            tail = ("precision", "units")
            offset += 4
        cls._declare("units", _Text(f"{MAX_UNITS_SIZE}s", offset))
        offset += MAX_UNITS_SIZE
        for name in cls._limits:
            cls._declare(name, _Number(_FORMATS[native], offset))
            offset += ELEMENT_SIZES[native]
        cls.info_fields = ("status", "severity", *cls._limits, *tail)
        cls.SIZE = offset + (1 if native == ChannelType.CHAR else 0)

    @classmethod
    def _declare(cls, name: str, field: _Number) -> None:
        setattr(cls, name, field)
        field.__set_name__(cls, name)


class _ControlFields(_NumericFields):
    """The same, with the limits within which the PV may be set."""

    __slots__ = ()
    _limits = _LIMITS + _CTRL_LIMITS


class _EnumFields(_AlarmFields):
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
            raise ValueError(
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


class DBR_STS_STRING(_StatusFields, native=ChannelType.STRING):
    """Status and severity of a string."""

    __slots__ = ()


class DBR_STS_INT(_StatusFields, native=ChannelType.INT):
    """Status and severity of 16-bit integers."""

    __slots__ = ()


class DBR_STS_FLOAT(_StatusFields, native=ChannelType.FLOAT):
    """Status and severity of 32-bit floats."""

    __slots__ = ()


class DBR_STS_ENUM(_StatusFields, native=ChannelType.ENUM):
    """Status and severity of an enum."""

    __slots__ = ()


class DBR_STS_CHAR(_StatusFields, native=ChannelType.CHAR):
    """Status and severity of unsigned bytes."""

    __slots__ = ()


class DBR_STS_LONG(_StatusFields, native=ChannelType.LONG):
    """Status and severity of 32-bit integers."""

    __slots__ = ()


class DBR_STS_DOUBLE(_StatusFields, native=ChannelType.DOUBLE):
    """Status and severity of 64-bit floats."""

    __slots__ = ()


class DBR_TIME_STRING(_TimeFields, native=ChannelType.STRING):
    """Status, severity and time of a string."""

    __slots__ = ()


class DBR_TIME_INT(_TimeFields, native=ChannelType.INT):
    """Status, severity and time of 16-bit integers."""

    __slots__ = ()


class DBR_TIME_FLOAT(_TimeFields, native=ChannelType.FLOAT):
    """Status, severity and time of 32-bit floats."""

    __slots__ = ()


class DBR_TIME_ENUM(_TimeFields, native=ChannelType.ENUM):
    """Status, severity and time of an enum."""

    __slots__ = ()


class DBR_TIME_CHAR(_TimeFields, native=ChannelType.CHAR):
    """Status, severity and time of unsigned bytes."""

    __slots__ = ()


class DBR_TIME_LONG(_TimeFields, native=ChannelType.LONG):
    """Status, severity and time of 32-bit integers."""

    __slots__ = ()


class DBR_TIME_DOUBLE(_TimeFields, native=ChannelType.DOUBLE):
    """Status, severity and time of 64-bit floats."""

    __slots__ = ()


class DBR_GR_STRING(_StatusFields, native=ChannelType.STRING):
    """As `DBR_STS_STRING`: a string has nothing to add for graphics."""

    __slots__ = ()


class DBR_GR_INT(_NumericFields, native=ChannelType.INT):
    """Alarm, units and limits of 16-bit integers."""

    __slots__ = ()


class DBR_GR_FLOAT(_NumericFields, native=ChannelType.FLOAT):
    """Alarm, precision, units and limits of 32-bit floats."""

    __slots__ = ()


class DBR_GR_ENUM(_EnumFields):
    """Alarm and labels of an enum."""

    __slots__ = ()


class DBR_GR_CHAR(_NumericFields, native=ChannelType.CHAR):
    """Alarm, units and limits of unsigned bytes."""

    __slots__ = ()


class DBR_GR_LONG(_NumericFields, native=ChannelType.LONG):
    """Alarm, units and limits of 32-bit integers."""

    __slots__ = ()


class DBR_GR_DOUBLE(_NumericFields, native=ChannelType.DOUBLE):
    """Alarm, precision, units and limits of 64-bit floats."""

    __slots__ = ()


class DBR_CTRL_STRING(_StatusFields, native=ChannelType.STRING):
    """As `DBR_STS_STRING`: a string has nothing to add for control."""

    __slots__ = ()


class DBR_CTRL_INT(_ControlFields, native=ChannelType.INT):
    """Alarm, units and all limits of 16-bit integers."""

    __slots__ = ()


class DBR_CTRL_FLOAT(_ControlFields, native=ChannelType.FLOAT):
    """Alarm, precision, units and all limits of 32-bit floats."""

    __slots__ = ()


class DBR_CTRL_ENUM(_EnumFields):
    """Alarm and labels of an enum."""

    __slots__ = ()


class DBR_CTRL_CHAR(_ControlFields, native=ChannelType.CHAR):
    """Alarm, units and all limits of unsigned bytes."""

    __slots__ = ()


class DBR_CTRL_LONG(_ControlFields, native=ChannelType.LONG):
    """Alarm, units and all limits of 32-bit integers."""

    __slots__ = ()


class DBR_CTRL_DOUBLE(_ControlFields, native=ChannelType.DOUBLE):
    """Alarm, precision, units and all limits of 64-bit floats."""

    __slots__ = ()


class DBR_STSACK_STRING(_AlarmFields):
    """A string with its alarm and what is to be acknowledged."""

    __slots__ = ()
    info_fields = ("status", "severity", "ackt", "acks")
    SIZE = 8
    ackt = _Number("H", 4)
    acks = _Number("H", 6)


class _NoFields(DbrMetadata):
    """A plain type carries nothing but its value."""

    __slots__ = ()
    SIZE = 0


def _plain(name: str) -> type[DbrMetadata]:
    """Make the class of a type without metadata."""
    return type(f"DBR_{name}", (_NoFields,), {"__slots__": (), "__module__": __name__})


def _by_code() -> dict[ChannelType, type[DbrMetadata]]:
    """Collect the classes by type code, and tell each its own."""
    found = {}
    for member in ChannelType:
        name = f"DBR_{member.name}"
        cls = globals().get(name) or _plain(member.name)
        cls.DBR_ID = member
        globals()[name] = found[member] = cls
    return found


DBR_TYPES: dict[ChannelType, type[DbrMetadata]] = _by_code()
"""The metadata class of each DBR type."""
__all__ += [cls.__name__ for cls in DBR_TYPES.values()]

METADATA_SIZES: tuple[int, ...] = tuple(cls.SIZE for cls in DBR_TYPES.values())
"""Bytes before the value, by type code."""


def value_offset(data_type: int) -> int:
    """Return how many bytes of metadata stand before the value of `data_type`."""
    return METADATA_SIZES[data_type]
