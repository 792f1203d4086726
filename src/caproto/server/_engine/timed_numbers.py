"""One number with its alarm and time in wire form, as nearly all updates are."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from ..._protocol.arrays import SCALAR_READERS
from ..._protocol.dbr import METADATA_SIZES
from ..._protocol.enums import ChannelType

__all__ = ["SECOND", "NumberPacker", "number_packer"]

NumberPacker = Callable[..., bytes]
"""``pack(alarm, seconds, nanoseconds, number)``; the alarm is 4 bytes already. The result needs no padding."""

SECOND = 1_000_000_000
"""In nanoseconds."""

_FIRST_TIME = int(ChannelType.TIME_STRING)
_PACKERS: dict[int, NumberPacker] = {
    _FIRST_TIME + plain: Struct(
        f">4sII{METADATA_SIZES[_FIRST_TIME + plain] - 12}x{SCALAR_READERS[plain].format[-1]}"
    ).pack
    for plain in range(ChannelType.INT, ChannelType.DOUBLE + 1)
}


def number_packer(
    data_type: int, data_count: int, native: int | None = None
) -> NumberPacker | None:
    """Return what packs one number as a request for `data_type` and `data_count` wants it.

    None, if the request is for another type than that of numbers with time, for more than one of them, or not for
    those of the PV's own type `native`.
    """
    if data_count > 1 or (native is not None and data_type != _FIRST_TIME + native):
        return None
    return _PACKERS.get(data_type)
