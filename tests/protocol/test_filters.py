"""Fields, long strings and channel filters in the name of a PV."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from caproto import (
    CaprotoValueError,
    ChannelFilter,
    RecordAndField,
    RecordModifiers,
    apply_arr_filter,
    parse_channel_filter,
    parse_record_field,
)
from caproto._utils import ArrayFilter, DeadbandFilter, FilterValidationError, SyncFilter

LONG = RecordModifiers.long_string
FILTERED = RecordModifiers.filtered


@pytest.mark.parametrize(
    ("name", "record", "field", "modifiers", "filter_"),
    [
        ("rec", "rec", None, None, None),
        ("rec.VAL", "rec", "VAL", None, None),
        ("rec.", "rec", None, None, None),
        ("rec.DESC$", "rec", "DESC", LONG, None),
        ("rec.$", "rec", None, LONG, None),
        ('rec.{"ts":{}}', "rec", None, FILTERED, '{"ts":{}}'),
        ('rec.VAL{"dbnd":{"abs":1.5}}', "rec", "VAL", FILTERED, '{"dbnd":{"abs":1.5}}'),
        ("rec.VAL[1:3]", "rec", "VAL", FILTERED, "[1:3]"),
        ("rec.DESC$[0:3]", "rec", "DESC", LONG | FILTERED, "[0:3]"),
        ('rec.VAL[1:3]{"ts":{}}', "rec", "VAL", FILTERED, '[1:3]{"ts":{}}'),
        # Only after a dot are these more than letters of the name.
        ("rec[5]", "rec[5]", None, None, None),
        ("rec$", "rec$", None, None, None),
        ("a.b.c", "a", "b.c", None, None),
        ("", "", None, None, None),
    ],
)
def test_name_is_taken_apart(
    name: str, record: str, field: str | None, modifiers: Any, filter_: str | None
) -> None:
    found = parse_record_field(name)
    assert isinstance(found, RecordAndField)
    assert (found.record, found.field) == (record, field)
    assert found.record_dot_field == (f"{record}.{field}" if field else record)
    if modifiers is None:
        assert found.modifiers is None
    else:
        assert found.modifiers == (modifiers, filter_)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ChannelFilter()),
        ("{}", ChannelFilter()),
        ('{"ts":{}}', ChannelFilter(ts=True)),
        ('{"dbnd":{"abs":1.5}}', ChannelFilter(dbnd=DeadbandFilter("abs", 1.5))),
        ('{"dbnd":{"rel":5}}', ChannelFilter(dbnd=DeadbandFilter("rel", 5.0))),
        ('{"dbnd":{"m":"rel","d":5}}', ChannelFilter(dbnd=DeadbandFilter("rel", 5.0))),
        ('{"arr":{"s":1,"i":2,"e":8}}', ChannelFilter(arr=ArrayFilter(1, 2, 8))),
        ('{"arr":{}}', ChannelFilter(arr=ArrayFilter(0, 1, -1))),
        ('{"sync":{"m":"while","s":"red"}}', ChannelFilter(sync=SyncFilter("while", "red"))),
        ('{"sync":{"while":"red"}}', ChannelFilter(sync=SyncFilter("while", "red"))),
        ('{"ts":{},"arr":{"s":2}}', ChannelFilter(ts=True, arr=ArrayFilter(2))),
        ("[1:2:8]", ChannelFilter(arr=ArrayFilter(1, 2, 8))),
        ("[1:8]", ChannelFilter(arr=ArrayFilter(1, 1, 8))),
        ("[3]", ChannelFilter(arr=ArrayFilter(3, 1, 3))),
        ("[-3:]", ChannelFilter(arr=ArrayFilter(-3, 1, -1))),
        ("[:3]", ChannelFilter(arr=ArrayFilter(0, 1, 3))),
        ("[::2]", ChannelFilter(arr=ArrayFilter(0, 1, 2))),
        ("[:2:]", ChannelFilter(arr=ArrayFilter(0, 2, -1))),
        ("[]", ChannelFilter(arr=ArrayFilter())),
        ("[1:0:3]", ChannelFilter(arr=ArrayFilter(1, 1, 3))),
        ('{"arr":{"i":-2}}', ChannelFilter(arr=ArrayFilter(0, 1, -1))),
        ('[1:3]{"ts":{}}', ChannelFilter(ts=True, arr=ArrayFilter(1, 1, 3))),
        # EPICS 7 takes JSON5
        ("{ts:{}}", ChannelFilter(ts=True)),
        ("{sync:{while:'red'}}", ChannelFilter(sync=SyncFilter("while", "red"))),
        ('{sync:{while:"a:b"}}', ChannelFilter(sync=SyncFilter("while", "a:b"))),
    ],
)
def test_filters_are_read(text: str, expected: ChannelFilter) -> None:
    assert parse_channel_filter(text) == expected


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('{"dec":{"n":3}}', "'dec' is not known here; there are ts, dbnd, arr, sync"),
        ('{"utag":{"M":1,"V":2}}', "'utag' is not known"),
        ('{"ts":1}', "'ts' needs an object, not 1"),
        ('{"ts":{"num":"dbl"}}', "'ts' does not know"),
        ('{"dbnd":{}}', "'dbnd' needs"),
        ('{"dbnd":{"m":"foo","d":1}}', "'dbnd' needs"),
        ('{"dbnd":{"abs":"x"}}', "'x' instead of a number"),
        ('{"dbnd":{"abs":true}}', "True instead of a number"),
        ('{"dbnd":{"abs":1,"rel":1}}', "'dbnd' needs"),
        ('{"arr":{"s":"a"}}', "'a' instead of a number"),
        ('{"arr":{"q":1}}', "does not know"),
        ('{"sync":{"m":"sometimes","s":"x"}}', "'sync' needs"),
        ('{"sync":{"m":"while"}}', "'sync' needs"),
        ('{"sync":{"while":5}}', "'sync' needs"),
        ('{"sync":{}}', "'sync' needs"),
        ("{", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("[1", "is not a JSON object"),
        ("{" * 100_000, "is not a JSON object"),
        ("[a:b]", "must be of whole numbers"),
        ("[1:2:3:4]", "too many colons"),
        ("[1:3]x", "is not a JSON object"),
    ],
    ids=lambda text: text[:30],
)
def test_filter_that_makes_no_sense_is_an_error_about_this_name_only(text: str, error: str) -> None:
    with pytest.raises(FilterValidationError, match=error) as raised:
        parse_channel_filter(text)
    assert isinstance(raised.value, CaprotoValueError)


# What a C IOC (EPICS 7.0) answers.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[0:-100]", [0]),
        ("[-100:-100]", [0]),
        ("[1:3]", [1, 2, 3]),
        ("[2]", [2]),
        ("[-3:-1]", [7, 8, 9]),
        ("[2:]", [2, 3, 4, 5, 6, 7, 8, 9]),
        ("[:3]", [0, 1, 2, 3]),
        ("[0:2:-1]", [0, 2, 4, 6, 8]),
        ("[100:200]", []),
        ("[5:3]", []),
        ("[-100:1]", [0, 1]),
        ("[8:100]", [8, 9]),
    ],
)
def test_array_filter_is_applied(text: str, expected: list[int]) -> None:
    chosen = parse_channel_filter(text).arr
    assert apply_arr_filter(chosen, list(range(10))) == expected
    assert apply_arr_filter(chosen, np.arange(10)).tolist() == expected


def test_no_array_filter_lets_everything_through() -> None:
    values = [1, 2]
    assert apply_arr_filter(None, values) is values
    assert apply_arr_filter(ArrayFilter(), []) == []


def test_endless_numbers_are_an_error_about_the_filter() -> None:
    for digits in ("9" * 5000, "0x" + "f" * 5000):
        with pytest.raises(CaprotoValueError, match="not a JSON object"):
            parse_channel_filter(f'{{"arr":{{"s":{digits}}}}}')
