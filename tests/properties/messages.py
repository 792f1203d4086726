"""What property tests do with messages."""

from __future__ import annotations

from typing import Any

from caproto import Message
from caproto._protocol.arrays import Buffer
from caproto._protocol.framing import COMMANDS, MessageStream
from caproto._protocol.header import Head
from caproto._protocol.messages import message_from_wire


def parse(*chunks: bytes, from_client: bool) -> list[Message]:
    """Take a stream apart."""
    found: list[Message] = []

    def take(head: Head, payload: Buffer) -> None:
        found.append(message_from_wire(head, payload, from_client=from_client))

    stream = MessageStream([take] * COMMANDS)
    for chunk in chunks:
        stream.feed(chunk)
    return found


def look_at(message: Any) -> None:
    """Look at everything that a message shows; none of it may raise, whatever came in."""
    repr(message)
    bytes(message.header)
    for buffer in message.buffers:
        bytes(buffer)
    for name in message._fields:
        getattr(message, name)
    for name in ("data", "value", "status"):
        getattr(message, name, None)
    metadata = getattr(message, "metadata", None)
    if metadata is not None:
        metadata.to_dict()
        bytes(metadata)
