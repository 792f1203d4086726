"""Sets of DBR types that programs ask about, and the way from any type to another family's."""

from __future__ import annotations

from .dbr import NATIVE_TYPES, promote_type
from .enums import ChannelType

__all__ = [
    "char_types",
    "control_types",
    "enum_types",
    "field_types",
    "float_types",
    "graphical_types",
    "int_types",
    "native_float_types",
    "native_int_types",
    "native_types",
    "status_types",
    "string_types",
    "time_types",
]

_TYPES = tuple(ChannelType)

native_types: set[ChannelType] = set(_TYPES[0:7])
status_types: set[ChannelType] = set(_TYPES[7:14])
time_types: set[ChannelType] = set(_TYPES[14:21])
graphical_types: set[ChannelType] = set(_TYPES[21:28])
control_types: set[ChannelType] = set(_TYPES[28:35])


def _carrying(*natives: ChannelType) -> set[ChannelType]:
    """Return the types of all five families whose values travel as one of `natives`."""
    return {member for member in _TYPES[:35] if NATIVE_TYPES[member] in natives}


char_types: set[ChannelType] = _carrying(ChannelType.CHAR)
string_types: set[ChannelType] = _carrying(ChannelType.STRING)
int_types: set[ChannelType] = _carrying(ChannelType.INT, ChannelType.LONG)
float_types: set[ChannelType] = _carrying(ChannelType.FLOAT, ChannelType.DOUBLE)
enum_types: set[ChannelType] = _carrying(ChannelType.ENUM)
native_int_types: set[ChannelType] = {
    ChannelType.INT,
    ChannelType.ENUM,
    ChannelType.CHAR,
    ChannelType.LONG,
}
native_float_types: set[ChannelType] = {ChannelType.FLOAT, ChannelType.DOUBLE}


def _promoted(member: ChannelType, family: str) -> ChannelType:
    """Return the type of `family` for the same values; the last four types belong to none."""
    return promote_type(NATIVE_TYPES[member], family) if member < 35 else member


field_types: dict[str, dict[ChannelType, ChannelType]] = {
    family: {member: _promoted(member, family) for member in _TYPES}
    for family in ("native", "status", "time", "graphic", "control")
}
"""By family and any type: the type of that family for the same values."""
