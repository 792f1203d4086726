"""What to ask a server for, and what to send it, for a `datatype` and a `format`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from .._protocol.dbr import promote_type
from .._protocol.enums import ChannelType
from ._constants import (
    DBR_CHAR_BYTES,
    DBR_CHAR_STR,
    DBR_CHAR_UNICODE,
    DBR_CLASS_NAME,
    DBR_ENUM_STR,
    DBR_STSACK_STRING,
    FORMAT_CTRL,
    FORMAT_RAW,
    FORMAT_TIME,
)
from ._nothing import InvalidDatatype

__all__ = [
    "ARRAY_TYPES",
    "TEXTS_OF_CHARACTERS",
    "Count",
    "Datatype",
    "Dbe",
    "Dbr",
    "Format",
    "readable_type",
    "writable",
]

Dbr: TypeAlias = Literal[0, 1, 2, 3, 4, 5, 6, 35, 36, 37, 38, 996, 997, 998, 999]
Dbe: TypeAlias = "int | None"
Datatype: TypeAlias = "int | type | str | np.dtype[Any] | None"
Format: TypeAlias = Literal[0, 1, 2]
Count: TypeAlias = int

TEXTS_OF_CHARACTERS = (DBR_CHAR_STR, DBR_CHAR_UNICODE, DBR_CHAR_BYTES)
_FAMILIES = {FORMAT_RAW: "native", FORMAT_TIME: "time", FORMAT_CTRL: "control"}
# By numpy's kind of number and its size in bytes.
_NUMBERS = {
    ("b", 1): ChannelType.CHAR,
    ("i", 1): ChannelType.CHAR,
    ("u", 1): ChannelType.CHAR,
    ("i", 2): ChannelType.INT,
    ("u", 2): ChannelType.INT,
    ("i", 4): ChannelType.LONG,
    ("u", 4): ChannelType.LONG,
    ("i", 8): ChannelType.LONG,
    ("u", 8): ChannelType.LONG,
    ("f", 2): ChannelType.FLOAT,
    ("f", 4): ChannelType.FLOAT,
    ("f", 8): ChannelType.DOUBLE,
}


def _plain_type(datatype: Datatype, native: ChannelType) -> ChannelType:
    """Return the plain DBR type, or one of the special ones, that `datatype` means."""
    if datatype is None:
        return native
    if isinstance(datatype, int):
        if datatype in TEXTS_OF_CHARACTERS:
            return ChannelType.CHAR
        if datatype == DBR_ENUM_STR:
            return ChannelType.STRING if native is ChannelType.ENUM else native
        if 0 <= datatype <= 6 or datatype in (DBR_STSACK_STRING, DBR_CLASS_NAME):
            return ChannelType(datatype)
    else:
        try:
            kind = np.dtype(datatype)
        except TypeError:
            kind = np.dtype(object)
        if kind.kind in "US":
            return ChannelType.STRING
        if (kind.kind, kind.itemsize) in _NUMBERS:
            return _NUMBERS[kind.kind, kind.itemsize]
    raise InvalidDatatype(
        f"datatype={datatype!r} is none that Channel Access can send: give str, int, float, a numpy type, or a DBR_ constant"
    )


def readable_type(datatype: Datatype, format: Format, native: ChannelType) -> ChannelType:
    """Return the DBR type to ask for; a string has no control data, so that its time is asked for instead."""
    if format not in _FAMILIES:
        raise InvalidDatatype(
            f"format={format!r} is not known: it is FORMAT_RAW, FORMAT_TIME or FORMAT_CTRL"
        )
    plain = _plain_type(datatype, native)
    if plain > ChannelType.DOUBLE:
        return plain
    if plain is ChannelType.STRING and format == FORMAT_CTRL:
        return ChannelType.TIME_STRING
    return promote_type(plain, _FAMILIES[format])


def writable(value: Any, datatype: Datatype) -> tuple[Any, ChannelType | None]:
    """Return `value` as it can be written, and the type to send it in, by default that of the value."""
    if datatype in (DBR_CHAR_STR, DBR_CHAR_UNICODE, DBR_CHAR_BYTES):
        raw = value.encode() if isinstance(value, str) else bytes(value)
        return raw or b"\0", ChannelType.CHAR
    if datatype is not None:
        # With a native type of STRING, DBR_ENUM_STR means a string.
        return _converted(value, _plain_type(datatype, ChannelType.STRING))
    array = np.asarray(np.nan if value is None else value)
    if array.dtype.kind in "US":
        return _converted(value, ChannelType.STRING)
    wanted = _NUMBERS.get((array.dtype.kind, array.dtype.itemsize))
    if wanted is None:
        return np.asarray(value, np.float64), ChannelType.DOUBLE
    if wanted is ChannelType.LONG and array.size:
        fits = array.min() >= -(2**31) and array.max() < 2**31
        wanted = ChannelType.LONG if fits else ChannelType.DOUBLE
    return _converted(array, wanted)


ARRAY_TYPES = {
    ChannelType.INT: np.int16,
    ChannelType.FLOAT: np.float32,
    ChannelType.ENUM: np.uint16,
    ChannelType.CHAR: np.uint8,
    ChannelType.LONG: np.int32,
    ChannelType.DOUBLE: np.float64,
}


def _converted(value: Any, wanted: ChannelType) -> tuple[Any, ChannelType]:
    """Return `value` as numbers or texts of the type `wanted`."""
    if wanted is ChannelType.STRING:
        if isinstance(value, str | bytes):
            return value, wanted
        items = np.atleast_1d(np.asarray(value)).tolist()
        return [item if isinstance(item, str | bytes) else str(item) for item in items], wanted
    return np.atleast_1d(np.asarray(value)).astype(ARRAY_TYPES[wanted]), wanted
