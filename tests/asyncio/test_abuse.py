"""Clients that want much, do not read or send nonsense: on real sockets, each pays alone."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from typing import Any

import pytest

from caproto import ChannelDouble, ChannelType
from caproto.server import ClientLimits
from tests.conftest import Loopback
from tests.support.raw_messages import raw_message

from .raw_client import RawClient, serving
from .waiting import until

COUNT = 250_000  # elements: 2 MB
MANY = 1000


def extended(command: int, size: int, data_type: int, count: int, p1: int, p2: int) -> bytes:
    """Return an extended header."""
    return struct.pack(">HHHHIIII", command, 0xFFFF, data_type, 0, p1, p2, size, count)


def first_double(payload: bytes) -> float:
    return float(struct.unpack_from(">d", payload)[0])


async def slow_client(port: int) -> RawClient:
    """Connect a client whose socket takes little."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    client = RawClient(reader, writer)
    assert (await client.next()).command == 0
    return client


async def test_slow_client_of_large_arrays_costs_bounded_memory_and_nobody_else_any_update(
    loopback: Any,
) -> None:
    pvs = {f"image{i}": ChannelDouble(value=[0.0] * COUNT) for i in range(4)}
    limits = ClientLimits(max_queued_bytes=3 * 8 * COUNT)
    async with serving(pvs, limits=limits) as context:
        assert context.port is not None
        slow, quick = await slow_client(context.port), await RawClient.connect(context.port)
        for client in (slow, quick):
            client.send(raw_message(0, 0, 13))
        for id_, name in enumerate(pvs):
            slow_sid = await slow.create(name, id_)
            assert (await slow.subscribe(slow_sid, id_)).data_count == COUNT
            await quick.subscribe(await quick.create(name, id_), id_)
        (server_side,) = (
            each
            for each in context.circuits
            if each.address == slow.writer.get_extra_info("sockname")[:2]
        )
        for number in range(1, 11):
            for id_, pv in enumerate(pvs.values()):
                await pv.write([float(number)] * COUNT)
                update = await quick.next()  # all of them, while the other one does not read
                assert (update.p2, first_double(update.payload)) == (id_, number)
            held = server_side.circuit.held
            waiting = server_side._transport.get_write_buffer_size()
            assert waiting <= 2 * 8 * COUNT + (1 << 18)
            assert held is None or held.nbytes <= 3 * 8 * COUNT
        assert server_side.circuit.held
        newest: dict[int, float] = {}
        while set(newest.values()) != {10.0} or len(newest) < len(pvs):
            update = await slow.next()
            assert first_double(update.payload) >= newest.get(update.p2, 0.0)
            newest[update.p2] = first_double(update.payload)
        await slow.close()
        await quick.close()


async def test_a_thousand_clients_all_get_every_update(loopback: Any) -> None:
    pv = ChannelDouble(value=0.0)
    async with serving({"x": pv}) as context:
        assert context.port is not None
        clients = []
        for _ in range(MANY // 50):
            clients += await asyncio.gather(*(RawClient.connect(context.port) for _ in range(50)))
        for client in clients:
            client.send(raw_message(0, 0, 13))
            await client.subscribe(await client.create("x"), 5)
        assert len(context.circuits) == context.circuits_of_host["127.0.0.1"] == MANY
        for number in (1.0, 2.0):
            await pv.write(number)
            for client in clients:
                assert first_double((await client.next()).payload) == number
        for client in clients:
            client.writer.transport.abort()
        await until(lambda: not context.circuits)
        assert not context.circuits_of_host
        assert pv.source is not None
        assert not pv.source.subscriptions


async def test_one_connection_too_many_from_a_host_is_told_why_and_closed(loopback: Any) -> None:
    limits = ClientLimits(max_circuits_per_host=2)
    async with serving({"x": ChannelDouble(value=1.0)}, limits=limits) as context:
        assert context.port is not None
        first = await RawClient.connect(context.port)
        second = await RawClient.connect(context.port)
        third = await RawClient.connect(context.port)
        error = await third.next()
        assert (error.command, error.p2) == (11, 48)
        assert b"a host may have 2 connections, no more" in error.payload
        assert await third.closed()
        await third.close()
        await first.create("x")
        await second.close()
        await until(lambda: len(context.circuits) == 1)
        fourth = await RawClient.connect(context.port)
        await fourth.create("x")
        await first.close()
        await fourth.close()


CREATE = raw_message(0, 0, 13) + raw_message(18, 0, 0, 1, 13, b"x\0")
HOSTILE = {
    "noise": b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
    "a command that does not exist": raw_message(200),
    "a command of servers": raw_message(22),
    "an odd payload": struct.pack(">HHHHII", 15, 3, 0, 0, 0, 0) + b"abc",
    "4 GB": extended(19, 0xFFFFFFF8, 6, 0x1FFFFFFF, 1, 1),
    "4 GB for a channel": CREATE + extended(19, 0xFFFFFFF8, 6, 0x1FFFFFFF, 1, 1),
    "4 GB of a name": extended(18, 0xFFFFFFF8, 0, 0, 1, 13),
    "a channel that it does not have": raw_message(15, 6, 1, 77, 1),
    "another's channel": raw_message(19, 6, 1, 1, 1, bytes(8)),
    "a short subscription": CREATE + raw_message(1, 6, 1, 1, 1, b"1234"),
    "a subscription that it does not have": CREATE + raw_message(2, 6, 1, 1, 9),
    "an old version": raw_message(18, 0, 0, 1, 1, b"x\0"),
    "a priority that there is not": raw_message(0, 500, 13),
    "ones": b"\xff" * 5000,
}


@pytest.mark.parametrize("attack", HOSTILE)
async def test_hostile_client_is_dropped_alone(loopback: Any, attack: str) -> None:
    pv = ChannelDouble(value=1.0)
    async with serving({"x": pv}) as context:
        assert context.port is not None
        good = await RawClient.connect(context.port)
        good.send(raw_message(0, 0, 13))
        sid = await good.create("x")
        await good.subscribe(sid, 5)
        hostile = await RawClient.connect(context.port)
        hostile.send(HOSTILE[attack])
        assert await hostile.closed()
        await hostile.close()
        await pv.write(2.0)
        assert first_double((await good.next()).payload) == 2.0
        good.send(raw_message(15, 6, 1, sid, 3))
        assert (await good.next()).command == 15
        assert len(context.circuits) == 1
        await good.close()


HARMLESS = {
    "nothing at all": b"",
    "half a header": raw_message(15)[:9],
    "half a payload": raw_message(18, 0, 0, 1, 13, b"x" * 80)[:40],
    "half a large array": CREATE + extended(19, 1 << 20, 6, 1 << 17, 1, 1) + bytes(5000),
    "types and counts that there are not": CREATE
    + b"".join(raw_message(15, t, n, 1, 1) for t in (35, 99, 65535) for n in (0, 65535)),
    "reads of the longest arrays": CREATE
    + b"".join(extended(15, 0, 0, 0xFFFFFFFF, 1, n) for n in range(50)),
    "a thousand updates at once": CREATE
    + b"".join(raw_message(1, 6, 0, 1, n, struct.pack(">fffHxx", 0, 0, 0, 1)) for n in range(1000)),
}


@pytest.mark.parametrize("start", HARMLESS)
async def test_client_that_stops_in_the_middle_leaves_nothing_behind(
    loopback: Any, start: str
) -> None:
    pv = ChannelDouble(value=1.0)
    async with serving({"x": pv}) as context:
        assert context.port is not None
        good = await RawClient.connect(context.port)
        good.send(raw_message(0, 0, 13))
        sid = await good.create("x")
        bad = await RawClient.connect(context.port)
        bad.send(HARMLESS[start])
        good.send(raw_message(15, 6, 1, sid, 3))
        assert (await good.next()).command == 15
        bad.writer.transport.abort()
        await until(lambda: len(context.circuits) == 1)
        await good.close()
        await until(lambda: not context.circuits)
        assert pv.source is not None
        assert not pv.source.subscriptions


# --- arrays of any length ---


async def test_arrays_grow_shrink_and_vanish_with_a_count_of_zero(loopback: Any) -> None:
    pv = ChannelDouble(value=[1.0, 2.0], max_length=5)
    async with serving({"x": pv}) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        client.send(raw_message(0, 0, 13), raw_message(18, 0, 0, 1, 13, b"x\0"))
        await client.next()
        created = await client.next()
        assert created.data_count == 5
        sid = created.p2
        first = await client.subscribe(sid, 5)
        assert (first.data_count, len(first.payload)) == (2, 16)
        fixed = raw_message(1, 6, 3, sid, 6, struct.pack(">fffHxx", 0, 0, 0, 1))
        client.send(fixed)
        assert struct.unpack(">3d", (await client.next()).payload) == (1.0, 2.0, 0.0)
        for values in ([1.0, 2.0, 3.0, 4.0, 5.0], [], [9.0], []):
            payload = struct.pack(f">{len(values)}d", *values)
            client.send(raw_message(19, ChannelType.DOUBLE, len(values), sid, 1, payload))
            update, as_three, done = [await client.next() for _ in range(3)]
            assert (update.p2, update.data_count, update.payload) == (5, len(values), payload)
            assert (as_three.p2, as_three.data_count) == (6, 3)
            assert as_three.payload == payload[:24].ljust(24, b"\0")
            assert (done.command, done.p1) == (19, 1)
            client.send(raw_message(15, 6, 0, sid, 2))
            answer = await client.next()
            assert (answer.data_count, answer.payload) == (len(values), payload)
        await client.close()


async def test_client_whose_large_updates_never_end_is_heard_all_the_same(
    loopback: Loopback,
) -> None:
    """It asks to hold back (EVENTS_OFF), and to read: neither may wait for a pause that never comes."""
    image = ChannelDouble(value=[0.0] * 500_000, max_length=500_000)
    ended = asyncio.Event()

    async def change_for_ever() -> None:
        numbers = itertools.count()
        while not ended.is_set():
            await image.write([float(next(numbers))] * 500_000)
            await asyncio.sleep(0)

    async with serving({"image": image}):
        client = await RawClient.connect(loopback.ca_port)
        try:
            sid = await client.create("image")
            changing = asyncio.create_task(change_for_ever())
            await client.subscribe(sid)
            for _ in range(3):
                assert (await client.next()).command == 1
            client.send(raw_message(8), raw_message(15, 6, 1, sid, 77))
            seen = 0
            while (message := await client.next()).command != 15:
                seen += 1
            assert message.p2 == 77
            assert seen < 20  # what was under way
            # And no update more, until it asks to go on.
            client.send(raw_message(15, 6, 1, sid, 78))
            assert (await client.next()).p2 == 78
            client.send(raw_message(9))
            assert (await client.next()).command == 1
        finally:
            ended.set()
            await changing
            await client.close()
