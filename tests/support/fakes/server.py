"""A server that does everything right until a test tells it not to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from caproto._constants import DEFAULT_PROTOCOL_VERSION
from caproto._protocol.framing import walk_datagram
from caproto._protocol.messages import (
    Beacon,
    Message,
    SearchRequest,
    SearchResponse,
    VersionRequest,
    VersionResponse,
    message_from_wire,
)
from caproto.client.search import Address

from .behaviour import FakeRecord, update, usual
from .connection import FakeConnection, Reply

if TYPE_CHECKING:
    from .network import Datagrams, FakeNetwork

__all__ = ["FakeServer"]

M = TypeVar("M", bound=Message)
# What Linux charges to a socket's buffer for a datagram of up to 1 KB, and how much it grants by default.
_DATAGRAM_COST = 2304
_BUFFER = 212_992
_ANSWERS_PER_DATAGRAM = 40


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
        self.script: dict[type[Message], Callable[[FakeConnection, Any], Reply]] = {}
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

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.network.servers.get(self.address) is self

    def stop(self) -> None:
        """End, as a process does: the connections are closed."""
        del self.network.servers[self.address]
        for connection in self.connections:
            connection.close("Connection reset by peer")

    def start(self) -> None:
        """Come back."""
        self.network.servers[self.address] = self
        self._beacon_id = 0

    def beacon(self, receiver: Datagrams, beacon_id: int | None = None) -> None:
        """Send a beacon; by default with the next number."""
        if beacon_id is None:
            beacon_id, self._beacon_id = self._beacon_id, self._beacon_id + 1
        data = bytes(Beacon(self.version, self.address[1], beacon_id, "0.0.0.0"))
        self.network.send_datagram(data, receiver, self)

    def new_sid(self) -> int:
        """Return an id for a channel."""
        self._next_sid += 1
        return self._next_sid

    # --- searches -----------------------------------------------------------------------------------------------------

    def receive_datagram(self, data: bytes, sender: Datagrams) -> None:
        """Take a datagram into the receive buffer."""
        if not self.answers_searches or not self.running:
            return
        self.datagrams.append(data)
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
        clock.call_at(self._busy_until, lambda: self._answer_in_turn(data, sender))

    def _answer_in_turn(self, data: bytes, sender: Datagrams) -> None:
        self._waiting -= _DATAGRAM_COST
        self._answer(data, sender)

    def _answer(self, data: bytes, sender: Datagrams) -> None:
        """Answer the searches of a datagram, as rsrv does: VERSION with the client's sequence number first."""
        sequence = 0
        found: list[bytes] = []
        for head, payload in walk_datagram(data):
            message = message_from_wire(head, payload, from_client=True)
            if isinstance(message, VersionRequest):
                sequence = head[4]
            elif isinstance(message, SearchRequest):
                self.searched.append(message.name)
                if message.name in self.records:
                    found.append(self.search_reply(message))
        version = bytes(VersionResponse(self.version, sequence))
        for start in range(0, len(found), _ANSWERS_PER_DATAGRAM):
            reply = version + b"".join(found[start : start + _ANSWERS_PER_DATAGRAM])
            self.network.send_datagram(reply, sender, self)

    def search_reply(self, request: SearchRequest) -> bytes:
        """Return the answer to one search."""
        return bytes(SearchResponse(self.address[1], None, request.cid, self.version))

    # --- connections --------------------------------------------------------------------------------------------------

    def accepted(self, connection: FakeConnection) -> None:
        """Take a new connection."""
        self.connections.append(connection)
        if self.greets:
            connection.send(VersionResponse(self.version))

    def handle(self, connection: FakeConnection, message: Message) -> None:
        """React to a request: as the script says, or as a good server does."""
        react = self.script.get(type(message), usual)
        replies = react(connection, message)
        if replies is None:
            return
        connection.send(*((replies,) if isinstance(replies, Message | bytes) else replies))

    def on(
        self, cls: type[M], reaction: Callable[[FakeConnection, M], Reply] | Message | bytes
    ) -> None:
        """Script the reaction to one kind of request: a function, or always the same reply."""
        if isinstance(reaction, Message | bytes):
            reply = reaction
            self.script[cls] = lambda connection, message: reply
        else:
            self.script[cls] = reaction

    def ignore(self, *classes: type[Message]) -> None:
        """Take requests of these kinds and never answer."""
        for cls in classes:
            self.script[cls] = lambda connection, message: None

    def die_on(self, *classes: type[Message]) -> None:
        """Close the connection as soon as a request of these kinds comes."""
        for cls in classes:
            self.script[cls] = lambda connection, message: connection.close()

    # --- values -------------------------------------------------------------------------------------------------------

    def post(self, name: str, value: Any) -> None:
        """Give a record a new value and tell the subscribers."""
        record = self.records[name]
        record.value = value if isinstance(value, list) else [value]
        for connection in self.connections:
            for request in list(connection.subscriptions.values()):
                if connection.channels.get(request.sid) is record:
                    connection.send_update(request.subscriptionid, update(record, request))
