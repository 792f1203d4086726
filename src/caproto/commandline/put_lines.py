"""Many values to write, from a file or standard input: lines, JSON or CSV. Pure."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .options import UsageError

__all__ = ["Entry", "entries_of"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be written to one PV.

    Attributes
    ----------
    name : str
    words : list of str
        As on the command line; empty if there is a `value` instead.
    value : object
        A number, a text, or a list of these.
    spaced : bool
        Whether text stands for several numbers if there are spaces between them.
    missing : str
        Why there is no value.
    """

    name: str
    words: list[str]
    value: Any = None
    spaced: bool = False
    missing: str = ""


def entries_of(text: str) -> list[Entry]:
    """Understand a whole file.

    Parameters
    ----------
    text : str
        One PV per line: ``NAME VALUE``, where the value is the rest of the line; or a JSON object with ``name`` and
        ``value``; or CSV whose header has those two. The latter are what ``caproto-get`` prints. Empty lines and
        those that begin with ``#`` are left out.

    Raises
    ------
    UsageError
        If a line makes no sense; nothing is to be written then.
    """
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise UsageError("There is no PV and no value in the input.")
    first = lines[0][1].strip()
    if first.startswith("{"):
        return [_of_json(number, line) for number, line in lines]
    if {"name", "value"} <= {word.strip() for word in first.split(",")}:
        return list(_of_csv(text))
    return [_of_words(number, line) for number, line in lines]


def _of_words(number: int, line: str) -> Entry:
    name, *value = line.split(maxsplit=1)
    if not value:
        raise UsageError(f"Line {number} has no value: {name!r}.")
    return Entry(name, [value[0].rstrip()], spaced=True)


def _of_json(number: int, line: str) -> Entry:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise UsageError(f"Line {number} is no JSON: {error}.") from error
    return _of_fields(number, fields, spaced=False)


def _of_csv(text: str) -> Iterator[Entry]:
    reader = csv.DictReader(text.splitlines(keepends=True), skipinitialspace=True)
    for fields in reader:
        yield _of_fields(reader.line_num, fields, spaced=True)


def _of_fields(number: int, fields: Any, *, spaced: bool) -> Entry:
    if not isinstance(fields, dict) or not isinstance(fields.get("name"), str):
        raise UsageError(f"Line {number} has no name of a PV.")
    name, value = fields["name"], fields.get("value")
    missing = str(fields.get("error") or ("none given" if value is None else ""))
    return Entry(name, [], value, spaced, missing)
