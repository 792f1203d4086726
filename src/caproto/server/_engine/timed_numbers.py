"""One number with its alarm and time in wire form, as nearly all updates are."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from ..._protocol.arrays import SCALAR_READERS
from ..._protocol.dbr import METADATA_SIZES
from ..._protocol.enums import ChannelType
from ..._protocol.header import HEADER

__all__ = ["SECOND", "NumberPacker", "UpdatePacker", "number_packer", "update_packer"]

NumberPacker = Callable[..., bytes]
"""``pack(alarm, seconds, nanoseconds, number)``; the alarm is 4 bytes already. The result needs no padding."""

UpdatePacker = Callable[..., bytes]
"""``pack(header, seconds, nanoseconds, number)``: a whole message; there is no alarm."""

SECOND = 1_000_000_000
"""In nanoseconds."""

_FIRST_TIME = int(ChannelType.TIME_STRING)


def _packers(beginning: str) -> dict[int, Callable[..., bytes]]:
    """Return what packs numbers, by the type of the request."""
    return {
        _FIRST_TIME + plain: Struct(
            f">{beginning}II{METADATA_SIZES[_FIRST_TIME + plain] - 12}x{SCALAR_READERS[plain].format[-1]}"
        ).pack
        for plain in range(ChannelType.INT, ChannelType.DOUBLE + 1)
    }


_PACKERS, _UPDATE_PACKERS = _packers("4s"), _packers(f"{HEADER.size}s4x")


def number_packer(data_type: int, data_count: int) -> NumberPacker | None:
    """Return what packs one number as a request for `data_type` and `data_count` wants it.

    None, if the request is for another type than that of numbers with time, or for more than one of them.
    """
    return _PACKERS.get(data_type) if data_count <= 1 else None


def update_packer(data_type: int, data_count: int, native: int) -> UpdatePacker | None:
    """Return what packs updates with one number of the PV's own type `native`; None also for other types."""
    if data_count > 1 or data_type != _FIRST_TIME + native:
        return None
    return _UPDATE_PACKERS.get(data_type)
