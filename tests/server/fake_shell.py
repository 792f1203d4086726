"""A circuit without a socket: what it sends is collected, what takes time waits until it is told to go on."""

from __future__ import annotations

import struct
from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import Any

from caproto.server._engine.circuit import ServerCircuit
from caproto.server._engine.limits import ClientLimits
from caproto.server._engine.names import Names
from caproto.server._engine.search import SearchResponder
from caproto.server.data.modified import modified
from tests.support.raw_messages import RawMessage, raw_message, split_messages

VERSION_13 = bytes.fromhex("0000 0000 0000 000d 00000000 00000000")
"""What the server says first: VERSION, minor version 13."""


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
            self.tell(raw_message(0, 0, 13), raw_message(20, payload=b"ada\0"))
            self.tell(raw_message(21, payload=b"lovelace\0"))
            assert self.taken() == b""

    def tell(self, *messages: bytes) -> list[RawMessage]:
        """Send messages in one chunk, and return what came back at once."""
        self.circuit.feed(b"".join(messages))
        return split_messages(self.taken())

    def turn(self) -> list[RawMessage]:
        """Let the event loop turn, and return what the server sent."""
        self.shell.turn()
        if b"".join(self.shell.writes) == VERSION_13:
            return []
        return split_messages(self.taken())

    def open(self, gate: Gate, result: Any = None) -> list[RawMessage]:
        """Let a handler go on, and return what the server sent."""
        self.shell.open(gate, result)
        return split_messages(self.taken())

    def taken(self) -> bytes:
        """Return the bytes that the server has sent since the last time."""
        data = b"".join(self.shell.writes)
        self.shell.writes.clear()
        return data

    def create(self, name: str, cid: int = 1, version: int = 13) -> int:
        """Open a channel and return its sid."""
        sent = self.tell(raw_message(18, p1=cid, p2=version, payload=name.encode() + b"\0"))
        assert [each.command for each in sent] == [22, 18], sent
        return sent[1].p2

    def subscribe(
        self, sid: int, id_: int = 0, data_type: int = 6, count: int = 0, mask: int = 5
    ) -> list[RawMessage]:
        """Subscribe, and return what came back at once."""
        payload = struct.pack(">fffHxx", 0, 0, 0, mask)
        return self.tell(raw_message(1, data_type, count, sid, id_, payload))
