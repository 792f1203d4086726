"""Names of PVs from the command line, from files and from standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

from .options import UsageError

__all__ = ["collect_names", "lines_of", "text_of"]


def text_of(source: str) -> str:
    """Return what is in a file, or in standard input for ``-``.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    try:
        if source == "-":
            return sys.stdin.read()
        with open(source, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"Cannot read {source!r}: {error.strerror}.") from error


def lines_of(source: str) -> list[str]:
    """Return the lines of a file, or of standard input for ``-``, without comments and empty lines.

    Raises
    ------
    UsageError
        If the file cannot be read.
    """
    lines = (line.strip() for line in text_of(source).splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _words(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        for word in line.split():
            if word.startswith("#"):  # a comment behind a name
                break
            yield word


def collect_names(arguments: Sequence[str], files: Sequence[str]) -> list[str]:
    """Return all names, in order: each argument, ``@FILE`` and ``-`` replaced by what is in there, then `files`.

    Raises
    ------
    UsageError
        If there is none, or a file cannot be read.
    """
    names: list[str] = []
    for argument in arguments:
        if argument == "-":
            names += _words(lines_of("-"))
        elif argument.startswith("@") and len(argument) > 1:
            names += _words(lines_of(argument[1:]))
        else:
            names.append(argument)
    for file in files:
        names += _words(lines_of(file))
    if not names:
        raise UsageError("No pv name specified.")
    return names
