"""A server's signs of life: when the next one is due, and its bytes."""

from __future__ import annotations

from ..._constants import DEFAULT_PROTOCOL_VERSION
from ..._protocol.enums import Command
from ..._protocol.header import HEADER

__all__ = ["BeaconSchedule"]

_FIRST_PERIOD = 0.02


class BeaconSchedule:
    """Beacons of one server.

    They come fast at first (20 ms, doubling to `period`), by which clients tell a server that has started.

    Parameters
    ----------
    tcp_port : int
    period : float
        The longest time between two, in seconds.
    now : float
        Monotonic time in seconds: the first beacon is due at once.
    """

    def __init__(self, tcp_port: int, period: float, now: float) -> None:
        self._tcp_port = tcp_port
        self._period = period
        self._next_period = min(_FIRST_PERIOD, period)
        self._deadline = now
        self.beacon_id = 0
        """Of the next beacon."""

    def next_deadline(self) -> float:
        """Return when the next beacon is due."""
        return self._deadline

    def beacon(self, now: float) -> bytes:
        """Return the beacon that is due, and plan the next one."""
        datagram = HEADER.pack(
            Command.RSRV_IS_UP, 0, DEFAULT_PROTOCOL_VERSION, self._tcp_port, self.beacon_id, 0
        )
        self.beacon_id = (self.beacon_id + 1) & 0xFFFFFFFF
        self._deadline = now + self._next_period
        self._next_period = min(self._period, 2 * self._next_period)
        return datagram
