"""A virtual circuit: all that goes over one TCP connection, as either end sees it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import Any, TypeVar, cast

from .._constants import DEFAULT_PROTOCOL_VERSION, MAX_PRIORITY
from .._errors import (
    CaprotoRuntimeError,
    CaprotoTypeError,
    CaprotoValueError,
    LocalProtocolError,
    RemoteProtocolError,
)
from .arrays import Buffer
from .channel import ClientChannel
from .enums import Command
from .framing import COMMANDS, MessageStream
from .header import Head
from .ids import ThreadsafeCounter
from .messages.base import Message, wire
from .messages.channel import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
)
from .messages.circuit import VersionRequest, VersionResponse
from .messages.registry import request_class, response_class
from .messages.subscription import (
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
)
from .messages.values import (
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)
from .server_channel import ServerChannel
from .states import (
    CIRCUIT_RULES,
    CLIENT,
    CONNECTED,
    DISCONNECTED,
    IDLE,
    SEND_VERSION_REQUEST,
    SERVER,
    Role,
    StatePair,
    States,
    advance,
)

__all__ = ["VirtualCircuit"]

_logger = logging.getLogger("caproto.circ")
T = TypeVar("T")

_BY_CID = (
    AccessRightsResponse,
    CreateChanResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
)
_BY_SID = (
    ReadNotifyRequest,
    ReadRequest,
    WriteNotifyRequest,
    WriteRequest,
    EventAddRequest,
    EventCancelRequest,
    ClearChannelRequest,
)
_WITH_IOID = (ReadNotifyRequest, ReadRequest, WriteNotifyRequest)
_ANSWERS = (ReadNotifyResponse, ReadResponse, WriteNotifyResponse)


class VirtualCircuit:
    """One TCP connection without its socket.

    Bytes of messages to be sent come out of `send`; received bytes go into `recv`, and each message that comes out of
    it goes into `process_command`. The three keep the states of the circuit and its channels.

    Parameters
    ----------
    our_role : CLIENT or SERVER
    address : (str, int)
        Host and port of the other end.
    priority : int or None
        0 to 99; None for a server that has not been told yet.
    protocol_version : int
        Our minor version of the protocol.

    Attributes
    ----------
    address : (str, int)
        Host and port of the other end.
    our_address : (str, int) or None
        Our own end, for the log.
    their_role : SERVER or CLIENT
    protocol_version : int
        What both ends know: ours, or the other end's if that is older.
    channels : dict of int to channel
        By cid.
    channels_sid : dict of int to channel
        By sid.
    event_add_commands : dict of int to EventAddRequest
        What is subscribed, by subscriptionid.
    event_cancel_commands : dict of int to EventAddRequest
        Which of them were cancelled and are not confirmed, by subscriptionid.
    ioids : dict of int
        Requests that wait for an answer, by ioid.
    log : logging.Logger

    Notes
    -----
    New ids skip the keys of `channels`, `event_add_commands` and `ioids`. An engine that does not use `send` and
    `process_command` can keep its own records there.
    """

    def __init__(
        self,
        our_role: Role,
        address: tuple[str, int],
        priority: int | None,
        protocol_version: int = DEFAULT_PROTOCOL_VERSION,
    ) -> None:
        if our_role not in (CLIENT, SERVER):
            raise CaprotoTypeError(f"our_role must be CLIENT or SERVER, not {our_role!r}")
        self.our_role = our_role
        self.their_role = SERVER if our_role is CLIENT else CLIENT
        self.address = address
        self.our_address: tuple[str, int] | None = None
        self._priority: int | None = None
        if priority is not None:
            self.priority = priority
        elif our_role is CLIENT:
            raise CaprotoTypeError("a client must give its circuit a priority, 0 to 99")
        self._our_version = protocol_version
        self.protocol_version: int = protocol_version
        self.log: logging.Logger = _logger
        self.channels: dict[int, ClientChannel | ServerChannel] = {}
        self.channels_sid: dict[int, ClientChannel | ServerChannel] = {}
        self.event_add_commands: dict[int, EventAddRequest] = {}
        self.event_cancel_commands: dict[int, EventAddRequest] = {}
        self.ioids: dict[int, Any] = {}
        self._states = StatePair(SEND_VERSION_REQUEST, IDLE)
        self._received: list[Message] = []
        self._stream = MessageStream([self._take] * COMMANDS)
        self.new_channel_id: ThreadsafeCounter = ThreadsafeCounter(dont_clash_with=self.channels)
        """Return a cid, or a sid, that is not in use."""
        self.new_subscriptionid: ThreadsafeCounter = ThreadsafeCounter(
            dont_clash_with=self.event_add_commands
        )
        """Return a subscriptionid that is not in use."""
        self.new_ioid: ThreadsafeCounter = ThreadsafeCounter(dont_clash_with=self.ioids)
        """Return an ioid that is not in use."""

    # --- what it is -----------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """Host of the other end."""
        return self.address[0]

    @property
    def port(self) -> int:
        """Port of the other end."""
        return self.address[1]

    @property
    def priority(self) -> int | None:
        """0 to 99; None before a server has been told."""
        return self._priority

    @priority.setter
    def priority(self, priority: int) -> None:
        if not 0 <= priority <= MAX_PRIORITY:
            raise CaprotoValueError(f"priority={priority!r}, but it goes from 0 to {MAX_PRIORITY}")
        if self._priority not in (None, priority):
            raise CaprotoRuntimeError(
                f"the priority of a circuit cannot be changed (from {self._priority} to {priority})"
            )
        self._priority = priority

    @property
    def key(self) -> tuple[tuple[str, int], int]:
        """Address and priority: what makes it another circuit.

        Raises
        ------
        CaprotoRuntimeError
            If a server has not been told the priority yet.
        """
        if self._priority is None:
            raise CaprotoRuntimeError("no VersionRequest has come, so the priority is not known")
        return (self.address, self._priority)

    @property
    def states(self) -> StatePair:
        """The states of both roles, as they are now: ``{CLIENT: ..., SERVER: ...}``."""
        return self._states

    @property
    def log_tags(self) -> dict[str, Any]:
        """What log records about this circuit carry."""
        tags: dict[str, Any] = {"their_address": self.address, "role": self.our_role}
        if self.our_address is not None:
            tags["our_address"] = self.our_address
        return tags

    def __repr__(self) -> str:
        return (
            f"<VirtualCircuit host={self.host!r} port={self.port} our_role={self.our_role} "
            f"state={self._states[self.our_role]}>"
        )

    # --- bytes ----------------------------------------------------------------------------------

    def send(self, *commands: Message, extra: dict[str, Any] | None = None) -> list[bytes]:
        """Take messages of ours into account, and return their bytes.

        Parameters
        ----------
        *commands : Message
        extra : dict, optional
            More for the log.

        Returns
        -------
        list of bytes
            One buffer for each message; to be sent in this order.

        Raises
        ------
        LocalProtocolError
            If one of them is not allowed now. Those before it have been taken into account.
        """
        buffers = []
        for command in commands:
            self._process_command(self.our_role, command)
            buffers.append(bytes(command))
        if self.log.isEnabledFor(logging.DEBUG):
            tags = {**self.log_tags, "direction": "--->>>", **(extra or {})}
            for command, buffer in zip(commands, buffers, strict=True):
                self.log.debug("%r", command, extra={**tags, "bytesize": len(buffer)})
        return buffers

    def recv(self, *buffers: Buffer) -> tuple[deque[Message | States], int]:
        """Cut received bytes into messages; what is left waits for the next call.

        Parameters
        ----------
        *buffers : bytes-like
            Nothing, or nothing but empty ones, tells that the connection is closed.

        Returns
        -------
        commands : deque of Message
            For `process_command`. ``DISCONNECTED`` if the connection is closed.
        num_bytes_needed : int
            How many bytes are missing until the next message.

        Raises
        ------
        RemoteProtocolError
            If that cannot be Channel Access.
        """
        if not any(len(buffer) for buffer in buffers):
            return deque([DISCONNECTED]), 0
        received = self._received
        received.clear()
        for buffer in buffers:
            self._stream.feed(buffer if isinstance(buffer, bytes) else bytes(buffer))
        commands: deque[Message | States] = deque(received)
        received.clear()
        if self.log.isEnabledFor(logging.DEBUG):
            tags = {**self.log_tags, "direction": "<<<---"}
            for index, command in enumerate(commands, 1):
                tags["counter"] = (index, len(commands))
                self.log.debug("%r", command, extra=tags)
        return commands, self._stream.bytes_needed

    def _take(self, head: Head, payload: Buffer) -> None:
        """Make a message of what the stream hands over."""
        cls: type[Message]
        if self.our_role is SERVER:
            cls = request_class(head)
        else:
            cls = response_class(head)
            # An empty update of a plain type and the confirmation of a cancel are the same bytes. Which it is depends
            # on whether we have sent an EVENT_CANCEL.
            empty = head[0] == Command.EVENT_ADD and head[1] == 0
            if empty and head[5] not in self.event_cancel_commands:
                cls = EventAddResponse
        self._received.append(wire(cls, head, payload))

    # --- states ---------------------------------------------------------------------------------

    def connected(self) -> None:
        """Note that both ends have told their versions."""
        self._states = StatePair(CONNECTED, CONNECTED)

    def closed(self) -> None:
        """Note that the connection is gone, and with it all channels."""
        self._states = StatePair(DISCONNECTED, DISCONNECTED)
        for channel in self.channels.values():
            channel.closed()

    def disconnect(self) -> States:
        """Return ``DISCONNECTED``, for `process_command` to be told that the connection is closed."""
        return DISCONNECTED

    def process_command(self, command: Message | States) -> States | None:
        """Take a received message into account.

        Parameters
        ----------
        command : Message or DISCONNECTED

        Returns
        -------
        DISCONNECTED or None
            The former if that was told.

        Raises
        ------
        RemoteProtocolError
            If the other end must not send that now.

        Notes
        -----
        Late messages, about channels and requests that are no more, are no error and change nothing.
        """
        if command is DISCONNECTED:
            self.closed()
            return DISCONNECTED
        try:
            self._process_command(self.their_role, cast("Message", command))
        except LocalProtocolError as error:
            raise RemoteProtocolError(
                str(error), address=self.address, pv_name=error.pv_name
            ) from error
        return None

    def _process_command(self, role: Role, command: Message) -> None:
        """Apply the rules to a message that `role` sends.

        Raises
        ------
        LocalProtocolError
            If it is not allowed now.
        """
        states = advance(CIRCUIT_RULES, self._states, type(command))
        channel = self._channel_of(role, command)
        if channel is not None:
            channel.process_command(command)
        if isinstance(command, VersionRequest | VersionResponse):
            self._note_version(role, command)
        elif isinstance(command, _WITH_IOID):
            self.ioids[command.ioid] = command
        elif isinstance(command, _ANSWERS):
            self.ioids.pop(command.ioid, None)
        elif isinstance(command, EventAddRequest):
            self.event_add_commands[command.subscriptionid] = command
        elif isinstance(command, EventCancelRequest):
            self._cancel(command)
        elif isinstance(command, EventCancelResponse):
            self.event_cancel_commands.pop(command.subscriptionid, None)
            self.event_add_commands.pop(command.subscriptionid, None)
        elif isinstance(command, CreateChanResponse) and channel is not None:
            self.channels_sid[command.sid] = channel
        elif isinstance(command, AccessRightsResponse) and channel is not None:
            channel.access_rights = command.access_rights
        elif channel is not None and isinstance(
            command, ClearChannelResponse | ServerDisconnResponse | CreateChFailResponse
        ):
            self._forget(channel)
        self._states = states

    def _note_version(self, role: Role, command: VersionRequest | VersionResponse) -> None:
        """Take the version of the other end, and on the server's side the priority."""
        if role is self.our_role:
            return
        self.protocol_version = min(self._our_version, command.version)
        if isinstance(command, VersionRequest):
            if command.priority > MAX_PRIORITY:
                raise LocalProtocolError(f"priority {command.priority} is above {MAX_PRIORITY}")
            if self._priority is None:
                self.priority = command.priority

    def _channel_of(self, role: Role, command: Message) -> ClientChannel | ServerChannel | None:
        """Return the channel that a message is about; None if it is about none, or about one that is gone.

        Raises
        ------
        LocalProtocolError
            If there must be one, and is none.
        """
        if isinstance(command, CreateChanRequest):
            channel = self.channels.get(command.cid)
            if channel is None:
                kind = ClientChannel if self.our_role is CLIENT else ServerChannel
                try:
                    channel = kind(command.name, self, command.cid)
                except CaprotoValueError as error:
                    raise LocalProtocolError(str(error)) from error
            return channel
        if isinstance(command, _BY_SID):
            channel = self.channels_sid.get(command.sid)
            if channel is None:
                raise LocalProtocolError(
                    f"{type(command).__name__}: there is no channel with sid {command.sid}"
                )
            return channel
        if isinstance(command, _BY_CID):
            return self._known(role, command.cid, self.channels, "cid")
        if isinstance(command, ClearChannelResponse):
            return self._known(role, command.sid, self.channels_sid, "sid")
        return self._channel_of_answer(role, command)

    def _channel_of_answer(
        self, role: Role, command: Message
    ) -> ClientChannel | ServerChannel | None:
        """The same for messages that name their request, not the channel."""
        request: Any
        if isinstance(command, _ANSWERS):
            request = self._known(role, command.ioid, self.ioids, "ioid")
        elif isinstance(command, EventAddResponse | EventCancelResponse):
            request = self._known(
                role, command.subscriptionid, self.event_add_commands, "subscriptionid"
            )
        else:
            return None
        return None if request is None else self.channels_sid.get(request.sid)

    def _known(self, role: Role, number: int, known: dict[int, T], kind: str) -> T | None:
        """Look an id up. That servers are late is no error; that we make one up is."""
        found = known.get(number)
        if found is None and role is self.our_role:
            raise LocalProtocolError(f"there is no {kind} {number}")
        return found

    def _cancel(self, command: EventCancelRequest) -> None:
        """Remember that a subscription is cancelled, until that is confirmed.

        Raises
        ------
        LocalProtocolError
            If there is no such subscription.
        """
        try:
            request = self.event_add_commands[command.subscriptionid]
        except KeyError:
            raise LocalProtocolError(
                f"there is no subscriptionid {command.subscriptionid}"
            ) from None
        self.event_cancel_commands[command.subscriptionid] = request

    def _forget(self, channel: ClientChannel | ServerChannel) -> None:
        """Drop a channel, and its subscriptions, which end with it."""
        self.channels.pop(channel.cid, None)
        if channel.sid is None:
            return
        self.channels_sid.pop(channel.sid, None)
        for commands in (self.event_add_commands, self.event_cancel_commands):
            for number in _of_sid(commands, channel.sid):
                del commands[number]


def _of_sid(commands: dict[int, EventAddRequest], sid: int) -> Iterable[int]:
    """Return the subscriptionids that belong to a channel."""
    return [number for number, request in commands.items() if request.sid == sid]
