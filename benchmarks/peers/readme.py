"""The tables in ``benchmarks/README.md``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["README", "with_tables"]

README = Path(__file__).resolve().parents[1] / "README.md"
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"


def with_tables(text: str, tables: str) -> str:
    """Return `text` with other tables between the marks.

    Raises
    ------
    ValueError
        If the marks are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} followed by {END}")
    return f"{before}{begin}\n\n{tables.strip()}\n\n{end}{after}"
