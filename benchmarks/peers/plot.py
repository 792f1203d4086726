"""Draws the last results: ``python -m benchmarks.peers.plot FILE.svg`` (needs the extra ``docs``)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.results import Results
from benchmarks.peers.rows import ROWS, Row
from benchmarks.peers.target import better

__all__ = ["advantage", "draw", "main"]

RESULTS = Path(".bench/results.json")
PEERS = {
    "caproto": "caproto 1.3",
    "aioca": "aioca",
    "pyepics": "pyepics",
    "repics": "repics",
    "repics-asyncio": "repics asyncio",
}


def advantage(results: Results, pinning: str, row: Row, peer: str) -> float | None:
    """Return how many times better ours (stock loop) is than `peer`; None if either was not measured."""
    mine = results.cell(pinning, row.key, "ours").median(row.unit)
    theirs = results.cell(pinning, row.key, peer).median(row.unit)
    return None if not mine or not theirs else better(row.unit, mine, theirs)


def draw(results: Results, rows: Sequence[Row], path: Path) -> None:
    """Draw a line per row and a mark per peer, on a logarithmic scale."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    pinning = results.pinnings[0]
    shown = [row for row in rows if any(advantage(results, pinning, row, p) for p in PEERS)]
    figure, axes = pyplot.subplots(figsize=(9, 0.32 * len(shown) + 1.5))
    for peer, label in PEERS.items():
        points = [(advantage(results, pinning, row, peer), i) for i, row in enumerate(shown)]
        known = [(x, i) for x, i in points if x]
        axes.plot([x for x, _ in known], [i for _, i in known], "o", label=label, alpha=0.8)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(shown)), [row.title.replace("`", "") for row in shown], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("times better than the peer (right of the line: ours is ahead)")
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the results that the last run has kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="picture to write; its ending tells the format")
    options = parser.parse_args(argv)
    draw(Results.load(RESULTS), ROWS, options.file)


if __name__ == "__main__":
    main()
