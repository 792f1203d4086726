"""What the soak knows about the PVs it writes: which values may be read, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCALE = 1_000_000  # the number of a target is in the millions of its values, so that no PV's value fits another's
WAVE_LENGTH = 5_000


@dataclass
class Report:
    """What happened.

    Attributes
    ----------
    lost : list of str
        What did not end in time, or never came.
    wrong : list of str
        Values that nobody wrote, or that had been replaced.
    leaked : list of str
        What was still there in the end.
    """

    operations: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was lost, wrong or leaked."""
        return not (self.lost or self.wrong or self.leaked)

    def __str__(self) -> str:
        lines = [
            f"{name}: {sum(counts.values())} ({', '.join(f'{what} {n}' for what, n in sorted(counts.items()))})"
            for name, counts in (
                ("operations", self.operations),
                ("faults", self.faults),
                ("errors", self.errors),
            )
        ]
        for name, found in (("lost", self.lost), ("wrong", self.wrong), ("leaked", self.leaked)):
            lines.append(f"{name}: {len(found)}")
            lines += [f"    {each}" for each in found[:20]]
        return "\n".join(lines)


class Target:
    """
    A PV that one writer counts up.

    Parameters
    ----------
    name
        Of the PV.
    number
        Of the target, different for each.
    wave
        Whether it is an array, whose elements are all the same.

    Attributes
    ----------
    attempted : int
        The largest count that may have reached the server.
    floor : int
        The largest count that the server has confirmed since it was started.
    unknown : set of int
        Counts written that were not confirmed: the server may do them at any time, or never.
    starts : int
        How often the server was started.
    """

    def __init__(self, name: str, number: int, wave: bool) -> None:
        self.name = name
        self.number = number
        self.wave = wave
        self.attempted = 0
        self.floor = 0
        self.unknown: set[int] = set()
        self.starts = 0

    def next_value(self) -> Any:
        """Return the value to write next."""
        self.attempted += 1
        return self.value(self.attempted)

    def value(self, count: int) -> Any:
        """Return the value for a count."""
        number = self.number * SCALE + count
        return [float(number)] * WAVE_LENGTH if self.wave else number

    def confirmed(self, count: int, starts: int) -> None:
        """Take note that the server has done a write, if it has not been started anew since."""
        if starts == self.starts:
            self.floor = max(self.floor, count)

    def restarted(self) -> None:
        """Take note that the server has forgotten everything."""
        self.starts += 1
        self.floor = 0

    def settled(self, count: int) -> None:
        """Take note that the server has this value, and that nothing else is on its way to it."""
        self.floor = count
        self.unknown.clear()

    def count_in(self, data: Sequence[Any]) -> int | None:
        """Return the count that a value stands for; None if it cannot be this PV's."""
        if self.wave and not any(data):
            return 0  # empty, as it is when the server starts; the deprecated READ gets that many zeros
        first = float(data[0])
        expected = WAVE_LENGTH if self.wave else 1
        if len(data) != expected or any(
            float(each) != first for each in data[:: expected // 50 or 1]
        ):
            return None
        count = int(first) - self.number * SCALE
        return count if 0 <= count <= self.attempted else None

    def complaint(self, data: Sequence[Any], floor: int, starts: int) -> str | None:
        """Say what is wrong with a value that was read by somebody who began when `floor` and `starts` held."""
        count = self.count_in(data)
        if count is None:
            return f"{self.name} has {list(data[:3])} of {len(data)}; {self.attempted} writes of {self.number}"
        lowest = floor if starts == self.starts else 0
        if count < lowest and count not in self.unknown:
            return f"{self.name} has {count} after {lowest} was confirmed"
        return None


def write_database(path: Path, place: str, targets: Sequence[Target]) -> None:
    """Write the database of one IOC."""
    records = [f'record(stringin, "SOAK:place") {{ field(VAL, "{place}") field(PINI, "YES") }}\n']
    for target in targets:
        if target.wave:
            fields = f'field(FTVL, "DOUBLE") field(NELM, "{WAVE_LENGTH}")'
            records.append(f'record(waveform, "{target.name}") {{ {fields} }}\n')
        else:
            fields = f'field(VAL, "{target.value(0)}") field(PINI, "YES")'
            records.append(f'record(longout, "{target.name}") {{ {fields} }}\n')
    path.write_text("".join(records))
