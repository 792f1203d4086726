"""Values between Python and the wire: strings, numbers, and arrays through numpy or ``array.array``.

Two ways lead out of a payload. `decode_data` gives a view of the received memory in wire order; `decode_value` gives
what a program wants to calculate with. One way leads in: `encode_values`.
"""

from __future__ import annotations

import array
import sys
from collections import UserList
from collections.abc import Callable, Iterable, Mapping
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from .._constants import MAX_STRING_SIZE
from .._errors import CaprotoConversionError, CaprotoTypeError, CaprotoValueError
from .dbr import ELEMENT_SIZES, METADATA_SIZES, NATIVE_TYPES
from .enums import ChannelType

__all__ = [
    "Array",
    "SCALAR_READERS",
    "STAMPED_SCALAR_READERS",
    "Backend",
    "Buffer",
    "DbrStringArray",
    "backend",
    "current_backend",
    "decode_data",
    "decode_string",
    "decode_value",
    "encode_values",
    "ensure_bytes",
    "new_buffer",
    "register_backend",
    "select_backend",
]

Buffer: TypeAlias = bytes | bytearray | memoryview

_STRING = ChannelType.STRING
_CHAR = ChannelType.CHAR
_TYPECODES = {
    ChannelType.INT: "h",
    ChannelType.FLOAT: "f",
    ChannelType.ENUM: "H",
    ChannelType.CHAR: "B",
    ChannelType.LONG: "i",
    ChannelType.DOUBLE: "d",
}
_SCALARS = {native: Struct(">" + code) for native, code in _TYPECODES.items()}
_FLOATS = (ChannelType.FLOAT, ChannelType.DOUBLE)
# One element with the metadata before it skipped: reading it is half of what a callback costs, and this way takes
# 0.15 us instead of 0.55 (benchmarks/micro/bench_monitor.py).
SCALAR_READERS: dict[int, Struct] = {
    code: Struct(f">{METADATA_SIZES[code]}x{_TYPECODES[native]}")
    for code, native in enumerate(NATIVE_TYPES)
    if native in _TYPECODES
}
# The same with alarm and time, for those who look at all of it: 0.25 us instead of 0.8.
STAMPED_SCALAR_READERS: dict[int, Struct] = {
    code: Struct(f">HHII{METADATA_SIZES[code] - 12}x{_TYPECODES[NATIVE_TYPES[code]]}")
    for code in range(ChannelType.TIME_INT, ChannelType.TIME_DOUBLE + 1)
}


if TYPE_CHECKING:
    _MachineArray = array.array[Any]
else:
    _MachineArray = array.array  # not generic before Python 3.12


class Array(_MachineArray):
    """An ``array.array`` made of received numbers, in the order of this machine.

    Parameters
    ----------
    type_code : str
        As for ``array.array``.
    values : iterable of numbers, or bytes
    endian : {'<', '>'}
        Byte order of `values` where they are bytes; swapped if it is not this machine's.
    """

    endian: str

    def __new__(cls, type_code: str, values: Any = (), *, endian: str = "<") -> Array:
        """Copy `values`, and swap them if they are bytes in the other order."""
        raw = isinstance(values, bytes | bytearray | memoryview)
        self = super().__new__(cls, type_code, bytes(values) if raw else values)
        if raw and endian != _MACHINE:
            array.array.byteswap(self)
        self.endian = _MACHINE
        return self

    def byteswap(self) -> None:
        """Swap the bytes of each number; what `endian` says changes with it."""
        super().byteswap()
        self.endian = "<" if self.endian == ">" else ">"

    def __repr__(self) -> str:
        return f"array({self.tolist()})"


_MACHINE = "<" if sys.byteorder == "little" else ">"


class DbrStringArray(UserList[Any]):
    """Strings as they travel: a list of `bytes`, each up to its NUL and at most 40 long."""

    @classmethod
    def frombuffer(cls, buf: Buffer, data_count: int | None = None) -> DbrStringArray:
        """Take `data_count` strings, or all there are, out of `buf`.

        The last one may be shorter than 40 bytes: a single string travels without its padding.
        """
        raw = bytes(buf)
        if data_count is None:
            data_count = max(1, len(raw) // MAX_STRING_SIZE)
        step = MAX_STRING_SIZE
        return cls(raw[i * step : (i + 1) * step].partition(b"\0")[0] for i in range(data_count))

    def tobytes(self) -> bytes:
        """Return the strings as they travel, 40 bytes each."""
        return b"".join(
            ensure_bytes(item)[: MAX_STRING_SIZE - 1].ljust(MAX_STRING_SIZE, b"\0") for item in self
        )


def ensure_bytes(s: str | bytes) -> bytes:
    """Encode a `str` as Latin-1, or UTF-8 where that cannot hold it; leave `bytes` as they are.

    Bytes that are no text, as the operating system hands them over in arguments, become themselves again.
    """
    if isinstance(s, str):
        try:
            return s.encode("latin-1")
        except UnicodeEncodeError:
            return s.encode("utf-8", "surrogateescape")
    return bytes(s)


def decode_string(raw: bytes, encoding: str = "latin-1") -> str:
    """Decode received text; what `encoding` cannot read is read as Latin-1, which reads everything."""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class Backend(NamedTuple):
    """How arrays are kept in Python.

    Attributes
    ----------
    name : str
        As for `select_backend`.
    convert_values : callable
        ``f(values, data_type) -> array`` in machine order, of any sequence of numbers.
    epics_to_python : callable
        ``f(buffer, data_type, data_count) -> array`` that views `buffer` where the back end can.
    python_to_epics : callable
        ``f(values, data_type) -> buffer`` in wire order.
    type_map : dict
        What the back end calls each plain type.
    array_types : tuple of type
    """

    name: str
    convert_values: Callable[[Any, ChannelType], Any]
    epics_to_python: Callable[[Buffer, ChannelType, int], Any]
    python_to_epics: Callable[[Any, ChannelType], Buffer]
    type_map: dict[ChannelType, Any]
    array_types: tuple[type, ...]


def _array_convert(values: Any, data_type: ChannelType) -> Array:
    return Array(_TYPECODES[data_type], _exact(values, data_type))


def _array_decode(buffer: Buffer, data_type: ChannelType, data_count: int) -> Array:
    size = data_count * ELEMENT_SIZES[data_type]
    return Array(_TYPECODES[data_type], bytes(memoryview(buffer)[:size]), endian=">")


def _array_encode(values: Any, data_type: ChannelType) -> bytes:
    # Unlike array.array, Struct does not turn a number that is too large for a 32-bit float into infinity.
    return Struct(f">{len(values)}{_TYPECODES[data_type]}").pack(*_exact(values, data_type))


def _exact(values: Iterable[Any], data_type: ChannelType) -> list[Any]:
    """Turn `values` into what ``array.array`` takes for the type: numbers are cut as C does it."""
    convert = float if data_type in _FLOATS else int
    return [convert(value) for value in values]


_ARRAY_BACKEND = Backend(
    "array", _array_convert, _array_decode, _array_encode, dict(_TYPECODES), (array.array,)
)
_backends: dict[str, Backend] = {"array": _ARRAY_BACKEND}
_current: Backend | None = None


def register_backend(new_backend: Backend) -> None:
    """Make a further back end known to `select_backend`."""
    _backends[new_backend.name] = new_backend


def select_backend(name: str) -> None:
    """Choose how arrays are kept: ``'numpy'`` or ``'array'``.

    Raises
    ------
    CaprotoValueError
        If there is no such back end, or numpy is not installed.
    """
    global _current
    if name == "numpy" and name not in _backends:
        try:
            from .numpy_arrays import NUMPY_BACKEND
        except ImportError as error:
            raise CaprotoValueError(
                "the 'numpy' back end needs numpy: pip install numpy"
            ) from error
        register_backend(NUMPY_BACKEND)
    if name not in _backends:
        known = ", ".join(sorted({*_backends, "numpy"}))
        raise CaprotoValueError(f"no back end {name!r}; there are {known}")
    _current = _backends[name]


class _CurrentBackend:
    """The back end in use, by attribute; numpy is not imported before one is looked at."""

    def __getattr__(self, name: str) -> Any:
        current = current_backend()
        return current.name if name == "backend_name" else getattr(current, name)

    def __repr__(self) -> str:
        return f"<the back end in use: {current_backend().name}>"


backend: _CurrentBackend = _CurrentBackend()
"""The back end in use: a `Backend`."""


def current_backend() -> Backend:
    """Return the back end in use: numpy if it is installed, unless `select_backend` said otherwise.

    Importing numpy takes 80 to 100 ms, so it waits until the first array.
    """
    if _current is None:
        try:
            select_backend("numpy")
        except CaprotoValueError:
            select_backend("array")
    assert _current is not None
    return _current


def new_buffer(size: int) -> bytearray | memoryview:
    """Return memory for a large payload.

    Numpy's is not filled with zeros first and comes in huge pages, where the kernel has them: 8 MB take 2,000 page
    faults less, which is 2 of the 5 ms that receiving them takes.
    """
    if current_backend().name != "numpy":
        return bytearray(size)
    from .numpy_arrays import empty_buffer

    return empty_buffer(size)


def _extent(payload: Buffer, data_type: int, count: int) -> tuple[ChannelType, int, int]:
    """Tell the plain type, where the values start, and how many there really are."""
    native = NATIVE_TYPES[data_type]
    offset = METADATA_SIZES[data_type]
    room = max(0, len(payload) - offset)
    if native is _STRING:
        held = -(-room // MAX_STRING_SIZE)
    else:
        held = room // ELEMENT_SIZES[native]
    return native, offset, min(count, held)


def decode_data(payload: Buffer, data_type: int, count: int) -> Any:
    """Return the values of `payload` as ``response.data`` shows them.

    Parameters
    ----------
    payload : bytes-like
        The whole payload, metadata included.
    data_type : int
        DBR type code, 0 to 38.
    count : int
        Number of elements; a payload that holds fewer yields fewer.

    Returns
    -------
    numpy.ndarray, array.array or DbrStringArray
        With numpy a view of `payload` in wire (big-endian) order; without it a copy in machine order.
    """
    native, offset, count = _extent(payload, data_type, count)
    values = memoryview(payload)[offset:] if offset else payload
    if native is _STRING:
        return DbrStringArray.frombuffer(values, count)
    return current_backend().epics_to_python(values, native, count)


def decode_value(payload: Buffer, data_type: int, count: int, encoding: str = "latin-1") -> Any:
    """Return the values of `payload` as a program calculates with them.

    Parameters
    ----------
    payload, data_type, count
        As for `decode_data`.
    encoding : str
        Of strings.

    Returns
    -------
    float, int, str, list of str, numpy.ndarray or array.array
        One element as a Python scalar; several as a list of `str` or an array in machine order.
    """
    native, offset, count = _extent(payload, data_type, count)
    if native is _STRING:
        raw = DbrStringArray.frombuffer(memoryview(payload)[offset:], count)
        texts = [decode_string(item, encoding) for item in raw]
        return texts[0] if count == 1 else texts
    if count == 1:
        return SCALAR_READERS[data_type].unpack_from(payload)[0]
    values = current_backend().epics_to_python(memoryview(payload)[offset:], native, count)
    return (
        values if isinstance(values, array.array) else values.astype(values.dtype.newbyteorder("="))
    )


def encode_values(data_type: int, values: Any, count: int | None = None) -> tuple[Buffer, int]:
    """Encode `values` for the wire, without metadata and without padding.

    Parameters
    ----------
    data_type : int
        DBR type code; only its plain type matters here.
    values : str, bytes, number, or iterable of these
        Text goes into CHAR as its bytes and a NUL. Numbers for an integer type are cut as C cuts them.
    count : int, optional
        Number of elements to send; by default as many as there are.

    Returns
    -------
    buffer : bytes-like
    count : int

    Raises
    ------
    CaprotoTypeError
        If something is not a number, or not text, where the type needs it.
    CaprotoValueError
        If a number does not fit the type, or `count` asks for more than there is.
    """
    native = NATIVE_TYPES[data_type]
    if native is _STRING:
        return _encode_strings(values, count)
    if isinstance(values, int | float) and count in (None, 1):
        return _encode_scalar(native, values), 1
    if isinstance(values, str):
        values = _text_as_numbers(native, values)
    elif isinstance(values, bytes | bytearray | memoryview):
        if native is not _CHAR:
            raise CaprotoTypeError(f"bytes cannot be written as {native.name}: pass numbers")
        values = bytes(values)
    else:
        values = _as_sequence(values)
    given = len(values)
    count = _checked_count(count, given)
    if count < given:
        values = values[:count]
    if count == 1 and native is not _CHAR:
        return _encode_scalar(native, values[0]), 1
    return _encode_array(native, values), count


def _as_sequence(values: Any) -> Any:
    """Return something with a length that can be sliced; an array is left as it is."""
    dimensions = getattr(values, "ndim", None)
    if dimensions is not None:
        if dimensions > 1:
            raise CaprotoValueError(
                f"an array of {dimensions} dimensions cannot be written: flatten it first"
            )
        kind = getattr(getattr(values, "dtype", None), "kind", "O")
        if kind not in "biufOUS":
            raise CaprotoTypeError(f"an array of {values.dtype} cannot be written")
        return values if dimensions else [values.item()]
    if isinstance(values, list | tuple | array.array):
        return values
    if isinstance(values, Mapping):
        raise CaprotoTypeError(f"{type(values).__name__} cannot be written: pass its values")
    return list(values) if isinstance(values, Iterable) else [values]


def _checked_count(count: int | None, given: int) -> int:
    """Return how many elements go out; asking for more than there are is an error."""
    if count is None or count == 0:
        return given
    if count > given:
        raise CaprotoValueError(f"data_count={count} asks for more than the {given} elements given")
    return count


def _encode_scalar(native: ChannelType, value: Any) -> bytes:
    """Encode one number."""
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else decode_string(value)
        value = _text_as_numbers(native, text)[0]
    elif getattr(value, "ndim", 0):
        raise CaprotoTypeError(
            f"{value!r} cannot be written as {native.name}: it is not one number"
        )
    try:
        return _SCALARS[native].pack(float(value) if native in _FLOATS else int(value))
    except (StructError, OverflowError) as error:
        raise _unfit(native, value) from error
    except ValueError as error:
        raise CaprotoConversionError(f"{value!r} cannot be written as {native.name}") from error
    except TypeError as error:
        raise CaprotoTypeError(f"{value!r} cannot be written as {native.name}") from error


def _unfit(native: ChannelType, value: Any) -> CaprotoValueError:
    """Describe a number that its type cannot hold."""
    bits = 8 * ELEMENT_SIZES[native]
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    if native in (ChannelType.ENUM, _CHAR):
        low, high = 0, (1 << bits) - 1
    reason = "it is too large" if native in _FLOATS else f"it takes {low} to {high}"
    error: CaprotoValueError = CaprotoValueError(
        f"{value!r} cannot be written as {native.name}: {reason}"
    )
    return error


def _encode_array(native: ChannelType, values: Any) -> Buffer:
    """Encode several numbers, or the bytes of a text."""
    if isinstance(values, bytes):
        return values
    # numpy takes longer than Struct up to about 64 elements.
    small = isinstance(values, list) and len(values) < 64
    chosen = _ARRAY_BACKEND if small else current_backend()
    try:
        return chosen.python_to_epics(values, native)
    except (StructError, OverflowError, ValueError, TypeError) as error:
        for value in values:
            _encode_scalar(native, value)  # raises a clear error for the one that it is about
        raise CaprotoConversionError(
            f"these values cannot be written as {native.name}: {error}"
        ) from error


def _text_as_numbers(native: ChannelType, text: str) -> Any:
    """Turn text into what `native` holds: bytes with a NUL for CHAR, else the one number it spells."""
    if native is _CHAR:
        return ensure_bytes(text) + b"\0"
    try:
        return [float(text)] if native in _FLOATS else [int(text, 0)]
    except ValueError:
        raise CaprotoConversionError(
            f"the text {text!r} is not a number, and the type is {native.name}"
        ) from None


def _encode_strings(values: Any, count: int | None) -> tuple[bytes, int]:
    """Encode text; one string travels as short as it is, several in 40 bytes each."""
    if isinstance(values, str | bytes | bytearray):
        values = [values]
    items = [_string_item(item) for item in _as_sequence(values)]
    count = _checked_count(count, len(items))
    if count == 1:
        return items[0] + b"\0", 1
    return b"".join(item.ljust(MAX_STRING_SIZE, b"\0") for item in items[:count]), count


def _string_item(item: Any) -> bytes:
    """Encode one string of at most 39 bytes; numbers are written out, as ``caput`` does."""
    if isinstance(item, bool) or not isinstance(item, str | bytes | bytearray | int | float):
        item = item.item() if hasattr(item, "item") else item
    if isinstance(item, int | float):
        item = str(item)
    if not isinstance(item, str | bytes | bytearray):
        raise CaprotoTypeError(f"{item!r} cannot be written as STRING: pass str or bytes")
    raw = ensure_bytes(item if isinstance(item, str) else bytes(item))
    if len(raw) >= MAX_STRING_SIZE:
        raise CaprotoValueError(
            f"a STRING holds at most {MAX_STRING_SIZE - 1} bytes, not {len(raw)}: {item!r}; "
            "write longer text to a CHAR array, or to the field with '$' appended to its name"
        )
    return raw
