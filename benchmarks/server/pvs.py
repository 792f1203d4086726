"""The PVs that every server under test serves.

This module runs in the processes of the servers and imports nothing but the standard library.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "BATCH",
    "FAN_OUTS",
    "FEW",
    "MANY",
    "input_name",
    "output_name",
    "target_name",
    "trigger_name",
    "write_database",
]

FEW, MANY = 100, 10_100
"""How many inputs a small and a large server have."""
BATCH = 100
"""How many outputs there are, and how many requests are sent together where they are."""
FAN_OUTS = {1: 100, 100: 10}
"""By the number of clients: how many PVs change when the trigger is written."""


def input_name(index: int) -> str:
    """Return the name of an analogue input, whose value is its index."""
    return f"bench:ai:{index}"


def output_name(index: int) -> str:
    """Return the name of an analogue output."""
    return f"bench:ao:{index}"


def trigger_name(clients: int) -> str:
    """Return the name of the PV that changes others when it is written."""
    return f"bench:trigger:{clients}"


def target_name(clients: int, index: int) -> str:
    """Return the name of a PV that takes the value of the trigger."""
    return f"bench:target:{clients}:{index}"


def write_database(path: Path, inputs: int) -> None:
    """Write the database file of the C IOC."""
    lines = [
        f'record(ai, "{input_name(index)}") {{ field(VAL, "{index}") field(PINI, "YES") }}'
        for index in range(inputs)
    ]
    lines += [f'record(ao, "{output_name(index)}") {{}}' for index in range(BATCH)]
    for clients, targets in FAN_OUTS.items():
        trigger = trigger_name(clients)
        chain = [target_name(clients, index) for index in range(targets)]
        lines.append(f'record(ao, "{trigger}") {{ field(FLNK, "{chain[0]}") }}')
        for name, following in zip(chain, [*chain[1:], ""], strict=True):
            lines.append(
                f'record(calc, "{name}") {{ field(INPA, "{trigger}") field(CALC, "A") '
                f'field(FLNK, "{following}") }}'
            )
    path.write_text("\n".join(lines) + "\n")
