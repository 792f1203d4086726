"""What holds the client together: PVs, the circuits that serve them, and the time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .._env import ClientSettings
from .._errors import CaprotoError, ContextDisconnectedError
from .._protocol.enums import Command
from .circuit import Circuit
from .pv import PVCore, PVState
from .requests import Request, outcome_unknown, reply_timeout

if TYPE_CHECKING:
    from .host import Host, Searcher
    from .search import Address
    from .subscription import SubscriptionCore
    from .waits import AnyWait

__all__ = ["ClientEngine"]

logger: logging.Logger = logging.getLogger("caproto.ctx")
channel_logger: logging.Logger = logging.getLogger("caproto.ch")

_NEVER = float("inf")
# As attributes of the class each look takes 70 ns instead of 6, and connecting a PV takes several.
_IDLE, _SEARCHING = PVState.IDLE, PVState.SEARCHING
_CONNECTED, _CLOSED = PVState.CONNECTED, PVState.CLOSED
_CONNECT_TIME = 5.0  # seconds for a TCP connection
_SWEEP_INTERVAL = 0.02  # seconds between two looks at the requests: how exact a timeout is at worst
_FIRST_PENALTY = 0.5  # seconds
_LARGEST_PENALTY = 30.0
_SHORT_LIFE = 0.5  # seconds; a circuit that ends sooner would end again and again, as fast as the network allows


class _Penalty:
    """A server that answers searches but cannot be connected to, makes no channels, or not for long."""

    __slots__ = ("strikes", "until")

    def __init__(self) -> None:
        self.strikes = 0
        self.until = 0.0

    def strike(self, now: float) -> None:
        self.until = now + min(_LARGEST_PENALTY, _FIRST_PENALTY * 2**self.strikes)
        self.strikes = min(self.strikes + 1, 16)


class ClientEngine:
    """The client's logic.

    Parameters
    ----------
    host : Host
        The shell.
    searcher : Searcher
    settings : ClientSettings
    host_name, client_name : str
        What servers are told.
    """

    def __init__(
        self,
        host: Host,
        searcher: Searcher,
        settings: ClientSettings,
        host_name: str,
        client_name: str,
    ) -> None:
        self.host = host
        self.searcher = searcher
        self.host_name = host_name
        self.client_name = client_name
        self.conn_tmo: float = settings.conn_tmo
        self.answer_time: float = settings.responsiveness_timeout
        self.connect_time = _CONNECT_TIME
        self.max_payload: int = (settings.max_array_bytes or (1 << 32)) + 1024
        self.pvs: dict[tuple[str, int], PVCore] = {}
        self.circuits: dict[tuple[Address, int], Circuit] = {}
        self.asked: Circuit | None = None  # the circuit of the latest request
        self.wake: float = _NEVER
        self.closed: bool = False
        self.why_closed: str = "This Context is no longer usable."
        self.reconnects: int = 0
        self._penalties: dict[Address, _Penalty] = {}
        self._parked: dict[Request, None] = {}
        self._waits: dict[AnyWait, None] = {}
        self.idle_wishes: set[PVCore] = set()

    # --- PVs --------------------------------------------------------------------------------------------------------

    def activate(self, pv: PVCore) -> None:
        """Search for `pv`, unless it is searched or connected already."""
        if self.closed:
            raise ContextDisconnectedError(self.why_closed)
        if self.idle_wishes:
            self.idle_wishes.discard(pv)
        if pv.state is _IDLE or pv.cancelled:
            self._search(pv, 0.0)

    def _search(self, pv: PVCore, delay: float) -> None:
        pv.state = _SEARCHING
        pv.cancelled = False
        self.searcher.start_search(pv.name, pv, delay)

    def found(self, pv: PVCore, address: Address, version: int, now: float) -> bool:
        """Take an address for `pv`; False if its server is not to be trusted at the moment."""
        if pv.state is not _SEARCHING or self.closed:
            return True
        key = (address, pv.priority)
        circuit = self.circuits.get(key)
        if circuit is None:
            penalty = self._penalties.get(address)
            if penalty is not None and now < penalty.until:
                return False
            circuit = self.circuits[key] = Circuit(self, address, pv.priority, version, now)
            self.host.open_circuit(circuit)
            self.wake_for(circuit.next_deadline())
        circuit.attach(pv, now)
        pv.on_found()
        return True

    def add_wait(self, wait: AnyWait) -> None:
        """End `wait` when its time is over; its PVs end it before that."""
        self._waits[wait] = None
        if wait.deadline < self.wake:
            self.wake_for(wait.deadline)

    def end_wait(self, wait: AnyWait) -> None:
        """Forget `wait`, whether it was fulfilled or given up."""
        self._waits.pop(wait, None)

    def forget(self, request: Request) -> None:
        """Give up a request; a late reply is dropped."""
        circuit, pv = request.pv.circuit, request.pv
        if circuit is not None:
            circuit.forget(request)
        if self._parked.pop(request, request) is None and pv.parked is not None:
            pv.parked.remove(request)
        self.request_done(pv)

    def forget_abandoned(self, now: float) -> None:
        """Give up all requests that nobody waits for any more."""
        self._sweep(now)

    def cancel_search(self, pv: PVCore) -> None:
        """Stop to look for `pv`."""
        if pv.state is _SEARCHING:
            self.searcher.leave_search(pv.name, pv)
            pv.cancelled = True

    def make_idle(self, pv: PVCore) -> None:
        """Close the channel of `pv` as soon as nothing needs it."""
        if pv.state is not _CONNECTED or pv.subscribed:
            return
        if pv.busy:
            self.idle_wishes.add(pv)
            return
        assert pv.circuit is not None
        pv.circuit.detach(pv)
        pv.state = _IDLE
        pv.access_rights = None
        self._tell_disconnected(pv)

    def request_done(self, pv: PVCore) -> None:
        """Look whether `pv` was only waiting for this to go idle."""
        if pv in self.idle_wishes and not pv.busy:
            self.idle_wishes.discard(pv)
            self.make_idle(pv)

    # --- channels and circuits --------------------------------------------------------------------------------------

    def channel_opened(self, pv: PVCore, circuit: Circuit) -> None:
        """Go on where things were: tell the shell, subscribe, send what was waiting."""
        pv.state = _CONNECTED
        pv.failures = 0
        circuit.proven = True
        if self._penalties:
            self._penalties.pop(circuit.address, None)
        pv.tell_disconnect = True
        pv.on_connected()
        if pv.circuit is not circuit:
            return  # the program has given the channel up as soon as it was told
        for sub in pv.subscriptions or ():
            if sub.wanted:
                self.subscribe(sub)
        parked, pv.parked = pv.parked, None
        for request in parked or ():
            if self._parked.pop(request, request) is None:
                self._issue_again(request, circuit)

    def _issue_again(self, request: Request, circuit: Circuit) -> None:
        """Send a request that waited for this circuit; its PV may be shorter, or its server older, than before."""
        try:
            count = request.pv.open_channel.readable_count(
                request.data_count, notify=request.command != Command.READ
            )
        except CaprotoError as error:
            request.fail(error)
            return
        if request.is_read:
            request.data_count = count
        circuit.issue(request)

    def subscribe(self, sub: SubscriptionCore) -> None:
        """Ask for updates now if the channel is open; if not, that is done when it opens."""
        pv = sub.pv
        if pv.state is not _CONNECTED or sub.circuit is not None:
            return
        assert pv.circuit is not None
        try:
            pv.circuit.subscribe(sub)
        except CaprotoError as error:
            # After a reconnection the PV may be of another type, or shorter.
            channel_logger.error(
                "Cannot subscribe to %r: %s", pv.name, error, extra={"pv": pv.name}
            )

    def channel_lost(
        self, pv: PVCore, requests: list[Request], reason: str, now: float, *, penalty: bool
    ) -> None:
        """Search again for a PV whose channel is gone; reads wait for the next one."""
        was_connected = pv.state is _CONNECTED
        pv.access_rights = None
        delay = 0.0
        if penalty:
            delay = min(_LARGEST_PENALTY, _FIRST_PENALTY * 2**pv.failures)
            pv.failures = min(pv.failures + 1, 16)
            channel_logger.warning(
                "%s: %s. Searching again in %.1f s.",
                pv.name,
                reason,
                delay,
                extra={"pv": pv.name, "tried_again": True},
            )
        self._park(pv, requests, reason)
        if was_connected and not pv.subscribed and not pv.parked and pv in self.idle_wishes:
            self.idle_wishes.discard(pv)
            pv.state = _IDLE
        else:
            self._search(pv, delay)
        self._tell_disconnected(pv)

    def _park(self, pv: PVCore, requests: list[Request], reason: str) -> None:
        """Keep the reads; a confirmed write that was sent cannot be repeated."""
        for request in requests:
            if request.waiter is not None and request.waiter.done():
                continue
            if request.is_repeatable:
                if pv.parked is None:
                    pv.parked = []
                pv.parked.append(request)
                self._parked[request] = None
            elif request.waiter is not None:
                request.fail(outcome_unknown(request, reason))
            else:
                channel_logger.warning(
                    "%s", outcome_unknown(request, reason), extra={"pv": pv.name}
                )

    def reconnect(self, pv: PVCore, now: float) -> None:
        """Give up the channel of `pv` and search for it again."""
        if pv.circuit is not None:
            lost = pv.circuit.detach(pv)
            self.channel_lost(pv, lost, "the program asked for it", now, penalty=False)
        else:
            self.activate(pv)

    def on_beacon(self, address: Address, anomaly: bool, now: float) -> None:
        """Take a beacon that counts: one in rhythm is a sign of life, the others say that something has changed."""
        for circuit in self.circuits.values():
            if circuit.address == address:
                circuit.on_beacon(anomaly, now)
        penalty = self._penalties.get(address) if anomaly else None
        if penalty is not None:
            penalty.until = now  # it may be a new server; the next strike counts as much as ever

    def circuit_closed(
        self,
        circuit: Circuit,
        was_connected: bool,
        pvs: list[PVCore],
        requests: list[Request],
        reason: str,
        now: float,
        retry: bool,
    ) -> None:
        """Clean up after a circuit."""
        self.circuits.pop((circuit.address, circuit.priority), None)
        by_pv: dict[PVCore, list[Request]] = {}
        for request in requests:
            by_pv.setdefault(request.pv, []).append(request)
        short = now - circuit.opened_at < _SHORT_LIFE and not circuit.ended_by_program
        if retry and (short or not circuit.proven):
            self._penalties.setdefault(circuit.address, _Penalty()).strike(now)
        if retry and not circuit.proven:
            logger.warning(
                "%s %s:%d, which answered a search: %s. Its %d PVs are searched again.",
                "No channel from" if was_connected else "Cannot connect to",
                *circuit.address,
                reason,
                len(pvs),
                extra={"their_address": circuit.address},
            )
        if retry and was_connected:
            self.reconnects += 1
        for pv in pvs:
            circuit.close_channel(pv)
            if retry:
                self.channel_lost(pv, by_pv.get(pv, []), reason, now, penalty=False)

    def _tell_disconnected(self, pv: PVCore) -> None:
        if pv.tell_disconnect:
            pv.tell_disconnect = False
            pv.on_disconnected()

    # --- time -------------------------------------------------------------------------------------------------------

    def wake_for(self, deadline: float) -> None:
        """Make sure that `on_timer` is called at `deadline`."""
        if deadline < self.wake:
            self.wake = deadline
            self.host.wake_at(deadline)

    def on_timer(self, now: float) -> None:
        """Do what is due, and ask to be woken for what comes next."""
        self.wake = _NEVER
        following = _NEVER
        for circuit in list(self.circuits.values()):
            if now >= circuit.next_deadline():
                circuit.on_timer(now)
            if circuit.state.value != "closed":
                following = min(following, circuit.next_deadline())
        following = min(following, self._sweep(now))
        if following < _NEVER:
            # Every request has a deadline of its own, but only the earliest wakes the loop, and not more often than
            # 50 times a second: a heap entry per request would cost 0.5 µs and keep answered requests alive.
            self.wake_for(max(following, now + _SWEEP_INTERVAL))

    def _sweep(self, now: float) -> float:
        """End the requests whose time is over; return the next deadline."""
        following = _NEVER
        for circuit in list(self.circuits.values()):
            expired, soonest = circuit.tables.take_expired(now)
            following = min(following, soonest)
            for request in expired:
                self._expire(request, now)
        for request in list(self._parked):
            if request.deadline <= now or (request.waiter is not None and request.waiter.done()):
                del self._parked[request]
                assert request.pv.parked is not None
                request.pv.parked.remove(request)
                self._expire(request, now)
            else:
                following = min(following, request.deadline)
        for wait in list(self._waits):
            if wait.deadline > now:
                following = min(following, wait.deadline)
            else:
                del self._waits[wait]
                wait.expire(now)
        return following

    def _expire(self, request: Request, now: float) -> None:
        """End a request whose time is over, unless nobody waits for it any more."""
        if request.waiter is not None and not request.waiter.done():
            request.fail(reply_timeout(request, now))
        self.request_done(request.pv)

    # --- end --------------------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Become unusable without touching anything outside: this is a child process after a fork."""
        self.closed = True
        self.why_closed = (
            "This Context belongs to the parent process: make another one in this process."
        )
        for circuit in self.circuits.values():
            circuit.abandon()
        self.circuits.clear()
        for pv in self.pvs.values():
            pv.state = _CLOSED

    def close(self, now: float) -> None:
        """End everything; nothing is searched again."""
        if self.closed:
            return
        self.closed = True
        error = ContextDisconnectedError(self.why_closed)
        requests = list(self._parked)
        for circuit in list(self.circuits.values()):
            requests += circuit.pending
            circuit.flush()
            circuit.close("the Context was disconnected", now, retry=False)
        self._parked.clear()
        for request in requests:
            request.fail(error)
        for wait in list(self._waits):
            wait.fail(error)
        self._waits.clear()
        for pv in self.pvs.values():
            if pv.state is _SEARCHING:
                self.searcher.leave_search(pv.name, pv)
            pv.state = _CLOSED
            pv.parked = None
            self._tell_disconnected(pv)
            pv.on_closed()
