"""Where one message ends and the next begins, in a stream of chunks and in a datagram."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from .._errors import RemoteProtocolError
from .arrays import Buffer, new_buffer
from .dbr import ELEMENT_SIZES, METADATA_SIZES, NATIVE_TYPES
from .enums import Command
from .header import EXTENDED, EXTENDED_SIZES, HEADER, Head

__all__ = [
    "COMMANDS",
    "LARGE",
    "Handler",
    "MessageStream",
    "PayloadTooLarge",
    "walk_datagram",
]

Handler: TypeAlias = Callable[[Head, Buffer], None]

COMMANDS = 28
"""Command numbers run from 0 to 27."""
LARGE = 65536
"""Payloads from here on are received into a buffer of their own."""
_ROOM = 1 << 24
"""What is set aside at once for a large payload; a peer that announces more has to send it first."""
_SLACK = 4096
"""Bytes of padding that a large payload may have; 7 would do if all servers were exact."""
_WITH_VALUES = frozenset(
    (
        Command.EVENT_ADD,
        Command.READ,
        Command.READ_NOTIFY,
        Command.WRITE,
        Command.WRITE_NOTIFY,
    )
)
_HEADER_SIZE = HEADER.size
_SEVERAL = 4 * _HEADER_SIZE
"""Chunks from here on are shown to `leading`: what it has to prepare takes longer than one message, 0.7 us."""
_EXTENDED_SIZE = EXTENDED.size


class PayloadTooLarge(RemoteProtocolError):
    """The peer announces a payload that is larger than what is allowed, or than what its message can need.

    Attributes
    ----------
    head : tuple
        The header of the message.
    """

    def __init__(self, head: Head, allowed: int) -> None:
        super().__init__(
            f"the peer announces {head[1]} bytes of payload with command {head[0]} for {head[3]} elements of type "
            f"{head[2]}; {allowed} are allowed"
        )
        self.head = head


def _ignore(head: Head, payload: Buffer) -> None:
    """Drop a message that came after the end."""


class MessageStream:
    """Cuts a stream into messages and hands each to the handler of its command.

    Parameters
    ----------
    handlers : list of callables
        ``handlers[command](head, payload)``, one for each of the 28 commands.
    max_payload : int
        A message that claims a larger payload ends the stream: it is an attack or noise.
    largest : callable, optional
        ``largest(head)`` returns how large a payload that has not come yet may be, if it is large.
    leading : callable, optional
        ``leading(data)`` may do by itself what the first messages of a chunk ask for, as far as they are headers of 16
        bytes and nothing else, and returns how many these are: less per message than one call of a handler for each.
    """

    __slots__ = (
        "_filled",
        "_handlers",
        "_large",
        "_large_head",
        "_largest",
        "_leading",
        "_tail",
        "max_payload",
        "messages",
    )

    def __init__(
        self,
        handlers: list[Handler],
        max_payload: int = 1 << 31,
        largest: Callable[[Head], int] | None = None,
        leading: Callable[[bytes], int] | None = None,
    ) -> None:
        assert len(handlers) == COMMANDS
        self._handlers = handlers
        self._largest = largest
        self._leading = leading
        self._tail = b""
        self._large: bytearray | memoryview | None = None
        self._large_head: Head = ()
        self._filled = 0
        self.max_payload: int = max_payload
        self.messages: int = 0
        """How many messages have been handed over."""

    def set_handlers(self, handlers: list[Handler]) -> None:
        """Exchange the handlers, also for the rest of a chunk being walked."""
        self._handlers[:] = handlers

    def close(self) -> None:
        """Drop what is there and what is still to come, also the rest of a chunk being walked."""
        self._handlers[:] = [_ignore] * COMMANDS
        self._tail = b""
        self._large = None

    def feed(self, data: bytes) -> None:
        """Take a received chunk of any size.

        Raises
        ------
        RemoteProtocolError
            If the stream cannot be Channel Access; there is no way to find the next message then.
        """
        if self._large is not None:
            data = self._feed_large(data)
        elif self._tail:
            data = self._tail + data
        # The loop that every received message goes through. It walks by offset, because slicing off the rest of the
        # chunk for each message costs a copy of that rest; only the payload is copied, so that a message that is
        # kept does not keep the whole chunk.
        handlers = self._handlers
        unpack = HEADER.unpack_from
        offset, end, count = 0, len(data), 0
        if end >= _SEVERAL and self._leading is not None:
            count = self._leading(data)
            offset = count * _HEADER_SIZE
        while end - offset >= _HEADER_SIZE:
            head = unpack(data, offset)
            size = head[1]
            start = offset + _HEADER_SIZE
            if size == 0xFFFF:
                if end - offset < _EXTENDED_SIZE:
                    break
                size, elements = EXTENDED_SIZES.unpack_from(data, start)
                start = offset + _EXTENDED_SIZE
                head = (head[0], size, head[2], elements, head[4], head[5], True)
            stop = start + size
            if stop > end:
                if size & 7 or head[0] >= COMMANDS:
                    self._refuse(head)  # now, not when noise has filled up what it seemed to say
                if size >= LARGE and self._begin_large(head, data[start:]):
                    offset = end
                break
            if size & 7 or head[0] >= COMMANDS:
                self._refuse(head)
            handlers[head[0]](head, data[start:stop])
            count += 1
            offset = stop
        self._tail = data[offset:]
        self.messages += count

    def _refuse(self, head: Head) -> None:
        """Raise because of a header that cannot be."""
        if head[0] >= COMMANDS:
            raise RemoteProtocolError(f"the peer sent command {head[0]}, which does not exist")
        raise RemoteProtocolError(
            f"the peer sent {head[1]} bytes of payload with command {head[0]}: not a multiple of 8"
        )

    def _begin_large(self, head: Head, beginning: bytes) -> bool:
        """Make a buffer for a large payload of which only the beginning is here."""
        size = head[1]
        # A damaged header would otherwise swallow the circuit for as long as it takes to receive up to 4 GB.
        allowed = min(self.max_payload, _largest_payload(head))
        if self._largest is not None:
            allowed = min(allowed, self._largest(head))
        if size > allowed:
            raise PayloadTooLarge(head, allowed)
        self._large = new_buffer(size) if size <= _ROOM else bytearray(_ROOM)
        self._large[: len(beginning)] = beginning
        self._large_head = head
        self._filled = len(beginning)
        return True

    def _feed_large(self, data: bytes) -> bytes:
        """Put `data` into the large buffer, and return what is left over."""
        while data and self._large is not None:
            room = self.large_room()
            taken = min(len(room), len(data))
            room[:taken] = memoryview(data)[:taken]
            room.release()
            self.large_received(taken)
            data = data[taken:]
        return data

    @property
    def bytes_needed(self) -> int:
        """How many bytes are missing until the next message, as far as its header tells."""
        if self._large is not None:
            return int(self._large_head[1]) - self._filled
        tail = self._tail
        held = len(tail)
        if held < _HEADER_SIZE:
            return _HEADER_SIZE - held
        size = int(HEADER.unpack_from(tail)[1])
        if size != 0xFFFF:
            return _HEADER_SIZE + size - held
        if held < _EXTENDED_SIZE:
            return _EXTENDED_SIZE - held
        return _EXTENDED_SIZE + int(EXTENDED_SIZES.unpack_from(tail, _HEADER_SIZE)[0]) - held

    @property
    def expects_large(self) -> bool:
        """Whether a large payload is being received."""
        return self._large is not None

    def large_room(self) -> memoryview:
        """Return the part of the large payload that is still to be received; empty if there is none.

        A shell that can receives straight into it, and tells by `large_received`.
        """
        large = self._large
        if large is None:
            return memoryview(b"")
        if isinstance(large, bytearray) and self._filled == len(large):
            # All that was set aside is full, and more is announced.
            large += bytes(min(len(large), self._large_head[1] - len(large)))
        return memoryview(large)[self._filled :]

    def large_received(self, nbytes: int) -> bool:
        """Count `nbytes` more of the large payload; hand it over and return True when it is complete."""
        large = self._large
        self._filled += nbytes
        if large is None or self._filled < self._large_head[1]:
            return False
        self._large = None
        self.messages += 1
        self._handlers[self._large_head[0]](self._large_head, large)
        return True


def _largest_payload(head: Head) -> int:
    """Return how long the payload of a message with that header can be."""
    command, data_type, data_count = head[0], head[2], head[3]
    if command not in _WITH_VALUES or data_type >= len(METADATA_SIZES):
        return LARGE - 1
    elements = data_count * ELEMENT_SIZES[NATIVE_TYPES[data_type]]
    return METADATA_SIZES[data_type] + elements + _SLACK


def walk_datagram(data: bytes) -> Iterator[tuple[Head, bytes]]:
    """Yield header and payload of each message in a datagram.

    Raises
    ------
    RemoteProtocolError
        If a message reaches beyond the end; those before it have been yielded.
    """
    offset, end = 0, len(data)
    while offset < end:
        if end - offset < _HEADER_SIZE:
            raise RemoteProtocolError(f"a datagram ends with {end - offset} bytes of a header")
        head: Head = HEADER.unpack_from(data, offset)
        start = offset + _HEADER_SIZE
        stop = start + head[1]
        if stop > end:
            raise RemoteProtocolError(
                f"a datagram of {end} bytes has a message that ends at {stop}"
            )
        yield head, data[start:stop]
        offset = stop
