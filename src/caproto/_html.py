"""How objects look in a notebook."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["fields_table", "rows_table", "shortened"]

_LIMIT = 200
_repr = reprlib.Repr()
_repr.maxother = _repr.maxstring = _LIMIT


def shortened(value: object) -> str:
    """Return the `repr` of a value, of which much may be left out."""
    return _repr.repr(value)


def _cell(value: object) -> str:
    text = str(value)
    return escape(text if len(text) <= 2 * _LIMIT else f"{text[: 2 * _LIMIT]}…")


def fields_table(title: str, fields: Iterable[tuple[str, object]]) -> str:
    """Return a table with a row for each field."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td>{_cell(value)}</td></tr>"
        for name, value in fields
    )
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"


def rows_table(head: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> str:
    """Return a table with a heading."""
    caption = f"<caption>{escape(title)}</caption>" if title else ""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table>{caption}<tr>{top}</tr>{body}</table>"
