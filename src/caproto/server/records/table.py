"""The facts about record fields, read from ``base.txt`` and ``extra.txt``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import NamedTuple

__all__ = ["COMMON", "FieldFacts", "Table", "read_table", "table"]

COMMON = "all"
"""Stands for every record type in the table."""
_FILES = ("base.txt", "extra.txt")


class FieldFacts(NamedTuple):
    """What the ``.dbd`` file says about one field.

    Attributes
    ----------
    name : str
        As clients know it: ``'SCAN'``.
    attribute : str
        As Python programs know it: ``'scan_rate'``.
    kind : str
        ``'STRING'``, ``'UCHAR'``, ``'SHORT'``, ``'USHORT'``, ``'LONG'``, ``'ULONG'``, ``'INT64'``, ``'UINT64'``,
        ``'FLOAT'``, ``'DOUBLE'``, ``'ENUM'``, ``'MENU'``, ``'DEVICE'``, ``'INLINK'``, ``'OUTLINK'``, ``'FWDLINK'``,
        ``'NOACCESS'`` (memory whose type depends on other fields) or ``'BYTES'``.
    extra : str
        Size in bytes, or name of the menu.
    initial : str
        Initial value; empty for what is zero or empty.
    read_only : bool
        Whether clients may not write it.
    """

    name: str
    attribute: str
    kind: str
    extra: str
    initial: str
    read_only: bool


class Table(NamedTuple):
    """Everything that is known about records.

    Attributes
    ----------
    menus : mapping of str to tuple of str
        The choices of each menu.
    devices : mapping of str to tuple of str
        The choices of DTYP, by record type.
    fields : mapping of str to tuple of FieldFacts
        By record type; those that all have by `COMMON`.
    """

    menus: Mapping[str, tuple[str, ...]]
    devices: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, tuple[FieldFacts, ...]]

    @property
    def record_types(self) -> tuple[str, ...]:
        """Every record type, in alphabetical order."""
        return tuple(sorted(set(self.fields) - {COMMON}, key=str.lower))


def _expanded(ranges: str) -> Iterator[str]:
    """Return the letters that ``A-EX`` stands for."""
    position = 0
    while position < len(ranges):
        if ranges[position + 1 : position + 2] == "-":
            for code in range(ord(ranges[position]), ord(ranges[position + 2]) + 1):
                yield chr(code)
            position += 3
        else:
            yield ranges[position]
            position += 1


def _facts(words: list[str]) -> Iterator[FieldFacts]:
    """Read what stands before the colon of one line."""
    name, attribute, kind, *rest = words
    kind, _, extra = kind.partition(":")
    initial, read_only, letters = "", False, ""
    for word in rest:
        if word.startswith("="):
            initial = word[1:].replace("_", " ")
        elif word == "ro":
            read_only = True
        else:
            letters = word
    if not letters:
        yield FieldFacts(name, attribute, kind, extra, initial, read_only)
    for letter in _expanded(letters):
        yield FieldFacts(
            name.replace("*", letter),
            attribute.replace("*", letter.lower()),
            kind,
            extra,
            initial,
            read_only,
        )


def read_table(text: str) -> Table:
    """Read a table.

    Parameters
    ----------
    text : str
        In the form that the head of ``base.txt`` describes.

    Returns
    -------
    Table
    """
    menus: dict[str, tuple[str, ...]] = {}
    devices: dict[str, tuple[str, ...]] = {}
    fields: dict[str, list[FieldFacts]] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        keyword, _, rest = line.partition(" ")
        if keyword in ("menu", "device"):
            name, _, choices = rest.partition(" ")
            (menus if keyword == "menu" else devices)[name] = tuple(choices.split("|"))
            continue
        definition, _, records = line.partition(" : ")
        facts = tuple(_facts(definition.split()))
        for record in records.split():
            fields.setdefault(record, []).extend(facts)
    return Table(menus, devices, {record: tuple(facts) for record, facts in fields.items()})


@cache
def table() -> Table:
    """Return the table of this package; it is read once, when the first record is declared."""
    folder = files(__package__)
    return read_table("".join((folder / name).read_text("ascii") for name in _FILES))
