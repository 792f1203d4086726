"""What a circuit does with each message of its server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .._errors import RemoteProtocolError
from .._protocol.arrays import Buffer
from .._protocol.enums import AccessRights, Command
from .._protocol.framing import COMMANDS, Handler
from .._protocol.header import Head
from .._protocol.messages import (
    ClearChannelRequest,
    ErrorResponse,
    EventAddResponse,
    ReadNotifyResponse,
    ReadResponse,
    WriteNotifyResponse,
    wire,
)
from .._protocol.status import CAStatus
from .requests import Request, failure

if TYPE_CHECKING:
    from .circuit import Circuit
    from .pv import PVCore

__all__ = ["Inbox"]

_new = object.__new__
_RIGHTS = tuple(AccessRights(bits) for bits in range(4))  # making a member takes 0.5 us

logger: logging.Logger = logging.getLogger("caproto.circ")
channel_logger: logging.Logger = logging.getLogger("caproto.ch")

# These complain about one update; any other complaint about an EVENT_ADD is about the subscription.
_SUBSCRIPTION_STANDS = (
    CAStatus.ECA_TOLARGE.value,
    CAStatus.ECA_16KARRAYCLIENT.value,
    CAStatus.ECA_GETFAIL.value,
    CAStatus.ECA_NORDACCESS.value,
)


class Inbox:
    """The handlers of one circuit; it shares the circuit's tables.

    Parameters
    ----------
    circuit : Circuit
    """

    __slots__ = ("_circuit", "_creating", "_engine", "_host", "_pvs", "_requests", "_subscriptions")

    def __init__(self, circuit: Circuit) -> None:
        tables = circuit.tables
        self._circuit = circuit
        self._engine = circuit.engine
        self._host = circuit.engine.host
        self._pvs = tables.pvs
        self._creating = tables.creating
        self._requests = tables.requests
        self._subscriptions = tables.subscriptions

    def handlers(self) -> list[Handler]:
        """Return the handler of each command."""
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
        logger.debug("Ignoring command %d from %s:%d", head[0], *self._circuit.address)

    # --- values -----------------------------------------------------------------------------------------------------

    def _on_event_add(self, head: Head, payload: Buffer) -> None:
        # All that stands between the socket and the callback of an update: 0.4 us (benchmarks/micro).
        sub = self._subscriptions.get(head[5])
        if sub is None:  # cancelled: a late update, or the confirmation
            return
        later = sub.later
        if later is not None:
            if type(payload) is bytes:
                sub.recent_head, sub.recent_payload = head, payload
                later((sub.work, head, payload))
                return
            sub.recent_head = (
                None  # a large array can be turned in place, so there must be one message only
            )
        # As `wire` does, without the call: 0.03 us.
        sub.recent = message = _new(EventAddResponse)
        message._head, message._payload = head, payload
        for sink in sub.sinks:
            sink(sub, message)

    def _on_read_notify(self, head: Head, payload: Buffer) -> None:
        request = self._requests.pop(head[5], None)
        if request is not None:
            request.complete(wire(ReadNotifyResponse, head, payload))

    def _on_write_notify(self, head: Head, payload: Buffer) -> None:
        request = self._requests.pop(head[5], None)
        if request is not None:
            request.complete(wire(WriteNotifyResponse, head, payload))

    def _on_read(self, head: Head, payload: Buffer) -> None:
        request = self._requests.pop(head[5], None)
        if request is not None:  # the deprecated read has no status: a failure comes as ERROR
            request.complete(wire(ReadResponse, head, payload))

    # --- the circuit ------------------------------------------------------------------------------------------------

    def _on_version(self, head: Head, payload: Buffer) -> None:
        self._circuit.told_version(head[3])

    def _on_echo(self, head: Head, payload: Buffer) -> None:
        health = self._circuit.health
        health.answered(health.last_bytes)
        # Patience may be shorter than the time for an answer, at whose end the next look would be.
        self._engine.wake_for(self._circuit.next_deadline())

    # --- channels ---------------------------------------------------------------------------------------------------

    def _on_access_rights(self, head: Head, payload: Buffer) -> None:
        pv = self._pvs.get(head[4])
        if pv is None or pv.channel is None:
            return
        rights = _RIGHTS[head[5] & 3]
        pv.channel.access_rights = rights
        if rights != pv.access_rights:
            pv.access_rights = rights
            pv.on_access_rights(rights)

    def _on_create_chan(self, head: Head, payload: Buffer) -> None:
        cid, sid = head[4], head[5]
        pv = self._creating.pop(cid, None)
        if pv is None:
            if cid not in self._pvs:  # given up meanwhile: the server need not keep it
                self._circuit.send(bytes(ClearChannelRequest(sid, cid)))
            return
        assert pv.channel is not None
        try:
            pv.channel.opened(head[2], head[3], sid)
        except (
            RemoteProtocolError
        ) as error:  # of a type that does not exist: the others need not suffer
            self._circuit.send(bytes(ClearChannelRequest(sid, cid)))
            self._lose(pv, str(error))
        else:
            self._engine.channel_opened(pv, self._circuit)

    def _on_create_ch_fail(self, head: Head, payload: Buffer) -> None:
        self._lose(self._pvs.get(head[4]), "the server refused to make a channel")

    def _on_server_disconn(self, head: Head, payload: Buffer) -> None:
        self._lose(self._pvs.get(head[4]), "the server took the channel away")

    def _on_clear_channel(self, head: Head, payload: Buffer) -> None:
        """The confirmation of our own CLEAR_CHANNEL; there is nothing left to do."""

    def _lose(self, pv: PVCore | None, reason: str) -> None:
        """Go back to searching for one PV whose channel the server does not give."""
        if pv is not None:
            lost = self._circuit.drop(pv)
            now = self._circuit.health.last_bytes
            self._engine.channel_lost(pv, lost, reason, now, penalty=True)

    # --- complaints -------------------------------------------------------------------------------------------------

    def _on_error(self, head: Head, payload: Buffer) -> None:
        """A complaint about one request: the header that is sent back tells which."""
        message = wire(ErrorResponse, head, payload)
        original = message.original_head
        command = original[0]
        if command in (Command.READ_NOTIFY, Command.WRITE_NOTIFY, Command.READ):
            request = self._requests.pop(original[5], None)
            if request is not None:
                self._fail_request(request.single(original[5]), message)
                return
        subject = self._subject_of_error(original, head)
        code = message.status
        channel_logger.warning(
            "Server %s:%d reports %s%s: %s",
            *self._circuit.address,
            code.name,
            f" for {subject!r}" if subject else "",
            message.error_message or code.description,
            extra={"pv": subject} if subject else None,
        )
        if command == Command.CREATE_CHAN:
            self._lose(self._creating.get(original[4]), "the server refused to make a channel")
        elif command == Command.EVENT_ADD and code not in _SUBSCRIPTION_STANDS:
            # It must not be cancelled later: a C server closes the circuit if it does not know the id.
            sub = self._subscriptions.pop(original[5], None)
            if sub is not None:
                sub.circuit = sub.subscriptionid = None

    def _fail_request(self, request: Request, message: ErrorResponse) -> None:
        code = message.status
        if code.success:
            code = CAStatus.ECA_INTERNAL.value
        request.fail(failure(request, code, message.error_message, message))
        if request.callback is not None:
            self._host.run_callback(request.pv, request.callback, message)
        self._engine.request_done(request.pv)

    def _subject_of_error(self, original: Head, head: Head) -> str | None:
        """Return the name of the PV that an ERROR is about, if it can be known."""
        command, p1, p2 = original[0], original[4], original[5]
        if command in (Command.EVENT_ADD, Command.EVENT_CANCEL) and p2 in self._subscriptions:
            return self._subscriptions[p2].pv.name
        cid = head[4]
        if command == Command.CREATE_CHAN:
            cid = p1
        elif command in (Command.WRITE, Command.CLEAR_CHANNEL):
            cid = p2  # libca, and we, put the cid of an unconfirmed write where other requests have their ioid
        pv = self._pvs.get(cid)
        return None if pv is None else pv.name
