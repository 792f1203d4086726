"""The message header: 16 bytes, or 24 in the extended form for large messages."""

from __future__ import annotations

from struct import Struct
from typing import TypeAlias

__all__ = ["EXTENDED", "EXTENDED_SIZES", "HEADER", "SHORT_LIMIT", "Head", "pack_head", "padded"]

Head: TypeAlias = tuple[int, ...]
"""command, payload size, data type, data count, parameter 1, parameter 2.

A seventh item, True, tells that the header came in the extended form although it need not have."""

HEADER = Struct(">HHHHII")
"""command, payload size, data type, data count, parameter 1, parameter 2"""
EXTENDED = Struct(">HHHHIIII")
EXTENDED_SIZES = Struct(">II")
"""What the extended form appends: the true payload size and data count."""
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
