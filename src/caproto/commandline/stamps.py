"""The time fields of ``camonitor``: whose clock, and absolute or since when. Pure."""

from __future__ import annotations

import time

from .._constants import EPICS2UNIX_EPOCH
from .values import show_time

__all__ = ["Stamps", "epics_time"]

Stamp = tuple[int, int]
_BILLION = 1_000_000_000


def epics_time(unix_nanoseconds: int) -> Stamp:
    """Return a Unix time in nanoseconds as EPICS seconds and nanoseconds."""
    seconds, nanoseconds = divmod(unix_nanoseconds, _BILLION)
    return seconds - int(EPICS2UNIX_EPOCH), nanoseconds


def _elapsed(later: Stamp, earlier: Stamp) -> float:
    return (later[0] - earlier[0]) + (later[1] - earlier[1]) * 1e-9


class Stamps:
    """Shows the time of each update.

    Parameters
    ----------
    key : str
        Letters: ``s`` for the server's time stamp, ``c`` for the client's clock, shown in brackets, ``n`` for
        neither; ``r`` for the time since the first update, ``i`` since the last one, ``I`` since the last one of
        the same PV. The first of each PV is shown absolute.

    Attributes
    ----------
    unknown : str
        Letters that mean nothing.
    """

    def __init__(self, key: str = "s") -> None:
        self.server: bool = "s" in key
        self.client: bool = "c" in key
        self.kind: str = next((letter for letter in reversed(key) if letter in "riI"), "")
        self.unknown: str = "".join(letter for letter in key if letter not in "scnriI")
        self._references: dict[tuple[str, object], Stamp] = {}
        self._seen: set[object] = set()

    def show(self, pv: object, stamp: Stamp, now: Stamp) -> str:
        """Return the field for an update of `pv`, of which `stamp` is the server's and `now` the client's time."""
        first = pv not in self._seen
        self._seen.add(pv)
        text = ""
        if self.server:
            text += self._one("s", pv, stamp, first)
        if self.client:
            text += self._one("c", pv, now, first)
        return text

    def _one(self, clock: str, pv: object, stamp: Stamp, first: bool) -> str:
        reference = (clock, pv if self.kind == "I" else None)
        earlier = self._references.get(reference)
        if earlier is None or self.kind != "r":
            self._references[reference] = stamp
        brackets = clock == "c"
        if not self.kind or first or earlier is None:
            text = show_time(*stamp)
            return f"({text})" if brackets else text
        passed = f"{_elapsed(stamp, earlier):+12.6f}"
        return f"{'':14}({passed})" if brackets else f"{'':14}{passed}"

    @staticmethod
    def now() -> Stamp:
        """Return the client's time."""
        return epics_time(time.time_ns())
