"""Arrays kept by numpy; imported on first use."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import Backend, Buffer
from .enums import ChannelType

__all__ = ["NUMPY_BACKEND", "empty_buffer", "turned_back", "turned_in_place"]

_WIRE: dict[ChannelType, np.dtype[Any]] = {
    ChannelType.INT: np.dtype(">i2"),
    ChannelType.FLOAT: np.dtype(">f4"),
    ChannelType.ENUM: np.dtype(">u2"),
    ChannelType.CHAR: np.dtype("u1"),
    ChannelType.LONG: np.dtype(">i4"),
    ChannelType.DOUBLE: np.dtype(">f8"),
}


def _convert(values: Any, data_type: ChannelType) -> Any:
    """Return `values` in machine order; a number that does not fit is an error, not a wrapped one."""
    wanted = _WIRE[data_type].newbyteorder("=")
    given = np.asarray(values)
    if given.ndim != 1:
        raise TypeError("sequences among the numbers")
    if given.dtype.kind not in "biuf":
        if given.dtype.kind not in "OUS":
            raise TypeError(f"{given.dtype} is no type of numbers")
        # One by one, because astype() would make NaN of None.
        given = (
            np.fromiter(map(float, given), np.float64, len(given))
            if wanted.kind == "f"
            else np.fromiter(map(int, given), np.int64, len(given))
        )
    if wanted.kind == "f":
        with np.errstate(over="raise"):
            try:
                return given.astype(wanted, copy=False)
            except FloatingPointError as error:
                raise OverflowError(str(error)) from error
    if given.dtype != wanted and given.size:
        # NaN is neither below nor above a limit, so ask for what must hold.
        limits = np.iinfo(wanted)
        low, high = given.min(), given.max()
        if not (low >= limits.min and high <= limits.max):
            raise OverflowError
    return given.astype(wanted, copy=False)


def _decode(buffer: Buffer, data_type: ChannelType, data_count: int) -> Any:
    """View `buffer`; nothing is copied."""
    return np.frombuffer(buffer, _WIRE[data_type], data_count)


def _encode(values: Any, data_type: ChannelType) -> Buffer:
    """Convert and swap in one pass where the type is the same already."""
    return _convert(values, data_type).astype(_WIRE[data_type], copy=False).tobytes()  # type: ignore[no-any-return]


NUMPY_BACKEND = Backend("numpy", _convert, _decode, _encode, dict(_WIRE), (np.ndarray,))


def empty_buffer(size: int) -> memoryview:
    """Return memory that is not filled with anything."""
    buffer: Any = np.empty(size, np.uint8)
    return memoryview(buffer)


def turned_in_place(values: memoryview, data_type: ChannelType, data_count: int) -> Any:
    """Turn received values into machine order where they lie, and return the array.

    8 MB take 0.3 ms; into new memory it would be 2 ms, most of them for page faults, and twice the memory.
    """
    wire = np.frombuffer(values, _WIRE[data_type], data_count)
    native = wire.dtype.newbyteorder("=")
    if wire.dtype != native:
        wire.byteswap(inplace=True)
    return wire.view(native)


def turned_back(native: Any, data_type: ChannelType) -> Any:
    """Return a copy in wire order."""
    return native.astype(_WIRE[data_type])
