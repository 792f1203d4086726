"""The tables, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.peers.results import Cell, Results
from benchmarks.peers.rows import CLIENTS, LABELS, OURS, ROWS, Row, row_of
from benchmarks.peers.target import OURS_BLOCKING, PEERS, better

__all__ = [
    "HEADINGS",
    "cpu_table",
    "number",
    "ratio_table",
    "report",
    "shortfalls",
    "table",
    "value_table",
]

HEADINGS = {
    "same": "Client and server on the same processor",
    "different": "Client and server on different processors",
    "free": "Client and server wherever the kernel puts them",
}
NOTHING = "–"


def report(results: Results, clients: Sequence[str] = CLIENTS, rows: Sequence[Row] = ROWS) -> str:
    """Return everything as one text."""
    parts = [_header(results)]
    for pinning in results.pinnings:
        measured = [row for row in rows if _has_any(results, pinning, row, clients)]
        parts += [
            f"## {HEADINGS[pinning]}",
            "Medians; p99 after the slash; for updates the share that was lost.",
            value_table(results, pinning, measured, clients),
            "Processor time of the client per operation (µs), all threads.",
            cpu_table(results, pinning, measured, clients),
            "How many times better ours is: the stock loop / uvloop.",
            ratio_table(results, pinning, measured, clients),
            "Short of the target:",
            _list(shortfalls(results, pinning, measured)) or "nothing.",
        ]
        held = _list(_held_back(results, pinning, measured, clients))
        if held:
            parts += ["Blasts that the client held back by EVENTS_OFF (times per blast):", held]
    errors = _list(_errors(results, clients, rows))
    if errors:
        parts += ["## Failures", errors]
    return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """Return three significant digits, without powers of ten."""
    for digits, limit in ((0, 100.0), (1, 10.0), (2, 1.0), (3, 0.0)):
        if abs(value) >= limit:
            return f"{value:,.{digits}f}"
    return "0"


def value_table(results: Results, pinning: str, rows: Sequence[Row], clients: Sequence[str]) -> str:
    """Return medians, p99 and losses, a column for each client."""
    head = ["row", "unit", *(LABELS.get(client, client) for client in clients), "target"]
    lines = []
    for row in rows:
        cells = [_shown(row, _cell(results, pinning, row, client)) for client in clients]
        lines.append([row.title, row.unit.name, *cells, row.target.text])
    return table(head, lines)


def cpu_table(results: Results, pinning: str, rows: Sequence[Row], clients: Sequence[str]) -> str:
    """Return the processor time per operation."""
    head = ["row", *(LABELS.get(client, client) for client in clients)]
    lines = []
    for row in rows:
        times = [_cell(results, pinning, row, client).cpu() for client in clients]
        if any(time is not None for time in times):
            shown = [NOTHING if time is None else number(time * 1e6) for time in times]
            lines.append([row.title, *shown])
    return table(head, lines)


def ratio_table(results: Results, pinning: str, rows: Sequence[Row], clients: Sequence[str]) -> str:
    """Return by how much ours is better than each of the others, and than the best of the peers."""
    others = [client for client in clients if client not in (*OURS, *OURS_BLOCKING)]
    head = ["row", *(LABELS.get(client, client) for client in others), "best peer"]
    lines = []
    for row in rows:
        ours = [_cell(results, pinning, row, client).median(row.unit) for client in OURS]
        theirs = [_cell(results, pinning, row, client).median(row.unit) for client in others]
        if all(mine is None for mine in ours):
            continue
        peers = [
            value
            for client, value in zip(others, theirs, strict=True)
            if client in PEERS and value is not None
        ]
        best = (max if row.unit.high_is_good else min)(peers, default=None)
        lines.append([row.title, *(_ratios(row, ours, value) for value in (*theirs, best))])
    return table(head, lines)


def shortfalls(results: Results, pinning: str, rows: Sequence[Row]) -> Iterable[str]:
    """Return a line for each row of which a target is not reached."""
    for row in rows:
        cells = {client: _cell(results, pinning, row, client) for client in CLIENTS}
        missed = "; ".join(row.target.shortfalls(row.unit, cells))
        if missed:
            yield f"{row.title}: {missed}"


def _held_back(
    results: Results, pinning: str, rows: Sequence[Row], clients: Sequence[str]
) -> Iterable[str]:
    for row in rows:
        held = {client: results.cell(pinning, row.key, client).note("held") for client in clients}
        shown = ", ".join(f"{client} {number(times)}" for client, times in held.items() if times)
        if shown:
            yield f"{row.title}: {shown}"


def _ratios(row: Row, ours: Iterable[float | None], other: float | None) -> str:
    if other is None:
        return NOTHING
    shown = [NOTHING if mine is None else number(better(row.unit, mine, other)) for mine in ours]
    return " / ".join(shown)


def _cell(results: Results, pinning: str, row: Row, client: str) -> Cell:
    """Return the cell, or the one of the row that stands for it."""
    if row.same_as and client not in row.clients:
        return results.cell(pinning, row.same_as, client)
    return results.cell(pinning, row.key, client)


def _has_any(results: Results, pinning: str, row: Row, clients: Sequence[str]) -> bool:
    found = [results.cell(pinning, row.key, client) for client in clients]
    return any(cell.rounds or cell.errors for cell in found)


def _shown(row: Row, cell: Cell) -> str:
    median = cell.median(row.unit)
    if median is None:
        return "failed" if cell.errors else NOTHING
    text = number(median)
    p99 = cell.p99(row.unit)
    if p99 is not None and not row.unit.high_is_good:
        text += f" / {number(p99)}"
    loaded = cell.note("p99_loaded")
    if loaded is not None:
        rate = cell.note("updates_per_second") or 0.0
        text += f" (p99 {number(loaded * 1e6)} µs at {number(rate / 1e3)} k/s)"
    if cell.lost():
        text += f" ({number(100 * cell.lost())} % lost)"
    if cell.note("overtaken"):
        text += " (out of order)"
    if cell.errors:
        text += " (some rounds failed)"
    return text


def _errors(results: Results, clients: Sequence[str], rows: Sequence[Row]) -> Iterable[str]:
    for pinning in results.pinnings:
        for row in rows:
            for client in clients:
                for error in results.cell(pinning, row.key, client).errors:
                    yield f"{pinning}, {row_of(row.key).title}, {client}: {error}"


def _header(results: Results) -> str:
    facts = [f"{name}: {value}" for name, value in results.machine.items()]
    versions = {
        LABELS.get(client, client).strip("*"): version
        for client, version in results.versions.items()
        if client not in ("floor", "ours-uvloop", *OURS_BLOCKING, "pyepics-pv", "repics-asyncio")
    }
    facts += [f"{name} {version}" for name, version in versions.items() if name != "ours"]
    return "; ".join(facts)


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, whose first column alone stands to the left."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *lines))
