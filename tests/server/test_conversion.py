"""Values of one type as another: what the C IOC was seen to do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from caproto import CaprotoConversionError, ChannelType
from caproto.server.data.conversion import (
    as_elements,
    number_as,
    number_fits,
    number_from_text,
    numbers_as,
    numbers_from_text,
    text_from_number,
)

INT, FLOAT, ENUM, CHAR = ChannelType.INT, ChannelType.FLOAT, ChannelType.ENUM, ChannelType.CHAR
LONG, DOUBLE = ChannelType.LONG, ChannelType.DOUBLE
LOWEST = -2147483648


# Every line was observed: a waveform of DOUBLE with PREC 3, and of FLOAT with PREC 2, read as STRING.
@pytest.mark.parametrize(
    ("value", "double", "single"),
    [
        (1e20, " 1.000e+20", "1.00e+20"),
        (-1e20, "-1.000e+20", "-1.00e+20"),
        (1e16, "10000000000000000.000", "1.00e+16"),
        (1.5e16, " 1.500e+16", "1.50e+16"),
        (123456789.123, "123456789.123", "1.23e+08"),
        (10000000.0, "10000000.000", "10000000.00"),
        (10000001.0, "10000001.000", "10000001.00"),
        (0.00001, "0.000", "0.00"),
        (-0.0, "0.000", "0.00"),
        (math.inf, "       inf", "     inf"),
        (-math.inf, "      -inf", "    -inf"),
        (math.nan, "nan", "nan"),
        (999.9999, "1000.000", "1000.00"),
        (1e-300, "0.000", "0.00"),
        (-1.5, "-1.500", "-1.50"),
    ],
)
def test_numbers_are_written_as_the_c_ioc_does(value: float, double: str, single: str) -> None:
    assert text_from_number(value, 3) == double
    assert text_from_number(value, 2, single=True) == single


@pytest.mark.parametrize(
    ("value", "precision", "text"),
    [
        (2.5, 0, "3"),  # halves go up, not to the even number
        (1.5, 0, "2"),
        (-2.5, 0, "-3"),
        (3.7, 0, "4"),
        (12345678.9, 0, "12345679"),
        (0.1, 6, "0.100000"),
        (12345678.9, 6, "12345678.900"),
        (1e17, 6, " 1.000000e+17"),
        (1e17, 0, "  1e+17"),
        (3.25, 9, " 3.250000000e+00"),
        (1.0, 20, " 1.00000000000000000e+00"),
        (3.25, -1, "3"),
    ],
)
def test_the_precision_counts_digits_after_the_point(
    value: float, precision: int, text: str
) -> None:
    assert text_from_number(value, precision) == text


# Observed: put as STRING to records of these types.
@pytest.mark.parametrize(
    ("text", "integer", "real"),
    [
        ("12", 12, 12.0),
        ("3.7", 3, 3.7),
        ("-3", -3, -3.0),
        (" 5", 5, 5.0),
        ("\t7", 7, 7.0),
        ("5 mm", 5, 5.0),
        ("5mm", 5, 5.0),
        ("010", 8, 10.0),
        ("089", 0, 89.0),
        ("0x10", 16, 16.0),
        ("-0x2", -2, -2.0),
        ("0x", 0, 0.0),
        ("0b11", 0, 0.0),
        ("1e2", 1, 100.0),
        ("5.", 5, 5.0),
        ("1.5e", 1, 1.5),
        ("1_0", 1, 1.0),
        ("3,4", 3, 3.0),
        ("+5", 5, 5.0),
    ],
)
def test_numbers_are_read_as_the_c_ioc_does(text: str, integer: int, real: float) -> None:
    assert number_from_text(text, LONG) == integer
    assert number_from_text(text.encode(), INT) == integer
    assert number_from_text(text, DOUBLE) == real


def test_numbers_that_only_real_types_know() -> None:
    assert number_from_text(".5", DOUBLE) == 0.5
    assert number_from_text("inf", DOUBLE) == math.inf
    assert number_from_text("-Infinity", FLOAT) == -math.inf
    assert math.isnan(number_from_text("nan", DOUBLE))
    assert math.isnan(number_from_text("NaN", FLOAT))


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("abc", LONG),
        ("", LONG),
        ("- 5", LONG),
        (".5", LONG),
        ("nan", LONG),
        ("inf", INT),
        ("99999999999", LONG),
        ("300", CHAR),
        ("40000", INT),
        ("abc", DOUBLE),
        ("", DOUBLE),
        ("- 5", DOUBLE),
        ("1e400", DOUBLE),
        ("1e39", FLOAT),
    ],
)
def test_what_is_no_number_of_the_type_is_refused(text: str, target: ChannelType) -> None:
    with pytest.raises(CaprotoConversionError, match=r"does not begin|beyond"):
        number_from_text(text, target)


def test_a_negative_number_may_go_into_an_unsigned_type_as_in_c() -> None:
    assert number_from_text("-1", CHAR) == 255
    assert number_from_text("-0x2", CHAR) == 254


def test_several_texts_are_read_or_refused_together() -> None:
    assert numbers_from_text(["1", b"2"], INT) == [1, 2]
    with pytest.raises(CaprotoConversionError):
        numbers_from_text(["1", "x"], DOUBLE)


CASES = [
    (3.7, {INT: 3, ENUM: 3, CHAR: 3, LONG: 3}),
    (-3.7, {INT: -3, ENUM: 65533, CHAR: 253, LONG: -3}),
    (70000.0, {INT: 4464, ENUM: 4464, CHAR: 112, LONG: 70000}),
    (3e9, {INT: 0, ENUM: 0, CHAR: 0, LONG: LOWEST}),
    (-1e20, {INT: 0, ENUM: 0, CHAR: 0, LONG: LOWEST}),
    (math.nan, {INT: 0, ENUM: 0, CHAR: 0, LONG: LOWEST}),
    (math.inf, {INT: 0, ENUM: 0, CHAR: 0, LONG: LOWEST}),
]


@pytest.mark.parametrize(("value", "expected"), CASES)
def test_real_numbers_are_cut_and_wrapped(value: float, expected: dict[ChannelType, int]) -> None:
    for target, number in expected.items():
        assert number_as(value, target) == number
        assert numbers_as([value], target) == [number]
        array = numbers_as(np.array([value, value]), target)
        assert array.tolist() == [number, number]
        assert array.dtype.itemsize in (1, 2, 4)


def test_whole_numbers_are_wrapped() -> None:
    assert [number_as(70000, target) for target in (INT, ENUM, CHAR, LONG)] == [
        4464,
        4464,
        112,
        70000,
    ]
    assert number_as(-1, ENUM) == 65535
    assert numbers_as(np.array([-1, 70000]), ENUM).tolist() == [65535, 4464]
    assert number_as(7, DOUBLE) == 7.0


def test_doubles_become_singles_within_their_range() -> None:
    largest, smallest = 3.4028234663852886e38, 1.1754943508222875e-38
    values = [0.1, 0.0, 1e300, -1e300, 1e-300, -1e-300, math.inf]
    expected = [float(np.float32(0.1)), 0.0, largest, -largest, smallest, -smallest, math.inf]
    assert [number_as(value, FLOAT) for value in values] == expected
    assert numbers_as(np.array(values), FLOAT).tolist() == expected
    assert math.isnan(number_as(math.nan, FLOAT))
    assert np.isnan(numbers_as(np.array([math.nan]), FLOAT)).all()
    assert math.copysign(1, number_as(-0.0, FLOAT)) == -1


def test_an_array_of_the_right_type_is_not_copied() -> None:
    array = np.array([1.0, 2.0])
    assert numbers_as(array, DOUBLE) is array
    assert numbers_as(np.array([1, 2], dtype="i2"), FLOAT).dtype == np.float32


@pytest.mark.parametrize(
    ("target", "low", "high"),
    [(INT, -32768, 32767), (ENUM, 0, 65535), (CHAR, 0, 255), (LONG, LOWEST, 2147483647)],
)
def test_which_whole_numbers_fit(target: ChannelType, low: int, high: int) -> None:
    assert number_fits(low, target)
    assert number_fits(high, target)
    assert not number_fits(low - 1, target)
    assert not number_fits(high + 1, target)
    assert number_fits(10**400, DOUBLE)


def test_a_scalar_of_any_kind_is_one_element() -> None:
    assert as_elements(3) == [3]
    assert as_elements("abc") == ["abc"]
    assert as_elements(np.array(3.0)) == [3.0]
    assert as_elements(np.float64(3.0)) == [3.0]
    values = np.array([1, 2])
    assert as_elements(values) is values
