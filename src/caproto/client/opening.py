"""What a client says first on a circuit, and of each channel: bytes."""

from __future__ import annotations

from .._constants import DEFAULT_PROTOCOL_VERSION
from .._protocol.arrays import ensure_bytes
from .._protocol.enums import Command
from .._protocol.header import HEADER, padded
from .._protocol.messages import ClientNameRequest, HostNameRequest, VersionRequest

__all__ = ["create_request", "greeting"]


def greeting(priority: int, client_name: str, host_name: str) -> list[bytes]:
    """Return what opens a circuit.

    Nothing waits for the server's VERSION: old servers never send one.
    """
    return [
        bytes(VersionRequest(priority, DEFAULT_PROTOCOL_VERSION)),
        bytes(ClientNameRequest(client_name)),
        bytes(HostNameRequest(host_name)),
    ]


def create_request(name: str, cid: int) -> bytes:
    """Return the bytes of a `CreateChanRequest`, without making one: there may be 10,000 in a row."""
    raw = ensure_bytes(name) + b"\0"
    size = padded(len(raw))
    head = HEADER.pack(Command.CREATE_CHAN, size, 0, 0, cid, DEFAULT_PROTOCOL_VERSION)
    return head + raw.ljust(size, b"\0")
