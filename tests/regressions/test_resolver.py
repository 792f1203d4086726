"""Context(resolver=...): a directory of the site instead of a search (caproto issue 452)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

import caproto.asyncio._resolver as resolver_module
from caproto import CaprotoTimeoutError
from caproto.asyncio.client import Context
from caproto.server.data import ChannelDouble
from tests.asyncio.raw_client import serving
from tests.asyncio.scripted_server import ScriptedServer
from tests.asyncio.waiting import States, until
from tests.support import CIoc, free_port

from ..conftest import Loopback


@pytest.fixture
def unsearchable(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """No search leads anywhere."""
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "")
    return loopback


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "_PAUSE", 0.02)


@pytest.mark.parametrize(
    "place", [("127.0.0.1", 0), "127.0.0.1:{port}", "localhost:{port}", ("localhost", 0)]
)
async def test_caproto_452_mapping_replaces_the_search(
    c_ioc: CIoc, unsearchable: Loopback, place: Any
) -> None:
    if isinstance(place, str):
        place = place.format(port=c_ioc.port)
    else:
        place = (place[0], c_ioc.port)
    async with Context(timeout=10, resolver={"IO:ai": place}) as ctx:
        (pv,) = await ctx.get_pvs("IO:ai")
        response = await pv.read()
        assert response is not None
        assert response.value == 3.25
        assert pv.address == ("127.0.0.1", c_ioc.port)
        assert ctx.stats().search_requests == 0


async def test_caproto_452_port_of_the_environment_is_the_default(unsearchable: Loopback) -> None:
    async with (
        serving({"pv": ChannelDouble(value=1.0)}),
        Context(timeout=10, resolver={"pv": "127.0.0.1"}) as ctx,
    ):
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()


async def test_caproto_452_what_the_directory_does_not_know_is_searched(
    loopback: Loopback,
) -> None:
    asked: list[str] = []

    async def resolve(name: str) -> None:
        asked.append(name)

    async with (
        serving({"pv": ChannelDouble(value=1.0)}),
        Context(timeout=10, resolver=resolve) as ctx,
    ):
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        assert asked == ["pv"]
        assert ctx.stats().search_requests >= 1


async def test_caproto_452_async_resolver_is_asked_for_all_names_at_once(
    unsearchable: Loopback,
) -> None:
    waiting: set[str] = set()
    everybody = asyncio.Event()

    async def resolve(name: str) -> tuple[str, int]:
        waiting.add(name)
        if len(waiting) == 3:
            everybody.set()
        await everybody.wait()
        return ("127.0.0.1", unsearchable.ca_port)

    pvdb = {name: ChannelDouble(value=1.0) for name in "abc"}
    async with serving(pvdb), Context(timeout=10, resolver=resolve) as ctx:
        results = await ctx.wait_for_connections("a", "b", "c")
        assert not any(results.values())
        assert len(ctx.circuit_managers) == 1


@pytest.mark.parametrize("failure", [RuntimeError("directory is down"), "::", ("127.0.0.1",), 7])
async def test_caproto_452_resolver_that_fails_is_logged_and_the_network_is_searched(
    loopback: Loopback, caplog: pytest.LogCaptureFixture, failure: Any
) -> None:
    async def resolve(name: str) -> Any:
        if isinstance(failure, Exception):
            raise failure
        return failure

    with caplog.at_level(logging.WARNING, "caproto"):
        async with (
            serving({"pv": ChannelDouble(value=1.0)}),
            Context(timeout=10, resolver=resolve) as ctx,
        ):
            (pv,) = await ctx.get_pvs("pv")
            await pv.wait_for_connection()
    (record,) = caplog.records
    assert "'pv'" in record.getMessage()
    assert record.exc_info is not None


async def test_caproto_452_resolver_is_asked_again_when_the_server_is_gone(
    unsearchable: Loopback,
) -> None:
    first, second = free_port(), free_port()
    directory = {"pv": ("127.0.0.1", first)}
    states = States()
    async with Context(timeout=10, resolver=directory) as ctx:
        async with ScriptedServer(first):
            (pv,) = await ctx.get_pvs("pv", connection_state_callback=states)
            await pv.wait_for_connection()
            directory["pv"] = ("127.0.0.1", second)
        async with ScriptedServer(second):
            await states.until("connected", "disconnected", "connected")
            assert pv.address == ("127.0.0.1", second)


async def test_caproto_452_server_that_refuses_is_tried_again_and_delays_nobody(
    unsearchable: Loopback,
) -> None:
    dead, alive = free_port(), free_port()
    directory = {"dead": ("127.0.0.1", dead), "alive": ("127.0.0.1", alive)}
    async with ScriptedServer(alive), Context(timeout=10, resolver=directory) as ctx:
        late, other = await ctx.get_pvs("dead", "alive")
        await other.wait_for_connection()
        await until(lambda: ("127.0.0.1", dead) in ctx._engine._penalties)
        assert not late.connected
        async with ScriptedServer(dead):
            await late.wait_for_connection()


async def test_caproto_452_cancelled_name_is_resolved_again_when_asked_for(
    unsearchable: Loopback,
) -> None:
    asked: list[str] = []
    given_up: list[str] = []

    async def resolve(name: str) -> tuple[str, int]:
        asked.append(name)
        if len(asked) == 1:
            try:
                await asyncio.Event().wait()  # for ever
            finally:
                given_up.append(name)
        return ("127.0.0.1", unsearchable.ca_port)

    async with (
        ScriptedServer(unsearchable.ca_port),
        Context(timeout=10, resolver=resolve) as ctx,
    ):
        (pv,) = await ctx.get_pvs("pv")
        await until(lambda: asked)
        ctx.broadcaster.cancel("pv")
        assert "(cancelled)" in repr(pv)
        await until(lambda: given_up)
        await ctx.get_pvs("pv")
        await pv.wait_for_connection()
    assert asked == ["pv", "pv"]


async def test_caproto_452_context_may_end_while_the_resolver_is_asked(
    unsearchable: Loopback,
) -> None:
    ended: list[str] = []

    async def resolve(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with Context(resolver=resolve) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        with pytest.raises(CaprotoTimeoutError, match="resolver"):
            await pv.wait_for_connection(timeout=0.05)
    assert ended == ["pv"]


async def test_caproto_452_timeout_says_that_the_directory_does_not_know_the_name(
    loopback: Loopback,
) -> None:
    async with Context(resolver={}) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        with pytest.raises(CaprotoTimeoutError, match=r"resolver does not know .* 127\.0\.0\.1:"):
            await pv.wait_for_connection(timeout=0.05)
