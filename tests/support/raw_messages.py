"""Channel Access messages as plain bytes, by code that shares nothing with the library that it tests."""

from __future__ import annotations

import asyncio
import struct
from typing import NamedTuple

HEADER = struct.Struct(">HHHHII")
EXTENSION = struct.Struct(">II")
"""Size of the payload and number of elements, where the header has no room for them."""
EXTENDED = 0xFFFF
"""What the header has as size then."""


class RawMessage(NamedTuple):
    """One message, taken apart; `p1` and `p2` are the parameters at the end of its header."""

    command: int
    data_type: int
    data_count: int
    p1: int
    p2: int
    payload: bytes


def raw_message(
    command: int,
    data_type: int = 0,
    data_count: int = 0,
    p1: int = 0,
    p2: int = 0,
    payload: bytes = b"",
    *,
    extended: bool = False,
) -> bytes:
    """Build a message; the payload is padded."""
    payload += bytes(-len(payload) % 8)
    if extended:
        head = HEADER.pack(command, EXTENDED, data_type, 0, p1, p2)
        return head + EXTENSION.pack(len(payload), data_count) + payload
    return HEADER.pack(command, len(payload), data_type, data_count, p1, p2) + payload


def split_messages(stream: bytes) -> list[RawMessage]:
    """Take a stream of whole messages apart."""
    found, offset = [], 0
    while offset < len(stream):
        command, size, data_type, count, p1, p2 = HEADER.unpack_from(stream, offset)
        offset += HEADER.size
        if size == EXTENDED:
            size, count = EXTENSION.unpack_from(stream, offset)
            offset += EXTENSION.size
        assert size % 8 == 0
        assert offset + size <= len(stream)
        found.append(RawMessage(command, data_type, count, p1, p2, stream[offset : offset + size]))
        offset += size
    return found


async def next_message(reader: asyncio.StreamReader) -> RawMessage:
    """Receive the next message of a stream."""
    command, size, data_type, count, p1, p2 = HEADER.unpack(await reader.readexactly(HEADER.size))
    if size == EXTENDED:
        size, count = EXTENSION.unpack(await reader.readexactly(EXTENSION.size))
    return RawMessage(command, data_type, count, p1, p2, await reader.readexactly(size))
