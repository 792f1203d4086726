"""Connections that break or never come about: reports about caproto, EPICS base, gateways and other clients."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from caproto import CaprotoTimeoutError
from caproto._protocol.messages import CreateChanRequest, CreateChFailResponse, EchoRequest
from caproto.asyncio.client import PV, Context
from caproto.client.circuit import CircuitState
from tests.asyncio.scripted_server import CREATE_CH_FAIL, SEARCH, ScriptedServer, channel
from tests.asyncio.sent_messages import CREATE_CHAN
from tests.asyncio.waiting import Recorder, States, until
from tests.support import CIoc, free_port, use_loopback, write_bulk_database
from tests.support.fakes import FakeClient, FakeNetwork, FakeServer
from tests.support.raw_messages import RawMessage, raw_message

from ..conftest import Loopback, MakeCIoc
from .conftest import BULK

# --- servers that go and come back --------------------------------------------------------------------------------------------


async def test_caproto_798_and_799_pv_of_a_killed_c_ioc_comes_back_with_its_subscription(
    make_c_ioc: MakeCIoc, loopback: Loopback, tmp_path: Path
) -> None:
    (name,) = write_bulk_database(tmp_path / "one.db", 1)
    ioc = make_c_ioc(tmp_path / "one.db", port=loopback.ca_port)
    states, updates = States(), Recorder()
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs(name, connection_state_callback=states)
        sub = pv.subscribe()
        sub.add_callback(updates)
        await pv.write(5.0)
        await updates.until_value(5.0)
        ioc.kill()
        await states.until("connected", "disconnected")
        ioc.start()
        await updates.until_value(0.0)
        assert await pv.read() is not None
        await states.until("connected", "disconnected", "connected")


def test_caproto_839_server_that_does_not_respond_is_left_for_another_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = FakeNetwork()
    stuck = FakeServer(network, ["pv"], ("10.0.0.1", 5064))
    backup = FakeServer(network, ["pv"], ("10.0.0.2", 5064))
    backup.answers_searches = False
    client = FakeClient(network)
    pv = client.connect("pv")
    sub = client.subscribe(pv)
    network.clock.run(1.0)
    stuck.connection.stalled = True
    stuck.answers_searches = False
    backup.answers_searches = True
    with caplog.at_level(logging.WARNING, "caproto"):
        took = network.clock.run_until(lambda: pv.address == backup.address)
    assert 30.0 < took < 36.5
    network.clock.run_until(lambda: pv.connected)
    backup.post("pv", 8.0)
    network.clock.run(0.1)
    assert sub.values[-1] == 8.0
    assert pv.states == ["connected", "disconnected", "connected"]
    assert not stuck.connection.open
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "10.0.0.1:5064" in warnings[0].getMessage()


@pytest.mark.parametrize("server_is_there", [True, False])
def test_epics_base_190_after_sleep_a_circuit_is_judged_anew_within_one_echo(
    server_is_there: bool,
) -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    pv = client.connect("pv")
    network.clock.run(10.0)
    before = server.connection
    if not server_is_there:
        before.open = False  # forgotten by the network: nothing arrives, nothing comes back
        before.write = lambda data: None  # type: ignore[method-assign]
        pv.circuit._write = before.write  # type: ignore[union-attr]
    network.clock.sleep(3600.0)
    network.clock.run(1.0)
    assert pv.connected  # the server gets its time to answer
    if server_is_there:
        network.clock.run(100.0)
        assert server.connection is before
        assert pv.states == ["connected"]
        assert len(before.of(EchoRequest)) >= 1
    else:
        took = network.clock.run_until(lambda: len(server.connections) == 2)
        assert took < 6.0
        network.clock.run_until(lambda: pv.connected, limit=1.0)


async def test_cothread_17_read_after_the_server_came_back_on_another_port(
    loopback: Loopback,
) -> None:
    moved = free_port()

    def answer(server: ScriptedServer) -> Any:
        def reply(received: RawMessage) -> bytes:
            if received.command != 15:
                return server.answer(received)
            head = raw_message(15, 6, 1, 1, received.p2)
            return head[:2] + b"\0\x08" + head[4:] + bytes(8)

        return reply

    async with ScriptedServer(loopback.ca_port) as names, Context(timeout=10) as ctx:
        names.on_message = answer(names)
        states = States()
        (pv,) = await ctx.get_pvs("pv", connection_state_callback=states)
        assert await pv.read() is not None
        async with ScriptedServer(moved) as server:
            server.on_message = answer(server)
            names.advertised_port = moved
            names.hang_up()
            await states.until("connected", "disconnected", "connected")
            assert await pv.read() is not None
            assert pv.address == ("127.0.0.1", moved)


async def test_pyepics_68_pv_can_be_used_again_after_its_circuit_was_closed(
    c_ioc_env: CIoc,
) -> None:
    states = States()
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("IO:ai", connection_state_callback=states)
        await pv.wait_for_connection()
        manager = pv.circuit_manager
        assert manager is not None
        await manager.disconnect()
        response = await pv.read()
        assert response is not None
        assert response.value == 3.25
        await states.until("connected", "disconnected", "connected")


async def test_epics2web_6_failing_callback_does_not_keep_other_pvs_from_coming_back(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(pv: PV, state: str) -> None:
        if state == "disconnected":
            raise RuntimeError("no")

    async with (
        ScriptedServer(loopback.ca_port) as server,
        Context(timeout=10, max_workers=0) as ctx,
    ):
        pvs = await ctx.get_pvs("a", "b", "c", connection_state_callback=fail)
        await ctx.wait_for_connections(*pvs)
        with caplog.at_level(logging.ERROR, "caproto"):
            server.hang_up()
            await until(lambda: len(caplog.records) == 3)
        results = await ctx.wait_for_connections(*pvs)
        assert not any(results.values())


# --- servers that are no good ------------------------------------------------------------------------------------------------------


async def test_phoebus_1958_server_that_does_not_accept_blocks_nobody(
    c_ioc: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    liar = free_port()
    use_loopback(monkeypatch, [c_ioc.port, liar], c_ioc.repeater_port)
    async with ScriptedServer(liar) as server, Context(timeout=10) as ctx:
        assert server._tcp is not None
        server._tcp.close()  # searches are answered, connections are refused
        wanted, other = await ctx.get_pvs("only the liar", "IO:ao")
        await other.wait_for_connection()
        assert await other.read() is not None
        with pytest.raises(CaprotoTimeoutError):
            await wanted.wait_for_connection(timeout=0.1)
        assert other.connected


def test_phoebus_1958_attempt_to_connect_has_an_end() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    server.tcp = "ignore"
    client = FakeClient(network)
    client.pv("pv")
    network.clock.run_until(lambda: bool(client.engine.circuits))
    (circuit,) = client.engine.circuits.values()
    took = network.clock.run_until(lambda: circuit.state is CircuitState.CLOSED)
    assert 4.0 < took < 10.0


def test_ca_gateway_50_name_is_searched_again_after_create_ch_fail() -> None:
    network = FakeNetwork()
    gateway = FakeServer(network, ["pv"])

    def refuse_until_searched_often(connection: Any, request: CreateChanRequest) -> Any:
        if gateway.searched.count("pv") < 3:
            return CreateChFailResponse(request.cid)
        gateway.script.clear()
        return gateway.handle(connection, request)

    gateway.on(CreateChanRequest, refuse_until_searched_often)
    client = FakeClient(network)
    pv = client.pv("pv")
    network.clock.run_until(lambda: pv.connected, limit=10.0)


async def test_ca_gateway_24_gateway_that_must_be_searched_by_udp_first(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = free_port()
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", f"127.0.0.1:{directory}")
    async with (
        ScriptedServer(loopback.ca_port) as gateway,
        ScriptedServer(directory) as names,
        Context(timeout=10) as ctx,
    ):
        gateway.advertised_port = 0  # by UDP it does not answer, but it learns the name
        known: set[str] = set()

        def at_gateway(received: RawMessage) -> bytes:
            if received.command != CREATE_CHAN:
                return b""
            name = received.payload.rstrip(b"\0").decode()
            if name not in known:
                known.update(gateway.searches)
                return raw_message(CREATE_CH_FAIL, p1=received.p1)
            return channel(received)

        def in_directory(received: RawMessage) -> bytes:
            if received.command != SEARCH:
                return b""
            return raw_message(SEARCH, loopback.ca_port, 0, 0x7F000001, received.p1)

        gateway.on_message, names.on_message = at_gateway, in_directory
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        assert "pv" in gateway.searches


# --- many names -----------------------------------------------------------------------------------------------------------------------


async def test_epics_base_503_missing_pv_does_not_spoil_the_others(c_ioc_env: CIoc) -> None:
    async with Context(timeout=10) as ctx:
        results = await ctx.wait_for_connections("IO:ai", "missing", "IO:ao", timeout=0.3)
        outcome = {pv.name: error for pv, error in results.items()}
        assert outcome["IO:ai"] is None
        assert outcome["IO:ao"] is None
        assert isinstance(outcome["missing"], CaprotoTimeoutError)
        assert outcome["missing"].pv_name == "missing"
        values = await ctx.read_many(list(results), timeout=0.1)
        assert [getattr(value, "value", None) for value in values] == [3.25, None, 1.5]
        assert isinstance(values[1], CaprotoTimeoutError)


async def test_pv_access_cpp_117_channels_and_subscriptions_of_many_pvs_interleave(
    bulk_ioc: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_loopback(monkeypatch, [bulk_ioc.port], bulk_ioc.repeater_port)
    values: dict[str, float] = {}
    subs = []

    async def subscribe(pv: PV, state: str) -> None:
        if state == "connected":
            sub = pv.subscribe()
            sub.add_callback(take)
            subs.append(sub)
            await asyncio.sleep(0)

    def take(sub: Any, response: Any) -> None:
        values[sub.pv.name] = response.value

    async with Context(timeout=20) as ctx:
        names = [f"bulk:{index}" for index in range(BULK)]
        await ctx.get_pvs(*names, connection_state_callback=subscribe)
        await until(lambda: len(values) == BULK)
        assert values == {f"bulk:{index}": float(index) for index in range(BULK)}
        assert len(ctx.circuit_managers) == 1
