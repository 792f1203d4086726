"""The tables in ``benchmarks/README.md``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["README", "with_tables"]

README = Path(__file__).resolve().parents[1] / "README.md"


def with_tables(text: str, tables: str, name: str = "tables") -> str:
    """Return `text` with other tables between the marks.

    Parameters
    ----------
    text, tables : str
    name : str
        What the marks say.

    Raises
    ------
    ValueError
        If the marks are not there.
    """
    first, last = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, begin, rest = text.partition(first)
    _, end, after = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"there is no {first} followed by {last}")
    return f"{before}{begin}\n\n{tables.strip()}\n\n{end}{after}"
