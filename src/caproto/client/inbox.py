"""What a circuit does with each message of its server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .._constants import DEFAULT_PROTOCOL_VERSION
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

logger = logging.getLogger("caproto.circ")
channel_logger = logging.getLogger("caproto.ch")


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
        message = wire(EventAddResponse, head, payload)
        sub.most_recent_response = message
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
        self._circuit.version = head[3]
        self._circuit.protocol.protocol_version = min(head[3], DEFAULT_PROTOCOL_VERSION)

    def _on_echo(self, head: Head, payload: Buffer) -> None:
        health = self._circuit.health
        health.answered(health.last_bytes)

    # --- channels ---------------------------------------------------------------------------------------------------

    def _on_access_rights(self, head: Head, payload: Buffer) -> None:
        pv = self._pvs.get(head[4])
        if pv is None or pv.channel is None:
            return
        rights = AccessRights(head[5] & 3)
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
        pv.channel.opened(head[2], head[3], sid)
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
        if original[0] in (Command.EVENT_ADD, Command.EVENT_CANCEL):
            sub = self._subscriptions.get(original[5])
            return None if sub is None else sub.pv.name
        # Libca, and we, put the cid of an unconfirmed write where other requests have their ioid.
        for cid in (original[5] if original[0] == Command.WRITE else original[4], head[4]):
            pv = self._pvs.get(cid)
            if pv is not None:
                return pv.name
        return None
