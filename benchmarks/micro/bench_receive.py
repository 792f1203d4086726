"""From a socket to those who wait: how much is received at once decides how long the others wait."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.bench_monitor import UPDATES, report, stream_of_updates
from benchmarks.micro.loopback import connected_circuit
from caproto._protocol.enums import ChannelType
from caproto._protocol.messages import ReadNotifyResponse
from caproto.asyncio._circuit import _Receiver
from caproto.client.circuit import Circuit

ROUNDS = 50


class Hose:
    """A subscribed PV whose updates come through a socket.

    Parameters
    ----------
    stack : AsyncExitStack
        What is opened is closed with it.
    """

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.circuit: Circuit
        self._server: socket.socket
        self._update = b""
        self._expected = 0
        self.seen = 0

    async def open(self, coroutine: bool) -> None:
        """Connect and subscribe, with a coroutine function or a plain one."""
        pv, self.circuit = await self._stack.enter_async_context(connected_circuit(max_workers=0))
        self._server = await self._stack.enter_async_context(server_of(self.circuit))

        def plain(sub: Any, response: Any) -> None:
            _ = response.value
            self.seen += 1

        async def awaited(sub: Any, response: Any) -> None:
            plain(sub, response)

        sub = pv.subscribe(data_type="time")
        sub.add_callback(awaited if coroutine else plain, strong=True)
        stream = b"".join(stream_of_updates(sub.subscriptionid or 0))
        self._update = stream[: len(stream) // UPDATES]

    def fill(self) -> None:
        """Put as many updates into the socket as go in: some thousands."""
        room = self._server.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 2
        updates = room // len(self._update)
        self._server.sendall(self._update * updates)
        self._expected += updates

    async def drain(self) -> int:
        """Wait until all updates have come; return how many there have been."""
        while self.seen < self._expected:  # noqa: ASYNC110 - the loop has something to do all the time
            await asyncio.sleep(0)
        return self._expected


@asynccontextmanager
async def server_of(circuit: Circuit) -> AsyncIterator[socket.socket]:
    """Give the server's end of a socket from which `circuit` receives."""
    loop = asyncio.get_running_loop()
    manager: Any = SimpleNamespace(core=circuit, _loop=loop, opened=lambda transport: None)
    manager.lost = lambda error: None
    server, client = socket.socketpair()
    with server:
        transport, _ = await loop.create_connection(lambda: _Receiver(manager), sock=client)
        yield server
        transport.abort()
        await asyncio.sleep(0)


def test_reply_beside_a_busy_circuit(benchmark: BenchmarkFixture) -> None:
    """Guards the short slices while a reply is awaited on another circuit."""

    async def begin(stack: AsyncExitStack) -> tuple[Hose, Circuit, socket.socket]:
        hose = Hose(stack)
        await hose.open(coroutine=False)
        asked = Circuit(hose.circuit.engine, ("127.0.0.1", 10), 0, 13, 0.0)
        return hose, asked, await stack.enter_async_context(server_of(asked))

    async def wait(answer: asyncio.Future[Any]) -> None:
        await answer

    loop = asyncio.new_event_loop()
    run = loop.run_until_complete
    stack = AsyncExitStack()
    hose, asked, server = run(begin(stack))
    reply = bytes(ReadNotifyResponse([1.5], ChannelType.DOUBLE, 1, 1, 0))

    def ask() -> tuple[tuple[asyncio.Future[Any]], dict[str, Any]]:
        run(hose.drain())
        answer = loop.create_future()
        request: Any = SimpleNamespace(complete=answer.set_result)
        # One reply more is awaited all the time, or the loop would stop only after a further chunk of updates.
        asked.tables.requests.update({0: request, 1: request})
        hose.circuit.engine.asked = asked
        hose.fill()
        server.send(reply)
        return (answer,), {}

    measure: Any = benchmark.pedantic
    measure(lambda answer: run(wait(answer)), setup=ask, rounds=ROUNDS)
    run(hose.drain())
    run(stack.aclose())
    loop.close()
    report(benchmark, 1)


def test_update_to_coroutine(benchmark: BenchmarkFixture) -> None:
    """Guards the chunks of 32 KiB: with 256 KiB at once an update takes a quarter more."""
    loop = asyncio.new_event_loop()
    run = loop.run_until_complete
    stack = AsyncExitStack()
    hose = Hose(stack)
    run(hose.open(coroutine=True))

    def through() -> None:
        hose.fill()
        run(hose.drain())

    benchmark(through)
    rounds = benchmark.stats.stats.rounds if benchmark.stats is not None else 1
    assert hose.seen >= rounds
    hose.fill()
    before = hose.seen
    each = run(hose.drain()) - before
    run(stack.aclose())
    loop.close()
    report(benchmark, each)
