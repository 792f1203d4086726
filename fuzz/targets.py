"""What is fuzzed: functions of bytes that raise if anything goes wrong, whatever the bytes are.

A target feeds the bytes to one end of the protocol. The only error that may come out is the one that the
documentation names, and nobody else may notice anything: a second client, a second server, or the next request.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from caproto import CaprotoError, RemoteProtocolError
from caproto._protocol.filter_chain import parse_filter_chain
from caproto._protocol.filters import (
    FilterValidationError,
    parse_channel_filter,
    parse_record_field,
)
from caproto._protocol.framing import COMMANDS, MessageStream
from caproto._protocol.messages import message_from_wire
from caproto.server import ClientLimits
from caproto.server._engine.circuit import ServerCircuit
from caproto.server._engine.names import Names
from caproto.server._engine.search import SearchResponder
from caproto.server.data import ChannelChar, ChannelDouble, ChannelEnum, ChannelString
from caproto.server.data.modified import modified
from tests.client.test_hostile_streams import stages, talk
from tests.properties.messages import look_at
from tests.support.fakes import FakeClient, FakeNetwork, FakeServer

__all__ = ["SEEDS", "TARGETS"]

_MASK = struct.pack(">fffHxx", 0, 0, 0, 13)
_HIGH_WATER = 1 << 18
_MOST_PAUSES = 20
_LIMITS = ClientLimits(1 << 20, 20, 10, 15, 10, 100_000)


def message(
    command: int, data_type: int = 0, count: int = 0, p1: int = 0, p2: int = 0, payload: bytes = b""
) -> bytes:
    """Build a message, padded."""
    payload += bytes(-len(payload) % 8)
    return struct.pack(">HHHHII", command, len(payload), data_type, count, p1, p2) + payload


class Shell:
    """The other end of a server's circuit: it counts what is sent, and takes it after a while."""

    def __init__(self) -> None:
        self.circuit: ServerCircuit | None = None
        self.data: list[bytes] = []
        self.nbytes = 0
        self.wanted: list[ServerCircuit] = []

    def write(self, data: Any) -> None:
        self.nbytes += len(data)
        self.data.append(bytes(data))
        if self.nbytes > _HIGH_WATER and self.circuit is not None:
            self.circuit.pause()

    def want_flush(self, circuit: ServerCircuit) -> None:
        self.wanted.append(circuit)

    def spawn(self, coroutine: Any, stepped: Callable[[], None]) -> None:
        try:
            coroutine.send(None)
        except StopIteration:
            stepped()
            return
        raise AssertionError("a PV of this server waits for something")

    def close(self) -> None:
        pass

    def turn(self) -> None:
        """Let the event loop turn."""
        wanted, self.wanted = self.wanted, []
        for circuit in wanted:
            circuit.flush()

    def take(self) -> bytes:
        """Return what has been sent since the last time."""
        data = b"".join(self.data)
        self.data.clear()
        self.nbytes = 0
        return data


class Server:
    """A server with a few PVs, one client that behaves, and one that need not."""

    def __init__(self) -> None:
        self.pvs = {
            "x": ChannelDouble(value=[1.5], max_length=1000),
            "n": ChannelDouble(value=0.0, upper_alarm_limit=10.0, lower_alarm_limit=-10.0),
            "s": ChannelString(value="text"),
            "c": ChannelChar(value="characters", max_length=100),
            "e": ChannelEnum(value=0, enum_strings=["a", "b"]),
            "private": ChannelDouble(value=0.0),
        }
        self.names = Names(self.pvs, modified)
        self.responder = SearchResponder(self.names.knows, 5064)
        self.good, self.good_shell = self.connect()
        self.good.feed(
            message(18, p1=1, p2=13, payload=b"private\0") + message(1, 6, 1, 1, 7, _MASK)
        )
        self.good_shell.turn()
        self.good_shell.take()

    def connect(self) -> tuple[ServerCircuit, Shell]:
        """Return a new client."""
        shell = Shell()
        shell.circuit = ServerCircuit(
            shell, self.names.find, self.responder.answer_tcp, ("10.0.0.7", 40000), _LIMITS
        )
        return shell.circuit, shell

    def check(self) -> None:
        """Make sure that the client that behaves still gets its answers, and that nothing is left of others."""
        self.good_shell.take()
        self.pvs["private"].write_now([4.0], self.pvs["private"].data_type, None)
        self.good.feed(message(15, 6, 1, 1, 3))
        self.good_shell.turn()
        expected = message(1, 6, 1, 1, 7, struct.pack(">d", 4.0))
        answer = message(15, 6, 1, 1, 3, struct.pack(">d", 4.0))
        assert sorted([expected, answer]) == sorted(halves(self.good_shell.take()))
        for name, pv in self.pvs.items():
            if name != "private" and pv.source is not None:
                assert not pv.source.subscriptions, f"subscriptions to {name} are left"
                assert not pv.source.views, f"filters of {name} are left"


def halves(data: bytes) -> list[bytes]:
    """Cut two messages of the same length apart."""
    middle = len(data) // 2
    return [data[:middle], data[middle:]]


def check_sent(data: bytes) -> None:
    """Make sure that what a server sent is Channel Access."""

    def look(head: Any, payload: Any) -> None:
        look_at(message_from_wire(head, payload, from_client=False))

    stream = MessageStream([look] * COMMANDS)
    stream.feed(data)
    assert stream.bytes_needed == 16, "a message is incomplete"


def chunks_of(data: bytes) -> list[bytes]:
    """Cut a stream as its first byte says."""
    if not data:
        return []
    size = (data[0] % 64) * 4 + 1 if data[0] >= 64 else len(data)
    return [data[i : i + size] for i in range(1, len(data), size)]


def server_stream(data: bytes) -> None:
    """Feed a stream to a server, as a client with some channels open."""
    server = Server()
    circuit, shell = server.connect()
    circuit.feed(OPENING)
    check_sent(shell.take())
    try:
        for chunk in chunks_of(data):
            circuit.feed(chunk)
            pauses = 0
            while shell.nbytes > _HIGH_WATER and pauses < _MOST_PAUSES:
                check_sent(shell.take())
                circuit.resume()
                pauses += 1
            if pauses == _MOST_PAUSES:
                break  # it reads no more
        for name, value in (("x", [2.0, 3.0]), ("n", [20.0]), ("s", ["new"])):
            server.pvs[name].write_now(value, server.pvs[name].data_type, None)
    except RemoteProtocolError:
        pass
    shell.turn()
    check_sent(shell.take())
    circuit.close()
    assert circuit.subscriptions == 0
    server.check()


def server_datagram(data: bytes) -> None:
    """Feed a datagram to a server."""
    server = Server()
    try:
        replies = server.responder.answer_datagram(data, ("10.0.0.7", 40000))
    except RemoteProtocolError:
        replies = []
    assert sum(map(len, replies)) <= 2 * len(data) + 32, (
        "an answer is much larger than the question"
    )
    for reply in replies:
        assert len(reply) <= 1472
        check_sent(reply)
    server.check()


def client_stream(data: bytes) -> None:
    """Feed a stream to a client, as its server; another server goes on."""
    opening = data[0] % 5 if data else 0
    talk(
        b"".join(stages()[:opening]) + data[1:],
        [None, 1, 7][len(data) % 3] if len(data) < 300 else None,
    )


def client_datagram(data: bytes) -> None:
    """Feed datagrams to a client that searches."""
    network = FakeNetwork()
    client = FakeClient(network)
    pv = client.pv("a")
    server = FakeServer(network, ["a"])
    for datagram in chunks_of(data):
        network.send_datagram(datagram, client, server)
    network.clock.run_until(lambda: pv.connected, 700.0)


def names(data: bytes) -> None:
    """Look for a PV by a name, with whatever stands behind it."""
    text = data.decode("latin-1")
    server = Server()
    for name in (text, "x." + text, "x.{" + text, "s.$" + text, 'n.{"' + text):
        record, field = server.names.parts(name)
        found = server.names.find(name)
        if found is not None:
            assert server.names.knows(name)
            assert record in server.pvs
            assert field == f"{record}.VAL"
            for data_type in (0, 6, 20, 34, 37):
                try:
                    payload, count = found.encode(data_type, 0)
                except CaprotoError:
                    continue
                assert count <= 1000
                assert len(payload) < 100_000
    parse_record_field(text)
    for parse in (parse_channel_filter, parse_filter_chain):
        try:
            parse(text)
        except FilterValidationError:
            pass


OPENING = b"".join(
    (
        message(0, 0, 13),
        message(20, payload=b"ada\0"),
        *(
            message(18, p1=cid, p2=13, payload=name)
            for cid, name in enumerate(
                (b"x\0", b"n\0", b"s\0", b"c\0", b"e\0", b's.$[0:3]{"dec":{"n":2}}\0'), 1
            )
        ),
        message(1, 6, 0, 1, 1, _MASK),
        message(1, 20, 1, 2, 2, _MASK),
    )
)
_REQUESTS = [
    message(15, 6, 0, 1, 1),
    message(15, 34, 1, 2, 1),
    message(3, 0, 1, 3, 1),
    message(19, 6, 2, 1, 2, struct.pack(">2d", 1, 2)),
    message(4, 0, 1, 3, 2, b"new\0"),
    message(4, 4, 8, 6, 2, b"long one"),
    message(1, 13, 0, 2, 5, _MASK),
    message(2, 6, 0, 1, 1),
    message(8),
    message(9),
    message(10),
    message(23, payload=b"ping"),
    message(12, p1=3, p2=3),
    message(6, 10, 13, 4, 4, b"x\0"),
    message(18, p1=9, p2=13, payload=b'n.{"dbnd":{"rel":5}}\0'),
    message(21, payload=b"host\0"),
    message(4, 35, 1, 2, 1, b"\0\1"),
    struct.pack(">HHHHIIII", 19, 0xFFFF, 6, 0, 1, 1, 16, 2) + bytes(16),
    struct.pack(">HHHHIIII", 19, 0xFFFF, 6, 0, 1, 1, 80000, 10000),
]
_NAMES = [
    b'{"dbnd":{"abs":1.5}}',
    b"[1:2:-1]{'arr':{s:1,},/*c*/}",
    b'$[0:3]{"ts":{"num":"ts","epoch":"unix"}}',
    b'{"sync":{"while":"red"},"utag":{"M":0x10,"V":+1}}',
    b"VAL$",
]

TARGETS: dict[str, Callable[[bytes], None]] = {
    "server_stream": server_stream,
    "server_datagram": server_datagram,
    "client_stream": client_stream,
    "client_datagram": client_datagram,
    "names": names,
}
SEEDS: dict[str, list[bytes]] = {
    "server_stream": [
        b"\0" + b"".join(_REQUESTS),
        b"\x41" + b"".join(_REQUESTS),
        *(b"\0" + request for request in _REQUESTS),
    ],
    "server_datagram": [
        message(0, 1, 13, 5) + message(6, 5, 13, 1, 1, b"x\0") + message(6, 5, 13, 2, 2, b"none\0"),
        message(6, 5, 13, 1, 1, b"s.$[1]\0"),
    ],
    "client_stream": [bytes([n]) + b"".join(stages()[n:]) for n in range(5)],
    "client_datagram": [
        b"\0" + message(6, 5064, 0, 0xFFFFFFFF, 0, b"\0\r"),
        b"\0" + message(0, 1, 13, 0) + message(6, 5064, 0, 0x7F000001, 0, b"\0\r"),
        b"\0" + message(13, 13, 5064, 1, 0),
        b"\0" + message(17, p2=0x7F000001) + message(14, 10, 13, 0, 0),
    ],
    "names": _NAMES,
}
"""Where the search for trouble begins."""
