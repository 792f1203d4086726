"""Who talks Channel Access to whom in a capture, and what they say."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from .._constants import EPICS_CA1_PORT, EPICS_CA2_PORT
from .._errors import RemoteProtocolError
from .._protocol.arrays import Buffer
from .._protocol.enums import Command
from .._protocol.framing import COMMANDS, MessageStream, walk_datagram
from .._protocol.header import HEADER, Head
from .._protocol.messages import Message
from .._protocol.messages.datagram import Beacon, SearchResponse
from .._protocol.messages.registry import REQUESTS, RESPONSES, message_from_wire
from .flow import Flow
from .names import CircuitNames, SearchNames
from .packets import Endpoint, Packet

__all__ = ["CapturedMessage", "Conversations"]

_SYN, _ACK, _FIN, _RST = 0x02, 0x10, 0x01, 0x04
_SENDER = "255.255.255.255"
_ONLY_CLIENTS = {Command.CLIENT_NAME, Command.HOST_NAME, Command.EVENTS_ON, Command.EVENTS_OFF}
_ONLY_SERVERS = {
    Command.ACCESS_RIGHTS,
    Command.ERROR,
    Command.CREATE_CH_FAIL,
    Command.SERVER_DISCONN,
}


class CapturedMessage(NamedTuple):
    """One message of a capture.

    Parameters
    ----------
    packet : Packet
        That completed it.
    message : Message
    pv_name : str or None
        The PV that it is about, where that can be known.
    from_client : bool
        Whether a client sent it.
    """

    packet: Packet
    message: Message
    pv_name: str | None
    from_client: bool


class Conversations:
    """Finds the messages in packets.

    Parameters
    ----------
    ports : collection of int
        Where servers and repeaters listen, beside 5064 and 5065. Other ports are learned from beacons, from answers to
        searches, and from connections that begin as those of Channel Access do.
    """

    def __init__(self, ports: Collection[int] = ()) -> None:
        self._ports = {EPICS_CA1_PORT, EPICS_CA2_PORT, *ports}
        self._servers: set[Endpoint] = set()
        self._connections: dict[frozenset[Endpoint], _Connection] = {}
        self._searches = SearchNames()

    def feed(self, packet: Packet) -> Iterator[CapturedMessage]:
        """Yield the messages that `packet` completes."""
        return self._segment(packet) if packet.is_tcp else self._datagram(packet)

    # --- UDP --------------------------------------------------------------------------------------------------------

    def _datagram(self, packet: Packet) -> Iterator[CapturedMessage]:
        if not self._is_about_channel_access(packet):
            return
        from_client = _datagram_from_client(packet.payload)
        client = packet.source if from_client else packet.destination
        for head, payload in walk_datagram(packet.payload):
            try:
                message = message_from_wire(
                    head, payload, from_client=from_client, sender=packet.source
                )
            except RemoteProtocolError:
                continue
            self._learn_server(message, packet)
            yield CapturedMessage(
                packet, message, self._searches.name_of(message, client), from_client
            )

    def _is_about_channel_access(self, packet: Packet) -> bool:
        try:
            heads = [head for head, _ in walk_datagram(packet.payload)]
        except RemoteProtocolError:
            return False
        if not heads or not all(head[0] in REQUESTS or head[0] in RESPONSES for head in heads):
            return False
        if {packet.source[1], packet.destination[1]} & self._ports:
            return True
        return len(heads) > 1 and heads[0][0] == Command.VERSION and heads[1][0] == Command.SEARCH

    def _learn_server(self, message: Message, packet: Packet) -> None:
        """Take note of the TCP port that a server tells about."""
        if isinstance(message, SearchResponse):
            address = packet.source[0] if message.ip == _SENDER else message.ip
            self._servers.add((address, message.port))
        elif isinstance(message, Beacon):
            address = message.address if message.address != "0.0.0.0" else packet.source[0]
            self._servers.add((address, message.server_port or EPICS_CA1_PORT))

    # --- TCP --------------------------------------------------------------------------------------------------------

    def _segment(self, packet: Packet) -> Iterator[CapturedMessage]:
        key = frozenset((packet.source, packet.destination))
        flags, sequence = packet.transport.flags, packet.transport.seq
        connection = self._connections.get(key)
        if flags & _SYN:
            if connection is None or not flags & _ACK:
                connection = self._connections[key] = _Connection(known_from_the_start=True)
            connection.client = packet.destination if flags & _ACK else packet.source
            connection.flow(packet.source).start(sequence)
        if connection is None:
            connection = self._connections[key] = _Connection(known_from_the_start=False)
        if connection.client is None:
            connection.client = self._guess_client(packet)
        if connection.client is not None:
            yield from connection.feed(packet, self._searches)
        if flags & (_FIN | _RST):
            connection.end(packet.source)
            if connection.ended:
                del self._connections[key]

    def _guess_client(self, packet: Packet) -> Endpoint | None:
        """Return who the client is in a connection whose beginning was not captured."""
        for end, other in (
            (packet.source, packet.destination),
            (packet.destination, packet.source),
        ):
            if end in self._servers or end[1] in self._ports:
                return other
        if len(packet.payload) < HEADER.size or not _plausible(HEADER.unpack_from(packet.payload)):
            return None
        command, size = HEADER.unpack_from(packet.payload)[:2]
        if command in _ONLY_CLIENTS or (command == Command.CREATE_CHAN and size):
            return packet.source
        return packet.destination if command in _ONLY_SERVERS else None


def _datagram_from_client(payload: bytes) -> bool:
    """Return whether a client sent the datagram: requests for names carry them, answers carry 8 bytes at most."""
    for head, _ in walk_datagram(payload):
        if head[0] == Command.SEARCH:
            # The reply's type is the TCP port, and its count is 0; of a request they are reply flag and version.
            return head[3] != 0
        if head[0] == Command.REPEATER_REGISTER:
            return True
        if head[0] in (Command.RSRV_IS_UP, Command.REPEATER_CONFIRM, Command.NOT_FOUND):
            return False
    return True


def _plausible(head: Head) -> bool:
    """Return whether that can be the header of a message."""
    return head[0] < COMMANDS and (not head[1] & 7 or head[1] == 0xFFFF)


class _Connection:
    """Both directions of a TCP connection."""

    def __init__(self, *, known_from_the_start: bool) -> None:
        self.client: Endpoint | None = None
        self.is_channel_access: bool | None = None if known_from_the_start else True
        self._flows: dict[Endpoint, Flow] = {}
        self._streams: dict[Endpoint, MessageStream | None] = {}
        self._ended: set[Endpoint] = set()
        self._names = CircuitNames()
        self._found: list[tuple[Head, Buffer]] = []

    def flow(self, source: Endpoint) -> Flow:
        """Return the direction that begins at `source`."""
        return self._flows.setdefault(source, Flow())

    def end(self, source: Endpoint) -> None:
        """Take note that `source` sends no more."""
        self._ended.add(source)

    @property
    def ended(self) -> bool:
        """Whether neither side sends any more."""
        return len(self._ended) == 2

    def feed(self, packet: Packet, searches: SearchNames) -> Iterator[CapturedMessage]:
        """Yield the messages that a segment completes."""
        from_client = packet.source == self.client
        for data, gap in self.flow(packet.source).feed(packet.transport.seq, packet.payload):
            if self.is_channel_access is None:
                # Both sides begin with VERSION, which has no payload.
                self.is_channel_access = data[:4] == b"\0\0\0\0"
            if not self.is_channel_access:
                return
            self._cut(packet.source, data, gap)
            for head, payload in self._found:
                try:
                    message = message_from_wire(head, payload, from_client=from_client)
                except RemoteProtocolError:
                    continue
                name = self._names.name_of(message) or searches.name_of(message, self)
                yield CapturedMessage(packet, message, name, from_client)

    def _cut(self, source: Endpoint, data: bytes, gap: bool) -> None:
        """Cut `data` into messages; where the thread was lost it is taken up at a segment that begins with a header."""
        self._found = []
        stream = None if gap else self._streams.get(source)
        if stream is None:
            if len(data) < HEADER.size or not _plausible(HEADER.unpack_from(data)):
                return
            stream = MessageStream([self._keep] * COMMANDS)
        try:
            stream.feed(data)
        except RemoteProtocolError:
            stream = None
        self._streams[source] = stream

    def _keep(self, head: Head, payload: Buffer) -> None:
        self._found.append((head, payload))
