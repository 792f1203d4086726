"""Which PV a captured message is about: the ids that messages carry, and the names that they were seen with."""

from __future__ import annotations

from .._protocol.messages import Message
from .._protocol.messages.channel import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
)
from .._protocol.messages.circuit import ErrorResponse
from .._protocol.messages.datagram import NotFoundResponse, SearchRequest, SearchResponse
from .._protocol.messages.subscription import (
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
)
from .._protocol.messages.values import (
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)

__all__ = ["CircuitNames", "SearchNames"]

_BY_CID = (
    AccessRightsResponse,
    CreateChFailResponse,
    ServerDisconnResponse,
    ClearChannelResponse,
    ErrorResponse,
)
_ASKING = (ReadNotifyRequest, WriteNotifyRequest, ReadRequest, WriteRequest)
_ANSWERING = (ReadNotifyResponse, WriteNotifyResponse, ReadResponse)
_SUBSCRIBED = (EventAddRequest, EventCancelRequest)
_UPDATING = (EventAddResponse, EventCancelResponse)


class CircuitNames:
    """The ids of one circuit."""

    def __init__(self) -> None:
        self._by_cid: dict[int, str] = {}
        self._by_sid: dict[int, str] = {}
        self._by_ioid: dict[int, str] = {}
        self._by_subscriptionid: dict[int, str] = {}

    def name_of(self, message: Message) -> str | None:
        """Learn from `message` and return the PV that it is about, if that can be known."""
        if isinstance(message, CreateChanRequest):
            self._by_cid[message.cid] = message.name
            return message.name
        if isinstance(message, CreateChanResponse):
            return self._learn(self._by_sid, message.sid, self._by_cid.get(message.cid))
        if isinstance(message, _BY_CID):
            return self._by_cid.get(message.cid)
        if isinstance(message, _ASKING):
            return self._learn(self._by_ioid, message.ioid, self._by_sid.get(message.sid))
        if isinstance(message, _ANSWERING):
            return self._by_ioid.get(message.ioid)
        if isinstance(message, _SUBSCRIBED):
            name = self._by_sid.get(message.sid)
            return self._learn(self._by_subscriptionid, message.subscriptionid, name)
        if isinstance(message, _UPDATING):
            return self._by_subscriptionid.get(message.subscriptionid)
        if isinstance(message, ClearChannelRequest):
            return self._by_cid.get(message.cid) or self._by_sid.get(message.sid)
        return None

    @staticmethod
    def _learn(table: dict[int, str], number: int, name: str | None) -> str | None:
        if name is not None:
            table[number] = name
        return name


class SearchNames:
    """The ids of the searches of all clients."""

    def __init__(self) -> None:
        self._by_cid: dict[tuple[object, int], str] = {}

    def name_of(self, message: Message, client: object) -> str | None:
        """Learn from `message`, which `client` sent or got, and return the PV that it is about."""
        if isinstance(message, SearchRequest):
            self._by_cid[client, message.cid] = message.name
            return message.name
        if isinstance(message, SearchResponse | NotFoundResponse):
            return self._by_cid.get((client, message.cid))
        return None
