"""The floor: an asyncio protocol that exchanges the same bytes and does not look at them.

No client in Python on the stock event loop can be faster.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from functools import partial
from struct import Struct
from typing import Any

from benchmarks.peers.records import ARRAYS
from caproto._constants import EPICS2UNIX_EPOCH
from caproto._protocol.arrays import Buffer
from caproto._protocol.dbr import METADATA_SIZES
from caproto._protocol.enums import ChannelType, Command
from caproto._protocol.framing import COMMANDS, Handler, MessageStream
from caproto._protocol.header import EXTENDED, HEADER, SHORT_LIMIT, Head
from caproto._protocol.messages import (
    ClientNameRequest,
    CreateChanRequest,
    EventAddRequest,
    HostNameRequest,
    Message,
    ReadNotifyRequest,
    SearchRequest,
    VersionRequest,
    WriteNotifyRequest,
    WriteRequest,
)

from .base import Call, Driver, NotSupported, Sink

__all__ = ["FloorDriver"]

HOST = "127.0.0.1"
VERSION = 13
DATAGRAM = 1024
CHUNK = 256 * 1024
WINDOW = 32  # datagrams under way; more overrun the socket of the server
SEARCH_REPLY = 24
CHANNEL_REPLY = 32  # access rights and the channel itself
LONG_ARRAY = ARRAYS[1_000_000]
"""Its length needs the extended header."""
PLAIN, TIME = ChannelType.DOUBLE, ChannelType.TIME_DOUBLE
DOUBLE = Struct(">d")
UPDATE = Struct(">12xI4xII4xd")
"""An update of one TIME_DOUBLE: subscriptionid, seconds, nanoseconds, value."""


class Channels(Sequence["Channel"]):
    """The channels in what a server has answered; they are looked for when the first is asked for."""

    def __init__(self, circuit: Circuit, answer: bytes, names: Sequence[str]) -> None:
        self._circuit = circuit
        self._answer = answer
        self._names = names
        self._channels: list[Channel] = []

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: Any) -> Any:
        if not self._channels:
            handlers: list[Handler] = [lambda head, payload: None] * COMMANDS
            handlers[Command.CREATE_CHAN] = self._found
            MessageStream(handlers).feed(self._answer)
        return self._channels[index]

    def _found(self, head: Head, payload: Buffer) -> None:
        name = self._names[len(self._channels)]
        self._channels.append(Channel(self._circuit, head[5], head[3], name))


class Channel:
    """What stands for a PV."""

    def __init__(self, circuit: Circuit, sid: int, count: int, name: str) -> None:
        self.circuit, self.sid, self.count, self.name = circuit, sid, count, name

    def request(self, data_type: ChannelType) -> bytes:
        """Return the bytes of a request to read."""
        return bytes(ReadNotifyRequest(data_type, 0, self.sid, 0))

    def reply_size(self, data_type: ChannelType) -> int:
        """Return the size of the reply to that."""
        payload = METADATA_SIZES[data_type] + 8 * self.count
        return payload + (EXTENDED.size if payload >= SHORT_LIMIT else HEADER.size)


class Receiver(asyncio.BufferedProtocol):
    """Receives into one buffer again and again: an ``asyncio.Protocol`` has a new one of 256 KiB for each chunk."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(CHUNK))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer


class Circuit(Receiver):
    """Counts the bytes that come in."""

    def __init__(self) -> None:
        super().__init__()
        self.transport: asyncio.Transport
        self.missing = 0
        self.kept: list[bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._complete: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def exchange(self, request: bytes, expected: int) -> asyncio.Future[None]:
        """Send, and return what is done when so many bytes have come."""
        self.missing += expected
        self._complete = self._loop.create_future()
        self.transport.write(request)
        return self._complete

    def buffer_updated(self, nbytes: int) -> None:
        if self.kept is not None:
            self.kept.append(bytes(self._buffer[:nbytes]))
        self.missing -= nbytes
        if self.missing <= 0 and self._complete is not None:
            complete, self._complete = self._complete, None
            complete.set_result(None)


class Searcher(asyncio.DatagramProtocol):
    """Sends prepared datagrams, and counts the answers by their bytes."""

    def __init__(self, datagrams: list[bytes], names: int) -> None:
        self._datagrams = datagrams[::-1]
        self._missing = names * SEARCH_REPLY
        self._transport: asyncio.DatagramTransport
        self.found = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        for _ in range(WINDOW):
            self._send()

    def _send(self) -> None:
        if self._datagrams:
            self._transport.sendto(self._datagrams.pop())

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._missing -= len(data) - HEADER.size
        self._send()
        if self._missing <= 0 and not self.found.done():
            self.found.set_result(None)


class FloorDriver(Driver):
    """Raw bytes."""

    name = "floor"
    distribution = "caproto"

    def __init__(self) -> None:
        super().__init__()
        self._circuits: dict[int, Circuit] = {}
        self._cid = 0
        self._prepared: dict[str, tuple[list[bytes], bytes]] = {}

    async def close(self) -> None:
        for circuit in self._circuits.values():
            circuit.transport.close()

    # --- connecting -------------------------------------------------------------------------------------------------

    def prepare(self, names: Sequence[str]) -> None:
        """Encode what `connect` sends."""
        cids = range(self._cid, self._cid + len(names))
        self._cid += len(names)
        version = bytes(VersionRequest(0, VERSION))
        datagrams, datagram = [], version
        for name, cid in zip(names, cids, strict=True):
            search = bytes(SearchRequest(name, cid, VERSION))
            if len(datagram) + len(search) > DATAGRAM:
                datagrams.append(datagram)
                datagram = version
            datagram += search
        datagrams.append(datagram)
        creates = [
            CreateChanRequest(name, cid, VERSION) for name, cid in zip(names, cids, strict=True)
        ]
        self._prepared[names[0]] = datagrams, _join(*creates)

    async def connect(self, names: Sequence[str]) -> list[Any]:
        if names[0] not in self._prepared:
            self.prepare(names)
        datagrams, request = self._prepared[names[0]]
        loop = asyncio.get_running_loop()
        address = (HOST, _port(names[0]))
        transport, searcher = await loop.create_datagram_endpoint(
            partial(Searcher, datagrams, len(names)), remote_addr=address
        )
        await searcher.found
        transport.close()
        long = sum(name == LONG_ARRAY for name in names)
        expected = CHANNEL_REPLY * len(names) + (EXTENDED.size - HEADER.size) * long
        if address[1] not in self._circuits:
            _, circuit = await loop.create_connection(Circuit, *address)
            self._circuits[address[1]] = circuit
            greeting = VersionRequest(0, VERSION), HostNameRequest("h"), ClientNameRequest("c")
            request = _join(*greeting) + request
            expected += HEADER.size
        circuit = self._circuits[address[1]]
        kept: list[bytes] = []
        circuit.kept = kept
        await circuit.exchange(request, expected)
        circuit.kept = None
        return Channels(circuit, b"".join(kept), names)  # type: ignore[return-value]

    # --- reading and writing ----------------------------------------------------------------------------------------

    def read(self, pv: Any, form: str = "plain") -> Call:
        data_type = TIME if form == "time" else PLAIN
        return partial(pv.circuit.exchange, pv.request(data_type), pv.reply_size(data_type))

    def scalar(self, result: Any) -> Any:
        return None

    def stamped(self, result: Any) -> tuple[Any, float]:
        return None, 0.0

    def scalars(self, result: Any) -> list[Any]:
        return []

    def gather(self, pvs: Sequence[Any]) -> Call:
        return self.read_many(pvs)

    def read_many(self, pvs: Sequence[Any]) -> Call:
        request = b"".join(pv.request(PLAIN) for pv in pvs)
        return partial(pvs[0].circuit.exchange, request, sum(pv.reply_size(PLAIN) for pv in pvs))

    def write(self, pv: Any) -> Call:
        head = bytes(WriteNotifyRequest([0.0], PLAIN, 1, pv.sid, 0))[: HEADER.size]
        exchange, pack = pv.circuit.exchange, DOUBLE.pack
        return lambda value: exchange(head + pack(value), HEADER.size)

    def send(self, pv: Any) -> Call:
        raise NotSupported

    async def send_all(self, pv: Any, values: Sequence[float]) -> None:
        head = bytes(WriteRequest([0.0], PLAIN, 1, pv.sid, 0))[: HEADER.size]
        pv.circuit.transport.write(b"".join([head + DOUBLE.pack(value) for value in values]))

    # --- monitoring -------------------------------------------------------------------------------------------------

    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        """Subscribe on circuits whose scalars are looked at in the least Python that gives value and time."""
        if mode not in ("plain", "array"):
            raise NotSupported
        transport: asyncio.Transport = pvs[0].circuit.transport
        transport.set_protocol(
            UnreadMonitor(sinks[0], pvs[0].reply_size(TIME))
            if mode == "array"
            else MinimalMonitor(sinks)
        )
        requests = [
            EventAddRequest(TIME, 0, pv.sid, index, 0.0, 0.0, 0.0, 1)
            for index, pv in enumerate(pvs)
        ]
        transport.write(_join(*requests))


class MinimalMonitor(Receiver):
    """Walks over updates that are all alike, and calls a function for each."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        super().__init__()
        self._callbacks = [self._callback(sink) for sink in sinks]
        self._tail = b""

    @staticmethod
    def _callback(sink: Sink) -> Call:
        add_value, add_stamp = sink.add_value, sink.add_stamp

        def callback(value: float, stamp: float) -> None:
            add_value(value)
            add_stamp(stamp)

        return callback

    def buffer_updated(self, nbytes: int) -> None:
        data = self._tail + self._buffer[:nbytes]
        end = len(data) - len(data) % UPDATE.size
        self._tail = data[end:]
        callbacks = self._callbacks
        for subscriptionid, seconds, nanoseconds, value in UPDATE.iter_unpack(data[:end]):
            callbacks[subscriptionid](value, seconds + EPICS2UNIX_EPOCH + 1e-9 * nanoseconds)


class UnreadMonitor(Receiver):
    """Counts arrays by their bytes."""

    def __init__(self, sink: Sink, size: int) -> None:
        super().__init__()
        self._sink, self._size = sink, size
        self._received = 0

    def buffer_updated(self, nbytes: int) -> None:
        self._received += nbytes
        number = len(self._sink.values)
        while self._received >= (number + 1) * self._size:
            self._sink.add_value(number)
            self._sink.add_stamp(number)
            number += 1


def _join(*messages: Message) -> bytes:
    return b"".join([bytes(message) for message in messages])


def _port(name: str) -> int:
    """Return the port of the server that has the PV: the IOC is the first in the list."""
    ioc, firehose = os.environ["EPICS_CA_ADDR_LIST"].split()
    return int((firehose if name.startswith("hose:") else ioc).rpartition(":")[2])
