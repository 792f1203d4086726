"""The rules of a conversation: who may send what, and when. All of them are in the two tables below.

Each role has a table ``{state: {message class: next state}}``. A message that passes, in either direction, moves
both roles; it is allowed only where both tables have it. The hot path does not come here: an engine that knows that a
channel is connected sends reads and takes updates straight away.

Two facts of real servers are built in. A server tells its version unprompted, perhaps before it has seen the
client's, and servers before minor version 4 never do; so no client waits for it (``rsrv/caservertask.c``,
``ca/tcpiiu.cpp`` of EPICS base). And what is on its way when a channel is closed still arrives, and is no error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from .._errors import LocalProtocolError
from .enums import _SimpleReprEnum
from .messages.base import Message
from .messages.channel import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
)
from .messages.circuit import (
    ClientNameRequest,
    EchoRequest,
    EchoResponse,
    ErrorResponse,
    EventsOffRequest,
    EventsOnRequest,
    HostNameRequest,
    ReadSyncRequest,
    VersionRequest,
    VersionResponse,
)
from .messages.datagram import NotFoundResponse, SearchRequest, SearchResponse
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

__all__ = [
    "AWAIT_CREATE_CHAN_RESPONSE",
    "AWAIT_SEARCH_RESPONSE",
    "AWAIT_VERSION_RESPONSE",
    "CHANNEL_RULES",
    "CIRCUIT_RULES",
    "CLIENT",
    "CLOSED",
    "CONNECTED",
    "DISCONNECTED",
    "FAILED",
    "IDLE",
    "MUST_CLOSE",
    "NEED_DATA",
    "REQUEST",
    "RESPONSE",
    "SEND_CREATE_CHAN_REQUEST",
    "SEND_CREATE_CHAN_RESPONSE",
    "SEND_SEARCH_REQUEST",
    "SEND_SEARCH_RESPONSE",
    "SEND_VERSION_REQUEST",
    "SEND_VERSION_RESPONSE",
    "SERVER",
    "Direction",
    "Role",
    "Rules",
    "StatePair",
    "States",
    "advance",
]


class Role(_SimpleReprEnum):
    """Which side of a conversation."""

    CLIENT = "client"
    SERVER = "server"

    __str__ = _SimpleReprEnum.__repr__


class Direction(_SimpleReprEnum):
    """Which way a message goes: requests to the server, responses to the client."""

    REQUEST = "request"
    RESPONSE = "response"

    __str__ = _SimpleReprEnum.__repr__


class States(_SimpleReprEnum):
    """The states of circuits and channels, and two signs that stand where a message would."""

    NEED_DATA = "need data"
    SEND_SEARCH_REQUEST = "send search request"
    AWAIT_SEARCH_RESPONSE = "await search response"
    SEND_SEARCH_RESPONSE = "send search response"
    SEND_VERSION_REQUEST = "send version request"
    AWAIT_VERSION_RESPONSE = "await version response"
    SEND_VERSION_RESPONSE = "send version response"
    SEND_CREATE_CHAN_REQUEST = "send create chan request"
    AWAIT_CREATE_CHAN_RESPONSE = "await create chan response"
    SEND_CREATE_CHAN_RESPONSE = "send create chan response"
    CONNECTED = "connected"
    MUST_CLOSE = "must close"
    CLOSED = "closed"
    IDLE = "idle"
    FAILED = "failed"
    DISCONNECTED = "disconnected"

    __str__ = _SimpleReprEnum.__repr__


CLIENT: Final = Role.CLIENT
SERVER: Final = Role.SERVER
REQUEST: Final = Direction.REQUEST
RESPONSE: Final = Direction.RESPONSE

NEED_DATA: Final = States.NEED_DATA
SEND_SEARCH_REQUEST: Final = States.SEND_SEARCH_REQUEST
AWAIT_SEARCH_RESPONSE: Final = States.AWAIT_SEARCH_RESPONSE
SEND_SEARCH_RESPONSE: Final = States.SEND_SEARCH_RESPONSE
SEND_VERSION_REQUEST: Final = States.SEND_VERSION_REQUEST
AWAIT_VERSION_RESPONSE: Final = States.AWAIT_VERSION_RESPONSE
SEND_VERSION_RESPONSE: Final = States.SEND_VERSION_RESPONSE
SEND_CREATE_CHAN_REQUEST: Final = States.SEND_CREATE_CHAN_REQUEST
AWAIT_CREATE_CHAN_RESPONSE: Final = States.AWAIT_CREATE_CHAN_RESPONSE
SEND_CREATE_CHAN_RESPONSE: Final = States.SEND_CREATE_CHAN_RESPONSE
CONNECTED: Final = States.CONNECTED
MUST_CLOSE: Final = States.MUST_CLOSE
CLOSED: Final = States.CLOSED
IDLE: Final = States.IDLE
FAILED: Final = States.FAILED
DISCONNECTED: Final = States.DISCONNECTED

Rules: TypeAlias = dict[Role, dict[States, dict[type[Message], States]]]


def _to(state: States, *classes: type[Message]) -> dict[type[Message], States]:
    """Write the same next state for many messages."""
    return dict.fromkeys(classes, state)


# --- circuits ---------------------------------------------------------------------------------------

_CHANNEL_REQUESTS = (
    ReadNotifyRequest,
    ReadRequest,
    WriteNotifyRequest,
    WriteRequest,
    EventAddRequest,
    EventCancelRequest,
)
_CHANNEL_RESPONSES = (
    ReadNotifyResponse,
    ReadResponse,
    WriteNotifyResponse,
    EventAddResponse,
    EventCancelResponse,
    AccessRightsResponse,
)
_REQUESTS = (
    VersionRequest,  # once more in front of every search
    ClientNameRequest,
    HostNameRequest,
    CreateChanRequest,
    ClearChannelRequest,
    SearchRequest,
    EchoRequest,
    ReadSyncRequest,
    EventsOffRequest,
    EventsOnRequest,
    *_CHANNEL_REQUESTS,
)
_RESPONSES = (
    VersionResponse,
    CreateChanResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
    ClearChannelResponse,
    SearchResponse,
    NotFoundResponse,
    EchoResponse,
    ErrorResponse,
    *_CHANNEL_RESPONSES,
)

CIRCUIT_RULES: Rules = {
    CLIENT: {
        SEND_VERSION_REQUEST: {
            VersionRequest: AWAIT_VERSION_RESPONSE,
            VersionResponse: SEND_VERSION_REQUEST,
        },
        AWAIT_VERSION_RESPONSE: {
            **_to(AWAIT_VERSION_RESPONSE, *_REQUESTS),
            **_to(CONNECTED, *_RESPONSES),
        },
        CONNECTED: _to(CONNECTED, *_REQUESTS, *_RESPONSES),
        DISCONNECTED: {},
    },
    SERVER: {
        IDLE: {
            VersionRequest: SEND_VERSION_RESPONSE,
            VersionResponse: CONNECTED,
        },
        SEND_VERSION_RESPONSE: {
            **_to(SEND_VERSION_RESPONSE, *_REQUESTS),
            **_to(CONNECTED, *_RESPONSES),
        },
        CONNECTED: _to(CONNECTED, *_REQUESTS, *_RESPONSES),
        DISCONNECTED: {},
    },
}
"""What each message does to the two ends of a circuit."""

# --- channels ---------------------------------------------------------------------------------------

_LATE_RESPONSES = (*_CHANNEL_RESPONSES, ErrorResponse)

_MADE_CHANNEL: dict[States, dict[type[Message], States]] = {
    CONNECTED: {
        **_to(CONNECTED, *_CHANNEL_REQUESTS, *_LATE_RESPONSES),
        CreateChanResponse: CONNECTED,  # said twice
        ClearChannelRequest: MUST_CLOSE,
        ServerDisconnResponse: CLOSED,
    },
    MUST_CLOSE: {
        **_to(MUST_CLOSE, *_LATE_RESPONSES),
        ClearChannelResponse: CLOSED,
        ServerDisconnResponse: CLOSED,
    },
    FAILED: {},
    CLOSED: _to(CLOSED, *_LATE_RESPONSES),
}
"""What is the same at both ends."""

CHANNEL_RULES: Rules = {
    CLIENT: {
        SEND_CREATE_CHAN_REQUEST: {
            CreateChanRequest: AWAIT_CREATE_CHAN_RESPONSE,
        },
        AWAIT_CREATE_CHAN_RESPONSE: {
            AccessRightsResponse: AWAIT_CREATE_CHAN_RESPONSE,
            CreateChanResponse: CONNECTED,
            CreateChFailResponse: FAILED,
            ServerDisconnResponse: CLOSED,
            ErrorResponse: AWAIT_CREATE_CHAN_RESPONSE,
        },
        **_MADE_CHANNEL,
    },
    SERVER: {
        IDLE: {
            CreateChanRequest: SEND_CREATE_CHAN_RESPONSE,
        },
        SEND_CREATE_CHAN_RESPONSE: {
            AccessRightsResponse: SEND_CREATE_CHAN_RESPONSE,
            CreateChanResponse: CONNECTED,
            CreateChFailResponse: FAILED,
            ServerDisconnResponse: CLOSED,
            ErrorResponse: SEND_CREATE_CHAN_RESPONSE,
        },
        **_MADE_CHANNEL,
    },
}
"""What each message does to the two ends of a channel."""


class StatePair(Mapping[Role, States]):
    """The states of the two roles at one moment, by role."""

    __slots__ = ("_client", "_server")

    def __init__(self, client: States, server: States) -> None:
        self._client = client
        self._server = server

    def __getitem__(self, role: Role) -> States:
        if role is CLIENT:
            return self._client
        if role is SERVER:
            return self._server
        raise KeyError(role)

    def __iter__(self) -> Iterator[Role]:
        return iter((CLIENT, SERVER))

    def __len__(self) -> int:
        return 2

    def __repr__(self) -> str:
        return f"{{{CLIENT}: {self._client}, {SERVER}: {self._server}}}"


def advance(rules: Rules, states: Mapping[Role, States], message: type[Message]) -> StatePair:
    """Return the states after a message of that class.

    Raises
    ------
    LocalProtocolError
        If the rules do not allow it now.
    """
    moved = {}
    for role in (CLIENT, SERVER):
        try:
            moved[role] = rules[role][states[role]][message]
        except KeyError:
            raise LocalProtocolError(
                f"{message.__name__} is not allowed while the {role.value} is in {states[role]}"
            ) from None
    # A server that told its version first has nothing more to say about it.
    if moved[CLIENT] is AWAIT_VERSION_RESPONSE and moved[SERVER] is CONNECTED:
        moved[CLIENT] = CONNECTED
    return StatePair(moved[CLIENT], moved[SERVER])
