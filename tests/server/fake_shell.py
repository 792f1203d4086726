"""A circuit without a socket: what it sends is collected, what takes time waits until it is told to go on."""

from __future__ import annotations

import struct
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any, NamedTuple

from caproto.server._engine.circuit import ServerCircuit
from caproto.server._engine.limits import ClientLimits
from caproto.server._engine.names import Names
from caproto.server._engine.search import SearchResponder
from caproto.server.data.modified import modified

HEADER = struct.Struct(">HHHHII")
VERSION_13 = bytes.fromhex("0000 0000 0000 000d 00000000 00000000")
"""What the server says first: VERSION, minor version 13."""


class Sent(NamedTuple):
    """One message, taken apart by code that shares nothing with the library."""

    command: int
    data_type: int
    data_count: int
    p1: int
    p2: int
    payload: bytes


def message(
    command: int,
    data_type: int = 0,
    data_count: int = 0,
    p1: int = 0,
    p2: int = 0,
    payload: bytes = b"",
    *,
    extended: bool = False,
) -> bytes:
    """Build a message; the payload is padded."""
    payload += bytes(-len(payload) % 8)
    if extended:
        head = HEADER.pack(command, 0xFFFF, data_type, 0, p1, p2)
        return head + struct.pack(">II", len(payload), data_count) + payload
    return HEADER.pack(command, len(payload), data_type, data_count, p1, p2) + payload


def split(data: bytes) -> list[Sent]:
    """Take a stream of whole messages apart."""
    found, offset = [], 0
    while offset < len(data):
        command, size, data_type, count, p1, p2 = HEADER.unpack_from(data, offset)
        offset += HEADER.size
        if size == 0xFFFF:
            size, count = struct.unpack_from(">II", data, offset)
            offset += 8
        assert size % 8 == 0
        assert offset + size <= len(data)
        found.append(Sent(command, data_type, count, p1, p2, data[offset : offset + size]))
        offset += size
    return found


class Gate:
    """Something to await in a handler; the test opens it."""

    def __init__(self) -> None:
        self.result: Any = None

    def __await__(self) -> Generator[Gate, None, Any]:
        yield self
        return self.result


class FakeShell:
    """Stands in for the event loop and the socket of one circuit.

    Parameters
    ----------
    eager : bool
        Whether a coroutine makes its first step when it is spawned, as in newer Pythons, or only in `turn`.
    """

    def __init__(self, eager: bool = True) -> None:
        self.eager = eager
        self.writes: list[bytes] = []
        self.wanted: list[ServerCircuit] = []
        self.ready: list[tuple[Coroutine[Any, Any, None], Callable[[], None]]] = []
        self.waiting: dict[Gate, Coroutine[Any, Any, None]] = {}
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))

    def want_flush(self, circuit: ServerCircuit) -> None:
        self.wanted.append(circuit)

    def spawn(self, coroutine: Coroutine[Any, Any, None], stepped: Callable[[], None]) -> None:
        if self.eager:
            self._step(coroutine)
            stepped()
        else:
            self.ready.append((coroutine, stepped))

    def close(self) -> None:
        self.is_closed = True

    def _step(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            gate = coroutine.send(None)
        except StopIteration:
            return
        assert isinstance(gate, Gate)
        self.waiting[gate] = coroutine

    def open(self, gate: Gate, result: Any = None) -> None:
        """Let the coroutine that waits for `gate` go on."""
        gate.result = result
        self._step(self.waiting.pop(gate))
        self.turn()

    def turn(self) -> None:
        """Do what the event loop does in one turn."""
        ready, self.ready = self.ready, []
        for coroutine, stepped in ready:
            self._step(coroutine)
            stepped()
        wanted, self.wanted = self.wanted, []
        for circuit in wanted:
            circuit.flush()


class Client:
    """A client of a server with the given PVs.

    Parameters
    ----------
    pvdb : mapping of str to ChannelData
    eager : bool
        As for `FakeShell`.
    limits : ClientLimits, optional
    greet : bool
        Whether the greetings have been exchanged already.
    rights : callable, optional
        As for `ServerCircuit`.
    """

    def __init__(
        self,
        pvdb: Mapping[str, Any],
        *,
        eager: bool = True,
        limits: ClientLimits | None = None,
        greet: bool = True,
        rights: Any = None,
    ) -> None:
        self.shell = FakeShell(eager)
        self.names = Names(pvdb, modified)
        responder = SearchResponder(self.names.knows, 5064)
        self.circuit = ServerCircuit(
            self.shell, self.names.find, responder.answer_tcp, ("10.0.0.7", 40000), limits, rights
        )
        if greet:
            self.turn()
            assert self.taken() == VERSION_13
            self.tell(message(0, 0, 13), message(20, payload=b"ada\0"))
            self.tell(message(21, payload=b"lovelace\0"))
            assert self.taken() == b""

    def tell(self, *messages: bytes) -> list[Sent]:
        """Send messages in one chunk, and return what came back at once."""
        self.circuit.feed(b"".join(messages))
        return split(self.taken())

    def turn(self) -> list[Sent]:
        """Let the event loop turn, and return what the server sent."""
        self.shell.turn()
        if b"".join(self.shell.writes) == VERSION_13:
            return []
        return split(self.taken())

    def open(self, gate: Gate, result: Any = None) -> list[Sent]:
        """Let a handler go on, and return what the server sent."""
        self.shell.open(gate, result)
        return split(self.taken())

    def taken(self) -> bytes:
        """Return the bytes that the server has sent since the last time."""
        data = b"".join(self.shell.writes)
        self.shell.writes.clear()
        return data

    def create(self, name: str, cid: int = 1, version: int = 13) -> int:
        """Open a channel and return its sid."""
        sent = self.tell(message(18, p1=cid, p2=version, payload=name.encode() + b"\0"))
        assert [each.command for each in sent] == [22, 18], sent
        return sent[1].p2

    def subscribe(
        self, sid: int, id_: int = 0, data_type: int = 6, count: int = 0, mask: int = 5
    ) -> list[Sent]:
        """Subscribe, and return what came back at once."""
        payload = struct.pack(">fffHxx", 0, 0, 0, mask)
        return self.tell(message(1, data_type, count, sid, id_, payload))
