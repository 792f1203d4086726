"""The code blocks of a Markdown page, with the notes in front of them.

A note is an HTML comment, which no reader sees, on the line before a block:

``<!-- ioc: MODULE -->``
    An IOC of this package runs from here to the end of the page (needs no block).
``<!-- file: NAME -->``
    The block is a file.
``<!-- keeps running -->``
    The command of the block goes on to the end of the page.
``<!-- ends after: N -->``
    The code would go on for ever: it is interrupted when it has printed N lines.
``<!-- prints -->``
    The block is what the Python block before it prints.
``<!-- numbers vary -->``
    Where the block prints a number, any other number is as good.
``<!-- address: TEXT -->``
    Where the block says TEXT, it is run with the address of the first IOC of the page.
``<!-- pid: TEXT -->``
    The same with the process id of the IOC that was started last.
``<!-- output left out -->``
    What a dialogue prints is compared only where it is shown.
``<!-- not run: REASON -->``
    The block is not run, for a reason that a reader would accept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["LANGUAGES", "Block", "blocks_of"]

LANGUAGES = {"python", "pycon", "console", "sh", "bash", "zsh", "fish", "json", "text"}
DIRECTIVES = ("{toctree}", "{eval-rst}", "{include}")  # of Sphinx: no code
_NOTES = (
    "ioc",
    "file",
    "keeps running",
    "ends after",
    "prints",
    "numbers vary",
    "output left out",
    "address",
    "pid",
    "not run",
)
_NOTE = re.compile(rf"<!-- ({'|'.join(_NOTES)})(?:: (.+?))? -->")
_FENCE = re.compile(r"( *)(```+)(\S*)(?: .*)?")


@dataclass
class Block:
    """A code block, or (with the language ``ioc``) a note that stands for itself."""

    language: str
    text: str
    line: int
    notes: dict[str, str] = field(default_factory=dict)


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in their order."""
    lines = iter(enumerate(page.read_text().splitlines(), 1))
    notes: dict[str, str] = {}
    for number, line in lines:
        note = _NOTE.fullmatch(line.strip())
        fence = _FENCE.fullmatch(line)
        if note and note[1] == "ioc":
            yield Block("ioc", note[2], number)
        elif note:
            notes[note[1]] = note[2] or ""
        elif fence:
            indent, marks, language = fence.groups()
            text = []
            for _, inner in lines:
                if inner.strip() == marks:
                    break
                text.append(inner.removeprefix(indent))
            if language not in DIRECTIVES:
                yield Block(language, "\n".join(text) + "\n", number, notes)
            notes = {}
        elif line.strip():
            assert not notes, f"{page}, line {number}: the note before it belongs to no block"
