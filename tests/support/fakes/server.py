"""A server made of the server's message classes, which does everything right until a test tells it not to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from caproto._constants import DEFAULT_PROTOCOL_VERSION
from caproto._protocol.dbr import NATIVE_TYPES
from caproto._protocol.enums import ChannelType
from caproto._protocol.framing import walk_datagram
from caproto._protocol.messages import (
    AccessRightsResponse,
    Beacon,
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
    SearchRequest,
    SearchResponse,
    VersionRequest,
    VersionResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
    message_from_wire,
)
from caproto.client.search import Address

from .connection import FakeConnection, Reply

if TYPE_CHECKING:
    from .network import FakeNetwork

__all__ = ["FakeRecord", "FakeServer"]

M = TypeVar("M", bound=Message)
Handler = Callable[[FakeConnection, M], Reply]
_OK = 1  # ECA_NORMAL
# What Linux charges to a socket's buffer for a datagram of up to 1 KB, and how much it grants by default.
_DATAGRAM_COST = 2304
_BUFFER = 212_992
_ANSWERS_PER_DATAGRAM = 40


@dataclass
class FakeRecord:
    """What is served under one name."""

    data_type: int = ChannelType.DOUBLE
    count: int = 1
    value: Any = field(default_factory=lambda: [0.0])
    rights: int = 3


class FakeServer:
    """
    A server.

    Parameters
    ----------
    network
    names
        What it serves: scalar doubles. `records` may be changed at any time.
    address
    version
        Minor protocol version.

    Attributes
    ----------
    script : dict of message class to function
        ``f(connection, message) -> replies`` instead of the usual reaction.
    tcp : {'accept', 'refuse', 'ignore'}
        What becomes of attempts to connect.
    greets : bool
        Whether it sends VERSION when a connection is made.
    seconds_per_name : float
        How long it takes to look a name up. Datagrams wait in a buffer of `buffer` bytes meanwhile, or are lost.
    """

    def __init__(
        self,
        network: FakeNetwork,
        names: Iterable[str] = (),
        address: Address = ("10.0.0.1", 5064),
        version: int = DEFAULT_PROTOCOL_VERSION,
    ) -> None:
        self.network = network
        self.address = address
        self.version = version
        self.records = {name: FakeRecord() for name in names}
        self.script: dict[type[Message], Handler[Any]] = {}
        self.tcp: Literal["accept", "refuse", "ignore"] = "accept"
        self.greets = True
        self.answers_searches = True
        self.seconds_per_name = 0.0
        self.buffer = _BUFFER
        self.connections: list[FakeConnection] = []
        self.datagrams: list[bytes] = []
        self.searched: list[str] = []
        self.overflows = 0
        self._waiting = 0
        self._busy_until = 0.0
        self._next_sid = 100
        self._beacon_id = 0
        network.servers[address] = self

    @property
    def connection(self) -> FakeConnection:
        """The newest connection."""
        return self.connections[-1]

    # --- life ---------------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Go away, as a process that ends: the connections are closed."""
        self.network.servers.pop(self.address, None)
        for connection in self.connections:
            connection.close("Connection reset by peer")

    def start(self) -> None:
        """Come back."""
        self.network.servers[self.address] = self
        self._beacon_id = 0

    def beacon(self, receiver: Any, beacon_id: int | None = None) -> None:
        """Send a beacon; by default with the next number."""
        if beacon_id is None:
            beacon_id, self._beacon_id = self._beacon_id, self._beacon_id + 1
        data = bytes(Beacon(self.version, self.address[1], beacon_id, "0.0.0.0"))
        self.network.send_datagram(data, receiver, self.address)

    # --- searches -----------------------------------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, sender: Address) -> None:
        """Take a datagram into the receive buffer."""
        self.datagrams.append(data)
        if not self.answers_searches or self.network.servers.get(self.address) is not self:
            return
        if self.seconds_per_name == 0.0:
            self._answer(data, sender)
            return
        if self._waiting + _DATAGRAM_COST > self.buffer:
            self.overflows += 1
            return
        self._waiting += _DATAGRAM_COST
        names = sum(1 for _ in walk_datagram(data)) - 1
        clock = self.network.clock
        self._busy_until = max(clock.now, self._busy_until) + names * self.seconds_per_name
        clock.call_at(self._busy_until, lambda: self._answer_later(data, sender))

    def _answer_later(self, data: bytes, sender: Address) -> None:
        self._waiting -= _DATAGRAM_COST
        self._answer(data, sender)

    def _answer(self, data: bytes, sender: Address) -> None:
        """Answer the searches of a datagram, as rsrv does: VERSION with the client's sequence number first."""
        sequence = 0
        found: list[bytes] = []
        for head, payload in walk_datagram(data):
            message = message_from_wire(head, payload, from_client=True)
            if isinstance(message, VersionRequest):
                sequence = message.header.parameter1
            elif isinstance(message, SearchRequest):
                self.searched.append(message.name)
                if message.name in self.records:
                    found.append(self.search_reply(message))
        version = bytes(VersionResponse(self.version, sequence))
        client = self.network_client(sender)
        for start in range(0, len(found), _ANSWERS_PER_DATAGRAM):
            reply = version + b"".join(found[start : start + _ANSWERS_PER_DATAGRAM])
            self.network.send_datagram(reply, client, self.address)

    def search_reply(self, request: SearchRequest) -> bytes:
        """Return the answer to one search."""
        return bytes(SearchResponse(self.address[1], None, request.cid, self.version))

    def network_client(self, address: Address) -> Any:
        """Return who sent a datagram."""
        return self.network.clients[address]

    # --- connections --------------------------------------------------------------------------------------------------

    def accepted(self, connection: FakeConnection) -> None:
        """Take a new connection."""
        self.connections.append(connection)
        if self.greets:
            connection.send(VersionResponse(self.version))

    def handle(self, connection: FakeConnection, message: Message) -> None:
        """React to a request: as the script says, or as a good server does."""
        cls = type(message)
        handler = self.script.get(cls) or _HANDLERS.get(cls)
        replies = None if handler is None else handler(self, connection, message) if (
            cls not in self.script
        ) else handler(connection, message)
        if replies is None:
            return
        if isinstance(replies, Message | bytes):
            replies = (replies,)
        connection.send(*replies)
