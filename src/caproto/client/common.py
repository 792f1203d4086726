"""The errors of all clients, under the path where programs look for them."""

from __future__ import annotations

from .._errors import (
    ContextDisconnectedError,
    DeadCircuitError,
    DisconnectedError,
    ThreadingClientException,
)

__all__ = [
    "ContextDisconnectedError",
    "DeadCircuitError",
    "DisconnectedError",
    "ThreadingClientException",
]
