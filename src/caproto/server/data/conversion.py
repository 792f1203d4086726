"""Values of one type as another, as the C IOC converts them (``dbConvert.c``, ``cvtFast.c``)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from struct import Struct
from typing import Any

from ..._errors import CaprotoConversionError
from ..._protocol.enums import ChannelType

__all__ = [
    "as_elements",
    "number_as",
    "number_fits",
    "number_from_text",
    "numbers_as",
    "numbers_from_text",
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
_SINGLE = Struct("f")
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
    if math.isnan(value):
        return "nan"
    size = abs(value)
    if 0 <= precision <= 8 and size <= _FIXED_LIMIT:
        return _fixed(value, precision)
    huge, most, width = (1e8, 12, 6) if single else (1e16, 17, 7)
    if precision > 8 or size > huge:
        digits = min(precision, most)
        return f"{value:{digits + width}.{digits}e}"
    return f"{value:.{min(max(precision, 0), 3)}f}"


def _fixed(value: float, precision: int) -> str:
    """Write a number out with a fixed number of digits; halves are rounded up, not to even."""
    sign, value = (
        ("-", -value) if value < 0 else ("", value + 0.0)
    )  # adding 0 takes the sign off -0.0
    whole = int(value)
    fraction = (int((value - whole) * 10 ** (precision + 1)) + 5) // 10
    if fraction >= 10**precision:
        whole, fraction = whole + 1, fraction - 10**precision
    return f"{sign}{whole}.{fraction:0{precision}}" if precision else f"{sign}{whole}"


_INTEGER = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")
_REAL = re.compile(
    r"\s*([+-]?)(?:(0[xX][0-9a-fA-F]+)|((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|(inf|nan))",
    re.IGNORECASE,
)


def number_from_text(text: str | bytes, target: ChannelType) -> float | int:
    """Read the number at the beginning of a text; units may follow.

    Parameters
    ----------
    text : str or bytes
    target : ChannelType
        A numeric type. Whole numbers may be hexadecimal (``0x10``) and octal (``010``).

    Raises
    ------
    CaprotoConversionError
        If there is none, or the type cannot hold it.
    """
    if isinstance(text, bytes):
        text = text.decode("latin-1")
    number = _real_from(text) if target in _FLOATS else _integer_from(text)
    if number is None:
        raise CaprotoConversionError(f"the text {text!r} does not begin with a number")
    if target is ChannelType.DOUBLE:
        in_range = not math.isinf(number) or "inf" in text.lower()
    elif target is ChannelType.FLOAT:
        in_range = abs(number) <= _FLT_MAX or "inf" in text.lower() or math.isnan(number)
    else:
        # A negative number may go into an unsigned type if its size fits, as in C.
        bits, signed = _INT_BITS[target]
        top = 1 << (bits - signed)
        in_range = -top <= number < top
    if not in_range:
        raise CaprotoConversionError(f"{text!r} is beyond what {target.name} can hold")
    return number_as(number, target)


def number_fits(value: int, target: ChannelType) -> bool:
    """Tell whether a type can hold a whole number; the floating-point types hold any."""
    if target in _FLOATS:
        return True
    bits, signed = _INT_BITS[target]
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1) if signed else 0 <= value < 1 << bits


def _integer_from(text: str) -> int | None:
    """Read a whole number as the C function strtol does; None if there is none."""
    match = _INTEGER.match(text)
    if match is None:
        return None
    sign, digits = match.groups()
    if digits[:2] in ("0x", "0X"):
        number = int(digits, 16)
    elif digits[0] == "0":
        octal = re.match("[0-7]+", digits)
        number = int(octal[0], 8) if octal else 0
    else:
        number = int(digits)
    return -number if sign == "-" else number


def _real_from(text: str) -> float | None:
    """Read a number as the C function strtod does; None if there is none."""
    match = _REAL.match(text)
    if match is None:
        return None
    sign, hexadecimal, decimal, word = match.groups()
    number = float(int(hexadecimal, 16)) if hexadecimal else float(decimal or word)
    return -number if sign == "-" else number


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
    rounded: float = _SINGLE.unpack(_SINGLE.pack(math.copysign(size, value)))[0]
    return rounded


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
    """Read several numbers; as `number_from_text`."""
    return [number_from_text(text, target) for text in texts]
