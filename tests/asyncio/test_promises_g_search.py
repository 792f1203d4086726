"""What the reference page promises about searches and cancelling them (51 to 53)."""

from __future__ import annotations

import asyncio
import inspect
import itertools

import pytest

from caproto import CaprotoTimeoutError
from caproto.asyncio.client import Context, SharedBroadcaster
from caproto.client.search import SearchEngine
from tests.support import Ioc

from ..client.searching import Listener
from ..conftest import Loopback
from .scripted_server import ScriptedServer
from .waiting import until


async def test_promise_51_cancel_stops_a_search_at_once(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context() as ctx:
        server.advertised_port = 0
        await ctx.get_pvs("typo", "patient")
        await until(lambda: server.searches.count("typo") >= 2)
        assert inspect.iscoroutinefunction(ctx.broadcaster.cancel) is False
        ctx.broadcaster.cancel("typo", "never searched at all")
        # The datagrams that were sent before are here when the next one for the other name is.
        asked = server.searches.count("patient")
        await until(lambda: server.searches.count("patient") > asked)
        cancelled = server.searches.count("typo")
        await until(lambda: server.searches.count("patient") > asked + 3)
        assert server.searches.count("typo") == cancelled


async def test_promise_51_asking_again_starts_a_fresh_search(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=20) as ctx:
        server.advertised_port = 0
        (pv,) = await ctx.get_pvs("typo")
        await until(lambda: server.searches)
        ctx.broadcaster.cancel("typo")
        server.advertised_port = loopback.ca_port
        (again,) = await ctx.get_pvs("typo")
        assert again is pv
        await pv.wait_for_connection()


async def test_promise_51_cancel_reaches_all_contexts_of_a_shared_broadcaster(
    loopback: Loopback,
) -> None:
    broadcaster = SharedBroadcaster()
    async with (
        ScriptedServer(loopback.ca_port) as server,
        Context(broadcaster) as first,
        Context(broadcaster) as second,
    ):
        server.advertised_port = 0
        pvs = [*await first.get_pvs("typo"), *await second.get_pvs("typo")]
        await until(lambda: server.searches)
        first.broadcaster.cancel("typo")
        server.advertised_port = loopback.ca_port
        await second.get_pvs("other")
        await until(lambda: "other" in server.searches)
        assert [repr(pv) for pv in pvs] == ["<PV name='typo' priority=0 (cancelled)>"] * 2


async def test_promise_51_shared_broadcaster_serves_both_contexts(ioc: Ioc) -> None:
    broadcaster = SharedBroadcaster()
    async with Context(broadcaster) as first:
        async with Context(broadcaster) as second:
            for ctx in (first, second):
                (dt,) = await ctx.get_pvs("random_walk:dt")
                response = await dt.read()
                assert response.value == 3.0
        (x,) = await first.get_pvs("random_walk:x")  # the socket is open for the other one
        await x.read()


async def test_promise_52_stays_unresolved_until_get_pvs_is_called_again(
    loopback: Loopback,
) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context() as ctx:
        server.advertised_port = 0
        (pv,) = await ctx.get_pvs("typo")
        await until(lambda: server.searches)
        ctx.broadcaster.cancel("typo")
        server.advertised_port = loopback.ca_port  # a server for it comes up
        (other,) = await ctx.get_pvs("other")
        await other.wait_for_connection(timeout=20)
        assert not pv.connected
        assert repr(pv) == "<PV name='typo' priority=0 (cancelled)>"
        await ctx.get_pvs("typo")
        assert repr(pv) == "<PV name='typo' priority=0 (searching....)>"
        await pv.wait_for_connection(timeout=20)


async def test_promise_52_those_who_wait_time_out(loopback: Loopback) -> None:
    async with Context() as ctx:
        (pv,) = await ctx.get_pvs("typo")
        waiting = asyncio.create_task(pv.wait_for_connection(timeout=0.05))
        await asyncio.sleep(0)
        ctx.broadcaster.cancel("typo")
        with pytest.raises(CaprotoTimeoutError, match="'typo'"):
            await waiting


def test_promise_53_searches_are_retried_less_and_less_often_for_ever() -> None:
    engine = SearchEngine(max_period=300.0)
    engine.search("typo", Listener(), 0.0)
    now, moments = 0.0, []
    while now < 7 * 24 * 3600.0:
        if engine.poll(now):
            moments.append(now)
        now = max(engine.next_deadline(), now + 0.001)
    periods = [after - before for before, after in itertools.pairwise(moments)]
    assert moments[0] == 0.0
    assert periods[0] < 0.1
    assert all(after >= before - 0.002 for before, after in itertools.pairwise(periods))
    assert max(periods) <= 300.1
    # A week later it is still asked for.
    assert now - moments[-1] <= 301


def test_promise_53_everything_is_retried_at_once() -> None:
    engine = SearchEngine(max_period=300.0)
    engine.search("typo", Listener(), 0.0)
    now = 0.0
    while engine.next_deadline() < now + 10:
        now = max(now, engine.next_deadline())
        engine.poll(now)
    assert engine.poll(now + 5) == []  # it is not its turn
    engine.boost(now + 5)
    (datagram,) = engine.poll(now + 5)
    assert b"typo" in datagram


@pytest.mark.parametrize("asked_for", ["new", "known"])
async def test_promise_53_get_pvs_retries_the_unanswered_searches(
    loopback: Loopback, asked_for: str
) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context() as ctx, Context() as other:
        server.advertised_port = 0
        await ctx.get_pvs("old", "known")
        await other.get_pvs("reference")  # with a broadcaster of its own, so left alone
        # By then about a second passes from one request to the next.
        await until(lambda: server.searches.count("old") == server.searches.count("reference") == 6)
        await ctx.get_pvs(asked_for)
        await until(lambda: server.searches.count("old") == 7)
        assert server.searches.count("reference") == 6
        assert asked_for in server.searches
