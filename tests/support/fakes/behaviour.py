"""What a good server answers to each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caproto._protocol.dbr import NATIVE_TYPES
from caproto._protocol.enums import ChannelType
from caproto._protocol.messages import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EchoRequest,
    EchoResponse,
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
    EventsOffRequest,
    EventsOnRequest,
    Message,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    ReadSyncRequest,
    ReadSyncResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)

if TYPE_CHECKING:
    from .connection import FakeConnection, Reply

__all__ = ["FakeRecord", "update", "usual"]

_OK = 1  # ECA_NORMAL


@dataclass(eq=False)
class FakeRecord:
    """What is served under one name."""

    data_type: int = ChannelType.DOUBLE
    count: int = 1
    value: Any = field(default_factory=lambda: [0.0])
    rights: int = 3

    def values(self, data_type: int) -> Any:
        """Return the values as `data_type` has them."""
        text = NATIVE_TYPES[data_type] == ChannelType.STRING
        return [str(item) for item in self.value] if text else self.value


def update(record: FakeRecord, request: EventAddRequest) -> EventAddResponse:
    """Make the update that a subscription gets."""
    return EventAddResponse(
        record.values(request.data_type),
        request.data_type,
        request.data_count or len(record.value),
        _OK,
        request.subscriptionid,
    )


def _create(connection: FakeConnection, request: CreateChanRequest) -> Reply:
    record = connection.server.records.get(request.name)
    if record is None:
        return CreateChFailResponse(request.cid)
    sid = connection.server.new_sid()
    connection.channels[sid] = record
    return (
        AccessRightsResponse(request.cid, record.rights),
        CreateChanResponse(record.data_type, record.count, request.cid, sid),
    )


def _clear(connection: FakeConnection, request: ClearChannelRequest) -> Reply:
    connection.channels.pop(request.sid, None)
    for number, subscription in list(connection.subscriptions.items()):
        if subscription.sid == request.sid:
            del connection.subscriptions[number]
    return ClearChannelResponse(request.sid, request.cid)


def _read(connection: FakeConnection, request: ReadNotifyRequest | ReadRequest) -> Reply:
    record: FakeRecord = connection.channels[request.sid]
    kind = request.data_type
    data, count = record.values(kind), request.data_count or len(record.value)
    if isinstance(request, ReadNotifyRequest):
        return ReadNotifyResponse(data, kind, count, _OK, request.ioid)
    return ReadResponse(data, kind, count, request.sid, request.ioid)


def _write(connection: FakeConnection, request: WriteNotifyRequest | WriteRequest) -> Reply:
    record: FakeRecord = connection.channels[request.sid]
    record.value = list(request.data)
    if isinstance(request, WriteNotifyRequest):
        return WriteNotifyResponse(request.data_type, request.data_count, _OK, request.ioid)
    return None


def _subscribe(connection: FakeConnection, request: EventAddRequest) -> Reply:
    connection.subscriptions[request.subscriptionid] = request
    return update(connection.channels[request.sid], request)


def _unsubscribe(connection: FakeConnection, request: EventCancelRequest) -> Reply:
    subscription = connection.subscriptions.pop(request.subscriptionid)
    return EventCancelResponse(
        request.data_type, request.sid, request.subscriptionid, subscription.data_count
    )


def _events_off(connection: FakeConnection, request: EventsOffRequest) -> Reply:
    connection.events_off = True
    return None


def _events_on(connection: FakeConnection, request: EventsOnRequest) -> Reply:
    """Send the newest value of each subscription that has a new one."""
    connection.events_off = False
    held, connection.held = connection.held, {}
    return list(held.values())


_REACTIONS: dict[type[Message], Callable[[FakeConnection, Any], Reply]] = {
    CreateChanRequest: _create,
    ClearChannelRequest: _clear,
    ReadNotifyRequest: _read,
    ReadRequest: _read,
    WriteNotifyRequest: _write,
    WriteRequest: _write,
    EventAddRequest: _subscribe,
    EventCancelRequest: _unsubscribe,
    EventsOffRequest: _events_off,
    EventsOnRequest: _events_on,
    EchoRequest: lambda connection, request: EchoResponse(),
    ReadSyncRequest: lambda connection, request: ReadSyncResponse(),
}


def usual(connection: FakeConnection, request: Message) -> Reply:
    """Return what a good server answers; nothing to VERSION and the names of user and host."""
    reaction = _REACTIONS.get(type(request))
    return None if reaction is None else reaction(connection, request)
