"""EPICS_CA_NAME_SERVERS: searches over TCP, to the real C IOC, to our server, and to servers that misbehave."""

from __future__ import annotations

import logging
import struct

import pytest

import caproto.asyncio._nameserver as link_module
import caproto.client.nameserver as engine_module
from caproto import CaprotoTimeoutError
from caproto.asyncio.client import Context
from caproto.client.nameserver import NameServer
from caproto.client.search import SearchEngine
from caproto.server.data import ChannelDouble
from tests.asyncio.raw_client import serving
from tests.asyncio.scripted_server import SEARCH, VERSION, ScriptedServer
from tests.asyncio.sent_messages import ECHO
from tests.asyncio.waiting import States, until
from tests.client.searching import Listener
from tests.support import CIoc, free_port
from tests.support.raw_messages import RawMessage, raw_message, split_messages

from ..conftest import Loopback, MakeCIoc
from .black_hole import black_hole
from .conftest import BULK

HERE = struct.unpack(">I", bytes([127, 0, 0, 1]))[0]
THIS_CIRCUIT = 0xFFFFFFFF
NOT_FOUND = 14


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose no time between attempts to connect."""
    monkeypatch.setattr(engine_module, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, loopback: Loopback) -> Loopback:
    """Search one name server, at the port of the environment, and nowhere else."""
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "")
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", f"127.0.0.1:{loopback.ca_port}")
    return loopback


def answer_searches(server: ScriptedServer, address: int, port: int, names: set[str]) -> None:
    """Let a server answer searches by TCP as a name server does."""

    def answer(received: RawMessage) -> bytes:
        if received.command != SEARCH:
            return server.answer(received)
        name = received.payload.rstrip(b"\0").decode()
        server.searches.append(name)
        if name not in names:
            return b""
        return raw_message(SEARCH, port, 0, address, received.p1)

    server.on_message = answer


# --- good name servers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["127.0.0.1:{port}", "localhost:{port}", "127.0.0.1"])
async def test_c_ioc_answers_searches_over_tcp(
    c_ioc_env: CIoc, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "")
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", place.format(port=c_ioc_env.port))
    async with Context(timeout=10) as ctx:
        ai, ao = await ctx.get_pvs("IO:ai", "IO:ao")
        response = await ai.read()
        assert response is not None
        assert response.value == 3.25
        await ao.wait_for_connection()
        assert ai.address == ("127.0.0.1", c_ioc_env.port)
        assert ctx.broadcaster._destinations == ()
        assert ctx.stats().names_searching == 0


async def test_c_ioc_with_many_names_by_tcp_alone(
    bulk_ioc: CIoc, only: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", f"127.0.0.1:{bulk_ioc.port}")
    async with Context(timeout=20) as ctx:
        results = await ctx.wait_for_connections(*(f"bulk:{index}" for index in range(BULK)))
        assert len(results) == BULK
        assert not any(results.values())
        responses = await ctx.read_many(list(results))
        assert [getattr(response, "value", None) for response in responses] == list(range(BULK))


async def test_closing_the_own_connection_to_a_name_server_is_not_reported(
    only: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving({"pv": ChannelDouble(value=2.5)}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.read()
        await ctx.disconnect()
        await ctx.broadcaster.disconnect()
    assert "Name server" not in caplog.text


async def test_our_server_answers_searches_over_tcp(only: Loopback) -> None:
    async with serving({"pv": ChannelDouble(value=2.5)}), Context(timeout=10) as ctx:
        pv, unknown = await ctx.get_pvs("pv", "unknown")
        response = await pv.read()
        assert response is not None
        assert response.value == 2.5
        with pytest.raises(CaprotoTimeoutError) as caught:
            await unknown.wait_for_connection(timeout=0.05)
        assert f"127.0.0.1:{only.ca_port}" in str(caught.value)
        assert "no address to search" not in str(caught.value)


async def test_name_server_may_lead_to_another_server(only: Loopback, c_ioc: CIoc) -> None:
    async with ScriptedServer(only.ca_port) as names, Context(timeout=10) as ctx:
        answer_searches(names, HERE, c_ioc.port, {"IO:ai"})
        (pv,) = await ctx.get_pvs("IO:ai")
        await pv.wait_for_connection()
        assert pv.address == ("127.0.0.1", c_ioc.port)


async def test_answer_without_an_address_means_the_name_server_itself(only: Loopback) -> None:
    async with ScriptedServer(only.ca_port) as names, Context(timeout=10) as ctx:
        answer_searches(names, THIS_CIRCUIT, 1, {"pv"})  # the port field says nothing then
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        assert pv.address == ("127.0.0.1", only.ca_port)


async def test_not_found_is_no_answer(only: Loopback) -> None:
    async with ScriptedServer(only.ca_port) as names, Context(timeout=10) as ctx:
        knows = False

        def answer(received: RawMessage) -> bytes:
            if received.command != SEARCH:
                return names.answer(received)
            cid = received.p1
            names.searches.append("pv")
            found = raw_message(SEARCH, 0, 0, THIS_CIRCUIT, cid)
            return found if knows else raw_message(NOT_FOUND, 10, 13, cid, cid)

        names.on_message = answer
        (pv,) = await ctx.get_pvs("pv")
        await until(lambda: len(names.searches) >= 2)
        knows = True
        await pv.wait_for_connection()


async def test_both_ways_are_searched_and_the_first_answer_counts(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = free_port()
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", f"127.0.0.1:{other}")
    async with (
        ScriptedServer(other) as names,
        serving({"by udp": ChannelDouble(value=1.0)}),
        Context(timeout=10) as ctx,
    ):
        answer_searches(names, THIS_CIRCUIT, 0, {"by tcp"})
        by_udp, by_tcp = await ctx.get_pvs("by udp", "by tcp")
        await by_udp.wait_for_connection()
        await by_tcp.wait_for_connection()
        assert by_udp.address == ("127.0.0.1", loopback.ca_port)
        assert by_tcp.address == ("127.0.0.1", other)


# --- name servers that come and go -----------------------------------------------------------------------------------------------


async def test_name_server_that_is_not_there_yet(
    only: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with Context(timeout=10) as ctx:
        with caplog.at_level(logging.WARNING, "caproto"):
            (pv,) = await ctx.get_pvs("pv")
            link = ctx.broadcaster._name_servers[0].server
            await until(lambda: link._pause > 0.1)  # several attempts have failed
        async with serving({"pv": ChannelDouble(value=1.0)}):
            await pv.wait_for_connection()
    warnings = [r for r in caplog.records if "Name server" in r.getMessage()]
    assert len(warnings) == 1
    assert f"127.0.0.1:{only.ca_port}" in warnings[0].getMessage()


async def test_name_server_dies_and_comes_back(only: Loopback) -> None:
    states = States()
    async with Context(timeout=10) as ctx:
        async with serving({"pv": ChannelDouble(value=1.0)}):
            (pv,) = await ctx.get_pvs("pv", connection_state_callback=states)
            await pv.wait_for_connection()
        await states.until("connected", "disconnected")
        (later,) = await ctx.get_pvs("later")
        async with serving({"pv": ChannelDouble(value=1.0), "later": ChannelDouble(value=2.0)}):
            await pv.wait_for_connection()
            await later.wait_for_connection()
        await states.until("connected", "disconnected", "connected", "disconnected")


async def test_c_ioc_as_name_server_is_killed_and_comes_back(
    make_c_ioc: MakeCIoc, only: Loopback
) -> None:
    ioc = make_c_ioc(port=only.ca_port)
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs("IO:ai")
        await pv.wait_for_connection()
        ioc.kill()
        await until(lambda: not pv.connected)
        ioc.start()
        response = await pv.read()
        assert response is not None
        assert response.value == 3.25


async def test_name_server_whose_circuit_dies_does_not_disturb_what_is_connected(
    only: Loopback, c_ioc: CIoc
) -> None:
    states = States()
    async with Context(timeout=10) as ctx:
        async with ScriptedServer(only.ca_port) as names:
            answer_searches(names, HERE, c_ioc.port, {"IO:ai"})
            (pv,) = await ctx.get_pvs("IO:ai", connection_state_callback=states)
            await pv.wait_for_connection()
        await until(lambda: ctx.broadcaster._name_servers[0].server._write is None)
        assert await pv.read() is not None
        await states.until("connected")
        # Nothing is searched, so nobody needs the name server.
        assert ctx.broadcaster._name_servers[0].server.next_deadline() == float("inf")


async def test_context_may_end_while_it_connects_to_a_name_server(only: Loopback) -> None:
    with black_hole(only.ca_port):
        async with Context() as ctx:
            await ctx.get_pvs("pv")
            await until(lambda: ctx.broadcaster._name_servers[0].server.connecting)


async def test_name_server_that_does_not_accept_is_given_up_and_tried_again(
    only: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(link_module, "_CONNECT_TIME", 0.05)
    async with Context(timeout=10) as ctx:
        with caplog.at_level(logging.WARNING, "caproto"), black_hole(only.ca_port):
            (pv,) = await ctx.get_pvs("pv")
            await until(lambda: "cannot connect (no answer)" in caplog.text)
        async with serving({"pv": ChannelDouble(value=1.0)}):
            await pv.wait_for_connection()


# --- name servers that are no good -------------------------------------------------------------------------------------------------


async def test_host_name_that_cannot_be_is_no_more_than_a_dead_name_server(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", "x" * 70)
    async with serving({"pv": ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
        with caplog.at_level(logging.WARNING, "caproto"):
            (pv,) = await ctx.get_pvs("pv")
            await pv.wait_for_connection()
            await until(lambda: "cannot connect" in caplog.text)


async def test_server_older_than_version_12_is_not_asked(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old = free_port()
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", f"127.0.0.1:{old}")
    with caplog.at_level(logging.WARNING, "caproto"):
        async with ScriptedServer(old) as names, Context(timeout=10) as ctx:
            names.version = 11
            (pv,) = await ctx.get_pvs("pv")
            await until(lambda: "speaks version 4.11" in caplog.text)
            async with serving({"pv": ChannelDouble(value=1.0)}):
                await pv.wait_for_connection()
    assert [m.command for m in names.received] == [VERSION]


async def test_server_that_does_not_tell_its_version_is_not_asked(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = free_port()
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", f"127.0.0.1:{silent}")
    async with ScriptedServer(silent) as names, Context(timeout=10) as ctx:
        names.version = None
        (pv,) = await ctx.get_pvs("pv")
        await until(lambda: names.received and ctx.stats().search_datagrams >= 3)
        assert [m.command for m in names.received] == [VERSION]
        names.send(raw_message(VERSION, 0, 13))  # now it does
        answer_searches(names, THIS_CIRCUIT, 0, {"pv"})
        await pv.wait_for_connection()


async def test_bytes_that_make_no_sense_close_the_connection_and_it_is_made_again(
    only: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with ScriptedServer(only.ca_port) as names, Context(timeout=10) as ctx:
        with caplog.at_level(logging.WARNING, "caproto"):
            (pv,) = await ctx.get_pvs("pv")
            await until(lambda: any(m.command == SEARCH for m in names.received))
            names.send(
                raw_message(SEARCH)[:2] + b"\0\x03" + bytes(15)
            )  # 3 bytes of payload: not a multiple of 8
            await until(lambda: len(names.connections) == 2)
        assert "Name server" in caplog.text
        answer_searches(names, THIS_CIRCUIT, 0, {"pv"})
        await pv.wait_for_connection()


async def test_wrong_answers_find_nothing(only: Loopback) -> None:
    async with ScriptedServer(only.ca_port) as names, Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await until(lambda: any(m.command == SEARCH for m in names.received))
        names.send(raw_message(SEARCH, 1, 0, THIS_CIRCUIT, 0xDEADBEEF))  # a cid of somebody else
        names.send(
            raw_message(NOT_FOUND, 10, 13, 0, 0) + raw_message(27, 0, 0, 0, 0) + raw_message(11)
        )
        seen = len(names.received)
        await until(lambda: len(names.received) > seen)
        assert len(names.connections) == 1
        assert pv.circuit is None


# --- the rules, without a network -----------------------------------------------------------------------------------------------------


class Wire:
    """What a name server was sent."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, data: bytes) -> None:
        self.data += data

    @property
    def commands(self) -> list[int]:
        return [m.command for m in split_messages(self.data)]


def connected(version: int = 13) -> tuple[NameServer, Wire, SearchEngine]:
    """Return a name server that is connected at 100.0 and has told its version."""
    search, wire = SearchEngine(), Wire()
    server = NameServer(("127.0.0.1", 5064), search, patience=30.0, answer_time=5.0)
    server.connected_by(wire, ("127.0.0.1", 5064), 100.0)
    assert server.feed(raw_message(VERSION, 0, version), 100.0)
    return server, wire, search


def test_silent_name_server_gets_an_echo_and_is_given_up_without_an_answer() -> None:
    server, wire, _ = connected()
    assert server.next_deadline() == 130.0
    assert server.check(130.0)
    assert wire.commands == [VERSION, ECHO]
    assert server.next_deadline() == 135.0
    assert server.check(134.9)
    assert not server.check(135.0)


def test_name_server_that_answers_the_echo_is_kept() -> None:
    server, wire, _ = connected()
    assert server.check(130.0)
    assert server.feed(raw_message(ECHO), 130.5)
    assert server.check(135.0)
    assert server.next_deadline() == 160.5
    assert wire.commands == [VERSION, ECHO]


def test_names_that_were_asked_for_in_vain_are_asked_for_again_when_a_name_server_is_ready() -> (
    None
):
    search, wire = SearchEngine(), Wire()
    server = NameServer(("127.0.0.1", 5064), search, patience=30.0, answer_time=5.0)
    search.search("pv", Listener(), 0.0)
    now = 0.0
    while now < 50.0:
        for datagram in search.poll(now):
            server.ask(datagram)  # it is not there
        now = max(now + 0.001, search.next_deadline())
    assert wire.data == b""
    server.connected_by(wire, ("127.0.0.1", 5064), 50.0)
    assert server.feed(raw_message(VERSION, 0, 13), 50.1)
    for datagram in search.poll(50.1):
        server.ask(datagram)
    assert wire.commands == [VERSION, VERSION, SEARCH]


def test_name_server_that_closes_every_connection_is_tried_ever_more_rarely_and_reported_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # the real pauses
    search = SearchEngine()
    search.search("pv", Listener(), 0.0)
    server = NameServer(("127.0.0.1", 5064), search, patience=30.0, answer_time=5.0)
    attempts, now = 0, 0.0
    with caplog.at_level(logging.WARNING, "caproto"):
        while now < 600.0:
            if server.wants_connection(now):
                attempts += 1
                server.connected_by(Wire(), ("127.0.0.1", 5064), now)
                server.feed(raw_message(VERSION, 0, 13), now)
                server.lost("it closed the connection", now)
            now = server.next_deadline()
    assert 10 < attempts < 40
    assert len(caplog.records) == 1
    # After a time in which all was well, the next trouble is reported, and the pause is short again.
    server.connected_by(Wire(), ("127.0.0.1", 5064), 1000.0)
    server.lost("it closed the connection", 1100.0)
    assert server.next_deadline() == 1100.5
    assert len(caplog.records) == 2
