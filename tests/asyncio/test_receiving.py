"""How much is received at once, and updates that a worker thread makes of what was received."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.micro.loopback import connected_circuit
from caproto._protocol.messages import EventAddResponse
from caproto.asyncio._circuit import _CHUNK, _SLICE, _SMALL_CHUNK, _Receiver
from caproto.client.circuit import Circuit
from tests.asyncio.waiting import until

DOUBLE = 6


def update(subscriptionid: int | None, *values: float) -> bytes:
    """Return the bytes of an update of doubles."""
    return bytes(EventAddResponse(list(values), DOUBLE, len(values), 1, subscriptionid or 0))


class SlowCallback:
    """A plain callback that goes on when it is told to."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.responses: list[Any] = []

    def __call__(self, sub: Any, response: Any) -> None:
        self.responses.append(response)
        self.started.set()
        assert self.go_on.wait(10)


async def finished(callback: SlowCallback, count: int) -> None:
    """Let the callback go on until it has had so many updates."""
    callback.go_on.set()
    await until(lambda: len(callback.responses) == count)


async def test_the_most_recent_response_is_the_newest_while_a_thread_is_at_an_older_one() -> None:
    async with connected_circuit(max_workers=1) as (pv, circuit):
        sub, slow = pv.subscribe(), SlowCallback()
        sub.add_callback(slow)
        circuit.feed(update(sub.subscriptionid, 1.0), 0.0)
        await asyncio.to_thread(slow.started.wait, 10)
        circuit.feed(update(sub.subscriptionid, 2.0) + update(sub.subscriptionid, 3.0), 0.0)
        assert sub.most_recent_response is not None
        assert sub.most_recent_response.value == 3.0
        assert [response.value for response in slow.responses] == [1.0]
        await finished(slow, 3)
        assert [response.value for response in slow.responses] == [1.0, 2.0, 3.0]
        assert sub.most_recent_response.value == 3.0


async def test_a_coroutine_callback_that_comes_later_begins_with_the_newest_update() -> None:
    async with connected_circuit(max_workers=1) as (pv, circuit):
        sub, slow = pv.subscribe(), SlowCallback()
        sub.add_callback(slow)
        circuit.feed(update(sub.subscriptionid, 1.0), 0.0)
        await asyncio.to_thread(slow.started.wait, 10)
        circuit.feed(update(sub.subscriptionid, 2.0), 0.0)
        seen: asyncio.Queue[float] = asyncio.Queue()

        async def later(sub: Any, response: Any) -> None:
            seen.put_nowait(response.value)

        sub.add_callback(later)
        assert await asyncio.wait_for(seen.get(), 10) == 2.0
        circuit.feed(update(sub.subscriptionid, 4.0), 0.0)
        assert await asyncio.wait_for(seen.get(), 10) == 4.0
        await finished(slow, 3)
        assert [response.value for response in slow.responses] == [1.0, 2.0, 4.0]
        assert sub.most_recent_response is slow.responses[-1]


async def test_a_large_array_for_a_thread_is_one_message_however_it_is_reached() -> None:
    """It may be turned into machine order where it lies: two messages would turn it twice."""
    pytest.importorskip("numpy")
    async with connected_circuit(max_workers=1) as (pv, circuit):
        sub, slow = pv.subscribe(), SlowCallback()
        sub.add_callback(slow)
        raw = update(sub.subscriptionid, *map(float, range(20_000)))
        circuit.feed(raw[:1000], 0.0)
        circuit.feed(raw[1000:], 0.0)
        assert sub.most_recent_response is not None
        assert sub.most_recent_response.value[7] == 7.0
        await finished(slow, 1)
        assert slow.responses[0].value[7] == 7.0
        assert sub.most_recent_response is slow.responses[0]


async def test_without_a_callback_there_is_no_most_recent_response() -> None:
    async with connected_circuit(max_workers=1) as (pv, circuit):
        sub, slow = pv.subscribe(), SlowCallback()
        token = sub.add_callback(slow)
        circuit.feed(update(sub.subscriptionid, 1.0) + update(sub.subscriptionid, 2.0), 0.0)
        await asyncio.to_thread(slow.started.wait, 10)
        await sub.remove_callback(token)
        assert sub.most_recent_response is None
        slow.go_on.set()


def receiver_of(circuit: Circuit) -> _Receiver:
    """Return what receives for `circuit`."""
    manager: Any = SimpleNamespace(core=circuit, _loop=asyncio.get_running_loop())
    return _Receiver(manager)


def receive(receiver: _Receiver, data: bytes) -> list[int]:
    """Receive `data`; return how much of it at a time."""
    sizes = []
    while data:
        room = receiver.get_buffer(-1)
        taken = min(len(room), len(data))
        room[:taken] = data[:taken]
        receiver.buffer_updated(taken)
        sizes.append(taken)
        data = data[taken:]
    return sizes


async def test_short_messages_come_in_short_chunks_and_long_ones_in_long_ones() -> None:
    async with connected_circuit(max_workers=0) as (_, circuit):
        receiver = receiver_of(circuit)
        short, long = update(99, 1.0) * 2_000, update(99, *[1.0] * 5_000) * 3
        assert receive(receiver, short) == [_SMALL_CHUNK, len(short) - _SMALL_CHUNK]
        assert receive(receiver, long) == [_SMALL_CHUNK, len(long) - _SMALL_CHUNK]
        assert len(receiver.get_buffer(-1)) == _CHUNK
        assert receive(receiver, short) == [len(short)]
        assert len(receiver.get_buffer(-1)) == _SMALL_CHUNK


async def test_a_circuit_leaves_room_for_the_reply_that_another_one_is_asked_for() -> None:
    async with connected_circuit(max_workers=0) as (_, circuit):
        receiver, engine = receiver_of(circuit), circuit.engine
        other = Circuit(engine, ("127.0.0.1", 10), 0, 13, 0.0)
        other.manager = circuit.manager
        request: Any = SimpleNamespace(deadline=float("inf"))
        ioid = other.reserve(request, 1)
        assert len(receiver.get_buffer(-1)) == _SLICE
        assert len(receiver_of(other).get_buffer(-1)) == _SMALL_CHUNK
        del other.tables.requests[ioid]
        assert len(receiver.get_buffer(-1)) == _SMALL_CHUNK
        other.close("the test is over", 0.0, retry=False)
        assert engine.asked is None
