"""The proxy that makes faults does what it says: otherwise the other tests here prove nothing."""

from __future__ import annotations

import asyncio

import pytest

from tests.asyncio.waiting import until
from tests.support import CIoc, free_port, search
from tests.support.chaos_proxy import Action, ChaosProxy, Fault, MessageEnds, Way, Weather
from tests.support.raw_ca import find_reply, search_datagram

VERSION = bytes.fromhex("00000000 0000000d 00000000 00000000")
ECHO = bytes.fromhex("00170000 00000000 00000000 00000000")


class Echo:
    """A TCP server that sends everything back."""

    def __init__(self) -> None:
        self.port = free_port()
        self.received = bytearray()
        self.ended = asyncio.Event()

    async def __aenter__(self) -> Echo:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                self.received += data
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            self.ended.set()
            writer.close()


async def exchange(proxy: ChaosProxy, data: bytes) -> bytes:
    """Send `data` through the proxy; return what comes back until the end of the stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
    try:
        writer.write(data)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


async def test_without_faults_bytes_pass_unchanged() -> None:
    data = bytes(range(256)) * 20_000  # more than all the buffers on the way
    async with Echo() as server, ChaosProxy(server.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
        writer.write(data)
        assert await reader.readexactly(len(data)) == data
        assert proxy.links[0].passed(Way.TO_SERVER) == len(data)
        writer.close()


@pytest.mark.parametrize("at", [0, 1, 7, 10])
async def test_a_cut_lets_exactly_so_many_bytes_pass(at: int) -> None:
    async with Echo() as server, ChaosProxy(server.port) as proxy:
        proxy.plan.append((Fault(Action.CUT, at),))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
        writer.write(b"0123456789")
        assert await reader.read() == b"0123456789"[:at]
        writer.close()
        assert proxy.happened == [Fault(Action.CUT, at)]


async def test_a_cut_on_the_way_to_the_server() -> None:
    async with Echo() as server, ChaosProxy(server.port) as proxy:
        proxy.plan.append((Fault(Action.CUT, 4, Way.TO_SERVER),))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
        writer.write(b"0123456789")
        await reader.read()
        await server.ended.wait()
        assert server.received == b"0123"
        writer.close()


async def test_a_reset_is_an_rst() -> None:
    async with Echo() as server, ChaosProxy(server.port) as proxy:
        proxy.plan.append((Fault(Action.RESET, 3),))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
        writer.write(b"0123456789")
        assert len(await reader.readexactly(3)) == 3
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()


async def test_truncated_and_corrupted_bytes() -> None:
    async with Echo() as server, ChaosProxy(server.port) as proxy:
        proxy.plan.append(
            (
                Fault(Action.TRUNCATE, 2, amount=3),
                Fault(Action.CORRUPT, 7, amount=2, mask=0x01),
            )
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
        writer.write(b"0123456789")
        assert await reader.readexactly(7) == b"0156" + b"69" + b"9"
        writer.close()


async def test_a_stall_holds_back_until_it_is_healed() -> None:
    async with Echo() as server, ChaosProxy(server.port) as proxy:
        proxy.plan.append((Fault(Action.STALL, 4),))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
        writer.write(b"0123456789")
        assert await reader.readexactly(4) == b"0123"
        await until(lambda: len(server.received) == 10)
        assert proxy.links[0].pipes[Way.TO_CLIENT].stalled
        proxy.heal()
        assert await reader.readexactly(6) == b"456789"
        writer.close()


async def test_a_fault_can_be_injected_into_a_connection_that_stands() -> None:
    async with Echo() as server, ChaosProxy(server.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
        writer.write(b"abc")
        assert await reader.readexactly(3) == b"abc"
        proxy.inject(Fault(Action.CUT, 2))
        writer.write(b"defg")
        assert await reader.read() == b"de"
        writer.close()


SHORT = bytes.fromhex("00010008 00040008 00000001 00000002") + b"01234567"
LONG = bytes.fromhex("0001ffff 00040000 00000001 00000002 00000008 00000008") + b"01234567"


@pytest.mark.parametrize(
    ("at", "ends"), [(1, 24), (24, 24), (25, 56), (41, 56), (56, 56), (57, 72)]
)
async def test_a_fault_can_wait_for_the_end_of_a_message(at: int, ends: int) -> None:
    data = SHORT + LONG + ECHO + SHORT
    async with Echo() as server, ChaosProxy(server.port) as proxy:
        proxy.plan.append((Fault(Action.CUT, at, between=True),))
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.tcp_port)
        writer.write(data)
        assert await reader.read() == data[:ends]
        writer.close()


@pytest.mark.parametrize("chunk", [1, 7, 15, 16, 24, 25, 1000])
def test_the_ends_of_messages_are_known(chunk: int) -> None:
    data = SHORT + LONG + ECHO + SHORT
    messages, ends = MessageEnds(), []
    for start in range(0, len(data), chunk):
        messages.passed(data[start : start + chunk])
        if not messages.until_next:
            ends.append(min(start + chunk, len(data)))
    assert ends == [end for end in (24, 56, 72, 96) if end % chunk == 0 or end == 96]


async def test_searches_pass_and_answers_name_the_proxy(shared_ioc: CIoc) -> None:
    async with ChaosProxy(shared_ioc.port) as proxy:
        reply = await asyncio.to_thread(search, "CH:value", proxy.port)
        assert reply is not None
        assert reply.tcp_port == proxy.tcp_port
        reader, writer = await asyncio.open_connection("127.0.0.1", reply.tcp_port)
        writer.write(VERSION + ECHO)
        assert await reader.readexactly(32) == VERSION + ECHO
        writer.close()


class Datagrams(asyncio.DatagramProtocol):
    """Counts what arrives."""

    def __init__(self) -> None:
        self.ids: list[int] = []

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.ids += [cid for cid in range(200) if find_reply(data, cid) is not None]


async def _answers(server_port: int, weather: Weather, seed: int) -> list[int]:
    """Send 200 searches through a proxy; return which were answered, as long as answers come."""
    loop = asyncio.get_running_loop()
    async with ChaosProxy(server_port, seed=seed) as proxy:
        proxy.weather = weather
        transport, protocol = await loop.create_datagram_endpoint(Datagrams, ("127.0.0.1", 0))
        for cid in range(200):
            transport.sendto(search_datagram("CH:value", cid), ("127.0.0.1", proxy.port))
            await until(lambda cid=cid: proxy.datagrams == cid + 1)  # type: ignore[misc]
        # The marker: what comes before the answer to it has come, because nothing is delayed.
        proxy.weather = Weather()
        transport.sendto(search_datagram("CH:value", 199), ("127.0.0.1", proxy.port))
        await until(lambda: protocol.ids[-1:] == [199])
        transport.close()
        return protocol.ids


async def test_datagrams_are_lost_and_doubled_as_the_seed_wants(shared_ioc: CIoc) -> None:
    weather = Weather(loss=0.3, duplication=0.3)
    ids = await _answers(shared_ioc.port, weather, 1)
    assert 20 < len(set(range(200)) - set(ids)) < 180
    assert len(ids) > len(set(ids))
