"""Text of single values: properties that hold for all of them, and the examples that C prints."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto.commandline.stamps import Stamps, epics_time
from caproto.commandline.trends import Trend, sparkline
from caproto.commandline.values import (
    Style,
    escape,
    leading_number,
    show_float,
    show_integer,
    show_time,
    signed_char,
    text_of_chars,
    unescape,
)

BYTES = st.text(st.characters(max_codepoint=255))


@given(BYTES)
def test_escaped_text_is_printable_and_can_be_read_back(text: str) -> None:
    shown = escape(text)
    assert shown.isascii()
    assert all(" " <= char <= "~" for char in shown)
    # The C tools write NUL as \\0, whatever follows it: before an octal digit nobody can tell what was meant.
    if not re.search("\0[0-7]", text):
        assert unescape(shown) == text


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (r"a\tb", "a\tb"),
        (r"\x41\101", "A101"),
        (r"\xe9\x4\xg", "\xe9\x04g"),
        (r"\q\\", "q\\"),
        (r"\0", "\0"),
        ("ends\\", "ends"),
    ],
)
def test_typed_escapes_are_those_of_epics(typed: str, meant: str) -> None:
    assert unescape(typed) == meant


@given(st.integers(-(2**31), 2**31 - 1))
def test_integers_in_other_bases_are_32_bits_without_sign(value: int) -> None:
    assert int(show_integer(value)) == value
    unsigned = value % 2**32
    assert int(show_integer(value, "x"), 16) == unsigned
    assert int(show_integer(value, "o"), 8) == unsigned
    assert int(show_integer(value, "b"), 2) == unsigned


@given(st.floats(allow_nan=False))
def test_seventeen_digits_bring_a_double_back(value: float) -> None:
    assert float(show_float(value, Style(float_format="%.17g"))) == value


@given(st.floats())
def test_floats_rounded_to_hex_are_32_bits(value: float) -> None:
    number = int(show_float(value, Style(float_base="x")), 16)
    assert 0 <= number < 2**32
    if math.isfinite(value) and abs(value) < 2**30:
        signed = struct.unpack("i", struct.pack("I", number))[0]
        assert abs(signed - value) <= 0.5


@given(st.binary())
def test_text_of_chars_ends_at_the_first_nul(raw: bytes) -> None:
    text = text_of_chars([signed_char(value) for value in raw])
    assert text.encode("latin-1") == raw.partition(b"\0")[0]


@given(st.integers(0, 255))
def test_characters_have_a_sign_as_in_c(value: int) -> None:
    assert signed_char(value) == struct.unpack("b", bytes([value]))[0]


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["", " ", " x", "abc"]))
def test_leading_numbers_are_read_like_strtod(value: float, tail: str) -> None:
    assert leading_number(f"  {value!r}{tail}") == value


@pytest.mark.parametrize(
    ("text", "number"), [("0x1F", 31.0), ("-.5e1z", -5.0), ("abc", None), ("", None), ("e5", None)]
)
def test_leading_numbers_that_floats_do_not_show(text: str, number: float | None) -> None:
    assert leading_number(text) == number


@pytest.fixture
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_utc")
def test_times_are_rounded_to_microseconds_but_never_into_the_next_second() -> None:
    assert show_time(0, 0) == "<undefined>"
    assert show_time(1, 499) == "1990-01-01 00:00:01.000000"
    assert show_time(1, 1500) == "1990-01-01 00:00:01.000002"
    assert show_time(1, 999_999_999) == "1990-01-01 00:00:01.999999"


@pytest.mark.usefixtures("_utc")
def test_stamps_of_each_kind() -> None:
    first, second = (100, 0), (101, 500_000_000)
    assert Stamps("n").show("a", first, first) == ""
    both = Stamps("sc")
    assert both.show("a", first, second) == (
        "1990-01-01 00:01:40.000000(1990-01-01 00:01:41.500000)"
    )
    for key, other_first in (("sr", True), ("si", True), ("sI", True)):
        stamps = Stamps(key)
        stamps.show("a", first, first)
        assert stamps.show("b", first, first).startswith("1990") is other_first
        assert stamps.show("a", second, second) == f"{'':14}   +1.500000"
    assert Stamps("sx").unknown == "x"
    assert epics_time(631152000 * 10**9 + 5) == (0, 5)


@given(st.lists(st.floats(), max_size=40))
def test_a_sparkline_has_one_mark_per_value(values: list[float]) -> None:
    line = sparkline(values)
    assert len(line) == len(values)
    finite = [value for value in values if math.isfinite(value)]
    if finite and max(finite) > min(finite):
        assert line[values.index(max(finite))] == "█"
        assert line[values.index(min(finite))] == "▁"


def test_a_trend_counts_the_updates_of_the_last_seconds() -> None:
    trend = Trend(length=3)
    for number in range(50):
        trend.add(number, number / 10)
    assert trend.rate(4.9) == pytest.approx(10.0)
    assert list(trend.values) == [47.0, 48.0, 49.0]
    assert trend.rate(100.0) == 0.0
    trend.add("text", 100.0)
    assert len(trend.values) == 3
