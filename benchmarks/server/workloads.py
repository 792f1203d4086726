"""What is done with a server, and for how long it takes."""

from __future__ import annotations

import contextlib
import select
import struct
import time
from collections.abc import Callable, Iterator
from itertools import count

from benchmarks.peers.measurement import Measurement, Stopwatch
from benchmarks.server.iocs import cpu_seconds
from benchmarks.server.pvs import (
    FAN_OUTS,
    FEW,
    input_name,
    output_name,
    target_name,
    trigger_name,
)
from benchmarks.server.raw_client import (
    CREATED_BYTES,
    Message,
    RawCircuit,
    created,
    creation,
    messages,
    pack,
    search_all,
    searches,
)
from tests.support import Ioc

__all__ = ["connect", "fan_out", "read", "subscribed_channels", "write"]

DOUBLE, TIME_DOUBLE = 6, 20
VALUE_BYTES = 16 + 24
"""A message with a time-stamped double."""
CONFIRMATION_BYTES = 16
CHANNELS = 10_000
CREATED_TOGETHER = 1_000
IN_FLIGHT = 2
"""Triggers that may be under way, so that the server need not wait for the client."""
LOSS_TIMEOUT_MS = 2_000
"""Milliseconds after which an update is not coming any more."""
WARM_UP = 5
_fresh = count(1)
"""Values that no output has had."""


def _value(message: Message) -> float:
    """Return the value in a reply or an update of a time-stamped double."""
    return float(struct.unpack_from(">d", message.payload, 16)[0])


def _timed(ioc: Ioc, step: Callable[[], int], seconds: float) -> Measurement:
    """Repeat a step for some time; it returns how many operations it has done."""
    for _ in range(WARM_UP):
        step()
    operations = 0
    cpu = -cpu_seconds(ioc)
    with Stopwatch() as watch:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            operations += step()
    cpu += cpu_seconds(ioc)
    return Measurement([operations / watch.seconds], cpu / operations)


def read(ioc: Ioc, seconds: float, together: int) -> Measurement:
    """Read time-stamped doubles, `together` of them with one send, a PV each."""
    with RawCircuit(ioc.port) as circuit:
        indices = range(FEW - together, FEW)
        sids = circuit.create([input_name(index) for index in indices])
        request = b"".join(
            pack(15, TIME_DOUBLE, 1, sid, ioid) for ioid, sid in enumerate(sids, start=1)
        )
        size = VALUE_BYTES * together
        expected = circuit.exchange(request, size)
        replies = list(messages(expected))
        assert [reply[:5] for reply in replies] == [
            (15, TIME_DOUBLE, 1, 1, ioid) for ioid in range(1, together + 1)
        ]
        assert [_value(reply) for reply in replies] == list(map(float, indices))

        def step() -> int:
            # Nothing changes there, so neither does a byte of the answer.
            assert circuit.exchange(request, size) == expected
            return together

        return _timed(ioc, step, seconds)


def write(ioc: Ioc, seconds: float, together: int) -> Measurement:
    """Write doubles with confirmation, `together` of them with one send, a PV each."""
    with RawCircuit(ioc.port) as circuit:
        sids = circuit.create([output_name(index) for index in range(together)])
        size = CONFIRMATION_BYTES * together
        ioids = set(range(1, together + 1))
        confirmed = b"".join(pack(19, DOUBLE, 1, 1, ioid) for ioid in range(1, together + 1))
        values = (float(next(_fresh)), float(next(_fresh)))
        # Two values by turns, so that each write is a change.
        first, second = (
            b"".join(
                pack(19, DOUBLE, 1, sid, ioid, struct.pack(">d", value))
                for ioid, sid in enumerate(sids, start=1)
            )
            for value in values
        )

        def step() -> int:
            for request in (first, second):
                answer = circuit.exchange(request, size)
                if answer != confirmed:  # channels may overtake each other
                    replies = list(messages(answer))
                    assert {reply.p2 for reply in replies} == ioids
                    assert {reply[:4] for reply in replies} == {(19, DOUBLE, 1, 1)}
            return 2 * together

        measured = _timed(ioc, step, seconds)
        request = b"".join(pack(15, TIME_DOUBLE, 1, sid, 0) for sid in sids)
        for reply in messages(circuit.exchange(request, VALUE_BYTES * together)):
            assert _value(reply) == values[1], reply
        return measured


class _FanOut:
    """Clients that are subscribed to the same PVs, and one that makes the PVs change."""

    def __init__(self, ioc: Ioc, clients: int, stack: contextlib.ExitStack) -> None:
        self.targets = FAN_OUTS[clients]
        self.writer = stack.enter_context(RawCircuit(ioc.port))
        (self.trigger,) = self.writer.create([trigger_name(clients)])
        names = [target_name(clients, index) for index in range(self.targets)]
        self.subscribers = []
        for _ in range(clients):
            circuit = stack.enter_context(RawCircuit(ioc.port))
            self.subscribers.append(circuit)
            circuit.subscribe(circuit.create(names), TIME_DOUBLE, VALUE_BYTES)
        self.poll = stack.enter_context(select.epoll())
        self.receive = {}
        for circuit in self.subscribers:
            self.poll.register(circuit.socket, select.EPOLLIN)
            self.receive[circuit.socket.fileno()] = circuit.socket.recv_into
        self.buffer = bytearray(1 << 18)
        self.round_bytes = clients * self.targets * VALUE_BYTES
        self.waited_for = self.got = self.lost = 0

    def fire(self) -> float:
        """Let all PVs change once, to the value that is returned."""
        value = float(next(_fresh))
        self.writer.socket.send(pack(4, DOUBLE, 1, self.trigger, 0, struct.pack(">d", value)))
        return value

    def take(self) -> None:
        """Take the updates of one trigger."""
        self.waited_for += self.round_bytes
        buffer, receive = self.buffer, self.receive
        while self.got < self.waited_for:
            ready = self.poll.poll(LOSS_TIMEOUT_MS / 1000)
            if not ready:
                self.lost += self.waited_for - self.got
                self.got = self.waited_for
            for descriptor, _ in ready:
                size = receive[descriptor](buffer)
                if not size:
                    raise ConnectionError("the server has closed the connection")
                self.got += size

    def check(self) -> None:
        """Look at every update of one more trigger."""
        value = self.fire()
        for circuit in self.subscribers:
            updates = list(messages(circuit.receive(self.targets * VALUE_BYTES)))
            assert {update.p2 for update in updates} == set(range(self.targets))
            assert {update[:4] for update in updates} == {(1, TIME_DOUBLE, 1, 1)}
            assert {_value(update) for update in updates} == {value}


def fan_out(ioc: Ioc, seconds: float, clients: int) -> Measurement:
    """Count the updates that reach all clients together."""
    with contextlib.ExitStack() as stack:
        fan = _FanOut(ioc, clients, stack)
        fan.check()
        updates = clients * fan.targets
        for _ in range(IN_FLIGHT):
            fan.fire()

        def step() -> int:
            fan.take()
            fan.fire()
            return updates

        measured = _timed(ioc, step, seconds)
        for _ in range(IN_FLIGHT):
            fan.take()
        measured.received = fan.got // VALUE_BYTES
        measured.lost = fan.lost // VALUE_BYTES
        if not fan.lost:
            fan.check()
        return measured


def connect(ioc: Ioc, seconds: float) -> Measurement:
    """Find 10,000 PVs and open a channel to each, once, whatever time it takes."""
    names = [input_name(index) for index in range(CHANNELS)]
    prepared = searches(names)
    size = CREATED_BYTES * CREATED_TOGETHER
    parts = [
        range(start, start + CREATED_TOGETHER) for start in range(0, CHANNELS, CREATED_TOGETHER)
    ]
    requests = [creation(names[part.start : part.stop], part) for part in parts]
    cpu = -cpu_seconds(ioc)
    with contextlib.ExitStack() as stack:
        with Stopwatch() as watch:
            search_all(ioc.port, prepared)
            circuit = stack.enter_context(RawCircuit(ioc.port))
            answers = [circuit.exchange(request, size) for request in requests]
        cpu += cpu_seconds(ioc)
    for part, answer in zip(parts, answers, strict=True):
        assert len(set(created(answer, part))) == CREATED_TOGETHER
    return Measurement([watch.seconds], cpu / CHANNELS)


@contextlib.contextmanager
def subscribed_channels(ioc: Ioc) -> Iterator[None]:
    """Keep 10,000 channels with a subscription each in the block."""
    with RawCircuit(ioc.port) as circuit:
        for start in range(0, CHANNELS, CREATED_TOGETHER):
            names = [input_name(index) for index in range(start, start + CREATED_TOGETHER)]
            circuit.subscribe(circuit.create(names), TIME_DOUBLE, VALUE_BYTES)
        yield
