"""How a Context looks in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._html import fields_table, rows_table

if TYPE_CHECKING:
    from ..client.stats import ContextStats

__all__ = ["context_table"]


def context_table(stats: ContextStats) -> str:
    """Return tables of a Context and its circuits."""
    counts = ("pvs", "connected", "searching", "idle", "subscriptions", "reconnects")
    head = ("circuit", "priority", "channels", "bytes in", "bytes out", "silent for")
    circuits = [
        (
            "{}:{}".format(*circuit.address),
            circuit.priority,
            circuit.channels,
            circuit.bytes_in,
            circuit.bytes_out,
            f"{circuit.silent_for:.1f} s",
        )
        for circuit in stats.circuits
    ]
    summary = fields_table("Context", [(name, getattr(stats, name)) for name in counts])
    return summary + rows_table(head, circuits)
