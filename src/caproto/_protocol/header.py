"""The message header: 16 bytes, or 24 in the extended form for large messages."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Sequence
from struct import Struct
from typing import TypeAlias

__all__ = [
    "EXTENDED",
    "EXTENDED_SIZES",
    "HEADER",
    "SHORT_LIMIT",
    "Head",
    "pack_head",
    "pack_heads",
    "padded",
]

Head: TypeAlias = tuple[int, ...]
"""command, payload size, data type, data count, parameter 1, parameter 2.

A seventh item, True, tells that the header came in the extended form although it need not have."""

HEADER = Struct(">HHHHII")
"""command, payload size, data type, data count, parameter 1, parameter 2"""
EXTENDED = Struct(">HHHHIIII")
EXTENDED_SIZES = Struct(">II")
"""What the extended form appends: the true payload size and data count."""
_WORDS = HEADER.size // 4
SHORT_LIMIT = 0xFFFF
"""Sizes and counts from here on need the extended form."""


def padded(size: int) -> int:
    """Round `size` up to the multiple of 8 that every payload fills."""
    return (size + 7) & ~7


def pack_head(
    command: int, size: int, data_type: int, data_count: int, p1: int, p2: int, long: bool = False
) -> bytes:
    """Pack a header, in the extended form where the sizes (or `long`) ask for it."""
    if long or size >= SHORT_LIMIT or data_count >= SHORT_LIMIT:
        return EXTENDED.pack(command, 0xFFFF, data_type, 0, p1, p2, size, data_count)
    return HEADER.pack(command, size, data_type, data_count, p1, p2)


def pack_heads(command: int, shapes: Sequence[int], p1: Iterable[int], first_p2: int) -> bytes:
    """Pack the headers of many messages without payload, in the short form.

    Parameters
    ----------
    command : int
    shapes : sequence of int
        Data type and data count of each, as ``data_type << 16 | data_count``.
    p1 : iterable of int
        Parameter 1 of each.
    first_p2 : int
        Parameter 2 of the first; it goes up by one.
    """
    # Column by column, in C: 0.1 us for each instead of 0.3 by HEADER.pack (benchmarks/micro/bench_read.py).
    count = len(shapes)
    words = array("I", bytes(_WORDS * 4 * count))
    words[0::_WORDS] = array("I", [command << 16]) * count
    words[1::_WORDS] = array("I", shapes)
    words[2::_WORDS] = array("I", p1)
    words[3::_WORDS] = array("I", range(first_p2, first_p2 + count))
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()
