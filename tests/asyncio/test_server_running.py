"""Our server as a whole: sockets, searches, beacons, hooks, and a clean end."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import struct
import sys
import textwrap
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from caproto import CaprotoNetworkError, RemoteProtocolError
from caproto.asyncio._server_udp import SearchProtocol
from caproto.asyncio.server import (
    AsyncioAsyncLayer,
    Context,
    Event,
    ServerExit,
    run,
    start_server,
)
from caproto.server import PVGroup, pvproperty
from caproto.server.data import ChannelDouble
from tests.asyncio.raw_client import RawClient, serving
from tests.asyncio.waiting import until
from tests.conftest import Loopback
from tests.support import Program, free_port, loopback_env, python_command, run_libca, search
from tests.support.raw_messages import raw_message


def log_texts(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "caproto.ctx"]


# --- start ---


async def test_the_log_of_a_start(loopback: Loopback, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "caproto")
    async with serving(
        {"b": ChannelDouble(value=1), "a": ChannelDouble(value=1)}, log_pv_names=True
    ):
        pass
    assert log_texts(caplog) == [
        "Asyncio server starting up...",
        f"Listening on 127.0.0.1:{loopback.ca_port}",
        "Server startup complete.",
        "PVs available:\nb\na",
    ]
    assert {record.module for record in caplog.records} == {"server"}


async def test_pv_names_are_logged_only_if_asked_for(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "caproto")
    async with serving({"x": ChannelDouble(value=1)}):
        pass
    assert log_texts(caplog)[-1] == "Server startup complete."


async def test_the_sockets_can_be_looked_at(loopback: Loopback) -> None:
    async with serving({}) as context:
        assert context.port == context.ca_server_port == loopback.ca_port
        assert context.interfaces == ["127.0.0.1"]
        assert list(context.tcp_sockets) == ["127.0.0.1"]
        assert context.udp_socks["127.0.0.1"].getsockname() == ("127.0.0.1", loopback.ca_port)
        assert list(context.beacon_socks) == [("127.0.0.1", loopback.repeater_port)]


async def test_interfaces_may_be_given(loopback: Loopback) -> None:
    context = Context({}, ["0.0.0.0"])
    assert context.interfaces == ["0.0.0.0"]


async def test_an_address_of_another_machine_is_refused(loopback: Loopback) -> None:
    with pytest.raises(CaprotoNetworkError, match=r"192\.0\.2\.1"):
        await Context({}, ["192.0.2.1"]).run()


async def test_a_udp_port_that_cannot_be_had_leaves_no_socket(loopback: Loopback) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", loopback.ca_port))  # without sharing it
        with pytest.raises(CaprotoNetworkError, match="UDP"):
            await Context({}).run()


async def test_a_taken_tcp_port_is_replaced_by_a_dynamic_one_and_udp_stays(
    loopback: Loopback,
) -> None:
    pvdb = {"x": ChannelDouble(value=1.0)}
    with socket.create_server(("127.0.0.1", loopback.ca_port)):
        async with serving(pvdb) as context:
            assert context.port is not None
            assert 49152 <= context.port <= 65535
            assert context.udp_socks["127.0.0.1"].getsockname()[1] == loopback.ca_port
            found = await asyncio.to_thread(search, "x", loopback.ca_port)
            assert found is not None
            assert found.tcp_port == context.port
            client = await RawClient.connect(context.port)
            await client.create("x")
            await client.close()


async def test_two_servers_share_a_udp_port(loopback: Loopback) -> None:
    async with serving({}) as one, serving({}) as other:
        assert one.port != other.port
        assert one.ca_server_port == other.ca_server_port


# --- searches ---


async def test_a_search_is_answered_from_the_port_that_was_asked(loopback: Loopback) -> None:
    async with serving({"x": ChannelDouble(value=1.0)}):
        found = await asyncio.to_thread(search, "x", loopback.ca_port)
        assert found is not None
        assert (found.host, found.tcp_port) == ("127.0.0.1", loopback.ca_port)
        assert await asyncio.to_thread(search, "y", loopback.ca_port, timeout=0.05) is None


async def test_pvs_may_come_and_go(loopback: Loopback) -> None:
    pvdb: dict[str, Any] = {}
    async with serving(pvdb):
        assert await asyncio.to_thread(search, "x", loopback.ca_port, timeout=0.05) is None
        pvdb["x"] = ChannelDouble(value=1.0)
        assert await asyncio.to_thread(search, "x", loopback.ca_port) is not None


async def test_pvs_may_be_made_when_they_are_searched(loopback: Loopback) -> None:
    class Made(dict[str, Any]):
        def __missing__(self, name: str) -> Any:
            if not name.startswith("any:"):
                raise KeyError(name)
            self[name] = ChannelDouble(value=len(name))
            return self[name]

    pvdb = Made()
    async with serving(pvdb):
        assert await asyncio.to_thread(search, "any:thing", loopback.ca_port) is not None
        assert list(pvdb) == ["any:thing"]
        client = await RawClient.connect(loopback.ca_port)
        await client.create("any:other")
        await client.close()
        assert Context(pvdb).names.find("other:thing") is None
    assert list(pvdb) == ["any:thing", "any:other"]


async def test_ignored_hosts_get_no_answer(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CAS_IGNORE_ADDR_LIST", "127.0.0.1")
    async with serving({"x": ChannelDouble(value=1.0)}):
        assert await asyncio.to_thread(search, "x", loopback.ca_port, timeout=0.05) is None


async def test_malformed_datagrams_are_logged_once_per_host_and_change_nothing(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving({"x": ChannelDouble(value=1.0)}):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for noise in (b"x", b"\xff" * 100, bytes(17), b"GET / HTTP/1.0\r\n\r\n"):
                sock.sendto(noise, ("127.0.0.1", loopback.ca_port))
        assert await asyncio.to_thread(search, "x", loopback.ca_port) is not None
        await until(lambda: "malformed" in caplog.text)
    assert caplog.text.count("malformed") == 1


def test_hosts_of_malformed_datagrams_are_forgotten_before_there_are_too_many(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Refusing:
        def answer_datagram(self, data: bytes, sender: tuple[str, int]) -> list[bytes]:
            raise RemoteProtocolError("no")

    protocol = SearchProtocol(Refusing())  # type: ignore[arg-type]
    for number in range(2500):
        protocol.datagram_received(b"", (f"host{number}", 1))
    assert len(protocol._malformed_from) <= 1000
    protocol.error_received(OSError("a client is gone"))


# --- beacons ---


async def test_beacons_come_fast_at_first_and_carry_the_port(loopback: Loopback) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as repeater:
        repeater.bind(("127.0.0.1", loopback.repeater_port))
        repeater.setblocking(False)
        loop = asyncio.get_running_loop()
        async with serving({}):
            beacons = []
            for _ in range(4):
                ready = loop.create_future()
                loop.add_reader(repeater, ready.set_result, None)
                await ready
                loop.remove_reader(repeater)
                beacons.append(repeater.recv(100))
    assert beacons == [raw_message(13, 13, loopback.ca_port, number, 0) for number in range(4)]


async def test_beacons_that_cannot_be_sent_are_logged_once(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EPICS_CAS_BEACON_ADDR_LIST", "255.255.255.255")
    sent: list[bytes] = []

    class Failing(socket.socket):
        def sendto(self, *args: Any) -> int:
            sent.append(args[0])
            if len(sent) < 3:
                raise OSError(101, "Network is unreachable")
            if len(sent) < 5:
                raise ConnectionRefusedError
            if len(sent) == 6:
                raise OSError(101, "Network is unreachable")
            return len(args[0])

    monkeypatch.setattr(
        "caproto.asyncio._server_udp.bcast_socket",
        lambda: Failing(socket.AF_INET, socket.SOCK_DGRAM),
    )
    async with serving({}):
        await until(lambda: len(sent) >= 7)
    assert caplog.text.count("Beacons to 255.255.255.255") == 2
    assert "EPICS_CAS_BEACON_ADDR_LIST" in caplog.text


# --- clients ---


async def test_a_client_that_breaks_the_protocol_is_dropped_alone(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving({"x": ChannelDouble(value=1.0)}) as context:
        good, bad = [await RawClient.connect(loopback.ca_port) for _ in range(2)]
        sid = await good.create("x")
        assert len(context.circuits) == 2
        assert {repr(circuit).split(",")[1] for circuit in context.circuits} == {
            " channels=0>",
            " channels=1>",
        }
        bad.send(b"\xff" * 64)
        assert await bad.closed()
        await until(lambda: len(context.circuits) == 1)
        good.send(raw_message(15, 6, 1, sid, 3))
        assert (await good.next()).p2 == 3
        await good.close()
        await bad.close()
    assert caplog.text.count("disconnected") == 1


async def test_an_error_of_ours_costs_one_client_its_connection_and_nothing_else(
    loopback: Loopback, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Exploding(ChannelDouble):
        @property
        def max_length(self) -> int:
            if self.source is not None:
                raise ZeroDivisionError
            return 1

    async with serving({"bad": Exploding(value=1.0), "x": ChannelDouble(value=1.0)}):
        victim, other = [await RawClient.connect(loopback.ca_port) for _ in range(2)]
        victim.send(raw_message(18, 0, 0, 1, 13, b"bad\0"))
        assert await victim.closed()
        await other.create("x")
        await victim.close()
        await other.close()
    assert "ZeroDivisionError" in caplog.text


async def test_a_client_that_goes_away_is_forgotten(loopback: Loopback) -> None:
    data = ChannelDouble(value=1.0)
    async with serving({"x": data}) as context:
        client = await RawClient.connect(loopback.ca_port)
        await client.subscribe(await client.create("x"))
        await client.close()
        await until(lambda: not context.circuits)
        assert data.source is not None
        assert not data.source.subscriptions
        await data.write(2.0)


async def test_a_client_that_asks_for_nothing_takes_little_memory(loopback: Loopback) -> None:
    async with serving({"x": ChannelDouble(value=1.0)}):
        first = await RawClient.connect(loopback.ca_port)
        tracemalloc.start()
        try:
            clients = [await RawClient.connect(loopback.ca_port) for _ in range(40)]
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        for client in (first, *clients):
            await client.close()
    assert taken < 40 * 50_000  # both ends together; with a buffer of its own each took 270,000


async def test_requests_of_two_clients_that_come_in_pieces_are_not_mixed(
    loopback: Loopback,
) -> None:
    async with serving({"x": ChannelDouble(value=1.0), "y": ChannelDouble(value=2.0)}):
        clients = [await RawClient.connect(loopback.ca_port) for _ in range(2)]
        sids = [await client.create(name) for client, name in zip(clients, "xy", strict=True)]
        reads = [raw_message(15, 6, 1, sid, 7) for sid in sids]
        for position in range(16):
            for client, read in zip(clients, reads, strict=True):
                client.send(read[position : position + 1])
                await client.writer.drain()
                await asyncio.sleep(0)
        answers = [await client.next() for client in clients]
        for client in clients:
            await client.close()
    assert [struct.unpack(">d", answer.payload) for answer in answers] == [(1.0,), (2.0,)]


async def test_a_client_can_be_dropped_by_the_program(loopback: Loopback) -> None:
    async with serving({"x": ChannelDouble(value=1.0)}) as context:
        client = await RawClient.connect(loopback.ca_port)
        await client.create("x")
        (circuit,) = context.circuits
        circuit.close()
        assert await client.closed()
        await client.close()


async def test_updates_of_one_turn_reach_every_client(loopback: Loopback) -> None:
    data = ChannelDouble(value=0.0)
    async with serving({"x": data}):
        clients = [await RawClient.connect(loopback.ca_port) for _ in range(5)]
        for client in clients:
            await client.subscribe(await client.create("x"))
        for value in (1.0, 2.0):
            await data.write(value)
        for client in clients:
            assert [(await client.next()).payload.hex() for _ in range(2)] == [
                "3ff0000000000000",
                "4000000000000000",
            ]
            await client.close()


async def test_a_client_that_does_not_read_gets_the_newest_value_and_bounded_memory(
    loopback: Loopback,
) -> None:
    data = ChannelDouble(value=[0.0] * 10000)
    other = ChannelDouble(value=0.0)
    async with serving({"big": data, "x": other}) as context:
        lazy, quick = [await RawClient.connect(loopback.ca_port) for _ in range(2)]
        await lazy.subscribe(await lazy.create("big"))
        await quick.subscribe(await quick.create("x"))
        (circuit,) = (
            each for each in context.circuits if any(c.name == "big" for c in _channels(each))
        )
        rounds = 0
        while circuit.circuit.held is None:
            rounds += 1
            await data.write([float(rounds)] * 10000)
            await other.write(float(rounds))
            await asyncio.sleep(0)
        for _ in range(100):
            rounds += 1
            await data.write([float(rounds)] * 10000)
        assert len(circuit.circuit.held) == 1
        transport = circuit._transport
        assert transport.get_write_buffer_size() < 1 << 20
        for expected in range(1, rounds - 99):
            assert _value(await quick.next()) == expected
        value = 0.0
        while value < rounds:
            newer = _value(await lazy.next())
            assert newer > value
            value = newer
        await data.write([-1.0] * 10000)
        assert _value(await lazy.next()) == -1.0
        for client in (lazy, quick):
            await client.close()


def _channels(client: Any) -> list[Any]:
    return list(client.circuit.channels.values())


def _value(message: Any) -> float:
    return float(struct.unpack_from(">d", message.payload)[0])


async def test_a_client_that_asks_for_more_than_it_reads_is_answered_as_it_reads(
    loopback: Loopback,
) -> None:
    async with serving({"big": ChannelDouble(value=[1.0] * 10000)}) as context:
        client = await RawClient.connect(loopback.ca_port)
        sid = await client.create("big")
        (circuit,) = context.circuits
        client.send(
            *(raw_message(15, 6, 0, sid, ioid) for ioid in range(2000))
        )  # 160 MB of answers
        await until(lambda: circuit.circuit.held is not None)
        assert circuit._transport.get_write_buffer_size() < 1 << 20
        assert [(await client.next()).p2 for _ in range(2000)] == list(range(2000))
        await client.close()


async def test_a_client_that_waited_and_broke_the_protocol_is_dropped(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving({"big": ChannelDouble(value=[1.0] * 10000)}):
        client = await RawClient.connect(loopback.ca_port)
        sid = await client.create("big")
        client.send(*(raw_message(15, 6, 0, sid, ioid) for ioid in range(1000)), raw_message(22))
        assert await client.closed()
        await client.close()
    assert "command 22" in caplog.text


async def test_a_client_that_does_not_read_cannot_keep_the_server_from_ending(
    loopback: Loopback,
) -> None:
    data = ChannelDouble(value=[0.0] * 10000)
    async with serving({"big": data}) as context:
        lazy = await RawClient.connect(loopback.ca_port)
        await lazy.subscribe(await lazy.create("big"))
        (circuit,) = context.circuits
        while circuit.circuit.held is None:
            await data.write([1.0] * 10000)
            await asyncio.sleep(0)
    await lazy.close()


# --- handlers ---


class Hooked(PVGroup):
    """Handlers that take their time."""

    x = pvproperty(value=0)
    y = pvproperty(value=0)

    def __init__(self, prefix: str) -> None:
        super().__init__(prefix)
        self.calls: list[Any] = []
        self.gate = asyncio.Event()

    @x.startup
    async def _start(self, instance: Any, async_lib: Any) -> None:
        self.calls.append(("startup", async_lib))
        try:
            await asyncio.Event().wait()
        finally:
            self.calls.append("startup ended")

    @x.shutdown
    async def _stop(self, instance: Any, async_lib: Any) -> None:
        self.calls.append(("shutdown", async_lib))

    @x.putter
    async def _put(self, instance: Any, value: Any) -> None:
        self.calls.append(("put", value))
        try:
            await self.gate.wait()
        finally:
            self.calls.append("put ended")

    @y.scan(period=0.001)
    async def _scan(self, instance: Any, async_lib: Any) -> None:
        await instance.write(instance.value + 1)


async def test_hooks_run_beside_the_server_and_end_with_it(loopback: Loopback) -> None:
    group = Hooked("")
    async with serving(group.pvdb) as context:
        layer = context.async_layer
        assert isinstance(layer, AsyncioAsyncLayer)
        await until(lambda: group.y.value >= 3)
    assert group.calls == [("startup", layer), "startup ended", ("shutdown", layer)]


async def test_a_slow_putter_holds_up_nobody(loopback: Loopback) -> None:
    group = Hooked("")
    async with serving(group.pvdb):
        client = await RawClient.connect(loopback.ca_port)
        x, y = await client.create("x"), await client.create("y", 2)
        client.send(
            raw_message(19, 5, 1, x, 1, b"\0\0\0\5"),
            raw_message(15, 5, 1, y, 2),
            raw_message(15, 5, 1, x, 3),
        )
        assert {(await client.next()).p2 for _ in range(2)} == {2, 3}
        group.gate.set()
        confirmed = await client.next()
        assert (confirmed.command, confirmed.p2) == (19, 1)
        assert group.x.value == 5
        await client.close()


async def test_putters_that_are_not_done_when_the_server_ends_are_cancelled(
    loopback: Loopback,
) -> None:
    group = Hooked("")
    async with serving(group.pvdb):
        client = await RawClient.connect(loopback.ca_port)
        sid = await client.create("x")
        client.send(
            raw_message(19, 5, 1, sid, 1, b"\0\0\0\5"), raw_message(19, 5, 1, sid, 2, b"\0\0\0\6")
        )
        await until(lambda: ("put", 6) in group.calls)
    await client.close()
    assert group.calls.count("put ended") == 2
    assert group.calls[-1][0] == "shutdown"


async def test_a_putter_goes_on_when_its_client_goes_away(loopback: Loopback) -> None:
    group = Hooked("")
    async with serving(group.pvdb) as context:
        client = await RawClient.connect(loopback.ca_port)
        sid = await client.create("x")
        client.send(raw_message(19, 5, 1, sid, 1, b"\0\0\0\5"))
        await until(lambda: ("put", 5) in group.calls)
        await client.close()
        await until(lambda: not context.circuits)
        group.gate.set()
        await until(lambda: group.x.value == 5)


async def test_hooks_that_fail_are_logged_and_the_server_goes_on(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(PVGroup):
        a = pvproperty(value=1)

        @a.startup
        async def _start(self, instance: Any, async_lib: Any) -> None:
            raise ZeroDivisionError

        @a.shutdown
        async def _stop(self, instance: Any, async_lib: Any) -> None:
            raise ArithmeticError

    async with serving(Failing("p:").pvdb):
        assert await asyncio.to_thread(search, "p:a", loopback.ca_port) is not None
    assert "The startup hook of p:a failed" in caplog.text
    assert "The shutdown hook of p:a failed" in caplog.text


async def test_a_hook_may_end_the_server(loopback: Loopback) -> None:
    async def hook(async_lib: Any) -> None:
        raise ServerExit

    await start_server({}, startup_hook=hook)


async def test_two_hooks_may_end_the_server(loopback: Loopback) -> None:
    class Ending(PVGroup):
        a = pvproperty(value=1)
        b = pvproperty(value=1)

        @a.startup
        async def _a(self, instance: Any, async_lib: Any) -> None:
            raise ServerExit

        b.startup(_a.pvspec.startup)  # type: ignore[arg-type]

    await start_server(Ending("").pvdb)


async def test_a_server_ends_when_it_is_cancelled(loopback: Loopback) -> None:
    started = asyncio.Event()

    async def hook(async_lib: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(start_server({}, startup_hook=hook))
    await started.wait()
    task.cancel()
    await task  # programs do so, and go on after it
    assert await asyncio.to_thread(search, "x", loopback.ca_port, timeout=0.05) is None


async def test_stopping_twice_or_before_the_start_is_harmless(loopback: Loopback) -> None:
    context = Context({})
    context.stop()
    async with serving({}) as running:
        running.stop()
        running.stop()


# --- run ---


def test_run_serves_in_an_event_loop_of_its_own(loopback: Loopback) -> None:
    seen: list[Any] = []

    async def hook(async_lib: Any) -> None:
        await async_lib.library.sleep(0)
        seen.append(async_lib.name)
        raise ServerExit

    run({}, interfaces=["127.0.0.1"], startup_hook=hook)
    assert seen == ["asyncio"]


def test_run_ends_quietly_where_signals_cannot_be_handled(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, *args: Any) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", refuse)

    async def hook(async_lib: Any) -> None:
        asyncio.get_running_loop().call_soon(_interrupt)

    def _interrupt() -> None:
        raise KeyboardInterrupt

    run({}, startup_hook=hook)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_signal_ends_an_ioc_in_good_order(number: signal.Signals, tmp_path: Path) -> None:
    source = textwrap.dedent(
        """
        from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

        class Group(PVGroup):
            x = pvproperty(value=1)

            @x.startup
            async def x_start(self, instance, async_lib):
                await async_lib.library.Event().wait()

            @x.shutdown
            async def x_stop(self, instance, async_lib):
                print("the shutdown hook has run", flush=True)

        options, run_options = ioc_arg_parser(default_prefix="p:", desc="", argv=[])
        run(Group(**options).pvdb, **run_options)
        """
    )
    port = free_port()
    with Program(
        python_command("-X", "dev", "-W", "error", "-c", source),
        loopback_env(port, free_port()),
        tmp_path / "out.txt",
    ) as ioc:
        ioc.wait_for_output("Server startup complete")
        assert search("p:x", port) is not None
        assert ioc.pid is not None
        os.kill(ioc.pid, number)
        assert ioc.wait() == 0
        assert "the shutdown hook has run" in ioc.output
        assert not re.search("Traceback|Warning|Error", ioc.output)


def test_an_ioc_runs_on_uvloop(tmp_path: Path) -> None:
    pytest.importorskip("uvloop")
    source = textwrap.dedent(
        """
        import asyncio, signal, uvloop
        from caproto.asyncio.server import Context
        from caproto.server.data import ChannelDouble

        async def main():
            context = Context({"x": ChannelDouble(value=[1.5] * 10000)})
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, context.stop)
            await context.run()

        uvloop.run(main())
        """
    )
    get = "import json, epics; print(json.dumps(epics.caget('x', timeout=10).tolist()))"
    port = free_port()
    env = loopback_env(port, free_port())
    with Program(python_command("-c", source), env, tmp_path / "out.txt") as ioc:
        assert search("x", port) is not None
        assert run_libca(get, env=env) == [1.5] * 10000
        assert ioc.pid is not None
        os.kill(ioc.pid, signal.SIGTERM)
        assert ioc.wait() == 0
        assert ioc.output == ""


# --- what hooks get ---


async def test_an_event_may_be_waited_for_with_a_timeout() -> None:
    event = Event()
    assert await event.wait(0.001) is False
    asyncio.get_running_loop().call_soon(event.set)
    assert await event.wait(10) is True
    assert await event.wait() is True


async def test_a_queue_connects_threads_and_coroutines() -> None:
    layer = AsyncioAsyncLayer()
    await layer.sleep(0)
    queue = layer.ThreadsafeQueue()
    await queue.async_put(1)
    await asyncio.to_thread(queue.put, 2)
    assert await queue.async_get() == 1
    assert await asyncio.to_thread(queue.get) == 2
