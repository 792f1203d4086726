"""One TCP circuit: its channels, requests and subscriptions, and the bytes between them and the server."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from struct import Struct
from typing import TYPE_CHECKING, Any

from .._constants import DEFAULT_PROTOCOL_VERSION
from .._errors import LocalProtocolError, RemoteProtocolError
from .._protocol.arrays import Buffer
from .._protocol.channel import ClientChannel
from .._protocol.circuit import VirtualCircuit
from .._protocol.enums import AccessRights, Command
from .._protocol.framing import COMMANDS, Handler, MessageStream
from .._protocol.header import HEADER, Head
from .._protocol.messages import (
    ClearChannelRequest,
    ClientNameRequest,
    CreateChanRequest,
    ErrorResponse,
    EventAddResponse,
    EventCancelRequest,
    HostNameRequest,
    ReadNotifyResponse,
    ReadResponse,
    VersionRequest,
    WriteNotifyResponse,
    wire,
)
from .._protocol.states import CLIENT
from .._protocol.status import CAStatus, status_from_code
from .health import Liveness, Verdict
from .pv import PVState
from .requests import Request, failure

if TYPE_CHECKING:
    from .engine import ClientEngine
    from .pv import PVCore
    from .search import Address
    from .subscription import SubscriptionCore

__all__ = ["Circuit", "CircuitState"]

logger = logging.getLogger("caproto.circ")
channel_logger = logging.getLogger("caproto.ch")

_ECHO = HEADER.pack(Command.ECHO, 0, 0, 0, 0, 0)
_READ_SYNC = HEADER.pack(Command.READ_SYNC, 0, 0, 0, 0, 0)
_EVENTS_OFF = HEADER.pack(Command.EVENTS_OFF, 0, 0, 0, 0, 0)
_EVENTS_ON = HEADER.pack(Command.EVENTS_ON, 0, 0, 0, 0, 0)
_READ_REQUEST: Callable[..., bytes] = Struct(">HHHHII").pack
_JOINED_LIMIT = 65536  # bytes that wait for the end of a turn before they are sent all the same


class CircuitState(Enum):
    """Where a circuit stands."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


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
        "_creating",
        "_joining",
        "_next_ioid",
        "_out",
        "_out_size",
        "_pvs",
        "_requests",
        "_subscriptions",
        "_suspended_by",
        "_unflushed",
        "_write",
        "address",
        "connect_deadline",
        "engine",
        "health",
        "manager",
        "opened_at",
        "priority",
        "protocol",
        "runners",
        "state",
        "stream",
        "version",
    )

    def __init__(
        self, engine: ClientEngine, address: Address, priority: int, version: int, now: float
    ) -> None:
        self.engine = engine
        self.address = address
        self.priority = priority
        self.version = version
        self.state = CircuitState.CONNECTING
        self.protocol = VirtualCircuit(our_role=CLIENT, address=address, priority=priority)
        self.stream = MessageStream(self._handlers(), engine.max_payload)
        self.health = Liveness(now, engine.conn_tmo, engine.answer_time)
        self.opened_at = now
        self.connect_deadline = now + engine.connect_time
        self._suspended_by: set[object] = set()
        self.manager: Any = None  # the shell's object for this circuit
        self.runners: list[Any] = []  # who is told at the end of each chunk
        self._pvs: dict[int, PVCore] = {}
        self._creating: dict[int, PVCore] = {}
        self._requests: dict[int, Request] = {}
        self._subscriptions: dict[int, SubscriptionCore] = {}
        self._next_ioid = 0
        self._unflushed = 0
        self._out: list[bytes] = []
        self._out_size = 0
        self._joining = False
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
        return list(self._pvs.values())

    @property
    def pending(self) -> list[Request]:
        """The requests without a reply."""
        return list(self._requests.values())

    def has_request_for(self, pv: PVCore) -> bool:
        """Tell whether a request for `pv` has no reply yet."""
        return any(request.pv is pv for request in self._requests.values())

    def describe_silence(self, now: float) -> str:
        """Say how far things went with this server, and what to do."""
        host, port = self.address
        if self.state is CircuitState.CONNECTING:
            return (
                f"A server at {host}:{port} answered the search, but a TCP connection to it is not made yet; a "
                "firewall may block the port, or the server may be overloaded."
            )
        silent = now - self.health.last_bytes
        return (
            f"The TCP connection to {host}:{port} stands; the server has sent nothing for {max(0.0, silent):.1f} s "
            f"and owes {len(self._requests)} replies and {len(self._creating)} channels."
        )

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
        # Nothing waits for the server's VERSION: old servers never send one (protocol facts 10 and 11).
        greeting = [
            bytes(VersionRequest(self.priority, DEFAULT_PROTOCOL_VERSION)),
            bytes(ClientNameRequest(engine.client_name)),
            bytes(HostNameRequest(engine.host_name)),
        ]
        greeting += [self._create_request(pv, cid) for cid, pv in self._creating.items()]
        write(b"".join(greeting))
        engine.wake_for(self.next_deadline())

    def close(self, reason: str, now: float, *, retry: bool = True) -> None:
        """End the circuit, whoever ended it; its PVs are searched again if `retry`."""
        if self.state is CircuitState.CLOSED:
            return
        was_connected = self.connected
        self.state = CircuitState.CLOSED
        self.protocol.closed()
        self.stream.close()
        self._write = None
        self._out.clear()
        pvs, requests = list(self._pvs.values()), list(self._requests.values())
        for sub in self._subscriptions.values():
            sub.circuit = sub.subscriptionid = None
        for table in (self._pvs, self._creating, self._requests, self._subscriptions):
            table.clear()
        self.engine.host.close_circuit(self)
        self.engine.circuit_closed(self, was_connected, pvs, requests, reason, now, retry)

    def next_deadline(self) -> float:
        """Return when `on_timer` has something to do."""
        if self.state is CircuitState.CONNECTING:
            return self.connect_deadline
        return self.health.deadline(bool(self._creating))

    def on_timer(self, now: float) -> None:
        """Look after the circuit's health."""
        if self.state is CircuitState.CONNECTING:
            if now >= self.connect_deadline:
                self.close("the server did not accept a TCP connection in time", now)
            return
        verdict = self.health.check(now, bool(self._creating))
        if verdict is Verdict.ECHO:
            self.send(_ECHO if self.version >= 3 else _READ_SYNC)
        elif verdict is Verdict.DEAD:
            silent = now - self.health.last_bytes
            logger.warning(
                "Server %s:%d has been silent for %.1f s and does not answer an echo. Disconnecting its %d PVs and "
                "searching for them again.",
                *self.address,
                silent,
                len(self._pvs),
                extra={"their_address": self.address},
            )
            self.close("the server does not respond", now)

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

    def send(self, data: bytes) -> None:
        """Send now what is alone; join what comes in the same turn with one more system call at its end."""
        # A lone read saves the 1.5 µs of a call_soon, and 100 reads in one turn take one send() instead of 100.
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

    # --- channels ---------------------------------------------------------------------------------------------------

    def attach(self, pv: PVCore) -> None:
        """Make a channel for `pv`."""
        channel = ClientChannel(pv.name, self.protocol)
        cid = channel.cid
        pv.channel, pv.circuit = channel, self
        pv.state = PVState.CONNECTING
        self._pvs[cid] = self._creating[cid] = pv
        if self.state is CircuitState.CONNECTED:
            self.send(self._create_request(pv, cid))
            if len(self._creating) == 1:
                self.engine.wake_for(self.next_deadline())

    def detach(self, pv: PVCore) -> None:
        """Give up the channel of `pv`."""
        channel = pv.channel
        assert channel is not None
        self._pvs.pop(channel.cid, None)
        self._creating.pop(channel.cid, None)
        for subscriptionid, sub in list(self._subscriptions.items()):
            if sub.pv is pv:
                del self._subscriptions[subscriptionid]
                sub.circuit = sub.subscriptionid = None
        if channel.sid is not None and self.connected:
            self.send(bytes(ClearChannelRequest(channel.sid, channel.cid)))
        self.drop_channel(pv)

    def drop_channel(self, pv: PVCore) -> None:
        """Forget the channel of `pv` on this side."""
        channel = pv.channel
        if channel is not None:
            channel.closed()
            self.protocol.channels.pop(channel.cid, None)
        pv.channel = pv.circuit = None

    def _create_request(self, pv: PVCore, cid: int) -> bytes:
        return bytes(CreateChanRequest(pv.name, cid, DEFAULT_PROTOCOL_VERSION))

    # --- requests ---------------------------------------------------------------------------------------------------

    def issue(self, request: Request) -> None:
        """Send a request that waits for a reply."""
        ioid = self._next_ioid
        requests = self._requests
        while ioid in requests:  # only after 2**32 requests on one circuit
            ioid = (ioid + 1) & 0xFFFFFFFF
        self._next_ioid = (ioid + 1) & 0xFFFFFFFF
        request.ioid = ioid
        requests[ioid] = request
        channel = request.pv.channel
        if request.deadline < self.engine.wake:
            self.engine.wake_for(request.deadline)
        self.send(request.encode(channel.sid, ioid))  # type: ignore[union-attr, arg-type]

    def forget(self, request: Request) -> None:
        """Wait no longer for a reply; a late one is dropped."""
        if self._requests.get(request.ioid) is request:
            del self._requests[request.ioid]

    # --- subscriptions ----------------------------------------------------------------------------------------------

    def subscribe(self, sub: SubscriptionCore) -> None:
        """Ask for the updates of `sub`."""
        channel = sub.pv.channel
        if channel is None or channel.sid is None:
            raise LocalProtocolError(f"{sub.pv.name!r} has no channel to subscribe to")
        message = bytes(
            sub.request(channel.sid, subscriptionid := self.protocol.new_subscriptionid())
        )
        self._subscriptions[subscriptionid] = sub
        sub.subscriptionid, sub.circuit = subscriptionid, self
        self.send(message)

    def unsubscribe(self, sub: SubscriptionCore) -> None:
        """Ask for no more updates; those on their way are dropped, as is the confirmation."""
        subscriptionid, channel = sub.subscriptionid, sub.pv.channel
        if subscriptionid is None or self._subscriptions.pop(subscriptionid, None) is None:
            return
        sub.subscriptionid = sub.circuit = None
        if channel is not None and channel.sid is not None and self.connected:
            self.send(bytes(EventCancelRequest(sub.wire_type, channel.sid, subscriptionid)))

    def suspend(self, reason: object) -> None:
        """Suspend all updates of this circuit, for as long as there is a reason."""
        if not self._suspended_by:
            self.send(_EVENTS_OFF)
        self._suspended_by.add(reason)

    def resume(self, reason: object) -> None:
        """Withdraw a reason; with the last one updates resume, the newest value of each PV first."""
        if reason in self._suspended_by:
            self._suspended_by.remove(reason)
            if not self._suspended_by:
                self.send(_EVENTS_ON)

    # --- receiving --------------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> None:
        """Take a chunk from the server; whatever is in it, nothing is raised."""
        health = self.health
        health.last_bytes = health.last_heard = now
        health.trusts_beacons = True
        self._joining = False
        self._unflushed += len(data)
        try:
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
        try:
            if not self.stream.large_received(nbytes):
                return False
        except Exception as error:
            self._refuse(error, now)
        for runner in self.runners:
            runner.flush(self, self._unflushed)
        self._unflushed = 0
        return True

    def _refuse(self, error: Exception, now: float) -> None:
        """Close a circuit whose bytes make no sense; its PVs are searched again."""
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

    def _handlers(self) -> list[Handler]:
        handlers: list[Handler] = [self._on_unexpected] * COMMANDS
        for command, handler in (
            (Command.VERSION, self._on_version),
            (Command.EVENT_ADD, self._on_event_add),
            (Command.READ, self._on_read),
            (Command.READ_NOTIFY, self._on_read_notify),
            (Command.WRITE_NOTIFY, self._on_write_notify),
            (Command.CREATE_CHAN, self._on_create_chan),
            (Command.CREATE_CH_FAIL, self._on_create_ch_fail),
            (Command.SERVER_DISCONN, self._on_server_disconn),
            (Command.ACCESS_RIGHTS, self._on_access_rights),
            (Command.ERROR, self._on_error),
            (Command.ECHO, self._on_echo),
            (Command.READ_SYNC, self._on_echo),
            (Command.CLEAR_CHANNEL, self._on_clear_channel),
        ):
            handlers[command] = handler
        return handlers

    def _on_unexpected(self, head: Head, payload: Buffer) -> None:
        logger.debug("Ignoring command %d from %s:%d", head[0], *self.address)

    def _on_event_add(self, head: Head, payload: Buffer) -> None:
        sub = self._subscriptions.get(head[5])
        if sub is None:  # cancelled: a late update, or the confirmation
            return
        message = wire(EventAddResponse, head, payload)
        sub.most_recent_response = message
        for sink in sub.sinks:
            sink(sub, message)

    def _on_read_notify(self, head: Head, payload: Buffer) -> None:
        request = self._requests.pop(head[5], None)
        if request is not None:
            self._complete(request, wire(ReadNotifyResponse, head, payload), head[4])

    def _on_write_notify(self, head: Head, payload: Buffer) -> None:
        request = self._requests.pop(head[5], None)
        if request is not None:
            self._complete(request, wire(WriteNotifyResponse, head, payload), head[4])

    def _on_read(self, head: Head, payload: Buffer) -> None:
        request = self._requests.pop(head[5], None)
        if request is not None:  # the deprecated read has no status: a failure comes as ERROR
            self._complete(request, wire(ReadResponse, head, payload), 1)

    def _complete(self, request: Request, message: Any, status: int) -> None:
        waiter = request.waiter
        if waiter is not None and not waiter.done():
            if status & 1:
                waiter.set_result(message)
            else:
                waiter.set_exception(failure(request, status_from_code(status), "", message))
        if request.callback is not None:
            self.engine.host.run_callback(request.pv, request.callback, message)
        self.engine.request_done(request.pv)

    def _on_version(self, head: Head, payload: Buffer) -> None:
        self.version = head[3]
        self.protocol.protocol_version = min(head[3], DEFAULT_PROTOCOL_VERSION)

    def _on_echo(self, head: Head, payload: Buffer) -> None:
        self.health.answered(self.health.last_bytes)

    def _on_access_rights(self, head: Head, payload: Buffer) -> None:
        pv = self._pvs.get(head[4])
        if pv is None:
            return
        rights = AccessRights(head[5] & 3)
        assert pv.channel is not None
        pv.channel.access_rights = rights
        if rights != pv.access_rights or pv.state is not PVState.CONNECTED:
            pv.access_rights = rights
            pv.on_access_rights(rights)

    def _on_create_chan(self, head: Head, payload: Buffer) -> None:
        cid, sid = head[4], head[5]
        pv = self._creating.pop(cid, None)
        if pv is None:
            if cid not in self._pvs:  # given up meanwhile: the server need not keep it
                self.send(bytes(ClearChannelRequest(sid, cid)))
            return
        pv.channel.opened(head[2], head[3], sid)  # type: ignore[union-attr]
        self.engine.channel_opened(pv, self)

    def _on_create_ch_fail(self, head: Head, payload: Buffer) -> None:
        pv = self._pvs.get(head[4])
        if pv is not None:
            self._lose(pv, "the server refused to make a channel")

    def _on_server_disconn(self, head: Head, payload: Buffer) -> None:
        pv = self._pvs.get(head[4])
        if pv is not None:
            self._lose(pv, "the server took the channel away")

    def _on_clear_channel(self, head: Head, payload: Buffer) -> None:
        """The confirmation of our own CLEAR_CHANNEL; there is nothing left to do."""

    def _lose(self, pv: PVCore, reason: str) -> None:
        """Go back to searching for one PV whose channel the server does not give."""
        assert pv.channel is not None
        self._pvs.pop(pv.channel.cid, None)
        self._creating.pop(pv.channel.cid, None)
        lost = [request for request in self._requests.values() if request.pv is pv]
        for request in lost:
            del self._requests[request.ioid]
        for sub in pv.subscriptions or ():
            if sub.subscriptionid is not None:
                self._subscriptions.pop(sub.subscriptionid, None)
                sub.subscriptionid = sub.circuit = None
        self.drop_channel(pv)
        self.engine.channel_lost(pv, lost, reason, self.health.last_bytes, penalty=True)

    def _on_error(self, head: Head, payload: Buffer) -> None:
        """A complaint about one request: the header that is sent back tells which."""
        message = wire(ErrorResponse, head, payload)
        original = message.original_head
        command, status = original[0], head[5]
        if command in (Command.READ_NOTIFY, Command.WRITE_NOTIFY, Command.READ):
            request = self._requests.pop(original[5], None)
            if request is not None:
                self._fail_request(request, message)
                return
        subject = self._subject_of_error(original, head)
        code = status_from_code(status)
        channel_logger.warning(
            "Server %s:%d reports %s%s: %s",
            *self.address,
            code.name,
            f" for {subject!r}" if subject else "",
            message.error_message or code.description,
            extra={"pv": subject} if subject else None,
        )
        if command == Command.CREATE_CHAN and original[4] in self._creating:
            self._lose(self._creating[original[4]], "the server refused to make a channel")

    def _fail_request(self, request: Request, message: ErrorResponse) -> None:
        code = message.status
        if code.success:
            code = CAStatus.ECA_INTERNAL.value
        request.fail(failure(request, code, message.error_message, message))
        if request.callback is not None:
            self.engine.host.run_callback(request.pv, request.callback, message)
        self.engine.request_done(request.pv)

    def _subject_of_error(self, original: Head, head: Head) -> str | None:
        """Return the name of the PV that an ERROR is about, if it can be known."""
        if original[0] in (Command.EVENT_ADD, Command.EVENT_CANCEL):
            sub = self._subscriptions.get(original[5])
            return None if sub is None else sub.pv.name
        for cid in (original[5] if original[0] == Command.WRITE else original[4], head[4]):
            pv = self._pvs.get(cid)
            if pv is not None:
                return pv.name
        return None
