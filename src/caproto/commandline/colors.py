"""Colours by alarm severity."""

from __future__ import annotations

__all__ = ["NAMES", "colored"]

NAMES = {1: "yellow", 2: "red", 3: "magenta"}
"""By severity, as rich calls them."""
_CODES = {1: "33", 2: "31;1", 3: "35;1"}


def colored(text: str, severity: int) -> str:
    """Return `text` in the colour of an alarm severity, for a terminal."""
    code = _CODES.get(severity)
    return f"\x1b[{code}m{text}\x1b[0m" if code else text
