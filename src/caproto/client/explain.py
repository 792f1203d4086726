"""How far things went with a server, in words for the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .circuit import Circuit

__all__ = ["describe_silence"]


def describe_silence(circuit: Circuit, now: float) -> str:
    """Say how far things went with the server of `circuit`, and what may be the matter."""
    host, port = circuit.address
    if not circuit.connected:
        return (
            f"A server at {host}:{port} answered the search, but a TCP connection to it is not made yet; a "
            "firewall may block the port, or the server may be overloaded."
        )
    silent = now - circuit.health.last_bytes
    owed = [
        f"{len(table)} {what}"
        for table, what in (
            (circuit.tables.requests, "other replies"),
            (circuit.tables.creating, "channels"),
        )
        if table
    ]
    return (
        f"The TCP connection to {host}:{port} stands; the server has sent nothing for {max(0.0, silent):.1f} s"
        f"{' and owes ' if owed else ''}{' and '.join(owed)}. It may be overloaded or hang."
    )
