"""The tables, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.peers.report import HEADINGS, number, table
from benchmarks.peers.results import Cell, Results
from benchmarks.peers.target import better
from benchmarks.server.rows import MEMORY_ROWS, ROWS, TIMES_C, TIMES_ORIGINAL, Row

__all__ = ["report", "shortfalls"]

LABELS = {
    "ours": "**ours**",
    "ours-uvloop": "**ours, uvloop**",
    "caproto": "caproto 1.3",
    "c": "C IOC",
}
NOTHING = "–"
WANTED = {
    row.key: f"≥ {TIMES_ORIGINAL:g}"
    + (f"; ≥ {TIMES_C[row.key]:g}" if row.key in TIMES_C else "; any")
    for row in (*ROWS, *MEMORY_ROWS)
}


def report(results: Results) -> str:
    """Return everything as one text."""
    parts = ["; ".join(f"{name}: {value}" for name, value in results.machine.items())]
    for pinning in results.pinnings:
        rows = [row for row in (*ROWS, *MEMORY_ROWS) if _cells(results, pinning, row)]
        parts += [
            f"### {HEADINGS[pinning]}",
            "Medians; in brackets the processor time of the server per operation, in µs. The ratios say how many times "
            "better ours is, on the stock loop / on uvloop.",
            _values(results, pinning, rows),
        ]
        missed = [line for row in rows for line in shortfalls(results, pinning, row)]
        parts += ["Short of the target:", "\n".join(f"- {line}" for line in missed or ["nothing"])]
    return "\n\n".join(parts) + "\n"


def _cells(results: Results, pinning: str, row: Row) -> dict[str, Cell]:
    """Return the cells of a row that were measured, or tried to be."""
    cells = {server: results.cell(pinning, row.key, server) for server in LABELS}
    return {server: cell for server, cell in cells.items() if cell.rounds or cell.errors}


def _values(results: Results, pinning: str, rows: Sequence[Row]) -> str:
    head = ["row", "unit", *LABELS.values(), "ours : caproto 1.3", "ours : C IOC", "wanted"]
    lines = []
    for row in rows:
        cells = {server: results.cell(pinning, row.key, server) for server in LABELS}
        lines.append(
            [
                row.title,
                row.unit.name,
                *(_shown(row, cell) for cell in cells.values()),
                _ratios(row, cells, "caproto"),
                _ratios(row, cells, "c"),
                WANTED[row.key],
            ]
        )
    return table(head, lines)


def _shown(row: Row, cell: Cell) -> str:
    median, cpu = cell.median(row.unit), cell.cpu()
    if median is None:
        return "failed" if cell.errors else NOTHING
    text = number(median)
    if cpu is not None:
        text += f" ({number(cpu * 1e6)})"
    if cell.lost():
        text += f" ({number(100 * cell.lost())} % lost)"
    if cell.errors:
        text += " (some rounds failed)"
    return text


def _ratios(row: Row, cells: dict[str, Cell], other: str) -> str:
    theirs = cells[other].median(row.unit)
    if theirs is None:
        return NOTHING
    ours = [cells[server].median(row.unit) for server in ("ours", "ours-uvloop")]
    return " / ".join(
        NOTHING if mine is None else number(better(row.unit, mine, theirs)) for mine in ours
    )


def shortfalls(results: Results, pinning: str, row: Row) -> Iterator[str]:
    """Tell in words what a row lacks on the stock loop, and which measurements failed."""
    cells = _cells(results, pinning, row)
    for server, cell in cells.items():
        for error in cell.errors:
            yield f"{row.title}, {server}: {error}"
    mine = cells["ours"].median(row.unit) if "ours" in cells else None
    for other, wanted in (("caproto", TIMES_ORIGINAL), ("c", TIMES_C.get(row.key))):
        theirs = cells[other].median(row.unit) if other in cells else None
        if mine is None or theirs is None or wanted is None:
            continue
        ratio = better(row.unit, mine, theirs)
        if ratio < wanted:
            yield f"{row.title}: {number(ratio)} times as good as {LABELS[other]}; wanted {wanted:g}"
