"""What may follow a record's name: a field, ``$`` for long strings, and channel filters.

The grammar is that of EPICS base (``dbChannel.c``; "Channel Filters" in its documentation)::

    record[.[FIELD][$][[range]][{JSON}]]

The array range ``[start:increment:end]`` is short for the filter ``{"arr": {"s": start, "i": increment, "e": end}}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Flag
from typing import Any, NamedTuple, TypeVar

from .._errors import CaprotoValueError

__all__ = [
    "ArrayFilter",
    "ChannelFilter",
    "DeadbandFilter",
    "FilterValidationError",
    "RecordAndField",
    "RecordModifier",
    "RecordModifiers",
    "SYNC_MODES",
    "SyncFilter",
    "apply_arr_filter",
    "parse_channel_filter",
    "parse_record_field",
    "read_json",
]

T = TypeVar("T")

SYNC_MODES = ("before", "first", "last", "after", "while", "unless")
_AFTER_RECORD = re.compile(r"(?P<field>\w*)(?P<long>\$?)(?P<filter>(?:[\[{].*)?)", re.DOTALL)
_RANGE = re.compile(r"\[(?P<range>[^\]]*)\](?P<rest>.*)", re.DOTALL)
# What JSON5 allows beyond JSON, as far as people write it in names.
_JSON5 = re.compile(
    r"""
    (?P<plain>"(?:[^"\\]|\\.)*")
    | '(?P<single>(?:[^'\\]|\\.)*)'
    | (?P<nothing>/\*.*?\*/ | //[^\n]* | ,(?=\s*[}\]]))
    | (?P<bare>[A-Za-z_$][\w$]*)(?=\s*:)
    | [+](?P<word>Infinity|NaN)
    | (?P<hex>[+-]?0[xX][0-9a-fA-F]+)
    | (?P<real>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    """,
    re.VERBOSE | re.DOTALL,
)


class FilterValidationError(CaprotoValueError):
    """The text of a channel filter has no meaning here."""


class RecordModifiers(Flag):
    """What follows the field."""

    long_string = 1
    filtered = 2
    filter_timestamp = 4
    filter_deadband = 8
    filter_array = 16
    filter_synchronize = 32


class RecordModifier(NamedTuple):
    """What follows the field, taken apart.

    Attributes
    ----------
    modifiers : RecordModifiers
        Which kinds there are.
    filter_ : str or None
        The text of the filters, for `parse_channel_filter`.
    """

    modifiers: RecordModifiers
    filter_: str | None


class RecordAndField(NamedTuple):
    """The name of a PV, taken apart.

    Attributes
    ----------
    record_dot_field : str
        The name without modifiers.
    record : str
    field : str or None
    modifiers : RecordModifier or None
    """

    record_dot_field: str
    record: str
    field: str | None
    modifiers: RecordModifier | None


class ArrayFilter(NamedTuple):
    """Start, increment and end.

    The element at the end belongs to it, negative numbers count from the last element (-1), and an increment below 1
    is 1.
    """

    s: int = 0
    i: int = 1
    e: int = -1


class DeadbandFilter(NamedTuple):
    """Mode, ``'abs'`` or ``'rel'`` (per cent), and by how much the value must have changed."""

    m: str
    d: float


class SyncFilter(NamedTuple):
    """Mode, such as ``'while'``, and the name of the state."""

    m: str
    s: str


class ChannelFilter(NamedTuple):
    """The filters of a channel; None where there is none.

    Attributes
    ----------
    ts : bool or None
        Whether updates carry the time at which they are sent.
    dbnd : DeadbandFilter or None
    arr : ArrayFilter or None
    sync : SyncFilter or None
    """

    ts: bool | None = None
    dbnd: DeadbandFilter | None = None
    arr: ArrayFilter | None = None
    sync: SyncFilter | None = None


def parse_record_field(pvname: str) -> RecordAndField:
    """Take the name of a PV apart; whether its filters make sense is not looked at.

    Parameters
    ----------
    pvname : str

    Returns
    -------
    RecordAndField

    Examples
    --------
    >>> parse_record_field("motor.DESC$").field
    'DESC'
    """
    record, dot, rest = pvname.partition(".")
    if not dot:
        return RecordAndField(pvname, record, None, None)
    match = _AFTER_RECORD.fullmatch(rest)
    if match is None:
        return RecordAndField(pvname, record, rest, None)
    field = match["field"] or None
    flags = RecordModifiers(0)
    if match["long"]:
        flags |= RecordModifiers.long_string
    if match["filter"]:
        flags |= RecordModifiers.filtered
    modifiers = RecordModifier(flags, match["filter"] or None) if flags else None
    return RecordAndField(f"{record}.{field}" if field else record, record, field, modifiers)


def parse_channel_filter(filter_text: str) -> ChannelFilter:
    """Read the filters of a PV name.

    Parameters
    ----------
    filter_text : str
        ``[range]``, ``{JSON}``, both, or nothing.

    Returns
    -------
    ChannelFilter

    Raises
    ------
    FilterValidationError
        If a filter is not known, or its arguments make no sense.
    """
    found: dict[str, Any] = {}
    match = _RANGE.fullmatch(filter_text)
    text = filter_text
    if match is not None:
        found["arr"] = _array_range(match["range"])
        text = match["rest"]
    if text:
        for name, arguments in read_json(text).items():
            try:
                parse = _PARSERS[name]
            except KeyError:
                known = ", ".join(_PARSERS)
                raise FilterValidationError(
                    f"the channel filter {name!r} is not known here; there are {known}"
                ) from None
            found[name] = parse(arguments)
    return ChannelFilter(**found)


def read_json(text: str, *, pairs: bool = False) -> Any:
    """Read braces, in JSON or what people use of JSON5.

    Parameters
    ----------
    text : str
    pairs : bool
        Return tuples of (key, value) in place of dictionaries: a key may come twice.

    Raises
    ------
    FilterValidationError
        If it is not an object.
    """
    import json  # few programs have filters

    if text.startswith("{"):
        for prepare in (str, lambda text: _JSON5.sub(_as_json, text)):
            try:
                return json.loads(prepare(text), object_pairs_hook=tuple if pairs else dict)
            except (ValueError, RecursionError):
                continue
    raise FilterValidationError(f"the channel filter {text!r} is not a JSON object")


def _as_json(match: re.Match[str]) -> str:
    """Return one token of JSON5 as JSON."""
    found = match[0]
    if match["single"] is not None:
        found = '"' + match["single"].replace("\\'", "'").replace('"', '\\"') + '"'
    elif match["bare"]:
        found = f'"{found}"'
    elif match["nothing"]:
        found = ""
    elif match["word"]:
        found = match["word"]
    elif match["hex"]:
        found = str(int(found, 16))
    elif match["real"]:
        found = found.removeprefix("+")
        if "." in found:
            found = repr(float(found))
    return found


def _array_range(text: str) -> ArrayFilter:
    """Read what stands between square brackets."""
    parts = text.split(":")
    try:
        numbers = [int(part) if part.strip() else None for part in parts]
    except ValueError:
        raise FilterValidationError(f"the array range [{text}] must be of whole numbers") from None
    if len(parts) > 3:
        raise FilterValidationError(f"the array range [{text}] has too many colons")
    if len(parts) == 1:
        index = numbers[0]
        return ArrayFilter() if index is None else ArrayFilter(index, 1, index)
    start, end = numbers[0], numbers[-1]
    increment = numbers[1] if len(parts) == 3 else None
    return ArrayFilter(
        0 if start is None else start,
        max(1, increment or 1),
        -1 if end is None else end,
    )


def _arguments(name: str, value: Any, *known: str) -> dict[str, Any]:
    """Check that a filter's arguments are an object, and that all of them are known."""
    if not isinstance(value, dict):
        raise FilterValidationError(f"the channel filter {name!r} needs an object, not {value!r}")
    unknown = sorted(set(value) - set(known))
    if unknown:
        raise FilterValidationError(f"the channel filter {name!r} does not know {unknown}")
    return value


def _number(name: str, value: Any, convert: Callable[[Any], T]) -> T:
    if not isinstance(value, bool):
        try:
            return convert(value)
        except (TypeError, ValueError, OverflowError):
            pass
    raise FilterValidationError(f"the channel filter {name!r} has {value!r} instead of a number")


def _array(value: Any) -> ArrayFilter:
    given = _arguments("arr", value, "s", "i", "e")
    numbers = {key: _number("arr", item, int) for key, item in given.items()}
    return ArrayFilter(numbers.get("s", 0), max(1, numbers.get("i", 1)), numbers.get("e", -1))


def _deadband(value: Any) -> DeadbandFilter:
    given = _arguments("dbnd", value, "abs", "rel", "m", "d")
    if set(given) == {"m", "d"}:
        mode, width = given["m"], given["d"]
    elif len(given) == 1:
        [(mode, width)] = given.items()
    else:
        mode = width = None
    if mode not in ("abs", "rel"):
        raise FilterValidationError(
            'the channel filter \'dbnd\' needs {"abs": number} or {"rel": number}'
        )
    return DeadbandFilter(mode, _number("dbnd", width, float))


def _synchronise(value: Any) -> SyncFilter:
    given = _arguments("sync", value, "m", "s", *SYNC_MODES)
    if set(given) == {"m", "s"}:
        mode, state = given["m"], given["s"]
    elif len(given) == 1:
        [(mode, state)] = given.items()
    else:
        mode = state = None
    if mode not in SYNC_MODES or not isinstance(state, str):
        raise FilterValidationError(
            f"the channel filter 'sync' needs {{mode: state}}, the mode being one of {SYNC_MODES}"
        )
    return SyncFilter(mode, state)


def _timestamp(value: Any) -> bool:
    _arguments("ts", value)
    return True


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "ts": _timestamp,
    "dbnd": _deadband,
    "arr": _array,
    "sync": _synchronise,
}


def apply_arr_filter(arr_filter: ArrayFilter | None, values: Any) -> Any:
    """Return the elements that an array filter lets through.

    Parameters
    ----------
    arr_filter : ArrayFilter or None
        None lets everything through.
    values : sequence
        Anything that can be sliced.

    Returns
    -------
    sequence
        A slice of `values`.
    """
    if arr_filter is None:
        return values
    length = len(values)
    start, increment, end = arr_filter
    start = min(max(start + length if start < 0 else start, 0), length)
    end = max(end + length if end < 0 else end, 0)
    return values[start : end + 1 : increment]
