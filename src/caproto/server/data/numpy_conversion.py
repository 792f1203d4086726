"""The same conversions of whole arrays; imported when there is an array to convert."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._protocol.enums import ChannelType

__all__ = ["array_as"]

_DTYPES: dict[ChannelType, Any] = {
    ChannelType.CHAR: np.dtype("u1"),
    ChannelType.INT: np.dtype("i2"),
    ChannelType.ENUM: np.dtype("u2"),
    ChannelType.LONG: np.dtype("i4"),
    ChannelType.FLOAT: np.dtype("f4"),
    ChannelType.DOUBLE: np.dtype("f8"),
}
_FLOAT32 = np.finfo(np.float32)


def array_as(values: Any, target: ChannelType) -> Any:
    """Convert an array to a numeric type: cut, wrapped and clipped as the C IOC does."""
    values = np.asarray(values)
    wanted = _DTYPES[target]
    if values.dtype == wanted:
        return values
    if wanted == np.float32 and values.dtype.kind == "f":
        return _clipped(values).astype(np.float32)
    if wanted.kind in "iu" and values.dtype.kind == "f":
        inside = (values > -2147483649.0) & (values < 2147483648.0)
        values = np.where(inside, values, -2147483648.0).astype(np.int64)
    return values.astype(wanted)


def _clipped(values: Any) -> Any:
    """Bring doubles into the range of 32-bit floats; zeros and what is not finite stay."""
    normal = np.isfinite(values) & (values != 0)
    size = np.clip(np.abs(values), float(_FLOAT32.tiny), float(_FLOAT32.max))
    return np.where(normal, np.copysign(size, values), values)
