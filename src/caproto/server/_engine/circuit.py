"""One client: its bytes in, our bytes out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from typing import NoReturn, TypeAlias

from ..._constants import DEFAULT_PROTOCOL_VERSION, MAX_PRIORITY
from ..._errors import RemoteProtocolError
from ..._protocol.arrays import Buffer
from ..._protocol.enums import AccessRights, Command
from ..._protocol.framing import COMMANDS, LARGE, Handler, MessageStream, PayloadTooLarge
from ..._protocol.header import HEADER, Head, pack_head, padded
from ..._protocol.messages import message_from_wire
from ..._protocol.status import CAStatus
from .channel import Channel
from .limits import Backlog, ClientLimits, HeldUpdates
from .monitors import Monitors
from .reads import Reads, current_reply
from .served import CircuitShell, Served
from .source import PENDING_LIMIT, Reply, Subscription
from .writes import Writes

__all__ = ["ServerCircuit"]

logger = logging.getLogger("caproto.circ")

_ERROR_TEXT_LIMIT = 512
_INTERNAL = int(CAStatus.ECA_INTERNAL)
_TOLARGE = int(CAStatus.ECA_TOLARGE)
_TOLERATED = 1 << 24
_LARGEST_ELEMENT = 40
_NAME_LIMIT = 512
_ALLOCMEM = int(CAStatus.ECA_ALLOCMEM)
_OLDEST_VERSION = 4
_CREATE_CHAN = int(Command.CREATE_CHAN)
_SHORT_COUNT_LIMIT = 0xFFFE
_FLOW_CONTROL = (int(Command.EVENTS_OFF), int(Command.EVENTS_ON))

RightsOf: TypeAlias = Callable[[str, str, str, str], AccessRights]


class ServerCircuit:
    """The server's end of one circuit, without the socket.

    Parameters
    ----------
    shell : CircuitShell
        Sends, and runs what takes time.
    find : callable
        ``find(name)`` returns the PV or None.
    search_reply : callable
        ``search_reply(head, payload)`` returns the bytes that answer a search.
    address : (host, port)
        Of the client.
    limits : ClientLimits
    rights : callable, optional
        ``rights(pv_name, user, host_name, address)`` tells what a client may do, beside what the PV itself says.
    """

    def __init__(
        self,
        shell: CircuitShell,
        find: Callable[[str], Served | None],
        search_reply: Callable[[Head, Buffer], bytes],
        address: tuple[str, int],
        limits: ClientLimits | None = None,
        rights: RightsOf | None = None,
    ) -> None:
        self.shell = shell
        self.address = address
        self.limits: ClientLimits = limits or ClientLimits()
        self.rights = rights
        self.backlog: Backlog = Backlog(self.limits)
        self.subscriptions = 0
        """How many there are, of all channels."""
        self.host_name: str = address[0]
        self.client_name: str = ""
        self.version: int = DEFAULT_PROTOCOL_VERSION
        """The client's minor version; taken for the newest until it says another."""
        self.priority: int = 0
        self.channels: dict[int, Channel] = {}
        """By sid."""
        self.out: list[bytes] = []
        """Messages that leave with the next flush."""
        self.flushing: bool = False
        """Whether a flush is on its way already."""
        self.held: HeldUpdates | None = None
        """The newest update of each subscription while none may be sent, as for `send_reply`; None while they may."""
        self.closed: bool = False
        self._find = find
        self._search_reply = search_reply
        self._events_off = False
        self._paused = False
        self._last_sid = 0
        self._deferred: deque[tuple[Head, Buffer]] = deque()
        self._debug = False
        self._handlers: list[Handler] = [self._on_unexpected] * COMMANDS
        self._reads = Reads(self)
        self._monitors = Monitors(self)
        self._plain_handlers = self._all_handlers()
        self._handlers[:] = self._plain_handlers
        self._stream = MessageStream(
            self._handlers,
            self.limits.max_payload,
            self._largest_payload,
            self._reads.answer_leading,
        )
        self.send(HEADER.pack(Command.VERSION, 0, 0, DEFAULT_PROTOCOL_VERSION, 0, 0))

    def _all_handlers(self) -> list[Handler]:
        """Return what is called for each command."""
        reads, writes, monitors = self._reads, Writes(self), self._monitors
        handlers = list(self._handlers)
        for command, handler in (
            (Command.VERSION, self._on_version),
            (Command.EVENT_ADD, monitors.on_event_add),
            (Command.EVENT_CANCEL, monitors.on_event_cancel),
            (Command.READ, reads.on_read),
            (Command.WRITE, writes.on_write),
            (Command.SEARCH, self._on_search),
            (Command.EVENTS_OFF, self._on_events_off),
            (Command.EVENTS_ON, self._on_events_on),
            (Command.READ_SYNC, self._on_echo),
            (Command.CLEAR_CHANNEL, self._on_clear_channel),
            (Command.READ_NOTIFY, reads.on_read_notify),
            (Command.CREATE_CHAN, self._on_create_chan),
            (Command.WRITE_NOTIFY, writes.on_write_notify),
            (Command.CLIENT_NAME, self._on_client_name),
            (Command.HOST_NAME, self._on_host_name),
            (Command.ECHO, self._on_echo),
        ):
            handlers[command] = handler
        if self.limits.max_payload < LARGE:
            handlers = [self._limited(handler) for handler in handlers]
        return handlers

    def _limited(self, handler: Handler) -> Handler:
        """Return a handler that takes no payload beyond a limit so low that the stream does not look at it."""

        def check_and_handle(head: Head, payload: Buffer) -> None:
            if len(payload) > self.limits.max_payload:
                raise PayloadTooLarge(head, self.limits.max_payload)
            handler(head, payload)

        return check_and_handle

    # --- bytes in and out ---

    def feed(self, data: bytes) -> None:
        """Take received bytes, and answer all that can be answered at once in one send.

        Raises
        ------
        RemoteProtocolError
            If the client broke the protocol; the shell then closes the connection.
        """
        debug = logger.isEnabledFor(logging.DEBUG)
        if debug != self._debug:
            self._debug = debug
            if not self._paused:
                self._restore_handlers()
        self.flushing = True
        try:
            self._stream.feed(data)
        except PayloadTooLarge as error:
            self.send_error(error.head, 0xFFFFFFFF, _TOLARGE, str(error))
            raise
        finally:
            self.flush()

    def _largest_payload(self, head: Head) -> int:
        """Return how large a payload is worth receiving: a PV can do with no more than it can hold.

        What is longer is cut, as the C IOC does, but not at any price.
        """
        if head[0] not in (Command.WRITE, Command.WRITE_NOTIFY):
            return LARGE - 1
        channel = self.channels.get(head[4])
        if channel is None:
            return LARGE - 1
        return max(_TOLERATED, 2 * _LARGEST_ELEMENT * channel.served.max_length)

    def send(self, message: bytes) -> None:
        """Send a message with the others of this turn."""
        if self.closed:
            return
        self.out.append(message)
        if not self.flushing:
            self.flushing = True
            self.shell.want_flush(self)
        elif len(self.out) > PENDING_LIMIT:
            self.flush_some()

    def send_large(self, head: bytes, body: Buffer) -> None:
        """Send a header and a large payload, without copying the payload."""
        if self.closed:
            return
        self.out.append(head)
        self.flush_some()
        self.shell.write(body)
        if self._debug:
            logger.debug("%d bytes of payload", len(body), extra=self._log_extra("--->>>"))

    def send_reply(self, id_: bytes, head: bytes, tail: bytes, body: Buffer) -> None:
        """Send one of the two messages that a `Reply` can become."""
        if body:
            self.send_large(head + id_ + tail, body)
        else:
            self.send(head + id_ + tail)

    def send_update(self, subscription: Subscription, reply: Reply) -> None:
        """Send an update to a subscription, or hold it."""
        if self.held is not None:
            self.held[subscription] = reply[1:]
        else:
            self.send_reply(subscription.id_bytes, *reply[1:])

    def send_error(self, head: Head, cid: int, status: int, text: str) -> None:
        """Complain about a request."""
        original = packed(head)
        payload = original + text.encode("utf-8", "replace")[: _ERROR_TEXT_LIMIT - 1] + b"\0"
        size = padded(len(payload))
        self.send(HEADER.pack(Command.ERROR, size, 0, 0, cid, status) + payload.ljust(size, b"\0"))

    def flush(self) -> None:
        """Send what has gathered."""
        self.flushing = False
        out = self.out
        if not out:
            return
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        if self._debug:
            self._log_sent(data)
        self.shell.write(data)

    def flush_some(self) -> None:
        """Send what has gathered, because it is much; the flush that is on its way stays so."""
        flushing = self.flushing
        self.flush()
        self.flushing = flushing

    def pause(self) -> None:
        """Hold updates and answers back: the client does not take what has been sent already."""
        if self.closed:
            return
        self._paused = True
        if self.held is None:
            self.held = HeldUpdates(self.limits.max_queued_bytes)
        # Also the rest of the chunk that is being walked: it may ask for gigabytes.
        self._handlers[:] = [self._defer] * COMMANDS

    def resume(self) -> None:
        """Go on: the requests that wait, then the newest update of each subscription that had any.

        The other way round, a client whose large updates never end would never get an answer.

        Raises
        ------
        RemoteProtocolError
            As `feed` does.
        """
        if self.closed:
            return
        self._paused = False
        self._restore_handlers()
        while self._deferred and not self._paused:
            head, payload = self._deferred.popleft()
            self._handlers[head[0]](head, payload)
        if self.out and not self.flushing:  # reads leave this to those who feed a chunk
            self.flushing = True
            self.shell.want_flush(self)
        self._release()

    def is_plain(self, command: int) -> bool:
        """Tell whether requests of a kind may be answered as they come: not logged, not deferred, not ignored."""
        return self._handlers[command] is self._plain_handlers[command]

    def _restore_handlers(self) -> None:
        self._handlers[:] = (
            map(self._logging, self._plain_handlers) if self._debug else self._plain_handlers
        )

    def _defer(self, head: Head, payload: Buffer) -> None:
        """Keep a request until the client has caught up; what says that it cannot is heard at once."""
        if head[0] in _FLOW_CONTROL:
            self._plain_handlers[head[0]](head, payload)
            return
        self._deferred.append((head, payload))

    def _release(self) -> None:
        """Send what is held, unless something still holds it."""
        if self._paused or self._events_off or self.held is None:
            return
        held, self.held = self.held, None
        while held and self.held is None:  # which sending may change, by a pause
            subscription = next(iter(held))
            update = held.take(subscription) or self._current_update(subscription)
            self.send_reply(subscription.id_bytes, *update)
        if held:
            self.held = held

    def _current_update(self, subscription: Subscription) -> tuple[bytes, bytes, Buffer]:
        """Return an update with the current value, in place of one that was not kept."""
        channel = self.channels[subscription.head[4]]
        return current_reply(channel, subscription.head)[0][1:]

    def refresh_rights(self) -> None:
        """Ask for the rights to all channels again, and tell the client what has changed."""
        for channel in list(self.channels.values()):
            channel.refresh_rights()

    def renew_subscriptions(self, channel: Channel) -> None:
        """Send each subscription what there is to read now: the value, or that it may not be read any more."""
        self._monitors.renew(channel)

    def close(self, *, lost: bool = False) -> None:
        """Send what has gathered, unless the connection is lost already, and forget everything."""
        if self.closed:
            return
        if lost:
            self.out.clear()
        self.flush()
        self.closed = True
        self._stream.close()
        self._deferred.clear()
        for channel in self.channels.values():
            channel.close()
        self.channels.clear()

    # --- the circuit's own commands ---

    def _on_unexpected(self, head: Head, payload: Buffer) -> None:
        raise RemoteProtocolError(
            f"the client sent command {head[0]}, which clients do not send", address=self.address
        )

    def _on_version(self, head: Head, payload: Buffer) -> None:
        if head[2] > MAX_PRIORITY:
            raise RemoteProtocolError(
                f"the client asks for priority {head[2]}; the highest is {MAX_PRIORITY}",
                address=self.address,
            )
        self.priority = head[2]
        self._take_version(head[3])

    def _take_version(self, version: int) -> None:
        if version < _OLDEST_VERSION:
            raise RemoteProtocolError(
                f"the client speaks version 4.{version}; 4.{_OLDEST_VERSION} is the oldest served",
                address=self.address,
            )
        self.version = min(version, DEFAULT_PROTOCOL_VERSION)

    def _on_client_name(self, head: Head, payload: Buffer) -> None:
        if self._before_channels(head):
            self.client_name = text_of(payload)[:_NAME_LIMIT]

    def _on_host_name(self, head: Head, payload: Buffer) -> None:
        if self._before_channels(head):
            self.host_name = text_of(payload)[:_NAME_LIMIT]

    def _before_channels(self, head: Head) -> bool:
        """Tell whether the client may still say who it is: rights have not been given out."""
        if self.channels:
            self.send_error(head, 0xFFFFFFFF, _INTERNAL, "names must come before channels")
        return not self.channels

    def _on_echo(self, head: Head, payload: Buffer) -> None:
        self.send(packed(head) + payload)

    def _on_events_off(self, head: Head, payload: Buffer) -> None:
        self._events_off = True
        if self.held is None:
            self.held = HeldUpdates(self.limits.max_queued_bytes)

    def _on_events_on(self, head: Head, payload: Buffer) -> None:
        self._events_off = False
        self._release()

    def _on_search(self, head: Head, payload: Buffer) -> None:
        reply = self._search_reply(head, payload)
        if reply:
            self.send(reply)

    # --- channels ---

    def _on_create_chan(self, head: Head, payload: Buffer) -> None:
        cid = head[4]
        self._take_version(head[5])
        name = text_of(payload)
        if self.limits.max_channels is not None and len(self.channels) >= self.limits.max_channels:
            self.send_error(
                head, cid, _ALLOCMEM, f"a client may have {len(self.channels)} channels, no more"
            )
            self.send(HEADER.pack(Command.CREATE_CH_FAIL, 0, 0, 0, cid, 0))
            return
        served = self._find(name)
        if served is None:
            self.send(HEADER.pack(Command.CREATE_CH_FAIL, 0, 0, 0, cid, 0))
            return
        sid = self._new_sid()
        channel = self.channels[sid] = Channel(self, served, name, cid, sid)
        count = served.max_length
        if self.version < 9:  # no extended headers
            count = min(count, _SHORT_COUNT_LIMIT)
        self.send(
            channel.rights_message() + pack_head(_CREATE_CHAN, 0, served.data_type, count, cid, sid)
        )

    def _new_sid(self) -> int:
        """Return an id that no channel of this circuit has."""
        sid = self._last_sid
        while True:
            sid = sid % 0xFFFFFFFF + 1
            if sid not in self.channels:
                self._last_sid = sid
                return sid

    def _on_clear_channel(self, head: Head, payload: Buffer) -> None:
        sid, cid = head[4:6]
        channel = self.channels.pop(sid, None)
        if channel is None:
            self.unknown_sid(head)
        channel.close()
        self.send(HEADER.pack(Command.CLEAR_CHANNEL, 0, 0, 0, sid, cid))

    def unknown_sid(self, head: Head) -> NoReturn:
        """Give up on a client that means a channel which it does not have, as rsrv does."""
        text = f"there is no channel with sid {head[4]}"
        self.send_error(head, 0xFFFFFFFF, _INTERNAL, text)
        raise RemoteProtocolError(f"command {head[0]}: {text}", address=self.address)

    # --- logging, off as a rule ---

    def _log_extra(self, direction: str) -> dict[str, object]:
        return {"direction": direction, "their_address": self.address, "role": "SERVER"}

    def _logging(self, handler: Handler) -> Handler:
        """Return a handler that first logs the message."""

        def log_and_handle(head: Head, payload: Buffer) -> None:
            try:
                shown: object = message_from_wire(head, payload, from_client=True)
            except RemoteProtocolError as error:
                shown = error
            logger.debug("%r", shown, extra=self._log_extra("<<<---"))
            handler(head, payload)

        return log_and_handle

    def _log_sent(self, data: bytes) -> None:
        """Log the messages in `data`."""

        def log(head: Head, payload: Buffer) -> None:
            message = message_from_wire(head, payload, from_client=False)
            logger.debug("%r", message, extra=self._log_extra("--->>>"))

        MessageStream([log] * COMMANDS).feed(data)


def packed(head: Head) -> bytes:
    """Return a received header as it came."""
    command, size, data_type, data_count, p1, p2 = head[:6]
    return pack_head(command, size, data_type, data_count, p1, p2, long=len(head) > 6)


def text_of(payload: Buffer) -> str:
    """Return the text of a payload, up to its NUL."""
    return bytes(payload).partition(b"\0")[0].decode("latin-1")
