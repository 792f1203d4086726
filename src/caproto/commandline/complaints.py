"""What went wrong, in one line each, with the remedy."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from .._errors import CaprotoError, CaprotoTimeoutError, CAStatusError, DisconnectedError

if TYPE_CHECKING:
    from ..asyncio.client import PV

__all__ = ["Complaints", "ServerComplaints", "explained", "why_not"]

_MOST_LINES = 10
_MOST_NAMES = 10
_REMEDIES = {
    "ECA_NORDACCESS": "the server does not permit this user on this host to read it; see the access rules of its IOC",
    "ECA_NOWTACCESS": "the server does not permit this user on this host to write it; see the access rules of its IOC",
    "ECA_PUTFAIL": "the server refused the value: it does not fit the type or the range of the PV, or the record "
    "takes no values now (field DISP)",
    "ECA_GETFAIL": "the server cannot give the value in this type",
    "ECA_NOCONVERT": "the server cannot convert between these types",
    "ECA_BADCOUNT": "the server does not take that many elements",
}


def explained(error: Exception, hint: str = "") -> str:
    """Say in one line what an error means and what to do; `hint` is why a write may have been refused."""
    if isinstance(error, CAStatusError) and error.status is not None:
        name = error.status.name
        remedy = _REMEDIES.get(name, error.status.description)
        if hint and name == "ECA_PUTFAIL":
            remedy = f"the server refused the value: {hint}"
        return f"{remedy} ({name})"
    if isinstance(error, DisconnectedError):
        return "the connection was lost; is its IOC still running?"
    return " ".join(str(error).split())


def why_not(error: Exception | None) -> str:
    """Say briefly why there is no value, for JSON and CSV."""
    if isinstance(error, CaprotoTimeoutError):
        if error.stage == "search":
            return "not found"
        return f"no answer within {error.timeout} s (stage: {error.stage or 'unknown'})"
    return "" if error is None else explained(error)


class Complaints:
    """Collects failures of PVs and prints them on standard error when all is done.

    Parameters
    ----------
    program : str
        With which every line begins.

    Attributes
    ----------
    failed : bool
        Whether the exit status is 1.
    held : list of str or None
        A list keeps the lines for later, while they would spoil a picture on the terminal.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.failed: bool = False
        self.held: list[str] | None = None
        self._missing: list[PV] = []
        self._lines = 0

    def say(self, text: str) -> None:
        """Print one line; of many, the last ones are only counted."""
        if self.held is not None:
            self.held.append(text)
            return
        sys.stdout.flush()
        self._lines += 1
        if self._lines <= _MOST_LINES:
            print(f"{self.program}: {' '.join(text.split())}", file=sys.stderr)

    def release(self) -> None:
        """Print what was held."""
        held, self.held = self.held, None
        for text in held or ():
            self.say(text)

    def about(self, name: str, error: Exception) -> None:
        """Report that something failed for one PV."""
        self.failed = True
        text = explained(error)
        self.say(f"{name}: {text}" if name not in text else text)

    def not_connected(self, pv: PV, error: CaprotoError) -> None:
        """Report a PV that is not connected; names that nobody knows are reported together by `finish`."""
        self.failed = True
        if isinstance(error, CaprotoTimeoutError) and error.stage == "search":
            self._missing.append(pv)
        else:
            self.about(pv.name, error)

    def tell_missing(self) -> None:
        """Report the names that were not found, in one line."""
        missing, self._missing = self._missing, []
        if not missing:
            return
        where = missing[0].engine.searcher.describe_search(missing[0].name)
        names = ", ".join(f"'{pv.name}'" for pv in missing[:_MOST_NAMES])
        if len(missing) > _MOST_NAMES:
            names += f" and {len(missing) - _MOST_NAMES} more"
        self._lines = 0  # never left out
        self.say(f"Channel connect timed out: {names} not found. {where}")

    def finish(self) -> int:
        """Report what is left, and return the exit status."""
        if self._lines > _MOST_LINES:
            hidden, self._lines = self._lines - _MOST_LINES, 0
            self.say(f"... and {hidden} more such lines")
        self.tell_missing()
        return int(self.failed)


class ServerComplaints(logging.Handler):
    """Takes the warnings of the client's logger: what servers say without being asked, such as to a plain write.

    Attributes
    ----------
    refused : list of str
        Names of the PVs about which a server has complained.
    hints : dict of str
        Why writes may have been refused, by the names of the PVs.
    """

    def __init__(self, complaints: Complaints) -> None:
        super().__init__(logging.WARNING)
        self._complaints = complaints
        self.refused: list[str] = []
        self.hints: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, like any other complaint."""
        if getattr(record, "tried_again", False):  # what does not end well is reported at the end
            return
        name: Any = getattr(record, "pv", None)
        if name is not None:
            self.refused.append(name)
        text = record.getMessage()
        for code, remedy in _REMEDIES.items():
            if code in text:
                if self.hints.get(name) and code == "ECA_PUTFAIL":
                    remedy = f"the server refused the value: {self.hints[name]}"
                text = f"{name}: {remedy} ({code})"
        self._complaints.say(text)
