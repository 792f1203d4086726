"""What the firehose is asked for. The names of its PVs say it, so that every client can ask.

This module runs in the process of every client and imports nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["ARRAY_LENGTH", "FIRST_STAMP", "KINDS", "STAMP_STEP", "HosePlan"]

KINDS = ("scalar", "array", "paced")
ARRAY_LENGTH = 10_000
"""Elements of an array; the first and the last are the number of the update."""
FIRST_STAMP = 1_700_000_000
"""Unix time, in seconds, of update 0."""
STAMP_STEP = 1_000
"""Nanoseconds from one update to the next."""


@dataclass(frozen=True)
class HosePlan:
    """One blast: its updates are numbered 0, 1, 2, ... and go to the PVs in turn.

    Parameters
    ----------
    kind : str
        ``'scalar'`` or ``'array'``: as fast as the socket takes them. ``'paced'``: scalars, each PV at most once
        per millisecond.
    updates : int
        How many, of all PVs together.
    pvs : int
        How many PVs. The blast begins when one circuit has subscribed to them all.
    """

    kind: str
    updates: int
    pvs: int

    @property
    def prefix(self) -> str:
        """What the names of its PVs begin with."""
        return f"hose:{self.kind}:{self.updates}:{self.pvs}:"

    @property
    def names(self) -> list[str]:
        """The names of its PVs; update k goes to the one with index k modulo `pvs`."""
        return [f"{self.prefix}{index}" for index in range(self.pvs)]

    @classmethod
    def from_name(cls, name: str) -> tuple[HosePlan, int] | None:
        """Return the plan and the index that the name of a PV tells, or None if it is not such a name."""
        parts = name.split(":")
        if len(parts) != 5 or parts[0] != "hose" or parts[1] not in KINDS:
            return None
        try:
            updates, pvs, index = (int(part) for part in parts[2:])
        except ValueError:
            return None
        return (cls(parts[1], updates, pvs), index) if 0 <= index < pvs else None

    def stamp(self, number: int) -> float:
        """Return the time of an update, as Unix time in seconds."""
        return FIRST_STAMP + number * STAMP_STEP * 1e-9

    def missing(self, index: int, values: Sequence[float]) -> tuple[int, int]:
        """Count the updates that are missing among those that one PV got, and those that an earlier one overtook.

        Missing at the end is not counted: who looks may not have waited for it.

        Raises
        ------
        ValueError
            If a value belongs to another PV, or comes twice.
        """
        expected = range(index, index + len(values) * self.pvs, self.pvs)
        if list(values) == list(expected):
            return 0, 0
        numbers = {int(value) for value in values}
        if len(numbers) < len(values):
            raise ValueError(
                f"PV {index} of {self.pvs} got {len(values) - len(numbers)} updates twice"
            )
        for number in numbers:
            if number % self.pvs != index or not 0 <= number < self.updates:
                raise ValueError(f"PV {index} of {self.pvs} got update {number} of {self.updates}")
        possible = (max(numbers) - index) // self.pvs + 1
        overtaken = sum(1 for before, after in pairwise(values) if after < before)
        return possible - len(numbers), overtaken

    def check_stamps(self, values: Iterable[float], stamps: Iterable[float]) -> None:
        """Check that each value came with its own time.

        Raises
        ------
        ValueError
        """
        for value, stamp in zip(values, stamps, strict=True):
            if abs(stamp - self.stamp(int(value))) > 1e-6:
                raise ValueError(f"update {value} came with the time {stamp!r}")
