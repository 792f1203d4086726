"""Values as pyepics gives and takes them."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from ..._errors import CaprotoTypeError, CaprotoValueError
from ..._protocol.enums import ChannelType

__all__ = ["as_list", "as_text", "numpy_or_array", "value_to_write"]


def _has_many(value: Any) -> bool:
    return isinstance(value, list | tuple | array) or bool(getattr(value, "ndim", 0))


def numpy_or_array(value: Any, nelm: int, native: ChannelType) -> Any:
    """Return the value as pyepics has it: an array if the PV can have many elements."""
    if nelm == 1 and not _has_many(value):
        return value
    try:
        import numpy as np
    except ImportError:
        return value if _has_many(value) else [value]
    if native is ChannelType.STRING:
        return np.atleast_1d(np.asarray(value, dtype=np.str_))
    return value if _has_many(value) else np.array([value], _NUMBERS[native])


_NUMBERS = {
    ChannelType.INT: "i2",
    ChannelType.FLOAT: "f4",
    ChannelType.ENUM: "u2",
    ChannelType.CHAR: "u1",
    ChannelType.LONG: "i4",
    ChannelType.DOUBLE: "f8",
}


def as_list(value: Any) -> Any:
    """Return an array as a list."""
    return value.tolist() if hasattr(value, "tolist") and _has_many(value) else value


def as_text(value: Any, native: ChannelType, known: Mapping[str, Any]) -> Any:
    """Return `value` as a person would read it, by what is known of the PV; of an array of strings a list of them."""
    precision = known["precision"]
    if type(value) is float:  # first: most are numbers
        return str(value) if precision is None else _rounded(value, precision)
    if value is None:
        return None
    if native is ChannelType.STRING:
        return [str(item) for item in value] if _has_many(value) else value
    if _has_many(value):
        if native is ChannelType.CHAR:
            return bytes(value).partition(b"\0")[0].decode("latin-1")
        return f"<array size={len(value)}, type={known['type']}>"
    if native is ChannelType.CHAR:
        return chr(value)
    labels = known["enum_strs"]
    if native is ChannelType.ENUM and labels and 0 <= value < len(labels):
        return labels[value]
    if native in (ChannelType.FLOAT, ChannelType.DOUBLE) and precision is not None:
        return _rounded(value, precision)
    return str(value)


def _rounded(value: float, precision: int) -> str:
    """Write a number with as many digits as the PV says; very large and small ones with an exponent."""
    if 1e-3 < value < 1e4:  # needs no logarithm, which takes as long as all the rest
        return f"{value:.{precision if precision > 0 else 0}f}"
    magnitude = abs(value + 1e-9)
    style = "f"
    if math.isfinite(value) and magnitude and abs(int(math.log10(magnitude))) > 4:
        style = "g"
    return f"{value:.{max(0, precision)}{style}}"


def value_to_write(
    name: str, value: Any, native: ChannelType, nelm: int, labels: Sequence[str] | None
) -> Any:
    """Return what to send for `value`.

    Raises
    ------
    CaprotoTypeError, CaprotoValueError
        If the PV cannot have that value; it says what it can have.
    """
    if value is None:
        raise CaprotoTypeError(f"{name}: None is no value", pv_name=name)
    if isinstance(value, str | bytes):
        return _from_text(name, value, native, nelm, labels)
    if native is ChannelType.STRING:
        items = value if _has_many(value) else [value]
        return [item if isinstance(item, str | bytes) else str(item) for item in items]
    if native in (ChannelType.FLOAT, ChannelType.DOUBLE):
        return value
    return _whole(name, value)


def _whole(name: str, value: Any) -> Any:
    """Return whole numbers: of others, what stands before the point."""
    try:
        if _has_many(value):
            if hasattr(value, "dtype") and value.dtype.kind in "biu":
                return value
            return [int(item) for item in value]
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise CaprotoValueError(
            f"{name}: {value!r} is no whole number, which this PV has", pv_name=name
        ) from error


def _from_text(
    name: str, value: str | bytes, native: ChannelType, nelm: int, labels: Sequence[str] | None
) -> Any:
    """Return what to send for text."""
    if native is ChannelType.STRING:
        return value
    if native is ChannelType.CHAR and nelm > 1:
        raw = value.encode() if isinstance(value, str) else value
        return raw[: nelm - 1] + b"\0" if len(raw) < nelm else raw
    text = value.decode() if isinstance(value, bytes) else value
    if native is ChannelType.ENUM:
        if labels and text in labels:
            return labels.index(text)
        if not text.strip().isdigit():
            raise CaprotoValueError(
                f"{name}: {text!r} is none of its labels: {', '.join(map(repr, labels or ()))}",
                pv_name=name,
            )
    try:
        if native in (ChannelType.FLOAT, ChannelType.DOUBLE):
            return float(text)
        return int(text) if text.strip().lstrip("+-").isdigit() else _whole(name, float(text))
    except ValueError as error:
        raise CaprotoValueError(f"{name}: {text!r} is no number", pv_name=name) from error
