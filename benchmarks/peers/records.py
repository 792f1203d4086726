"""The records of the C IOC, and what is in them.

This module runs in the process of every client and imports nothing but the standard library.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["ARRAYS", "OUTPUT", "SCALARS", "scalar_names", "write_database"]

SCALARS = 10_100
"""How many analogue inputs there are; the value of each is its index."""
OUTPUT = "bench:ao"
"""An analogue output to write to."""
ARRAYS = {10_000: "bench:array:10000", 1_000_000: "bench:array:1000000"}
"""Arrays of doubles by their length; they hold 0.0, 1.0, 2.0, ..."""


def scalar_names(count: int, start: int = 0) -> list[str]:
    """Return the names of `count` analogue inputs, from the one with the value `start`."""
    return [f"bench:ai:{index}" for index in range(start, start + count)]


def write_database(path: Path) -> None:
    """Write the database file of the IOC; the arrays have to be filled when it runs."""
    lines = [f'record(ao, "{OUTPUT}") {{ field(VAL, "1") field(PINI, "YES") }}']
    lines += [
        f'record(ai, "{name}") {{ field(VAL, "{value}") field(PINI, "YES") }}'
        for value, name in enumerate(scalar_names(SCALARS))
    ]
    lines += [
        f'record(waveform, "{name}") {{ field(FTVL, "DOUBLE") field(NELM, "{length}") }}'
        for length, name in ARRAYS.items()
    ]
    path.write_text("\n".join(lines) + "\n")
