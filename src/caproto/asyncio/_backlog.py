"""What waits for slow callbacks and loops, and how much of it may."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..client.circuit import Circuit

__all__ = ["BACKLOG_HIGH", "BACKLOG_LOW", "BYTES_HIGH", "BYTES_LOW", "BYTES_MOST", "Backlog"]

BACKLOG_HIGH = 10_000
"""As many updates may wait for a slow consumer before the server is asked to hold back."""
BACKLOG_LOW = 1_000
"""When so few are left it may send again."""
BYTES_HIGH = 64 << 20
BYTES_LOW = 16 << 20
BYTES_MOST = 80 << 20
"""From here on the newest update takes the place of the one before it."""


class Backlog:
    """Counts what waits for a slow consumer, and asks the server to hold back while it is too much.

    Parameters
    ----------
    most : int
        How many updates may wait; they may also take up to 64 MiB.
    """

    __slots__ = ("_bytes", "_count", "_held", "_most")

    def __init__(self, most: int = BACKLOG_HIGH) -> None:
        self._most = most
        self._count = self._bytes = 0
        self._held: Circuit | None = None

    def added(self, nbytes: int, circuit: Circuit | None) -> bool:
        """Count one more; return True if another one has to go for it.

        That a server is asked to hold back is not enough: while the value goes on changing, a C server goes on to send
        what it had to merge (``event_read`` in ``dbEvent.c`` of EPICS base).
        """
        self._count += 1
        self._bytes += nbytes
        if (
            (self._count >= self._most or self._bytes >= BYTES_HIGH)
            and circuit is not None
            and circuit is not self._held
        ):
            self.release()  # after a reconnection it is another circuit
            self._held = circuit
            circuit.suspend(self)
        return self._bytes > BYTES_MOST

    def taken(self, nbytes: int) -> None:
        """Count one less."""
        self._count -= 1
        self._bytes -= nbytes
        if self._held is not None and self._count <= self._most // 10 and self._bytes <= BYTES_LOW:
            self.release()

    def release(self) -> None:
        """Let the server send again."""
        held, self._held = self._held, None
        if held is not None:
            held.resume(self)
