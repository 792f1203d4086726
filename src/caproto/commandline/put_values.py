"""Words of a command line as what is written to a PV. Pure."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .._protocol.enums import ChannelType
from .options import UsageError
from .readings import c_name
from .values import leading_number, unescape

__all__ = [
    "ToWrite",
    "array_words",
    "chars_to_write",
    "enum_to_write",
    "literal_to_write",
    "misfit",
    "padded",
    "strings_to_write",
]

_STRING_SIZE = 40
_RANGES = {
    ChannelType.INT: (-(1 << 15), (1 << 15) - 1),
    ChannelType.LONG: (-(1 << 31), (1 << 31) - 1),
    ChannelType.CHAR: (-(1 << 7), (1 << 8) - 1),
}
_NUMBERS = (ChannelType.INT, ChannelType.FLOAT, ChannelType.LONG, ChannelType.DOUBLE)


@dataclass(slots=True)
class ToWrite:
    """A value, and the DBR type to send it as.

    Attributes
    ----------
    data : object
        As `caproto.asyncio.client.PV.write` takes it.
    kind : ChannelType
    warnings : list of str
        What looks wrong, but may be meant.
    """

    data: Any
    kind: ChannelType
    warnings: list[str] = field(default_factory=list)


def array_words(words: Sequence[str]) -> list[str]:
    """Return the elements that ``-a`` means: after their number, or all in one word, separated by spaces.

    The number is not insisted on, nor by caput.
    """
    if len(words) == 1 and " " in words[0].strip():
        return words[0].split()
    return list(words[1:]) or [""]


def strings_to_write(words: Sequence[str]) -> ToWrite:
    """Send text, which the server converts; each element is cut to what a DBR string holds."""
    raw = [unescape(word).encode("utf-8", "surrogateescape")[: _STRING_SIZE - 1] for word in words]
    return ToWrite(raw, ChannelType.STRING)


def chars_to_write(text: str) -> ToWrite:
    """Send text as an array of characters, with its NUL."""
    raw = unescape(text).encode("utf-8", "surrogateescape")
    return ToWrite(raw + b"\0", ChannelType.CHAR)


def literal_to_write(text: str, native: ChannelType) -> ToWrite | None:
    """Understand ``[1, 2, 3]`` as an array of numbers, or return None."""
    if native is ChannelType.STRING or not text.startswith(("[", "(")):
        return None
    try:
        values = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    if not isinstance(values, list | tuple) or not all(
        isinstance(value, int | float) for value in values
    ):
        return None
    return ToWrite(list(values), native)


def enum_to_write(
    words: Sequence[str], labels: Sequence[str], *, numbers: bool, strings: bool
) -> ToWrite:
    """Send labels as text, or else numbers.

    Parameters
    ----------
    words : sequence of str
    labels : sequence of str
        Of the PV.
    numbers, strings : bool
        Whether words must be numbers, or labels.

    Raises
    ------
    UsageError
        If a word is neither; it names the labels that there are.
    """
    known = ", ".join(f"'{label}'" for label in labels) or "none"
    texts = [unescape(word) for word in words]
    if not numbers and all(text in labels for text in texts):
        return strings_to_write(words)
    result = ToWrite([], ChannelType.ENUM)
    for text in texts:
        number = None if strings else leading_number(text)
        if number is None and numbers:
            raise UsageError(f"Enum index value '{text}' is not a number.")
        if number is None:
            raise UsageError(f"Enum string value '{text}' invalid; its labels are {known}.")
        if not 0 <= number < len(labels):
            result.warnings.append(
                f"Warning: enum index value '{text}' may be too large; its labels are {known}."
            )
        result.data.append(int(number) & 0xFFFF)
    return result


def misfit(words: Sequence[str], native: ChannelType) -> str:
    """Say why a server will refuse words as numbers of a type; empty if there is no reason that we know."""
    if native not in _NUMBERS and native is not ChannelType.CHAR:
        return ""
    for word in words:
        text = unescape(word)
        number = leading_number(text)
        if number is None:
            if text.strip().lower().lstrip("+-") in ("", "nan", "inf", "infinity"):
                continue
            return f"'{text}' is not a number, as {c_name(native, 'DBF_')} needs"
        low, high = _RANGES.get(native, (-math.inf, math.inf))
        if not low <= number <= high:
            return f"'{text}' is out of range for {c_name(native, 'DBF_')}: {low} to {high}"
    return ""


def padded(value: ToWrite, length: int) -> ToWrite:
    """Fill an array up with zeros.

    Raises
    ------
    UsageError
        If it is longer than that already.
    """
    missing = length - len(value.data)
    if missing < 0:
        raise UsageError(f"There are {len(value.data)} elements, more than --array-pad {length}.")
    if missing and value.kind is ChannelType.STRING:
        value.data = [*value.data, *[b"0"] * missing]
    elif missing:
        value.data = [*value.data, *[0] * missing]
    return value
