"""The channel filters of a PV name as a server runs them: all of them, in their order.

The texts that mean something are those of the C IOC, also where it is more generous than `parse_channel_filter`:
a filter may come twice, a number may be a text, and the braces are JSON5.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from .filters import (
    SYNC_MODES,
    ArrayFilter,
    DeadbandFilter,
    FilterValidationError,
    SyncFilter,
    read_json,
)

__all__ = [
    "DecimationFilter",
    "Filter",
    "TimestampFilter",
    "UserTagFilter",
    "parse_filter_chain",
]

_ALL_BITS = (1 << 64) - 1
_INT32 = range(-(1 << 31), 1 << 31)
_RANGE = re.compile(r"\[([^\]]*)\](.*)", re.DOTALL)
_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,16})")


class TimestampFilter(NamedTuple):
    """What a client gets of the time.

    Attributes
    ----------
    shown : str
        ``''``: the value, with the time of the update as its timestamp. Else the time of the value in its place:
        ``'dbl'``, ``'sec'``, ``'nsec'``, ``'ts'`` (seconds and nanoseconds), or as a text ``'epics'`` or ``'iso'``.
    epoch : str
        ``'epics'`` or ``'unix'``: what numbers count from.
    """

    shown: str = ""
    epoch: str = "epics"


class DecimationFilter(NamedTuple):
    """One of how many updates goes through."""

    n: int


class UserTagFilter(NamedTuple):
    """Which bits of a PV's ``utag`` must be what."""

    mask: int = _ALL_BITS
    value: int = 0


Filter: TypeAlias = (
    ArrayFilter | DeadbandFilter | DecimationFilter | SyncFilter | TimestampFilter | UserTagFilter
)


def parse_filter_chain(text: str) -> tuple[Filter, ...]:
    """Read what follows record and field in the name of a PV.

    Parameters
    ----------
    text : str
        ``[range]``, ``{JSON}``, or both in this order.

    Returns
    -------
    tuple of filters
        In the order in which they are written.

    Raises
    ------
    FilterValidationError
        If a filter is not known, or its arguments make no sense.
    """
    chain: list[Filter] = []
    match = _RANGE.fullmatch(text)
    if match is not None:
        chain.append(_range(match[1]))
        text = match[2]
    if text:
        for name, arguments in read_json(text, pairs=True):
            parse = _PARSERS.get(name)
            if parse is None:
                raise FilterValidationError(f"the channel filter {name!r} is not known here")
            if not isinstance(arguments, tuple):
                raise FilterValidationError(f"the channel filter {name!r} needs an object")
            chain.append(parse(name, arguments))
    return tuple(chain)


def _range(text: str) -> ArrayFilter:
    """Read what stands between square brackets."""
    parts = text.split(":")
    if len(parts) > 3 or not text or not all(_INTEGER.fullmatch(part) for part in parts if part):
        raise FilterValidationError(f"the array range [{text}] is not start:increment:end")
    numbers = [
        _integer("arr", int(part, 0 if "x" in part.lower() else 10)) if part else None
        for part in parts
    ]
    start, end = numbers[0], numbers[-1]
    increment = numbers[1] if len(parts) == 3 else 1
    return ArrayFilter(start or 0, max(1, increment or 1), -1 if end is None else end)


_Pairs: TypeAlias = tuple[tuple[str, Any], ...]


def _checked(
    name: str, pairs: _Pairs, known: dict[str, Callable[[str, Any], Any]]
) -> dict[str, Any]:
    """Convert arguments, of which the last one of a name counts."""
    found = {}
    for key, value in pairs:
        convert = known.get(key)
        if convert is None:
            raise FilterValidationError(f"the channel filter {name!r} does not know {key!r}")
        found[key] = convert(name, value)
    return found


def _integer(name: str, value: Any) -> int:
    """Take a number, or a text that spells one, as a whole number of 32 bits."""
    try:
        number = int(value, 0) if isinstance(value, str) else math.trunc(value)
    except (TypeError, ValueError, OverflowError):
        number = 1 << 31
    if isinstance(value, bool) or number not in _INT32:
        raise FilterValidationError(f"the channel filter {name!r} has {value!r} as a whole number")
    return number


def _strictly_integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FilterValidationError(f"the channel filter {name!r} has {value!r} as a whole number")
    return value


def _real(name: str, value: Any) -> float:
    """Take a number, or a text that spells one."""
    try:
        if not isinstance(value, bool):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise FilterValidationError(f"the channel filter {name!r} has {value!r} as a number")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise FilterValidationError(f"the channel filter {name!r} has {value!r} as a text")
    return value


def _one_of(*words: str) -> Callable[[str, Any], str]:
    def convert(name: str, value: Any) -> str:
        if value not in words:
            raise FilterValidationError(
                f"the channel filter {name!r} has {value!r}, not one of {words}"
            )
        return str(value)

    return convert


def _array(name: str, pairs: _Pairs) -> ArrayFilter:
    found = _checked(name, pairs, dict.fromkeys("sie", _integer))
    return ArrayFilter(found.get("s", 0), max(1, found.get("i", 1)), found.get("e", -1))


def _deadband(name: str, pairs: _Pairs) -> DeadbandFilter:
    mode, width = "abs", 0.0
    for key, value in pairs:
        if key == "m":
            mode = _one_of("abs", "rel")(name, value)
        elif key in ("d", "abs", "rel"):
            width = _real(name, value)
            mode = mode if key == "d" else key
        else:
            raise FilterValidationError(f"the channel filter {name!r} does not know {key!r}")
    return DeadbandFilter(mode, width)


def _synchronise(name: str, pairs: _Pairs) -> SyncFilter:
    mode = state = ""
    for key, value in pairs:
        if key == "m":
            mode = _one_of(*SYNC_MODES)(name, value)
        elif key == "s":
            state = _text(name, value)
        elif key in SYNC_MODES:
            mode, state = key, _text(name, value)
        else:
            raise FilterValidationError(f"the channel filter {name!r} does not know {key!r}")
    if not mode or not state:
        raise FilterValidationError(f"the channel filter {name!r} needs a mode and a state")
    return SyncFilter(mode, state)


def _decimate(name: str, pairs: _Pairs) -> DecimationFilter:
    n = _checked(name, pairs, {"n": _strictly_integer}).get("n", 0)
    if n not in _INT32 or n < 1:
        raise FilterValidationError(f"the channel filter {name!r} needs a number n of 1 or more")
    return DecimationFilter(n)


def _user_tag(name: str, pairs: _Pairs) -> UserTagFilter:
    found = _checked(name, pairs, dict.fromkeys("MV", _strictly_integer))
    return UserTagFilter(found.get("M", _ALL_BITS) & _ALL_BITS, found.get("V", 0) & _ALL_BITS)


def _timestamp(name: str, pairs: _Pairs) -> TimestampFilter:
    found = _checked(
        name,
        pairs,
        {
            "num": _one_of("dbl", "sec", "nsec", "ts"),
            "str": _one_of("epics", "iso"),
            "epoch": _one_of("epics", "unix"),
        },
    )
    return TimestampFilter(found.get("str") or found.get("num", ""), found.get("epoch", "epics"))


_PARSERS: dict[str, Callable[[str, _Pairs], Filter]] = {
    "arr": _array,
    "dbnd": _deadband,
    "dec": _decimate,
    "sync": _synchronise,
    "ts": _timestamp,
    "utag": _user_tag,
}
