"""One direction of a TCP connection: segments in, bytes in their order out."""

from __future__ import annotations

__all__ = ["Flow"]

_MODULUS = 1 << 32
_HALF = 1 << 31
_MOST_EARLY = 1 << 24
"""Bytes that wait for a missing segment before it is given up: the capture has lost it."""


class Flow:
    """Brings segments into order; what came twice is left out."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._early: dict[int, bytes] = {}
        self._early_bytes = 0

    def start(self, sequence: int) -> None:
        """Begin anew, with the number that a SYN carries."""
        self.__init__()  # type: ignore[misc]
        self._next = (sequence + 1) % _MODULUS

    def feed(self, sequence: int, data: bytes) -> list[tuple[bytes, bool]]:
        """Take a segment.

        Returns
        -------
        list of (bytes, bool)
            What is in order now; the flag tells that bytes before it are missing.
        """
        if not data:
            return []
        if self._next is None:
            self._next = sequence
        ahead = _distance(self._next, sequence)
        if ahead > 0:
            if sequence not in self._early:
                self._early[sequence] = data
                self._early_bytes += len(data)
            return self._skip() if self._early_bytes > _MOST_EARLY else []
        fresh = data[-ahead:]
        if not fresh:
            return []
        self._next = (self._next + len(fresh)) % _MODULUS
        return [(fresh, False), *self._following()]

    def end(self) -> list[tuple[bytes, bool]]:
        """Return what still waits for missing segments."""
        ready: list[tuple[bytes, bool]] = []
        while self._early:
            ready += self._skip()
        return ready

    def _following(self) -> list[tuple[bytes, bool]]:
        """Return what came early and fits now."""
        ready: list[tuple[bytes, bool]] = []
        while self._early:
            assert self._next is not None
            known = self._next
            sequence = min(self._early, key=lambda number: _distance(known, number))
            ahead = _distance(known, sequence)
            if ahead > 0:
                break
            data = self._early.pop(sequence)
            self._early_bytes -= len(data)
            fresh = data[-ahead:] if ahead else data
            if fresh:
                self._next = (known + len(fresh)) % _MODULUS
                ready.append((fresh, False))
        return ready

    def _skip(self) -> list[tuple[bytes, bool]]:
        """Give up what is missing, and go on behind it."""
        assert self._next is not None
        known = self._next
        sequence = min(self._early, key=lambda number: _distance(known, number))
        data = self._early.pop(sequence)
        self._early_bytes -= len(data)
        self._next = (sequence + len(data)) % _MODULUS
        return [(data, True), *self._following()]


def _distance(start: int, end: int) -> int:
    """Return how far `end` is ahead of `start`; sequence numbers begin again after 2**32."""
    ahead = (end - start) % _MODULUS
    return ahead - _MODULUS if ahead >= _HALF else ahead
