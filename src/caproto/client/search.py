"""Which names are being looked for, when each is asked for again, and how fast the network can take it.

Names travel packed into datagrams. A limited number of datagrams is in flight at a time, so that neither a server's
receive buffer nor ours overflows: a window that opens with every answer, as in TCP. A datagram leaves the window when
anything in it is answered, or after a few round trips. Names that do not exist are never answered, so silence alone
does not close the window: only a name that is found at its second try shows that the first was lost, and only if the
answer is not a late one to the first. Servers send the sequence number of the datagram back, which tells these apart
and gives the true round trip, however long it is.
"""

from __future__ import annotations

import logging
from collections import deque
from heapq import heappop, heappush
from typing import Protocol, TypeAlias

from .._constants import DEFAULT_PROTOCOL_VERSION, MAX_UDP_SEND, NO_REPLY
from .._protocol.enums import Command
from .._protocol.header import HEADER
from .._protocol.messages.base import pack_named

__all__ = ["Address", "Search", "SearchEngine", "Seeker"]

Address: TypeAlias = tuple[str, int]


class Seeker(Protocol):
    """Who wants to know the address of a name: a PV."""

    def found(self, address: Address, version: int, now: float) -> bool:
        """Take an answer; return False to reject it, and go on with the search."""
        ...


logger: logging.Logger = logging.getLogger("caproto.bcast.search")

_FIRST_PERIOD = 0.032  # libca's shortest estimate of a round trip, in seconds
_LONGEST_PATIENCE = (
    0.5  # seconds; a gateway that has to search itself is slow, but the network is not
)
_WINDOW_START = 16  # datagrams
# 64 datagrams take about 150 KB of the 208 KB that Linux gives a UDP socket by default.
_WINDOW_MOST = 64
_WINDOW_LEAST = 8
_HISTORY = 4096  # datagrams whose time of sending is remembered
_BOOST_INTERVAL = 0.5  # seconds between two occasions to ask for everything again at once
_BOOSTED = 4  # attempts that count after a boost: the next one follows after half a second
_SEARCH = int(Command.SEARCH)
_ROOM = MAX_UDP_SEND - HEADER.size  # what VERSION leaves of a datagram


class Search:
    """One name that is being looked for."""

    __slots__ = (
        "address",
        "attempts",
        "cid",
        "flight",
        "found_at",
        "name",
        "refused",
        "request",
        "seekers",
    )

    def __init__(self, name: str, cid: int, seeker: Seeker) -> None:
        # Packed once: a search may go out dozens of times. A name that is too long is refused here: it would never fit
        # into a datagram, and stop all others.
        self.request: bytes = pack_named(
            _SEARCH, NO_REPLY, DEFAULT_PROTOCOL_VERSION, cid, cid, name
        )
        self.name: str = name
        self.cid: int = cid
        self.attempts: int = 0
        self.flight: _Flight | None = None
        # Of what is made for each name the garbage collector looks through every object that can refer to others: so
        # this is a tuple, which is one and the same for all when it is empty.
        self.seekers: tuple[Seeker, ...] = (seeker,)
        self.address: Address | None = None
        self.found_at: float = 0.0
        self.refused: Address | None = None  # who answered, but is not trusted at the moment


class _Flight:
    """One datagram on its way."""

    __slots__ = ("answered", "sent", "sequence", "waiting")

    def __init__(self, sequence: int, sent: float) -> None:
        self.sequence: int = sequence
        self.sent: float = sent
        self.answered: bool = False
        self.waiting: bool = True


class SearchEngine:
    """Looks for names.

    Parameters
    ----------
    max_period : float
        Seconds between two requests for a name that has long not been found.
    duplicates_period : float
        Seconds for which a second answer is still recognised as one.
    """

    def __init__(self, max_period: float = 300.0, duplicates_period: float = 10.0) -> None:
        self.max_period = max_period
        self.duplicates_period = duplicates_period
        self._by_name: dict[str, Search] = {}
        self._by_cid: dict[int, Search] = {}
        self._found: deque[Search] = deque()
        self._next_cid = 0
        self._new: deque[Search] = deque()
        # One heap for each number of attempts: due time, a number, and the names that are due then: those that shared a
        # datagram. A name is in one of them at most, and one that was found or cancelled meanwhile is passed over when
        # its turn comes. An entry per datagram instead of one per name takes a third off the time of connecting
        # 10,000 PVs, most of it the garbage collector's.
        self._levels: list[list[tuple[float, int, list[Search]]]] = []
        self._entries = 0
        self._flights: deque[_Flight] = deque()
        self._window = float(_WINDOW_START)
        self._outstanding = 0
        self._rtt, self._deviation = _FIRST_PERIOD / 4, _FIRST_PERIOD / 8
        self._sequence = 0
        self._sent_at = [0.0] * _HISTORY
        self._last_boost = float("-inf")
        self._boost_due = float("inf")
        self._backed_off = float("-inf")
        self.datagrams_sent: int = 0
        self.requests_sent: int = 0

    # --- what is looked for -----------------------------------------------------------------------------------------

    @property
    def pending(self) -> int:
        """How many names have not been found yet."""
        return len(self._by_name)

    def get(self, name: str) -> Search | None:
        """Return the search for `name`, if there is one."""
        return self._by_name.get(name)

    def search(self, name: str, seeker: Seeker, now: float, delay: float = 0.0) -> Search:
        """Start to look for `name`, or join a search that goes on.

        Parameters
        ----------
        name : str
        seeker : Seeker
        now : float
        delay : float
            Seconds before the first request.

        Raises
        ------
        CaprotoTypeError, CaprotoValueError
            If `name` cannot be the name of a PV.
        """
        search = self._by_name.get(name)
        if search is not None:
            search.seekers += (seeker,)
            return search
        cid = self._next_cid
        while cid in self._by_cid:  # only after 2**32 searches
            cid = (cid + 1) & 0xFFFFFFFF
        search = Search(name, cid, seeker)
        self._next_cid = (cid + 1) & 0xFFFFFFFF
        self._by_name[name] = self._by_cid[cid] = search
        if delay > 0.0:
            self._queue_retry([search], 0, now + delay)
        else:
            self._new.append(search)
        return search

    def cancel(self, name: str) -> bool:
        """Stop to look for `name`, whoever asked for it; return whether it was being looked for."""
        search = self._by_name.pop(name, None)
        if search is None:
            return False
        search.seekers = ()
        self._by_cid.pop(search.cid, None)
        return True

    def forget(self, name: str, seeker: Seeker) -> None:
        """Leave a search; it ends with the last seeker."""
        search = self._by_name.get(name)
        if search is not None:
            search.seekers = tuple(other for other in search.seekers if other is not seeker)
            if not search.seekers:
                self.cancel(name)

    def boost(self, now: float, spacing: float = _BOOST_INTERVAL) -> None:
        """Ask for everything again at once: there may be a new server.

        Parameters
        ----------
        now : float
        spacing : float
            Seconds since the last time; what is asked for sooner happens then.
        """
        if now < self._last_boost + spacing:
            self._boost_due = min(self._boost_due, self._last_boost + spacing)
            return
        self._last_boost, self._boost_due = now, float("inf")
        levels, self._levels = self._levels, []
        by_attempts: dict[int, list[Search]] = {}
        for level in levels:
            for _, _, names in level:
                for search in names:
                    if self._is_live(search):
                        search.attempts = min(search.attempts, _BOOSTED)
                        by_attempts.setdefault(search.attempts, []).append(search)
        for attempts, names in by_attempts.items():
            self._queue_retry(names, attempts, now)

    def _is_live(self, search: Search) -> bool:
        """Tell whether a queue entry still counts: the name may have been found or cancelled."""
        return self._by_name.get(search.name) is search

    # --- what goes out ----------------------------------------------------------------------------------------------

    def poll(self, now: float) -> list[bytes]:
        """Return the datagrams to send now, each to every destination."""
        if now >= self._boost_due:
            self.boost(now, 0.0)
        self._expire(now)
        datagrams = []
        while self._outstanding < self._window:
            names = self._pack_new() or self._pack_retries(now)
            if not names:
                break
            datagrams.append(self._send(names, now))
        return datagrams

    def next_deadline(self) -> float:
        """Return when `poll` has something to do."""
        deadline = self._boost_due
        if self._outstanding >= self._window:  # nothing can go out before an answer or this
            return min(deadline, self._flights[0].sent + self._patience())
        if self._new:
            return float("-inf")
        for level in self._levels:
            while level and not any(map(self._is_live, level[0][2])):
                heappop(level)
            if level:
                deadline = min(deadline, level[0][0])
        return deadline

    def _patience(self) -> float:
        """Seconds after which a datagram counts as unanswered."""
        return min(_LONGEST_PATIENCE, max(_FIRST_PERIOD, self._rtt + 4 * self._deviation))

    def _expire(self, now: float) -> None:
        """Let go of datagrams that nobody answered, and of old answers."""
        patience, flights = self._patience(), self._flights
        while flights and (not flights[0].waiting or flights[0].sent + patience <= now):
            self._land(flights.popleft())
        found = self._found
        while found and found[0].found_at + self.duplicates_period <= now:
            self._by_cid.pop(found.popleft().cid, None)
        if not self._by_cid:
            # A dict keeps its size when its last key goes: after a million names these two took 90 MB.
            self._by_cid.clear()
            self._by_name.clear()

    def _land(self, flight: _Flight) -> None:
        """Make room in the window, once for each datagram."""
        if flight.waiting:
            flight.waiting = False
            self._outstanding -= 1

    def _pack_new(self) -> list[Search]:
        """Take as many new names as fit into a datagram."""
        room = _ROOM
        names: list[Search] = []
        new = self._new
        while new:
            search = new[0]
            if self._is_live(search):
                if len(search.request) > room:
                    break
                room -= len(search.request)
                names.append(search)
            new.popleft()
        return names

    def _pack_retries(self, now: float) -> list[Search]:
        """Take names whose time has come again; those that were tried least come first."""
        room = _ROOM
        names: list[Search] = []
        for level in self._levels:
            while level and level[0][0] <= now:
                due, _, waiting = heappop(level)
                for index, search in enumerate(waiting):
                    if not self._is_live(search):
                        continue
                    if len(search.request) > room:
                        heappush(level, (due, self._next_entry(), waiting[index:]))
                        return names
                    room -= len(search.request)
                    names.append(search)
        return names

    def _send(self, names: list[Search], now: float) -> bytes:
        """Make a datagram of `names`, and plan when each is due again."""
        sequence = self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        self._sent_at[sequence % _HISTORY] = now
        flight = _Flight(sequence, now)
        self._flights.append(flight)
        self._outstanding += 1
        self.datagrams_sent += 1
        self.requests_sent += len(names)
        parts = [HEADER.pack(Command.VERSION, 0, 1, DEFAULT_PROTOCOL_VERSION, sequence, 0)]
        by_attempts: dict[int, list[Search]] = {}
        for search in names:
            search.flight = flight
            parts.append(search.request)
            search.attempts += 1
            by_attempts.setdefault(search.attempts, []).append(search)
        for attempts, alike in by_attempts.items():
            self._queue_retry(alike, attempts, now + self._period(attempts))
        return b"".join(parts)

    def _period(self, attempts: int) -> float:
        """Seconds from one request to the next: doubling, from about a round trip to the plateau."""
        return min(self.max_period, self._patience() * 2.0 ** min(attempts - 1, 40))

    def _queue_retry(self, names: list[Search], level: int, due: float) -> None:
        while len(self._levels) <= level:
            self._levels.append([])
        heappush(self._levels[level], (due, self._next_entry(), names))

    def _next_entry(self) -> int:
        """Number the entries of the heaps, so that those due at the same time keep their order."""
        self._entries += 1
        return self._entries

    # --- what comes in ----------------------------------------------------------------------------------------------

    def on_reply(
        self, cid: int, address: Address, version: int, now: float, sequence: int | None = None
    ) -> None:
        """Take one answer.

        Parameters
        ----------
        cid : int
        address : (host, port)
        version : int
            Minor protocol version of the server.
        now : float
        sequence : int, optional
            Of the datagram that is answered, from servers that tell it.
        """
        search = self._by_cid.get(cid)
        if search is None:
            return
        if search.address is not None:
            self._on_duplicate(search, address)
            return
        flight, search.flight = search.flight, None
        if flight is not None and not flight.answered:
            self._on_answered(search, flight, sequence, now)
        # A seeker may search the same name again at once, if the server cannot be connected to.
        del self._by_name[search.name]
        refused: tuple[Seeker, ...] = ()
        seekers, search.seekers = search.seekers, refused
        for seeker in seekers:
            if not seeker.found(address, version, now):
                refused += (seeker,)
        if not refused:
            search.address = address
            search.found_at = now
            search.request = b""
            self._found.append(search)
            return
        search.refused = address
        successor = self._by_name.setdefault(search.name, search)
        successor.seekers += refused
        if successor is not search:
            del self._by_cid[cid]

    def _on_answered(
        self, search: Search, flight: _Flight, sequence: int | None, now: float
    ) -> None:
        """Learn from the first answer to a datagram how fast the network is, and that there is room for more."""
        flight.answered = True
        self._land(flight)
        sent, late = flight.sent, False
        if sequence is not None and (self._sequence - sequence) & 0xFFFFFFFF < _HISTORY:
            sent, late = self._sent_at[sequence % _HISTORY], sequence != flight.sequence
        elif search.attempts > 1:
            sent = now  # it may be the answer to any of the requests
        if sent < now:
            sample = min(now - sent, _LONGEST_PATIENCE)
            self._deviation += (abs(sample - self._rtt) - self._deviation) / 4
            self._rtt += (sample - self._rtt) / 8
        if search.attempts == 2 and not late and not search.refused:
            # The name exists, so its first request or answer was lost. Once per round trip is enough to learn it.
            if now - self._backed_off > self._patience():
                self._backed_off = now
                self._window = max(_WINDOW_LEAST, self._window / 2)
        else:
            self._window = min(_WINDOW_MOST, self._window + 1)

    def _on_duplicate(self, search: Search, address: Address) -> None:
        """Say once that a name has two servers; the first one stays."""
        first = search.address
        assert first is not None
        if address == first:
            return
        self._by_cid.pop(search.cid, None)
        logger.warning(
            "PV %s is served by both %s:%d and %s:%d; using the first, which answered first. "
            "Two IOCs have a record of that name, or one is found through two addresses.",
            search.name,
            *first,
            *address,
            extra={"pv": search.name},
        )
