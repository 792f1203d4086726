"""What a client says first on a circuit, and of each channel: bytes."""

from __future__ import annotations

from .._constants import DEFAULT_PROTOCOL_VERSION
from .._protocol.enums import Command
from .._protocol.messages import ClientNameRequest, HostNameRequest, VersionRequest
from .._protocol.messages.base import pack_named

__all__ = ["create_request", "greeting"]

_CREATE_CHAN = int(Command.CREATE_CHAN)


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
    return pack_named(_CREATE_CHAN, 0, 0, cid, DEFAULT_PROTOCOL_VERSION, name)
