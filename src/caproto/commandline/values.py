"""Single values as text, as the C tools of EPICS print them. Pure: values in, text out."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .._constants import EPICS2UNIX_EPOCH

__all__ = [
    "UNDEFINED_TIME",
    "Style",
    "escape",
    "leading_number",
    "show_float",
    "show_integer",
    "show_time",
    "signed_char",
    "text_of_chars",
    "unescape",
]

UNDEFINED_TIME = "<undefined>"
"""What stands where a time stamp was never set."""

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "\0": "\\0",
}
_LETTERS = {shown[1]: raw for raw, shown in _ESCAPES.items()}
_INT32 = 1 << 32
_BASES: dict[str, Callable[[int], str]] = {
    "x": lambda value: f"0x{value:X}",
    "o": lambda value: f"0o{value:o}",
    "b": lambda value: f"{value:b}",
}


@dataclass(frozen=True, slots=True)
class Style:
    """How numbers and fields are written.

    Attributes
    ----------
    float_format : str
        ``printf`` format of floating-point numbers.
    float_base : str
        ``'x'``, ``'o'`` or ``'b'`` to round them and write them in that base; empty otherwise.
    integer_base : str
        The same for integers.
    separator : str
        Stands between the fields.
    enum_as_number : bool
        Whether an enum is shown as its number where its label is known, too.
    chars_as_text : bool
        Whether an array of characters is shown as text.
    show_count : bool
        Whether the number of elements is shown for a single one, too.
    """

    float_format: str = "%g"
    float_base: str = ""
    integer_base: str = ""
    separator: str = " "
    enum_as_number: bool = False
    chars_as_text: bool = False
    show_count: bool = False


def escape(text: str) -> str:
    """Write `text`, one character per byte, with C's escapes for what cannot be printed."""
    if text.isascii() and text.isprintable() and not any(mark in text for mark in "\\'\""):
        return text
    return "".join(
        _ESCAPES.get(char) or (char if " " <= char <= "~" else f"\\x{ord(char):02x}")
        for char in text
    )


def unescape(text: str) -> str:
    r"""Replace C's escapes by what they stand for: the inverse of `escape`, so one character per byte.

    As in EPICS, there are no octal numbers but ``\0``, and a backslash before anything else, or at the end, means
    nothing.
    """

    def replace(match: re.Match[str]) -> str:
        body = match[1]
        if body.startswith("x"):
            return chr(int(body[1:], 16)) if len(body) > 1 else ""
        return _LETTERS.get(body, body)

    if "\\" not in text:
        return text
    return re.sub(r"\\(x[0-9a-fA-F]{0,2}|.|\Z)", replace, text, flags=re.DOTALL)


def signed_char(value: int) -> int:
    """Return a CHAR as C shows it: with a sign."""
    return value - 256 if value > 127 else value


def text_of_chars(values: Sequence[int]) -> str:
    """Return an array of characters as text, up to the first NUL, one character per byte."""
    return bytes(value & 0xFF for value in values).partition(b"\0")[0].decode("latin-1")


def show_integer(value: int, base: str = "") -> str:
    """Write an integer, in another base as 32 bits without sign."""
    return _BASES[base](value % _INT32) if base else str(value)


def _rounded(value: float) -> int:
    """Round half away from zero to 32 bits; what does not fit becomes the smallest number, as on x86."""
    if not math.isfinite(value) or abs(value) >= _INT32:
        return -(1 << 31)
    whole = int(value + 0.5) if value >= 0 else int(value - 0.5)
    return whole if -(1 << 31) <= whole < 1 << 31 else -(1 << 31)


def show_float(value: float, style: Style) -> str:
    """Write a floating-point number."""
    if style.float_base:
        return show_integer(_rounded(value), style.float_base)
    if value != value:
        return "nan"  # where C may write a sign that means nothing
    return style.float_format % value


def show_time(seconds: int, nanoseconds: int) -> str:
    """Write an EPICS time in the local time zone.

    Parameters
    ----------
    seconds, nanoseconds : int
        Since the EPICS epoch.
    """
    if seconds == nanoseconds == 0:
        return UNDEFINED_TIME
    local = time.localtime(seconds + int(EPICS2UNIX_EPOCH))
    microseconds = min((nanoseconds + 500) // 1000, 999_999)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', local)}.{microseconds:06d}"


_NUMBER = re.compile(r"\s*[-+]?(0[xX][0-9a-fA-F]+|(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?)")


def leading_number(text: str) -> float | None:
    """Return the number that `text` begins with, or None: what C's ``strtod`` understands."""
    match = _NUMBER.match(text)
    if match is None:
        return None
    word = match[0].strip()
    return float(int(word, 16)) if "x" in word.lower() else float(word)
