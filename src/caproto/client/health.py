"""Whether a server is alive: silence, echoes and beacons."""

from __future__ import annotations

from enum import Enum

__all__ = ["BeaconRecord", "Liveness", "Rhythm", "Verdict"]


class Verdict(Enum):
    """What is to be done about a circuit."""

    WAIT = "wait"
    ECHO = "echo"
    DEAD = "dead"


class Liveness:
    """Judges a circuit by what has been heard from its server.

    Silence for `patience` seconds asks for an echo; `answer_time` more seconds without a byte mean that the server is
    dead. Other bytes instead of the echo give the server time, `patience` more seconds of silence, but do not stand
    for it: after a damaged header what comes is taken for the rest of a message, and the echo with it.

    A circuit is never judged by the clock alone: however late a check comes (a blocked loop, a sleeping laptop), the
    server first gets its echo and its time to answer.

    Parameters
    ----------
    now : float
    patience : float
        EPICS_CA_CONN_TMO, in seconds.
    answer_time : float
        Seconds for an answer to the echo.
    """

    __slots__ = (
        "_judged_from",
        "answer_time",
        "asked",
        "echo_sent",
        "last_bytes",
        "last_heard",
        "patience",
        "round_trip",
        "trusts_beacons",
    )

    def __init__(self, now: float, patience: float, answer_time: float) -> None:
        self.patience: float = patience
        self.answer_time: float = answer_time
        self.last_heard: float = now  # bytes or a normal beacon
        self.last_bytes: float = now
        self.asked: float = now  # the server was idle until then, and owes something since
        self.trusts_beacons: bool = True
        self.echo_sent: float | None = None
        self.round_trip: float | None = None
        self._judged_from = now

    def answered(self, now: float) -> None:
        """Note that an echo came back."""
        if self.echo_sent is not None:
            self.round_trip = now - self.echo_sent
            self.echo_sent = None

    def check(self, now: float, busy: bool) -> Verdict:
        """Judge.

        Parameters
        ----------
        now : float
        busy : bool
            Whether the server owes a reply that it should have given at once; then patience is short.
        """
        if self.echo_sent is not None:
            late = now - self.deadline(busy)
            if late < 0:
                return Verdict.WAIT
            if late <= self.answer_time:
                return Verdict.DEAD
            # Nobody has looked at the socket for long: the answer may wait there.
            self._judged_from = now
            return Verdict.WAIT
        if now < self._limit(busy):
            return Verdict.WAIT
        self.echo_sent = self._judged_from = now
        return Verdict.ECHO

    def deadline(self, busy: bool) -> float:
        """Return when to check next."""
        sent = self.echo_sent
        if sent is None:
            return self._limit(busy)
        answered_by = self._judged_from + self.answer_time
        if self.last_bytes < sent:
            return answered_by
        return max(answered_by, self.last_bytes + self.patience)

    def _limit(self, busy: bool) -> float:
        if busy:
            return max(self.last_bytes, self.asked) + min(self.patience, self.answer_time)
        return self.last_heard + self.patience


class Rhythm(Enum):
    """What a beacon says."""

    NONE = "nothing: a duplicate, or one of a few that overtook each other or were lost"
    NORMAL = "the server runs as before"
    LATE = "the server or the network has paused"
    BROKEN = "the server, or the network to it, has just come up"


class BeaconRecord:
    """The beacons of one server.

    A server sends beacons quickly when it has started, and then one every 15 seconds (EPICS base, ``bhe.cpp``).
    """

    __slots__ = ("average", "beacon_id", "last")

    def __init__(self, beacon_id: int, now: float) -> None:
        self.beacon_id: int = beacon_id
        self.last: float = now
        self.average: float | None = None

    def on_beacon(self, beacon_id: int, now: float) -> Rhythm:
        """Take a beacon."""
        advance = (beacon_id - self.beacon_id) & 0xFFFFFFFF
        self.beacon_id = beacon_id
        if advance == 0 or advance > 0xFFFFFF00:
            return Rhythm.NONE
        period, self.last = now - self.last, now
        if advance in (2, 3):
            return Rhythm.NONE
        average = self.average
        if average is None:
            self.average = period
            return Rhythm.NORMAL if advance == 1 else Rhythm.BROKEN
        # A gap counts as two periods at most: with its full length, the five beacons after it would seem too early.
        self.average = 0.875 * average + 0.125 * min(period, 2 * average)
        if advance != 1 or period >= average * 3.25 or period <= average * 0.80:
            return Rhythm.BROKEN
        return Rhythm.LATE if period >= average * 1.25 else Rhythm.NORMAL
