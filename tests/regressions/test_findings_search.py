"""Findings 3.2, searches: names, ids, cancelling, addresses and the repeater."""

from __future__ import annotations

import logging
import os
from typing import Any

import pytest

import caproto.asyncio._broadcaster as broadcaster_module
from caproto import CaprotoTimeoutError, CaprotoValueError, DisconnectedError
from caproto._constants import MAX_RECORD_LENGTH
from caproto._env import ClientSettings
from caproto._net import search_destinations
from caproto._protocol.circuit import VirtualCircuit
from caproto._protocol.states import CLIENT
from caproto.asyncio.client import Context, SharedBroadcaster
from caproto.client.search import SearchEngine
from caproto.server.data import ChannelDouble
from tests.asyncio.raw_client import serving
from tests.asyncio.scripted_server import ScriptedServer
from tests.asyncio.sent_messages import CREATE_CHAN
from tests.asyncio.waiting import until
from tests.support import CIoc, free_port
from tests.support.fakes import FakeClient, FakeNetwork, FakeRecord, FakeServer

from ..conftest import Loopback
from .datagrams import listening

# --- 6: names that stop everything ---------------------------------------------------------------------------------------

SIXTY = "IO:name_of_sixty_characters_the_longest_that_a_record_can_ha"
FILTERED = [
    'IO:ai.{"dbnd":{"abs":0.5}}',
    'IO:ai.{"dec":{"n":2}}',
    'IO:ai.{"utag":{"M":1,"V":1}}',
    "IO:ai.{dbnd:{abs:0.5}}",  # JSON5
    "IO:ai.VAL{ts:{}}",
]


async def test_finding_3_2_06_long_names_and_any_filter_do_not_stop_the_others(
    c_ioc_env: CIoc,
) -> None:
    assert len(SIXTY) == 60
    async with Context(timeout=10) as ctx:
        unknown = ["no:" + "x" * 900, 'no.{"nonsense":', "no.{", "no.{dec:{n:1e999}}", "é" * 300]
        *_, known = await ctx.get_pvs(*unknown, *FILTERED, SIXTY, "IO:ai")
        results = await ctx.wait_for_connections(*FILTERED, SIXTY, known)
        assert [pv.name for pv, error in results.items() if error] == []
        later, response = await ctx.get_pvs("IO:ao"), await known.read()
        await later[0].wait_for_connection()
        assert response is not None
        assert response.value == 3.25


async def test_finding_3_2_06_and_caproto_872_longest_name_connects_and_a_longer_one_is_refused(
    loopback: Loopback,
) -> None:
    longest = "x" * MAX_RECORD_LENGTH
    async with serving({longest: ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
        with pytest.raises(CaprotoValueError, match="y" * 20):
            await ctx.get_pvs("ok", "y" * (MAX_RECORD_LENGTH + 1))
        assert ctx.pvs == {}
        (pv,) = await ctx.get_pvs(longest)
        await pv.wait_for_connection()


# --- 7: ids of 16 bits -----------------------------------------------------------------------------------------------------

MORE_THAN_16_BITS = 70_000


def test_finding_3_2_07_ids_are_32_bit() -> None:
    circuit = VirtualCircuit(our_role=CLIENT, address=("127.0.0.1", 5064), priority=0)
    for new_id in (circuit.new_channel_id, circuit.new_subscriptionid, circuit.new_ioid):
        assert len({new_id() for _ in range(MORE_THAN_16_BITS)}) == MORE_THAN_16_BITS


def test_finding_3_2_07_searches_are_not_limited_by_their_ids() -> None:
    engine = SearchEngine()
    found: list[str] = []

    class Seeker:
        def __init__(self, name: str) -> None:
            self.name = name

        def found(self, address: Any, version: int, now: float) -> bool:
            found.append(self.name)
            return True

    names = [f"pv:{index}" for index in range(MORE_THAN_16_BITS)]
    cids = [engine.search(name, Seeker(name), 0.0).cid for name in names]
    assert len(set(cids)) == MORE_THAN_16_BITS
    assert engine.pending == MORE_THAN_16_BITS
    for index in (65_535, 65_536, MORE_THAN_16_BITS - 1):
        engine.on_reply(cids[index], ("127.0.0.1", 5064), 13, 0.1)
    assert found == ["pv:65535", "pv:65536", f"pv:{MORE_THAN_16_BITS - 1}"]


def test_finding_3_2_07_ioid_of_an_outstanding_request_is_not_given_twice() -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    pv = client.connect("pv")
    server.connection.stalled = True
    first = client.request(pv, None)
    assert first.ioid == 0
    pv.circuit._next_ioid = 2**32 - 1  # type: ignore[union-attr]
    ioids = [client.request(pv, None).ioid for _ in range(4)]
    assert len({0, *ioids}) == 5
    assert pv.circuit.tables.requests[0] is first  # type: ignore[union-attr]


# --- 10: cancelling ---------------------------------------------------------------------------------------------------------


def test_finding_3_2_10_cancelled_search_sends_nothing_more() -> None:
    network = FakeNetwork()
    server = FakeServer(network)
    client = FakeClient(network)
    pv, other = client.pv("pv"), client.pv("other")
    network.clock.run(1.0)
    client.cancel(pv)
    asked = server.searched.count("pv")
    network.clock.run(1000.0)
    assert server.searched.count("pv") == asked
    assert server.searched.count("other") > asked
    server.records.update(pv=FakeRecord(), other=FakeRecord())
    network.clock.run(1000.0)
    assert other.connected
    assert not pv.connected


async def test_finding_3_2_10_cancelled_name_is_searched_again_when_asked_for(
    loopback: Loopback,
) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        ctx.broadcaster.cancel("pv")
        assert ctx.broadcaster.results.pending == 0
        assert repr(pv) == "<PV name='pv' priority=0 (cancelled)>"
        async with ScriptedServer(loopback.ca_port) as server:
            assert (await ctx.get_pvs("pv")) == [pv]
            await pv.wait_for_connection()
            assert set(server.searches) == {"pv"}


# --- 14: servers that leave ---------------------------------------------------------------------------------------------------


async def test_finding_3_2_14_pv_without_a_server_says_so_when_asked_for_its_silence(
    loopback: Loopback,
) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        with pytest.raises(DisconnectedError, match="'pv'"):
            pv.time_since_last_heard()
        async with ScriptedServer(loopback.ca_port):
            await pv.wait_for_search()
            with pytest.raises(DisconnectedError, match="'pv'"):  # TCP is not there yet
                pv.time_since_last_heard()
            await pv.wait_for_connection()
            assert 0.0 <= pv.time_since_last_heard() < 10.0
        await until(lambda: not pv.connected)
        with pytest.raises(DisconnectedError, match="'pv'"):
            pv.time_since_last_heard()


# --- 15, 16: where searches go --------------------------------------------------------------------------------------------------


async def test_finding_3_2_15_no_address_list_at_all_sends_nothing(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "")
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "NO")
    sent: list[Any] = []
    monkeypatch.setattr(
        SharedBroadcaster, "_send_datagram", lambda self, data, place: sent.append(place)
    )
    async with Context() as ctx:
        (pv,) = await ctx.get_pvs("pv")
        with pytest.raises(CaprotoTimeoutError, match="no address to search: set EPICS_CA_ADDR"):
            await pv.wait_for_connection(timeout=0.1)
    assert set(sent) <= {("127.0.0.1", loopback.repeater_port)}  # the registration


async def test_finding_3_2_15_address_list_may_be_split_by_any_blanks_and_keeps_its_order(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", " 127.0.0.3\t127.0.0.1:7\n127.0.0.2  127.0.0.1:7 ")
    sent: list[Any] = []
    monkeypatch.setattr(
        SharedBroadcaster, "_send_datagram", lambda self, data, place: sent.append(tuple(place))
    )
    port = loopback.ca_port
    async with Context() as ctx:
        await ctx.get_pvs("pv")
        await until(lambda: ctx.stats().search_datagrams)
    searched = [place for place in sent if place[1] != loopback.repeater_port]
    assert searched[:3] == [("127.0.0.3", port), ("127.0.0.1", 7), ("127.0.0.2", port)]
    assert len(set(searched)) == 3


async def test_finding_3_2_16_environment_is_read_once_per_context(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[ClientSettings] = []

    def count(settings: ClientSettings) -> Any:
        calls.append(settings)
        return search_destinations(settings)

    monkeypatch.setattr(broadcaster_module, "search_destinations", count)
    async with Context(timeout=10) as ctx:
        monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{free_port()}")
        (pv,) = await ctx.get_pvs("pv")
        await until(lambda: ctx.stats().search_datagrams >= 3)
        async with ScriptedServer(loopback.ca_port):
            await pv.wait_for_connection()
    assert len(calls) == 1


# --- 19: the repeater -------------------------------------------------------------------------------------------------------------


async def test_finding_3_2_19_client_starts_a_repeater_if_none_answers(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAPROTO_NO_REPEATER")
    started: list[int] = []
    monkeypatch.setattr(broadcaster_module, "spawn_repeater", started.append)
    monkeypatch.setattr(broadcaster_module, "_SPAWN_AFTER", 0.01)
    async with Context(SharedBroadcaster(registration_retry_time=0.01)) as ctx:
        await until(lambda: ctx.broadcaster._attempts >= 4)
    assert set(started) == {loopback.repeater_port}


async def test_finding_3_2_19_client_registers_with_the_repeater_that_is_there(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CAPROTO_NO_REPEATER")
    started: list[int] = []
    monkeypatch.setattr(broadcaster_module, "spawn_repeater", started.append)
    monkeypatch.setattr(broadcaster_module, "_SPAWN_AFTER", 0.05)
    async with (
        listening(loopback.repeater_port) as repeater,
        listening() as other_port,
        Context(SharedBroadcaster(registration_retry_time=0.05)) as ctx,
    ):
        await until(lambda: repeater.received)
        request, client = repeater.received[0]
        assert request[:2] == b"\0\x18"  # REPEATER_REGISTER
        # The confirmation may come from any port of this machine.
        other_port.send(b"\0\x11" + bytes(10) + bytes([127, 0, 0, 1]), client)
        await until(lambda: ctx.broadcaster.engine.registered)
        beacon = b"\0\x0d\0\0\0\x0d\x13\xc8\0\0\0\0\x7f\0\0\x05"  # 127.0.0.5:5064
        repeater.send(beacon, client)
        await until(lambda: ("127.0.0.5", 5064) in ctx.broadcaster.time_since_last_heard())
    assert started == []


async def test_finding_3_2_19_search_does_not_wait_for_a_repeater(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "caproto"):
        async with ScriptedServer(loopback.ca_port) as server, Context(timeout=10) as ctx:
            (pv,) = await ctx.get_pvs("pv")
            await pv.wait_for_connection()
            assert not ctx.broadcaster.engine.registered
            assert [m.command for m in server.received].count(CREATE_CHAN) == 1
    assert caplog.records == []
    assert "CAPROTO_NO_REPEATER" in os.environ
