"""Headers as ctypes structures, for those who look at ``response.header``.

Nothing in the library itself needs them: they are imported on first use.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from .header import EXTENDED, HEADER, SHORT_LIMIT, Head

__all__ = ["ExtendedMessageHeader", "MessageHeader", "header_from_head"]

_SHORT_FIELDS = ("command", "payload_size", "data_type", "data_count", "parameter1", "parameter2")


class _HeaderBase(ctypes.BigEndianStructure):
    """What both forms share."""

    _pack_ = 1
    if TYPE_CHECKING:
        command: int
        payload_size: int
        data_type: int
        data_count: int
        parameter1: int
        parameter2: int

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)}" for name in _SHORT_FIELDS)
        return f"{type(self).__name__}({fields})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _HeaderBase) and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))


class MessageHeader(_HeaderBase):
    """The 16-byte header.

    Parameters
    ----------
    command, payload_size, data_type, data_count, parameter1, parameter2 : int
        The six fields in wire order; what the last four mean depends on the command.
    """

    _fields_ = (
        ("command", ctypes.c_uint16),
        ("payload_size", ctypes.c_uint16),
        ("data_type", ctypes.c_uint16),
        ("data_count", ctypes.c_uint16),
        ("parameter1", ctypes.c_uint32),
        ("parameter2", ctypes.c_uint32),
    )


class ExtendedMessageHeader(_HeaderBase):
    """The 24-byte header of messages with 65,535 bytes, or elements, and more.

    Parameters
    ----------
    command, payload_size, data_type, data_count, parameter1, parameter2 : int
        As in `MessageHeader`; the marks that stand in the short fields are filled in.
    """

    _fields_ = (
        ("command", ctypes.c_uint16),
        ("marker1", ctypes.c_uint16),
        ("data_type", ctypes.c_uint16),
        ("marker2", ctypes.c_uint16),
        ("parameter1", ctypes.c_uint32),
        ("parameter2", ctypes.c_uint32),
        ("payload_size", ctypes.c_uint32),
        ("data_count", ctypes.c_uint32),
    )

    def __init__(
        self,
        command: int = 0,
        payload_size: int = 0,
        data_type: int = 0,
        data_count: int = 0,
        parameter1: int = 0,
        parameter2: int = 0,
    ) -> None:
        super().__init__(
            command, 0xFFFF, data_type, 0, parameter1, parameter2, payload_size, data_count
        )


def header_from_head(head: Head) -> MessageHeader | ExtendedMessageHeader:
    """Make the structure that shows `head`."""
    command, size, data_type, count, p1, p2 = head[:6]
    long = len(head) > 6 or size >= SHORT_LIMIT or count >= SHORT_LIMIT
    kind: Any = ExtendedMessageHeader if long else MessageHeader
    return kind(command, size, data_type, count, p1, p2)  # type: ignore[no-any-return]


assert ctypes.sizeof(MessageHeader) == HEADER.size
assert ctypes.sizeof(ExtendedMessageHeader) == EXTENDED.size
