"""How Contexts, PVs and Subscriptions look in a notebook."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["fields_table", "rows_table"]


def fields_table(title: str, fields: Iterable[tuple[str, object]]) -> str:
    """Return a table with a row for each field."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(str(value))}</td></tr>"
        for name, value in fields
    )
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"


def rows_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table with a heading."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{top}</tr>{body}</table>"
