"""Words of a command line as what is written to a PV. Pure."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .._protocol.enums import ChannelType
from .layouts import decoded
from .options import UsageError
from .readings import c_name
from .values import leading_number, unescape

__all__ = [
    "ToWrite",
    "are_numbers",
    "array_words",
    "chars_to_write",
    "enum_to_write",
    "exact_to_write",
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
    return list(words[1:])


def _bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _meant(word: str) -> str:
    """Return what a word of the command line means, one character per byte."""
    return unescape(_bytes_of(word).decode("latin-1"))


def strings_to_write(words: Sequence[str]) -> ToWrite:
    """Send text, which the server converts; each element is cut to what a DBR string holds."""
    raw = [_meant(word).encode("latin-1")[: _STRING_SIZE - 1] for word in words]
    return ToWrite(raw, ChannelType.STRING)


def chars_to_write(text: str) -> ToWrite:
    """Send text as an array of characters, with its NUL."""
    return ToWrite(_meant(text).encode("latin-1") + b"\0", ChannelType.CHAR)


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
    known = _listed(labels)
    texts = [_meant(word) for word in words]
    if not numbers and all(text in labels for text in texts):
        return strings_to_write(words)
    result = ToWrite([], ChannelType.ENUM)
    for text in words:
        number = None if strings else leading_number(text)
        if number is None and numbers:
            raise UsageError(f"Enum index value '{text}' is not a number.")
        if number is None:
            raise UsageError(f"Enum string value '{text}' invalid; its labels are {known}.")
        if not 0 <= number < len(labels):
            result.warnings.append(
                f"Warning: enum index value '{text}' may be too large; its labels are {known}."
            )
        # What does not fit 32 bits becomes 0, as on x86.
        result.data.append(int(number) & 0xFFFF if abs(number) < 1 << 31 else 0)
    return result


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(f"'{decoded(label.encode('latin-1'))}'" for label in labels) or "none"


def exact_to_write(value: Any, native: ChannelType, many: bool, labels: Sequence[str]) -> ToWrite:
    """Send a value as it is, as JSON and CSV have it.

    Parameters
    ----------
    value : object
        A number, a text, or a list of these; what CSV has is text.
    native : ChannelType
        Of the PV.
    many : bool
        Whether text with spaces is several numbers.
    labels : sequence of str
        Of an enum.

    Raises
    ------
    UsageError
        If it does not fit the type.
    """
    if native is ChannelType.CHAR and isinstance(value, str) and not (many and are_numbers(value)):
        return ToWrite(_bytes_of(value) + b"\0", native)
    if many and isinstance(value, str) and native is not ChannelType.STRING:
        value = value.split()
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | int | float) for each in values):
        raise UsageError(f"{value!r} is neither a number nor a text.")
    if native is ChannelType.STRING:
        return ToWrite([_bytes_of(str(each))[: _STRING_SIZE - 1] for each in values], native)
    if native is ChannelType.ENUM:
        return ToWrite([_index(each, labels) for each in values], native)
    return ToWrite([_number(each, native) for each in values], native)


def are_numbers(text: str) -> bool:
    """Tell whether this is one number or several, with spaces between."""
    try:
        return bool([float(word) for word in text.split()])
    except ValueError:
        return False


def _index(value: str | float, labels: Sequence[str]) -> int:
    if isinstance(value, str):
        text = _bytes_of(value).decode("latin-1")
        if text in labels:
            return labels.index(text)
    if not str(value).isdecimal():
        raise UsageError(f"Enum value {value!r} invalid; its labels are {_listed(labels)}.")
    return int(value)


def _number(value: str | float, native: ChannelType) -> float:
    try:
        number = float(value) if isinstance(value, str) else value
        if native in (ChannelType.FLOAT, ChannelType.DOUBLE):
            return number
        if number != int(number):
            raise ValueError
        return (
            int(value) if isinstance(value, str) and value.lstrip("+-").isdecimal() else int(number)
        )
    except (ValueError, OverflowError):
        raise UsageError(f"{value!r} is no number for {c_name(native, 'DBF_')}.") from None


def misfit(words: Sequence[str], native: ChannelType) -> str:
    """Say why a server will refuse words as numbers of a type; empty if there is no reason that we know."""
    if native not in _NUMBERS and native is not ChannelType.CHAR:
        return ""
    for word in words:
        text = word
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
