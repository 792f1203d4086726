"""Values between Python and the wire, with numpy and without it."""

from __future__ import annotations

import array
import math
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import caproto
from caproto import (
    Array,
    Backend,
    CaprotoConversionError,
    CaprotoTypeError,
    CaprotoValueError,
    ChannelType,
    DbrStringArray,
    ReadNotifyResponse,
    WriteRequest,
    ensure_bytes,
    native_type,
    register_backend,
    select_backend,
)
from caproto._protocol.arrays import (
    current_backend,
    decode_data,
    decode_string,
    decode_value,
    encode_values,
)
from caproto._protocol.messages.values import metadata_bytes

from .backends import BACKENDS, using_backend

T = ChannelType


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with using_backend(request.param):
        yield request.param


# --- out of a payload -------------------------------------------------------------------------------

# "Payload data types" of the specification: big-endian; CHAR and ENUM are unsigned.
NUMBERS = [
    (T.INT, "fffe 0003", [-2, 3]),
    (T.FLOAT, "3f000000 c0400000", [0.5, -3.0]),
    (T.ENUM, "ffff 0001", [65535, 1]),
    (T.CHAR, "ff 01", [255, 1]),
    (T.LONG, "fffffffe 00000003", [-2, 3]),
    (T.DOUBLE, "3fe0000000000000 c008000000000000", [0.5, -3.0]),
]
each_number_type = pytest.mark.parametrize(("data_type", "text", "numbers"), NUMBERS)


@each_number_type
def test_numbers_are_decoded(
    backend: str, data_type: ChannelType, text: str, numbers: list[Any]
) -> None:
    payload = bytes.fromhex(text)
    data = decode_data(payload, data_type, 2)
    assert data.tolist() == numbers
    value = decode_value(payload, data_type, 2)
    assert value.tolist() == numbers
    if backend == "numpy":
        assert data.dtype.newbyteorder("=") == value.dtype
        assert value.dtype.isnative
    else:
        assert isinstance(data, array.array)
        assert repr(data) == f"array({numbers})"


@each_number_type
def test_one_number_is_a_python_number(
    backend: str, data_type: ChannelType, text: str, numbers: list[Any]
) -> None:
    value = decode_value(bytes.fromhex(text), data_type, 1)
    assert value == numbers[0]
    assert type(value) is type(numbers[0])


@each_number_type
def test_numbers_are_encoded(
    backend: str, data_type: ChannelType, text: str, numbers: list[Any]
) -> None:
    expected = bytes.fromhex(text)
    for given in (
        numbers,
        tuple(numbers),
        iter(numbers),
        np.array(numbers),
        np.array(numbers, ">f8"),
    ):
        buffer, count = encode_values(data_type, given)
        assert (bytes(buffer), count) == (expected, 2)
    large, count = encode_values(data_type, numbers * 50)
    assert (bytes(large), count) == (expected * 50, 100)
    cut, count = encode_values(data_type, numbers, 1)
    assert (bytes(cut), count) == (expected[: len(expected) // 2], 1)


def test_promise_20_data_view_the_received_memory() -> None:
    payload = bytearray(struct.pack(">2d", 1.0, 2.0))
    with using_backend("numpy"):
        data = decode_data(payload, T.DOUBLE, 2)
        payload[:8] = struct.pack(">d", 5.0)
        assert data[0] == 5.0
        assert data.dtype == ">f8"


def test_data_of_bytes_cannot_be_written_to() -> None:
    with using_backend("numpy"):
        data = decode_data(struct.pack(">2d", 1.0, 2.0), T.DOUBLE, 2)
    with pytest.raises(ValueError, match="read-only"):
        data[0] = 1.0


@pytest.mark.parametrize("data_type", [T.STRING, T.DOUBLE, T.TIME_LONG, T.CHAR])
def test_empty_array(backend: str, data_type: ChannelType) -> None:
    size = len(bytes(metadata_bytes(None, data_type)))
    assert len(decode_data(bytes(size), data_type, 0)) == 0
    assert len(decode_value(bytes(size), data_type, 0)) == 0
    assert len(decode_value(b"", data_type, 1)) == 0
    assert encode_values(data_type, []) == (b"", 0)


def test_values_after_metadata(backend: str) -> None:
    payload = bytes(16) + struct.pack(">2d", 1.5, 2.5)
    assert decode_data(payload, T.TIME_DOUBLE, 2).tolist() == [1.5, 2.5]
    assert decode_value(payload, T.TIME_DOUBLE, 1) == 1.5


def test_payload_shorter_than_the_count_says(backend: str) -> None:
    payload = struct.pack(">2d", 1.5, 2.5) + b"\0\0"
    assert decode_data(payload, T.DOUBLE, 1000).tolist() == [1.5, 2.5]
    assert decode_data(payload[:5], T.TIME_DOUBLE, 1).tolist() == []


# --- strings ----------------------------------------------------------------------------------------


def test_strings_take_40_bytes_each() -> None:
    payload = b"one".ljust(40, b"\0") + b"two\0garbage".ljust(40, b"x")
    assert decode_data(payload, T.STRING, 2) == [b"one", b"two"]
    assert decode_value(payload, T.STRING, 2) == ["one", "two"]
    assert encode_values(T.STRING, ["one", b"two"]) == (
        b"one".ljust(40, b"\0") + b"two".ljust(40, b"\0"),
        2,
    )
    assert DbrStringArray(["one"]).tobytes() == b"one".ljust(40, b"\0")
    assert DbrStringArray.frombuffer(payload) == [b"one", b"two"]


@pytest.mark.parametrize("payload", [b"on\0\0\0\0\0\0", b"on\0".ljust(40, b"\0"), b"on"])
def test_single_string_may_be_shorter_than_40_bytes(payload: bytes) -> None:
    # ca/comQueSend.cpp sends what there is of it
    assert decode_data(payload, T.STRING, 1) == [b"on"]
    assert decode_value(payload, T.STRING, 1) == "on"
    assert DbrStringArray.frombuffer(payload) == [b"on"]


def test_string_of_40_bytes_without_nul() -> None:
    assert decode_value(b"x" * 40, T.STRING, 1) == "x" * 40


def test_time_string_with_padding_has_one_element() -> None:
    response = ReadNotifyResponse(["abc"], T.TIME_STRING, 1, 1, 0)
    assert response.payload_size == 56  # 12 + 40, padded
    assert response.data == [b"abc"]
    assert response.value == "abc"


def test_text_that_the_encoding_cannot_read_is_latin_1() -> None:
    assert decode_string("µ".encode(), "utf-8") == "µ"
    assert decode_string(b"\xb5m", "utf-8") == "µm"
    assert decode_value("µ".encode().ljust(40, b"\0"), T.STRING, 1, "utf-8") == "µ"


def test_ensure_bytes() -> None:
    assert ensure_bytes("µ") == b"\xb5"
    assert ensure_bytes("ł") == "ł".encode()
    assert ensure_bytes(b"abc") == b"abc"


def test_numbers_become_strings_for_a_string() -> None:
    assert encode_values(T.STRING, 1.5) == (b"1.5\0", 1)
    assert encode_values(T.STRING, [1, np.float64(2.5), np.array("x")])[0][:80:40] == b"12"
    assert encode_values(T.STRING, np.array(["a", "b"]))[1] == 2


def test_string_that_is_too_long_is_refused() -> None:
    encode_values(T.STRING, "x" * 39)
    with pytest.raises(CaprotoValueError, match=r"at most 39 bytes, not 40.*CHAR array"):
        encode_values(T.STRING, "x" * 40)


def test_string_of_something_else_is_refused() -> None:
    with pytest.raises(CaprotoTypeError, match="pass str or bytes"):
        encode_values(T.STRING, [object()])


# --- text into numbers ------------------------------------------------------------------------------


def test_text_into_char_gets_a_nul(backend: str) -> None:
    assert encode_values(T.CHAR, "abc") == (b"abc\0", 4)
    assert encode_values(T.CHAR, b"abc") == (b"abc", 3)
    assert encode_values(T.CHAR, bytearray(b"abc"), 2) == (b"ab", 2)
    assert encode_values(T.CHAR, memoryview(b"abc")) == (b"abc", 3)


@pytest.mark.parametrize(
    ("data_type", "text", "number"),
    [(T.DOUBLE, "1.5e3", 1500.0), (T.LONG, "-3", -3), (T.LONG, "0x10", 16), (T.ENUM, "1", 1)],
)
def test_text_that_is_a_number(
    backend: str, data_type: ChannelType, text: str, number: float
) -> None:
    assert encode_values(data_type, text) == encode_values(data_type, number)
    assert encode_values(data_type, [text]) == encode_values(data_type, number)
    assert encode_values(data_type, [text.encode()]) == encode_values(data_type, number)


# --- what does not fit ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data_type", "value", "text"),
    [
        (T.INT, 32768, "it takes -32768 to 32767"),
        (T.CHAR, -1, "it takes 0 to 255"),
        (T.CHAR, 256, "it takes 0 to 255"),
        (T.ENUM, 65536, "it takes 0 to 65535"),
        (T.LONG, 2**31, "it takes -2147483648 to 2147483647"),
        (T.LONG, 2**80, "it takes"),
        (T.LONG, 1e300, "it takes"),
        (T.LONG, math.inf, "it takes"),
        (T.FLOAT, 1e300, "too large"),
    ],
)
@pytest.mark.parametrize("repetitions", [1, 2, 100])
def test_number_that_is_too_large(
    backend: str, data_type: ChannelType, value: float, text: str, repetitions: int
) -> None:
    with pytest.raises(CaprotoValueError, match=text):
        encode_values(data_type, [value] * repetitions)
    with pytest.raises(CaprotoValueError, match=text):
        encode_values(data_type, np.array([value] * repetitions))


@pytest.mark.parametrize("repetitions", [1, 2, 100])
def test_what_is_no_number(backend: str, repetitions: int) -> None:
    for value in (None, object(), [1, 2], {}):
        with pytest.raises(CaprotoTypeError, match="cannot be written as DOUBLE"):
            encode_values(T.DOUBLE, [value] * repetitions)
    with pytest.raises(CaprotoConversionError, match="the text 'x' is not a number"):
        encode_values(T.DOUBLE, ["x"] * repetitions)
    with pytest.raises(CaprotoConversionError, match="nan cannot be written as LONG"):
        encode_values(T.LONG, [math.nan] * repetitions)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (np.zeros((2, 2)), "2 dimensions"),
        ({"a": 1}, "dict cannot be written"),
        (b"abc", "bytes cannot be written as DOUBLE"),
        (object(), "cannot be written as DOUBLE"),
        (np.zeros(2, "c16"), "an array of complex128 cannot be written"),
        (np.zeros(2, "M8[s]"), "an array of datetime64.* cannot be written"),
        ([1j], "cannot be written as DOUBLE"),
        ([1j] * 100, "cannot be written as DOUBLE"),
        ([np.zeros(2)], "not one number"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_array_of_numbers(backend: str, value: Any, error: str) -> None:
    with pytest.raises((CaprotoTypeError, CaprotoValueError), match=error):
        encode_values(T.DOUBLE, value)


def test_integers_are_cut_as_c_cuts_them(backend: str) -> None:
    for given in (2.7, [2.7], np.array(2.7), np.float64(2.7)):
        assert encode_values(T.LONG, given) == (struct.pack(">i", 2), 1)
    assert bytes(encode_values(T.LONG, [2.7, -2.7])[0]) == struct.pack(">2i", 2, -2)
    assert bytes(encode_values(T.LONG, np.array([2.7, -2.7]))[0]) == struct.pack(">2i", 2, -2)


def test_scalars_of_all_kinds(backend: str) -> None:
    one = (struct.pack(">d", 1.0), 1)
    for given in (1, 1.0, True, np.int32(1), np.float32(1), np.array(1), [np.array(1)], (1,)):
        assert encode_values(T.DOUBLE, given) == one
    assert encode_values(T.DOUBLE, range(3))[1] == 3
    assert encode_values(T.DOUBLE, {1.0})[1] == 1
    assert encode_values(T.DOUBLE, array.array("i", [1, 2]))[1] == 2


def test_count_that_asks_for_more_than_there_is(backend: str) -> None:
    for values in ([1.0, 2.0], np.zeros(2)):
        with pytest.raises(CaprotoValueError, match="data_count=3 asks for more than the 2"):
            encode_values(T.DOUBLE, values, 3)
    with pytest.raises(CaprotoValueError, match="more than the 1"):
        encode_values(T.STRING, "abc", 2)


# --- back ends --------------------------------------------------------------------------------------


def test_backend_that_does_not_exist() -> None:
    with pytest.raises(CaprotoValueError, match="no back end 'abacus'; there are array, numpy"):
        select_backend("abacus")


def test_backend_in_use_is_shown_live() -> None:
    for name in BACKENDS:
        with using_backend(name):
            assert caproto.backend.backend_name == caproto.backend.name == name
            assert name in repr(caproto.backend)
            assert set(caproto.backend.type_map) == {T(i) for i in range(1, 7)}


def test_backend_of_ones_own() -> None:
    calls = []

    def epics_to_python(buffer: Any, data_type: ChannelType, data_count: int) -> Any:
        calls.append((data_type, data_count))
        return ["mine"]

    plain = current_backend()
    register_backend(Backend("mine", plain.convert_values, epics_to_python, *plain[3:]))
    with using_backend("mine"):
        assert ReadNotifyResponse([1.0, 2.0], 6, 2, 1, 0).data == ["mine"]
    assert calls == [(T.DOUBLE, 2)]


def test_backend_that_cannot_encode() -> None:
    def python_to_epics(values: Any, data_type: ChannelType) -> bytes:
        raise ValueError("on strike")

    plain = current_backend()
    register_backend(plain._replace(name="broken", python_to_epics=python_to_epics))
    with using_backend("broken"), pytest.raises(CaprotoConversionError, match="on strike"):
        encode_values(T.DOUBLE, (1.0, 2.0))


def test_convert_values_gives_machine_order(backend: str) -> None:
    converted = current_backend().convert_values([1, 2], T.LONG)
    assert converted.tolist() == [1, 2]
    assert struct.unpack("=2i", converted.tobytes()) == (1, 2)
    assert isinstance(converted, current_backend().array_types)


def test_array_knows_its_byte_order() -> None:
    values = Array("i", struct.pack(">i", 5), endian=">")
    assert values.tolist() == [5]
    native = values.endian
    values.byteswap()
    assert values.endian != native
    assert values.tobytes() == struct.pack(">i" if native == "<" else "<i", 5)
    values.byteswap()
    assert (values.endian, values.tolist()) == (native, [5])
    assert Array("i", memoryview(struct.pack("<i", 5)), endian="<").tolist() == [5]
    assert Array("d", [1.0]).tolist() == [1.0]


WITHOUT_NUMPY = """
import sys
sys.modules["numpy"] = None
import caproto
try:
    caproto.select_backend("numpy")
except caproto.CaprotoValueError as error:
    assert "pip install numpy" in str(error), error
else:
    raise AssertionError
response = caproto.ReadNotifyResponse([1.5, 2.5], 6, 2, 1, 0)
assert caproto.backend.name == "array"
print(response.data, response.value, caproto.ReadNotifyResponse([3.0], 6, 1, 1, 0).data)
"""


def test_array_is_used_where_there_is_no_numpy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMPY], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("array([1.5, 2.5]) array([1.5, 2.5]) array([3.0])\n", "")


def test_native_type_of_every_type() -> None:
    assert [native_type(code) for code in range(7, 14)] == [T(code) for code in range(7)]
    assert native_type(T.PUT_ACKT) is T.ENUM
    assert native_type(T.CLASS_NAME) is T.STRING


def test_payload_is_padded_with_zeros() -> None:
    request = WriteRequest([1], T.INT, 1, 0, 0)
    assert bytes(request)[16:] == b"\0\x01" + bytes(6)
