"""What was measured: all rounds of all clients, and what follows from them."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers.measurement import Measurement
from benchmarks.peers.unit import Unit

__all__ = ["Cell", "Results"]


@dataclass
class Cell:
    """One client in one row, over all rounds.

    Parameters
    ----------
    rounds : list of Measurement
    errors : list of str
        Of rounds that failed.
    """

    rounds: list[Measurement] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def median(self, unit: Unit) -> float | None:
        """Return the median of the medians of the rounds, as shown; None if there is none."""
        medians = [
            statistics.median([unit.shown(sample) for sample in one.samples])
            for one in self.rounds
            if one.samples
        ]
        return statistics.median(medians) if medians else None

    def p99(self, unit: Unit) -> float | None:
        """Return the median over the rounds of the 99th percentile; None if there are too few samples in a round."""
        if not self.rounds or len(self.rounds[0].samples) < 100:
            return None
        ends = [sorted(unit.shown(sample) for sample in one.samples) for one in self.rounds]
        return statistics.median([samples[int(len(samples) * 0.99)] for samples in ends])

    def cpu(self) -> float | None:
        """Return the median of the processor time per operation, in seconds."""
        known = [one.cpu for one in self.rounds if one.cpu is not None]
        return statistics.median(known) if known else None

    def lost(self) -> float:
        """Return the share of the updates that were lost, of all rounds together."""
        received = sum(one.received for one in self.rounds)
        lost = sum(one.lost for one in self.rounds)
        return lost / (received + lost) if received + lost else 0.0

    def note(self, name: str) -> float | None:
        """Return the median of a note over the rounds."""
        known = [one.notes[name] for one in self.rounds if name in one.notes]
        return statistics.median(known) if known else None


class Results:
    """All cells by pinning, row and client.

    Attributes
    ----------
    versions : dict
        Of the libraries, by client.
    machine : dict
        On what it was measured.
    """

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, str], Cell] = {}
        self.versions: dict[str, str] = {}
        self.machine: dict[str, Any] = {}

    def cell(self, pinning: str, row: str, client: str) -> Cell:
        """Return a cell, which may be empty."""
        return self._cells.setdefault((pinning, row, client), Cell())

    def add(self, pinning: str, row: str, client: str, measurement: Measurement) -> None:
        """Take the measurement of one round."""
        self.cell(pinning, row, client).rounds.append(measurement)

    def fail(self, pinning: str, row: str, client: str, error: str) -> None:
        """Take note that a round failed."""
        self.cell(pinning, row, client).errors.append(error)

    @property
    def pinnings(self) -> list[str]:
        """Those that were measured."""
        return list(dict.fromkeys(pinning for pinning, _, _ in self._cells))

    def save(self, path: Path) -> None:
        """Write everything into a file."""
        cells = [
            {
                "pinning": pinning,
                "row": row,
                "client": client,
                "rounds": [one.as_json() for one in cell.rounds],
                "errors": cell.errors,
            }
            for (pinning, row, client), cell in self._cells.items()
        ]
        content = {"machine": self.machine, "versions": self.versions, "cells": cells}
        path.write_text(json.dumps(content))

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` has written."""
        content = json.loads(path.read_text())
        self = cls()
        self.machine, self.versions = content["machine"], content["versions"]
        for saved in content["cells"]:
            cell = self.cell(saved["pinning"], saved["row"], saved["client"])
            cell.rounds = [Measurement(**one) for one in saved["rounds"]]
            cell.errors = saved["errors"]
        return self
