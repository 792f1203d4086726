"""Numbers for channels, requests and subscriptions."""

from __future__ import annotations

from collections.abc import Container
from itertools import count

from .._constants import MAX_ID

__all__ = ["ThreadsafeCounter"]


class ThreadsafeCounter:
    """Count up through the 32-bit ids, and leave out those that are in use.

    Calls from several threads get different ids, as long as nothing makes the ids in use change meanwhile.

    Parameters
    ----------
    initial_value : int
        The first call returns the next number after it: 0 by default.
    dont_clash_with : container of int, optional
        Ids that must not be returned, looked at on every call.

    Notes
    -----
    The counter wraps after 4,294,967,296 ids. 16 bits would wrap within minutes in a busy program.
    """

    __slots__ = ("_next", "dont_clash_with")

    def __init__(
        self, *, initial_value: int = -1, dont_clash_with: Container[int] | None = None
    ) -> None:
        self._next = count(initial_value + 1).__next__
        self.dont_clash_with: Container[int] = () if dont_clash_with is None else dont_clash_with

    def __call__(self) -> int:
        """Return the next id."""
        found = self._next() % MAX_ID
        used = self.dont_clash_with
        while found in used:
            found = self._next() % MAX_ID
        return found
