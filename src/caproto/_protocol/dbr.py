"""DBR types: a class for what each carries beside the value, and what follows from the type's number."""

from __future__ import annotations

from .enums import ChannelType
from .metadata import (
    ELEMENT_SIZES,
    AlarmFields,
    ControlFields,
    DbrMetadata,
    EnumFields,
    NoFields,
    Number,
    NumericFields,
    StatusFields,
    TimeFields,
)

__all__ = [
    "DBR_TYPES",
    "ELEMENT_SIZES",
    "METADATA_SIZES",
    "NATIVE_TYPES",
    "DbrMetadata",
    "native_type",
    "promote_type",
    "value_offset",
    "DBR_STRING",
    "DBR_INT",
    "DBR_FLOAT",
    "DBR_ENUM",
    "DBR_CHAR",
    "DBR_LONG",
    "DBR_DOUBLE",
    "DBR_STS_STRING",
    "DBR_STS_INT",
    "DBR_STS_FLOAT",
    "DBR_STS_ENUM",
    "DBR_STS_CHAR",
    "DBR_STS_LONG",
    "DBR_STS_DOUBLE",
    "DBR_TIME_STRING",
    "DBR_TIME_INT",
    "DBR_TIME_FLOAT",
    "DBR_TIME_ENUM",
    "DBR_TIME_CHAR",
    "DBR_TIME_LONG",
    "DBR_TIME_DOUBLE",
    "DBR_GR_STRING",
    "DBR_GR_INT",
    "DBR_GR_FLOAT",
    "DBR_GR_ENUM",
    "DBR_GR_CHAR",
    "DBR_GR_LONG",
    "DBR_GR_DOUBLE",
    "DBR_CTRL_STRING",
    "DBR_CTRL_INT",
    "DBR_CTRL_FLOAT",
    "DBR_CTRL_ENUM",
    "DBR_CTRL_CHAR",
    "DBR_CTRL_LONG",
    "DBR_CTRL_DOUBLE",
    "DBR_PUT_ACKT",
    "DBR_PUT_ACKS",
    "DBR_STSACK_STRING",
    "DBR_CLASS_NAME",
]

_TYPES = tuple(ChannelType)
NATIVE_TYPES: tuple[ChannelType, ...] = (
    *(_TYPES[code % 7] for code in range(35)),
    ChannelType.ENUM,  # PUT_ACKT and PUT_ACKS carry an unsigned 16-bit number
    ChannelType.ENUM,
    ChannelType.STRING,
    ChannelType.STRING,
)
"""The plain type of the value, by type code."""


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
    return _TYPES[native + _FAMILIES[family]]


class DBR_STRING(NoFields):
    """A string, and nothing else."""

    __slots__ = ()


class DBR_INT(NoFields):
    """16-bit integers, and nothing else."""

    __slots__ = ()


class DBR_FLOAT(NoFields):
    """32-bit floats, and nothing else."""

    __slots__ = ()


class DBR_ENUM(NoFields):
    """An enum, and nothing else."""

    __slots__ = ()


class DBR_CHAR(NoFields):
    """Unsigned bytes, and nothing else."""

    __slots__ = ()


class DBR_LONG(NoFields):
    """32-bit integers, and nothing else."""

    __slots__ = ()


class DBR_DOUBLE(NoFields):
    """64-bit floats, and nothing else."""

    __slots__ = ()


class DBR_STS_STRING(StatusFields, native=ChannelType.STRING):
    """Status and severity of a string."""

    __slots__ = ()


class DBR_STS_INT(StatusFields, native=ChannelType.INT):
    """Status and severity of 16-bit integers."""

    __slots__ = ()


class DBR_STS_FLOAT(StatusFields, native=ChannelType.FLOAT):
    """Status and severity of 32-bit floats."""

    __slots__ = ()


class DBR_STS_ENUM(StatusFields, native=ChannelType.ENUM):
    """Status and severity of an enum."""

    __slots__ = ()


class DBR_STS_CHAR(StatusFields, native=ChannelType.CHAR):
    """Status and severity of unsigned bytes."""

    __slots__ = ()


class DBR_STS_LONG(StatusFields, native=ChannelType.LONG):
    """Status and severity of 32-bit integers."""

    __slots__ = ()


class DBR_STS_DOUBLE(StatusFields, native=ChannelType.DOUBLE):
    """Status and severity of 64-bit floats."""

    __slots__ = ()


class DBR_TIME_STRING(TimeFields, native=ChannelType.STRING):
    """Status, severity and time of a string."""

    __slots__ = ()


class DBR_TIME_INT(TimeFields, native=ChannelType.INT):
    """Status, severity and time of 16-bit integers."""

    __slots__ = ()


class DBR_TIME_FLOAT(TimeFields, native=ChannelType.FLOAT):
    """Status, severity and time of 32-bit floats."""

    __slots__ = ()


class DBR_TIME_ENUM(TimeFields, native=ChannelType.ENUM):
    """Status, severity and time of an enum."""

    __slots__ = ()


class DBR_TIME_CHAR(TimeFields, native=ChannelType.CHAR):
    """Status, severity and time of unsigned bytes."""

    __slots__ = ()


class DBR_TIME_LONG(TimeFields, native=ChannelType.LONG):
    """Status, severity and time of 32-bit integers."""

    __slots__ = ()


class DBR_TIME_DOUBLE(TimeFields, native=ChannelType.DOUBLE):
    """Status, severity and time of 64-bit floats."""

    __slots__ = ()


class DBR_GR_STRING(StatusFields, native=ChannelType.STRING):
    """As `DBR_STS_STRING`: a string has nothing to add for graphics."""

    __slots__ = ()


class DBR_GR_INT(NumericFields, native=ChannelType.INT):
    """Alarm, units and limits of 16-bit integers."""

    __slots__ = ()


class DBR_GR_FLOAT(NumericFields, native=ChannelType.FLOAT):
    """Alarm, precision, units and limits of 32-bit floats."""

    __slots__ = ()


class DBR_GR_ENUM(EnumFields):
    """Alarm and labels of an enum."""

    __slots__ = ()


class DBR_GR_CHAR(NumericFields, native=ChannelType.CHAR):
    """Alarm, units and limits of unsigned bytes."""

    __slots__ = ()


class DBR_GR_LONG(NumericFields, native=ChannelType.LONG):
    """Alarm, units and limits of 32-bit integers."""

    __slots__ = ()


class DBR_GR_DOUBLE(NumericFields, native=ChannelType.DOUBLE):
    """Alarm, precision, units and limits of 64-bit floats."""

    __slots__ = ()


class DBR_CTRL_STRING(StatusFields, native=ChannelType.STRING):
    """As `DBR_STS_STRING`: a string has nothing to add for control."""

    __slots__ = ()


class DBR_CTRL_INT(ControlFields, native=ChannelType.INT):
    """Alarm, units and all limits of 16-bit integers."""

    __slots__ = ()


class DBR_CTRL_FLOAT(ControlFields, native=ChannelType.FLOAT):
    """Alarm, precision, units and all limits of 32-bit floats."""

    __slots__ = ()


class DBR_CTRL_ENUM(EnumFields):
    """Alarm and labels of an enum."""

    __slots__ = ()


class DBR_CTRL_CHAR(ControlFields, native=ChannelType.CHAR):
    """Alarm, units and all limits of unsigned bytes."""

    __slots__ = ()


class DBR_CTRL_LONG(ControlFields, native=ChannelType.LONG):
    """Alarm, units and all limits of 32-bit integers."""

    __slots__ = ()


class DBR_CTRL_DOUBLE(ControlFields, native=ChannelType.DOUBLE):
    """Alarm, precision, units and all limits of 64-bit floats."""

    __slots__ = ()


class DBR_PUT_ACKT(NoFields):
    """Whether transient alarms are to be acknowledged; can be written only."""

    __slots__ = ()


class DBR_PUT_ACKS(NoFields):
    """The highest severity that is acknowledged; can be written only."""

    __slots__ = ()


class DBR_STSACK_STRING(AlarmFields):
    """A string with its alarm and what is to be acknowledged."""

    __slots__ = ()
    info_fields = ("status", "severity", "ackt", "acks")
    SIZE = 8
    ackt = Number("H", 4)
    acks = Number("H", 6)


class DBR_CLASS_NAME(NoFields):
    """The name of the record's type; can be read only."""

    __slots__ = ()


DBR_TYPES: dict[ChannelType, type[DbrMetadata]] = {
    member: globals()[f"DBR_{member.name}"] for member in ChannelType
}
"""The metadata class of each DBR type."""

for _member, _class in DBR_TYPES.items():
    _class.DBR_ID = _member

METADATA_SIZES: tuple[int, ...] = tuple(cls.SIZE for cls in DBR_TYPES.values())
"""Bytes before the value, by type code."""


def value_offset(data_type: int) -> int:
    """Return how many bytes of metadata stand before the value of `data_type`."""
    return METADATA_SIZES[data_type]
