"""Names that programs import from `caproto.server.common`: what the servers of all libraries share."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .._constants import MAX_UDP_RECV

__all__ = ["MAX_UDP_RECV", "Context", "DisconnectedCircuit", "LoopExit", "VirtualCircuit"]  # noqa: F822


class DisconnectedCircuit(Exception):
    """A client has gone. Nothing here raises it: that a client goes is no error."""


class LoopExit(Exception):
    """Raised in a loop of a server to end it. Here it is for programs that raise or catch it themselves."""


def __getattr__(name: str) -> Any:
    """Find the classes of the server when they are asked for; the toolkit itself does not need them."""
    if name in ("Context", "VirtualCircuit"):
        return getattr(import_module("caproto.asyncio.server"), name)
    raise AttributeError(f"module {__name__} has no attribute {name}")
