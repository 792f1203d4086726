"""The options that several commands share, and what they mean."""

from __future__ import annotations

import math
import os
import re

from .._constants import MAX_PRIORITY
from .options import Option, Parsed, UsageError, flag, valued, warn
from .values import Style

__all__ = [
    "ARRAYS",
    "COMMON",
    "CONNECTION",
    "ENUMS",
    "FORMATS",
    "LIST_TYPES",
    "MASK_HELP",
    "NAMES",
    "NUMBERS",
    "TEMPLATE",
    "element_count",
    "only_one",
    "style_of",
    "timeout_of",
]

_ALL = 1 << 32
MASK_HELP = "Any combination of v (value), a (alarm), l (log/archive), p (property)."


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number of seconds") from None
    if math.isnan(value):
        raise ValueError(f"{text!r} is not a number of seconds")
    return value


def _leading_integer(text: str) -> int | None:
    """Return the number that `text` begins with, as C reads it: 3 for ``3.7``."""
    match = re.match(r"\s*[-+]?\d+", text)
    return None if match is None else int(match[0])


def _priority(text: str) -> int:
    priority = _leading_integer(text)
    if priority is None:
        raise ValueError(f"{text!r} is not a priority from 0 to {MAX_PRIORITY}")
    return min(max(priority, 0), MAX_PRIORITY)


def element_count(text: str) -> int:
    """Read a number of elements.

    Raises
    ------
    ValueError
    """
    count = _leading_integer(text)
    if count is None:
        raise ValueError(f"{text!r} is not a valid array element count")
    return count if count >= 0 else _ALL  # as for the C tools, for which it is unsigned


def _precision(letter: str, most: int) -> Option:
    def convert(text: str) -> str:
        digits = _leading_integer(text)
        if digits is None:
            raise ValueError(f"Invalid precision argument {text!r}")
        if not 0 <= digits <= most:
            raise ValueError(f"Precision {digits} is out of range 0..{most}")
        return f"%.{digits}{letter}"

    return valued(
        f"-{letter}",
        "float_format",
        "<nr>",
        f"Use %{letter} format, with a precision of <nr> digits.",
        convert=convert,
        group="Floating point format (default %g)",
    )


def _base(text: str) -> str:
    if not text.startswith(("x", "o", "b")):
        raise ValueError(f"Invalid argument {text!r}: x, o or b")
    return text[0]


def _bases(prefix: str, dest: str, group: str, how: str) -> tuple[Option, ...]:
    names = {"x": "hex", "o": "octal", "b": "binary"}
    return tuple(
        flag(f"{prefix}{letter}", dest, f"{how} as {name} number.", value=letter, group=group)
        for letter, name in names.items()
    )


COMMON = (
    flag("-h --help", "help", "Show this help and exit.", group="General"),
    flag("-V --version", "version", "Show the version of caproto and exit.", group="General"),
    flag(
        "-v --verbose",
        "verbose",
        "Show log messages; -vv for more.",
        value=1,
        repeated=True,
        group="General",
    ),
    flag(
        "--no-color",
        "no_color",
        "No colors. Nor are there any if NO_COLOR is set or the output is not a terminal.",
        group="General",
    ),
)

CONNECTION = (
    valued(
        "-w --timeout",
        "timeout",
        "<sec>",
        "Wait so long for connections, and for answers, 0 for ever; 2 s by default, or what EPICS_CLI_TIMEOUT "
        "or CAPROTO_DEFAULT_TIMEOUT says.",
        convert=_seconds,
        group="Channel Access",
    ),
    valued(
        "-p --priority",
        "priority",
        "<prio>",
        "Priority of the circuit: 0 (default, lowest) to 99.",
        convert=_priority,
        group="Channel Access",
    ),
    flag("--no-repeater", "no_repeater", "Do not start a repeater.", group="Channel Access"),
)

NAMES = (
    valued(
        "--file",
        "files",
        "FILE",
        "Take names from a file, too: one or several per line, # begins a comment. @FILE is the same, and - stands "
        "for standard input.",
        repeated=True,
        group="Names",
        words=("FILE",),
    ),
)

ENUMS = (
    flag(
        "-n",
        "enum_as_number",
        "Show an enum as its number (default is its label).",
        group="Enum format",
    ),
)

ARRAYS = (
    valued(
        "-#",
        "count",
        "<count>",
        "Ask for the first <count> elements of an array.",
        convert=element_count,
        group="Arrays",
    ),
    flag(
        "-S",
        "chars_as_text",
        "Show an array of characters as text (long string).",
        group="Arrays",
    ),
)

_FLOATS = "Floating point format (default %g)"
_INTEGERS = "Integer format (default decimal)"
NUMBERS = (
    *(_precision(letter, most) for letter, most in (("e", 18), ("f", 18), ("g", 18))),
    flag(
        "-s", "float_as_text", "Get the value as text, with the precision of the PV.", group=_FLOATS
    ),
    *_bases("-l", "float_base", _FLOATS, "Round to an integer and show it"),
    *_bases("-0", "integer_base", _INTEGERS, "Show it"),
    valued("-0", "integer_base", "x|o|b", "The same.", convert=_base, group=_INTEGERS),
    valued("-F", "separator", "<ofs>", "Put <ofs> between the fields.", group="Fields"),
)

FORMATS = (
    flag("--json", "json", "Print JSON, one object per line.", group="Output"),
    flag("--csv", "csv", "Print comma-separated values with a header.", group="Output"),
)

TEMPLATE = "Python format string. Available are {pv_name}, {response} with its attributes, such as {response.data}, "
LIST_TYPES = flag(
    "--list-types", "list_types", "List the values that -d takes and exit.", group="Format"
)


def style_of(parsed: Parsed) -> Style:
    """Return how values are to be written."""
    separator = parsed.get("separator", " ")
    return Style(
        float_format=parsed.get("float_format", "%g"),
        float_base=parsed.get("float_base", ""),
        integer_base=parsed.get("integer_base", ""),
        separator=separator or "\0",
        enum_as_number=bool(parsed["enum_as_number"]),
        chars_as_text=bool(parsed["chars_as_text"]),
        show_count=bool(parsed["count"]),
    )


def timeout_of(parsed: Parsed) -> float:
    """Return how many seconds to wait; as for the C tools, 0 is for ever."""
    given = parsed["timeout"]
    if given is None:
        for name in ("EPICS_CLI_TIMEOUT", "CAPROTO_DEFAULT_TIMEOUT"):
            text = os.environ.get(name)
            try:
                if text is not None:
                    given = _seconds(text)
                    break
            except ValueError as error:
                if name == "EPICS_CLI_TIMEOUT":  # the Context reports the other one
                    warn("caproto", f"{name}: {error}; it is ignored.")
        else:
            given = 2.0
    return math.inf if given == 0 else max(0.0, float(given))


def only_one(parsed: Parsed, *dests: str) -> None:
    """Refuse options that contradict each other.

    Raises
    ------
    UsageError
    """
    given = [dest for dest in dests if parsed[dest]]
    if len(given) > 1:
        names = " and ".join("--" + dest.replace("_", "-") for dest in given)
        raise UsageError(f"{names} exclude each other.")
