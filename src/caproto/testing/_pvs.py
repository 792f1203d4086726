"""PVs from plain values."""

from __future__ import annotations

import enum
from typing import Any

from .._errors import CaprotoTypeError
from ..server.data import (
    ChannelByte,
    ChannelChar,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelShort,
    ChannelString,
)

__all__ = ["channel_data", "plain_value"]

_STRING_LIMIT = 39
_CHAR_ROOM = 256
_CLASSES_OF_DTYPES: dict[str, type[ChannelData]] = {
    "uint8": ChannelByte,
    "int8": ChannelByte,
    "int16": ChannelShort,
    "float32": ChannelFloat,
    "float64": ChannelDouble,
}


def channel_data(name: str, value: Any) -> ChannelData:
    """Return the PV for a value: itself if it is one, otherwise one of the type that goes with it.

    Raises
    ------
    CaprotoTypeError
        If no type does.
    """
    if isinstance(value, ChannelData):
        return value
    if isinstance(value, enum.Enum):
        labels = list(type(value).__members__)
        return ChannelEnum(value=labels.index(value.name), enum_strings=labels)
    if isinstance(value, bytes | bytearray):
        return ChannelByte(value=bytes(value), max_length=max(_CHAR_ROOM, len(value)))
    if isinstance(value, str):
        if len(value.encode()) > _STRING_LIMIT:
            return ChannelChar(value=value, max_length=max(_CHAR_ROOM, 2 * len(value)))
        return ChannelString(value=value)
    dtype = str(getattr(value, "dtype", ""))
    if dtype in _CLASSES_OF_DTYPES:
        return _CLASSES_OF_DTYPES[dtype](value=value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    return _from_elements(name, value)


def _from_elements(name: str, value: Any) -> ChannelData:
    """Return a PV for one plain element or a sequence of them."""
    is_array = isinstance(value, list | tuple)
    elements = list(value) if is_array else [value]
    kinds = {type(element) for element in elements}
    if kinds == {bool}:
        numbers = [int(element) for element in elements]
        return ChannelEnum(
            value=numbers if is_array else numbers[0],
            enum_strings=("Off", "On"),
            max_length=len(numbers),
        )
    for types, cls in (
        ({int}, ChannelInteger),
        ({int, float}, ChannelDouble),
        ({str}, ChannelString),
    ):
        if kinds and kinds <= types:
            return cls(value=elements if is_array else value)
    raise CaprotoTypeError(
        f"the fake PV {name} cannot have the value {value!r}: give it a number, a text, a bool, a member of an "
        f"enum.Enum, bytes, a list or an array with elements of one kind, or a ChannelData",
        pv_name=name,
    )


def plain_value(value: Any) -> Any:
    """Return the value of a PV as something that can be compared: arrays become lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, tuple):
        return list(value)
    return value
