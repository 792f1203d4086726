"""How Contexts, PVs and Subscriptions look in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..client.stats import ContextStats

__all__ = ["context_table", "fields_table"]


def fields_table(title: str, fields: Iterable[tuple[str, object]]) -> str:
    """Return a table with a row for each field."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in fields
    )
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"


def _rows_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with a heading."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"


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
    return summary + _rows_table(head, circuits)
