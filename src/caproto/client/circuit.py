"""One TCP circuit: its channels, requests and subscriptions, and the bytes between them and the server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from .._collector import NoCollection
from .._constants import DEFAULT_PROTOCOL_VERSION
from .._errors import LocalProtocolError, RemoteProtocolError
from .._protocol.channel import ClientChannel
from .._protocol.circuit import VirtualCircuit
from .._protocol.enums import Command
from .._protocol.framing import MessageStream
from .._protocol.header import HEADER
from .._protocol.messages import (
    ClearChannelRequest,
    EventCancelRequest,
)
from .._protocol.states import CLIENT
from .health import Liveness, Verdict
from .inbox import Inbox
from .opening import create_request, greeting
from .pv import PVState
from .requests import Request
from .tables import Tables
from .trace import log_sent, traced_handlers

if TYPE_CHECKING:
    from .bulk import BulkRequest
    from .engine import ClientEngine
    from .pv import PVCore
    from .search import Address
    from .subscription import SubscriptionCore

__all__ = ["Circuit", "CircuitState"]

logger: logging.Logger = logging.getLogger("caproto.circ")
channel_logger: logging.Logger = logging.getLogger("caproto.ch")

_ECHO = HEADER.pack(Command.ECHO, 0, 0, 0, 0, 0)
_READ_SYNC = HEADER.pack(Command.READ_SYNC, 0, 0, 0, 0, 0)
_EVENTS_OFF = HEADER.pack(Command.EVENTS_OFF, 0, 0, 0, 0, 0)
_EVENTS_ON = HEADER.pack(Command.EVENTS_ON, 0, 0, 0, 0, 0)
_IOIDS = 1 << 32
_JOINED_LIMIT = 65536  # bytes that wait for the end of a turn before they are sent all the same


class CircuitState(Enum):
    """Where a circuit stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


# As attributes of the classes each look takes 70 ns instead of 6, and every PV that connects takes them.
_CONNECTED, _PV_CONNECTING = CircuitState.CONNECTED, PVState.CONNECTING


class Circuit:
    """A circuit to one server at one priority.

    Parameters
    ----------
    engine : ClientEngine
    address : (host, port)
    priority : int
    version : int
        What the server said when it answered the search; its VERSION message overrides it.
    now : float
    """

    __slots__ = (
        "_creation_check",
        "_debug",
        "_ioids_used_up",
        "_joining",
        "_next_ioid",
        "_out",
        "_out_size",
        "_suspended_by",
        "_unflushed",
        "_unsent",
        "_write",
        "address",
        "bytes_in",
        "bytes_out",
        "connect_deadline",
        "ended_by_program",
        "engine",
        "health",
        "manager",
        "messages_out",
        "opened_at",
        "priority",
        "protocol",
        "proven",
        "runners",
        "state",
        "stream",
        "tables",
        "version",
    )

    def __init__(
        self, engine: ClientEngine, address: Address, priority: int, version: int, now: float
    ) -> None:
        self.engine: ClientEngine = engine
        self.address: Address = address
        self.priority: int = priority
        self.version: int = version
        self.state: CircuitState = CircuitState.CONNECTING
        self.protocol: VirtualCircuit = VirtualCircuit(
            our_role=CLIENT, address=address, priority=priority
        )
        self.protocol.protocol_version = min(version, DEFAULT_PROTOCOL_VERSION)
        self.tables: Tables = Tables()
        self.stream: MessageStream = MessageStream(Inbox(self).handlers(), engine.max_payload)
        self.health: Liveness = Liveness(now, engine.conn_tmo, engine.answer_time)
        self.opened_at: float = now
        self.ended_by_program: bool = False
        self.connect_deadline: float = now + engine.connect_time
        self.proven: bool = False  # whether the server has ever made a channel
        self._creation_check: tuple[float, int] | None = None
        self._suspended_by: set[object] = set()
        self.manager: Any = None  # the shell's object for this circuit
        self.runners: list[Any] = []  # who is told at the end of each chunk
        self.bytes_in: int = 0
        self.bytes_out: int = 0
        self.messages_out: int = 0
        self._next_ioid = 0
        self._ioids_used_up = False
        self._unflushed = 0
        self._out: list[bytes] = []
        self._unsent: list[Request] = []
        self._out_size = 0
        self._joining = False
        self._debug = False
        self._write: Callable[[bytes], Any] | None = None

    # --- what the shell and the diagnostics ask ---------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the TCP connection stands."""
        return self.state is CircuitState.CONNECTED

    @property
    def shown_state(self) -> Any:
        """The state that a `repr` shows."""
        return self.protocol.states[CLIENT]

    @property
    def pvs(self) -> list[PVCore]:
        """The PVs that have a channel here, or are to get one."""
        return list(self.tables.pvs.values())

    @property
    def pending(self) -> list[Request]:
        """The requests without a reply."""
        return self.tables.pending()

    @property
    def suspended(self) -> bool:
        """Whether updates are suspended."""
        return bool(self._suspended_by)

    def told_version(self, version: int) -> None:
        """Take the minor version that the server says on the circuit.

        What goes out keeps to the lower one of this and what came with the answer to the search: behind a gateway the
        two may differ, and both must know what a count of 0 means.
        """
        found = self.protocol.protocol_version or version
        self.version = version
        self.protocol.protocol_version = min(version, found, DEFAULT_PROTOCOL_VERSION)

    def abandon(self) -> None:
        """Become unusable without touching the socket: it belongs to the parent process."""
        self.state = CircuitState.CLOSED
        self._write = None
        self.tables.clear()

    def has_request_for(self, pv: PVCore) -> bool:
        """Tell whether a request for `pv` has no reply yet."""
        return any(request.pv_of(ioid) is pv for ioid, request in self.tables.requests.items())

    # --- life -------------------------------------------------------------------------------------------------------

    def connected_by(self, write: Callable[[bytes], Any], now: float) -> None:
        """Begin to talk: the TCP connection stands."""
        if self.state is not CircuitState.CONNECTING:
            return
        self.state = CircuitState.CONNECTED
        self.protocol.connected()
        self._write = write
        self.health.last_bytes = self.health.last_heard = now
        engine = self.engine
        opening = greeting(self.priority, engine.client_name, engine.host_name)
        if self._suspended_by:
            opening.append(_EVENTS_OFF)
        opening += [create_request(pv.name, cid) for cid, pv in self.tables.creating.items()]
        self._set_tracing(logger.isEnabledFor(logging.DEBUG))
        data = b"".join(opening)
        if self._debug:
            log_sent(self, data)
        self.messages_out += len(opening)
        self.bytes_out += len(data)
        write(data)
        engine.wake_for(self.next_deadline())

    def close(
        self, reason: str, now: float, *, retry: bool = True, by_program: bool = False
    ) -> None:
        """End the circuit, whoever ended it; its PVs are searched again if `retry`.

        The server is not to blame for an early end `by_program`.
        """
        if self.state is CircuitState.CLOSED:
            return
        self.ended_by_program = by_program
        was_connected = self.connected
        self.state = CircuitState.CLOSED
        self.protocol.closed()
        self.stream.close()
        self._write = None
        self._out.clear()
        self._unsent.clear()
        pvs, requests = self.pvs, self.pending
        self.tables.clear()
        if self.engine.asked is self:
            self.engine.asked = None
        self.engine.host.close_circuit(self)
        self.engine.circuit_closed(self, was_connected, pvs, requests, reason, now, retry)

    def next_deadline(self) -> float:
        """Return when `on_timer` has something to do."""
        if self.state is CircuitState.CONNECTING:
            return self.connect_deadline
        check = self._creation_check
        if not self.tables.creating:
            return self.health.deadline(False)
        deadline = self.health.deadline(True)
        return deadline if check is None else min(deadline, check[0])

    def on_timer(self, now: float) -> None:
        """Look after the circuit's health."""
        if self.state is CircuitState.CONNECTING:
            if now >= self.connect_deadline:
                self.close("the server did not accept a TCP connection in time", now)
            return
        self._check_creation(now)
        verdict = self.health.check(now, bool(self.tables.creating))
        if verdict is Verdict.ECHO:
            self.send(_ECHO if self.version >= 3 else _READ_SYNC)
        elif verdict is Verdict.DEAD:
            silent = now - self.health.last_bytes
            logger.warning(
                "Server %s:%d has been silent for %.1f s and does not answer an echo. Disconnecting its %d PVs and "
                "searching for them again.",
                *self.address,
                silent,
                len(self.tables.pvs),
                extra={"their_address": self.address},
            )
            self.close("the server does not respond", now)

    def _check_creation(self, now: float) -> None:
        """Give up channels that a living server has not made for longer than a silent one is trusted.

        Channels need no clock each: their cids ascend, so all up to the newest of one look are overdue at the next.
        """
        creating, check = self.tables.creating, self._creation_check
        if not creating:
            self._creation_check = None
        elif check is None:
            # A server that is silent as well is found out before.
            limit = self.health.patience + 2 * self.health.answer_time
            self._creation_check = (now + limit, next(reversed(creating)))
        elif now >= check[0]:
            self._creation_check = None
            reason = "the server lives, but has not made the channel"
            for pv in [pv for cid, pv in creating.items() if cid <= check[1]]:
                self.engine.channel_lost(pv, self.drop(pv), reason, now, penalty=True)

    def on_beacon(self, anomaly: bool, now: float) -> None:
        """Take a beacon of the circuit's server.

        After an anomaly beacons prove nothing until there are bytes again: a server that has been started anew sends
        beacons, too, and knows nothing of this circuit.
        """
        health = self.health
        if anomaly:
            health.trusts_beacons = False
        elif health.trusts_beacons:
            health.last_heard = now

    # --- sending ----------------------------------------------------------------------------------------------------

    def send(self, data: bytes, messages: int = 1) -> None:
        """Send now what is alone; join what comes in the same turn with one more system call at its end."""
        # A lone read saves the 1.5 µs of a call_soon, and 100 reads in one turn take one send() instead of 100.
        self.messages_out += messages
        self.bytes_out += len(data)
        if self._debug:
            log_sent(self, data)
        if self._out:
            self._out.append(data)
            self._out_size += len(data)
            if self._out_size > _JOINED_LIMIT:
                self._send_joined()
        elif self._joining:
            self._out.append(data)
            self._out_size = len(data)
            self.engine.host.flush_soon(self)
        else:
            self._joining = True
            if self._write is not None:
                self._write(data)

    def flush(self) -> None:
        """Send what was joined: the turn is over."""
        self._joining = False
        self._send_joined()

    def _send_joined(self) -> None:
        out = self._out
        if out and self._write is not None:
            self._write(b"".join(out))
        out.clear()
        self._out_size = 0
        for request in self._unsent:
            request.sent = True
        self._unsent.clear()

    # --- channels ---------------------------------------------------------------------------------------------------

    def attach(self, pv: PVCore, now: float) -> None:
        """Make a channel for `pv`."""
        channel = ClientChannel.of_checked_name(pv.name, self.protocol)
        cid = channel.cid
        pv.channel, pv.circuit = channel, self
        pv.state = _PV_CONNECTING
        self.tables.pvs[cid] = self.tables.creating[cid] = pv
        if self.state is _CONNECTED:
            self.send(create_request(pv.name, cid))
            if len(self.tables.creating) == 1:
                self.health.asked = now
                self.engine.wake_for(self.next_deadline())

    def detach(self, pv: PVCore) -> list[Request]:
        """Give up the channel of `pv`; return the requests that nobody will answer now."""
        channel = pv.channel
        assert channel is not None
        if channel.sid is not None and self.connected:
            self.send(bytes(ClearChannelRequest(channel.sid, channel.cid)))
        return self.drop(pv)

    def drop(self, pv: PVCore) -> list[Request]:
        """Forget the channel of `pv` on this side; return the requests that nobody will answer now."""
        lost = self.tables.forget_pv(pv)
        self.close_channel(pv)
        return lost

    def close_channel(self, pv: PVCore) -> None:
        """Mark the channel of `pv` as closed."""
        channel = pv.channel
        if channel is not None:
            channel.closed()
            self.protocol.channels.pop(channel.cid, None)
        pv.channel = pv.circuit = None

    # --- requests ---------------------------------------------------------------------------------------------------

    def reserve(self, request: Request | BulkRequest, count: int) -> int:
        """Enter `request` under `count` consecutive free ioids; return the first."""
        first, requests = self._next_ioid, self.tables.requests
        self.engine.asked = self
        if first + count > _IOIDS:
            first = 0
        if (
            self._ioids_used_up or first < self._next_ioid
        ):  # only after 2**32 requests on one circuit
            self._ioids_used_up = True
            while any(ioid in requests for ioid in range(first, first + count)):
                first = (first + count) % (_IOIDS - count)
        self._next_ioid = first + count
        if count == 1:
            requests[first] = request
        else:
            requests.update(dict.fromkeys(range(first, first + count), request))
        if request.deadline < self.engine.wake:
            self.engine.wake_for(request.deadline)
        return first

    def issue(self, request: Request) -> None:
        """Send a request that waits for a reply."""
        ioid = self.reserve(request, 1)
        request.ioid = ioid
        channel = request.pv.channel
        self.send(request.encode(channel.sid, ioid))  # type: ignore[union-attr, arg-type]
        request.sent = not self._out
        if not request.sent:
            self._unsent.append(request)

    def forget(self, request: Request) -> None:
        """Wait no longer for a reply; a late one is dropped."""
        if self.tables.requests.get(request.ioid) is request:
            del self.tables.requests[request.ioid]

    # --- subscriptions ----------------------------------------------------------------------------------------------

    def subscribe(self, sub: SubscriptionCore) -> None:
        """Ask for the updates of `sub`."""
        channel = sub.pv.channel
        if channel is None or channel.sid is None:
            raise LocalProtocolError(f"{sub.pv.name!r} has no channel to subscribe to")
        message = bytes(
            sub.request(channel.sid, subscriptionid := self.protocol.new_subscriptionid())
        )
        self.tables.subscriptions[subscriptionid] = sub
        sub.subscriptionid, sub.circuit = subscriptionid, self
        self.send(message)

    def unsubscribe(self, sub: SubscriptionCore) -> None:
        """Ask for no more updates; those on their way are dropped, as is the confirmation."""
        subscriptionid, channel = sub.subscriptionid, sub.pv.channel
        if subscriptionid is None or self.tables.subscriptions.pop(subscriptionid, None) is None:
            return
        sub.subscriptionid = sub.circuit = None
        if channel is not None and channel.sid is not None and self.connected:
            self.send(bytes(EventCancelRequest(sub.wire_type, channel.sid, subscriptionid)))

    def suspend(self, reason: object) -> None:
        """Suspend all updates of this circuit, for as long as there is a reason."""
        if not self._suspended_by and self.connected:
            self.send(_EVENTS_OFF)
        self._suspended_by.add(reason)

    def resume(self, reason: object) -> None:
        """Withdraw a reason; with the last one updates resume, the newest value of each PV first."""
        if reason in self._suspended_by:
            self._suspended_by.remove(reason)
            if not self._suspended_by and self.connected:
                self.send(_EVENTS_ON)

    # --- receiving --------------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> None:
        """Take a chunk from the server; whatever is in it, nothing is raised."""
        health = self.health
        health.last_bytes = health.last_heard = now
        health.trusts_beacons = True
        self._joining = False
        if logger.isEnabledFor(logging.DEBUG) is not self._debug:
            self._set_tracing(not self._debug)
        self._unflushed += len(data)
        self.bytes_in += len(data)
        try:
            if self.tables.creating or len(self.tables.requests) > 100:
                with NoCollection(len(self.tables.creating) + len(self.tables.requests)):
                    self.stream.feed(data)
            else:
                self.stream.feed(data)
        except Exception as error:
            self._refuse(error, now)
        for runner in self.runners:
            runner.flush(self, self._unflushed)
        self._unflushed = 0

    def large_received(self, nbytes: int, now: float) -> bool:
        """Take bytes that were received straight into the buffer of a large payload."""
        health = self.health
        health.last_bytes = health.last_heard = now
        self._unflushed += nbytes
        self.bytes_in += nbytes
        try:
            if not self.stream.large_received(nbytes):
                return False
        except Exception as error:
            self._refuse(error, now)
        for runner in self.runners:
            runner.flush(self, self._unflushed)
        self._unflushed = 0
        return True

    def _set_tracing(self, on: bool) -> None:
        """Log every message, or no longer."""
        self._debug = on
        if self.state is not CircuitState.CLOSED:
            handlers = Inbox(self).handlers()
            self.stream.set_handlers(traced_handlers(self, handlers) if on else handlers)

    def _refuse(self, error: Exception, now: float) -> None:
        """Close a circuit whose bytes make no sense; its PVs are searched again."""
        if self.state is CircuitState.CLOSED:
            return  # by a message before the one that makes no sense
        known = isinstance(error, RemoteProtocolError)
        reason = str(error) if known else f"a message could not be handled ({error!r})"
        logger.warning(
            "Closing the circuit to %s:%d: %s",
            *self.address,
            reason,
            extra={"their_address": self.address},
            exc_info=None if known else error,
        )
        self.close(reason, now)
