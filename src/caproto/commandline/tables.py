"""Tables: drawn by rich on a terminal, plain columns elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .colors import NAMES

__all__ = ["plain_table", "print_table"]


def plain_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], severities: Sequence[int], fancy: bool
) -> None:
    """Print a table.

    Parameters
    ----------
    header, rows : sequence of str
    severities : sequence of int
        Of the alarm of each row, for its colour.
    fancy : bool
        Whether the output is a terminal that may be coloured.
    """
    if fancy:
        try:
            from rich.console import Console
            from rich.table import Table
            from rich.text import Text
        except ImportError:
            fancy = False
    if not fancy:
        print(plain_table(header, rows))
        return
    table = Table()
    for title in header:
        table.add_column(title, overflow="fold")
    for row, severity in zip(rows, severities, strict=True):
        table.add_row(*(Text(cell) for cell in row), style=NAMES.get(severity, ""))
    Console(file=sys.stdout).print(table)
