"""Values of one type as another, as the C IOC converts them (``dbConvert.c``, ``cvtFast.c``)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..._errors import CaprotoConversionError
from ..._protocol.enums import ChannelType

__all__ = [
    "as_elements",
    "number_from_text",
    "numbers_as",
    "text_from_number",
]

_INT_BITS = {
    ChannelType.CHAR: (8, False),
    ChannelType.INT: (16, True),
    ChannelType.ENUM: (16, False),
    ChannelType.LONG: (32, True),
}
_FLOATS = (ChannelType.FLOAT, ChannelType.DOUBLE)
_FLT_MAX = 3.4028234663852886e38
_FLT_MIN = 1.1754943508222875e-38
_FIXED_LIMIT = 1e7


def as_elements(value: Any) -> Any:
    """Return `value` as something with a length: a scalar becomes a list of one."""
    if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        return [value]
    return [value.item()] if getattr(value, "ndim", 1) == 0 else value


def text_from_number(value: float, precision: int, *, single: bool = False) -> str:
    """Write a number out as a record's precision asks.

    Parameters
    ----------
    value : float
    precision : int
        Digits after the point.
    single : bool
        Whether the number has 32 bits; fewer digits of it mean anything.
    """
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if precision > 8 or abs(value) > _FIXED_LIMIT:
        huge, most = (1e8, 12) if single else (1e16, 17)
        if precision > 8 or abs(value) > huge:
            return f"{value:.{min(precision, most)}e}"
        return f"{value:.{min(precision, 3)}f}"
    return f"{value:.{max(precision, 0)}f}"


def number_from_text(text: str | bytes, target: ChannelType) -> float | int:
    """Read a number.

    Raises
    ------
    CaprotoConversionError
        If `text` is not a number.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    stripped = text.strip()
    try:
        if target in _FLOATS:
            return float(int(stripped, 16)) if stripped[:2].lower() == "0x" else float(stripped)
        try:
            return int(stripped, 0)
        except ValueError:
            return _whole(float(stripped))
    except ValueError:
        raise CaprotoConversionError(f"the text {text!r} is not a number") from None


def _whole(value: float) -> int:
    """Cut a number as the conversion instruction of the usual processor does."""
    if -2147483649.0 < value < 2147483648.0:
        return int(value)
    return -2147483648  # also NaN


def _wrapped(value: int, bits: int, signed: bool) -> int:
    """Keep the lowest bits."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def _single(value: float) -> float:
    """Bring a number into the range of 32-bit floats, as epicsConvertDoubleToFloat does."""
    if value == 0 or not math.isfinite(value):
        return value
    size = min(max(abs(value), _FLT_MIN), _FLT_MAX)
    return math.copysign(size, value)


def number_as(value: Any, target: ChannelType) -> float | int:
    """Convert one number to a numeric type."""
    if target is ChannelType.DOUBLE:
        return float(value)
    if target is ChannelType.FLOAT:
        return _single(float(value))
    whole = value if isinstance(value, int) else _whole(float(value))
    return _wrapped(whole, *_INT_BITS[target])


def numbers_as(values: Any, target: ChannelType) -> Any:
    """Convert numbers, in a list or an array, to a numeric type."""
    if hasattr(values, "dtype"):
        from .numpy_conversion import array_as

        return array_as(values, target)
    return [number_as(value, target) for value in values]


def numbers_from_text(texts: Iterable[str | bytes], target: ChannelType) -> list[Any]:
    """Read numbers, each within the range of the type.

    Raises
    ------
    CaprotoConversionError
        If a text is not a number.
    """
    return [number_as(number_from_text(text, target), target) for text in texts]
