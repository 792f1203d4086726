"""What a program can find out: progress, statistics and how things look."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

from caproto import CaprotoTimeoutError, ContextDisconnectedError
from caproto.asyncio.client import Context, SharedBroadcaster
from caproto.server.data import ChannelDouble
from tests.asyncio.raw_client import serving
from tests.asyncio.scripted_server import ScriptedServer
from tests.asyncio.waiting import Recorder, States, until
from tests.support import CIoc, use_loopback

from ..conftest import Loopback
from .conftest import BULK

# --- wait_for_connections ------------------------------------------------------------------------------------------------------


async def test_ophyd_async_97_every_pv_that_is_missing_is_named(c_ioc_env: CIoc) -> None:
    async with Context(timeout=10) as ctx:
        (ai,) = await ctx.get_pvs("IO:ai")
        progress: list[tuple[int, int]] = []
        results = await ctx.wait_for_connections(
            ai,
            "missing:1",
            "IO:ao",
            "IO:ai",  # twice
            "missing:2",
            timeout=0.3,
            on_progress=lambda connected, total: progress.append((connected, total)),
        )
        assert [pv.name for pv in results] == ["IO:ai", "missing:1", "IO:ao", "missing:2"]
        missing = {pv.name: error for pv, error in results.items() if error is not None}
        assert set(missing) == {"missing:1", "missing:2"}
        for name, error in missing.items():
            assert isinstance(error, CaprotoTimeoutError)
            assert error.pv_name == name
            assert f"No servers responded to a search for a channel named '{name}'" in str(error)
        assert progress[-1] == (2, 4)
        assert sorted(progress) == progress


async def test_wait_for_connections_reports_progress_once_per_turn_of_the_loop(
    bulk_ioc: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_loopback(monkeypatch, [bulk_ioc.port], bulk_ioc.repeater_port)
    progress: list[tuple[int, int]] = []
    async with Context(timeout=20) as ctx:
        results = await ctx.wait_for_connections(
            *(f"bulk:{index}" for index in range(BULK)),
            on_progress=lambda connected, total: progress.append((connected, total)),
        )
        assert not any(results.values())
        told = len(progress)
        assert 2 <= told < BULK / 3
        assert sorted(progress) == progress
        assert progress[-1] == (BULK, BULK)
        (again,) = await ctx.get_pvs("bulk:0")
        await again.read()
        assert len(progress) == told  # nothing is reported after the end


async def test_wait_for_connections_goes_on_if_the_report_fails(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(connected: int, total: int) -> None:
        raise RuntimeError("no display")

    async with serving({"pv": ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
        with caplog.at_level(logging.ERROR, "caproto"):
            (error,) = (await ctx.wait_for_connections("pv", on_progress=fail)).values()
        assert error is None
        assert "no display" in caplog.text


async def test_wait_for_connections_wakes_idle_pvs_and_needs_none(loopback: Loopback) -> None:
    async with serving({"pv": ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
        assert await ctx.wait_for_connections() == {}
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        await pv.go_idle()
        assert await ctx.wait_for_connections(pv) == {pv: None}
        assert pv.connected


async def test_wait_for_connections_ends_with_the_context(loopback: Loopback) -> None:
    ctx = Context()
    (pv,) = await ctx.get_pvs("pv")
    waiting = asyncio.create_task(ctx.wait_for_connections(pv, timeout=None))
    await until(lambda: pv._waits)
    await ctx.disconnect()
    results = await waiting
    assert isinstance(results[pv], ContextDisconnectedError)
    with pytest.raises(ContextDisconnectedError):
        await ctx.wait_for_connections(pv)


# --- statistics -------------------------------------------------------------------------------------------------------------------


async def test_stats_count_what_there_is(loopback: Loopback) -> None:
    data = ChannelDouble(value=1.0)
    async with (
        serving({"pv": data, "idle": ChannelDouble(value=2.0)}),
        Context(timeout=10) as ctx,
    ):
        stats = ctx.stats()
        assert (stats.pvs, stats.circuits, stats.search_requests) == (0, (), 0)
        pv, idle, _ = await ctx.get_pvs("pv", "idle", "missing")
        assert ctx.stats().searching == 3
        await pv.wait_for_connection()
        await idle.wait_for_connection()
        await idle.go_idle()
        updates, sub = Recorder(), pv.subscribe()
        sub.add_callback(updates)
        await updates.until_value(1.0)
        stats = ctx.stats()
        assert (stats.pvs, stats.connected, stats.searching, stats.idle) == (3, 1, 1, 1)
        assert stats.names_searching == 1
        assert stats.search_requests >= 3
        assert 1 <= stats.search_datagrams <= stats.search_requests
        assert stats.subscriptions == 1
        assert (stats.dropped, stats.reconnects) == (0, 0)
        (circuit,) = stats.circuits
        assert circuit.address == ("127.0.0.1", loopback.ca_port)
        assert (circuit.priority, circuit.connected, circuit.version) == (0, True, 13)
        assert (circuit.channels, circuit.requests, circuit.subscriptions) == (1, 0, 1)
        assert not circuit.suspended
        assert circuit.echo_round_trip is None
        assert 0.0 <= circuit.silent_for < 10.0


async def test_stats_count_bytes_and_messages_in_and_out(c_ioc_env: CIoc) -> None:
    async with Context(timeout=10) as ctx:
        pv, array = await ctx.get_pvs("IO:ai", "IO:wf:million")
        await ctx.wait_for_connections(pv, array)
        (before,) = ctx.stats().circuits
        for _ in range(5):
            await pv.read()
        (after,) = ctx.stats().circuits
        assert after.messages_out - before.messages_out == 5
        assert after.messages_in - before.messages_in == 5
        assert after.bytes_out - before.bytes_out == 5 * 16
        assert after.bytes_in - before.bytes_in == 5 * (16 + 8)
        await array.read()
        (large,) = ctx.stats().circuits
        assert large.bytes_in - after.bytes_in == 24 + 8_000_000
        assert large.messages_in - after.messages_in == 1


async def test_stats_count_drops_reconnects_and_suspensions(loopback: Loopback) -> None:
    data = ChannelDouble(value=0.0)
    states = States()
    async with Context(timeout=10) as ctx:
        async with serving({"pv": data}):
            (pv,) = await ctx.get_pvs("pv", connection_state_callback=states)
            sub = pv.subscribe()
            updates = sub.updates(policy="latest")
            await updates.__anext__()
            for value in range(1, 11):
                await data.write(float(value))
            await pv.read()  # all of them have arrived, and nobody has taken them
            assert ctx.stats().dropped == 9
            assert (await updates.__anext__()).value == 10.0
            manager = pv.circuit_manager
            assert manager is not None
            await manager.events_off()
            assert ctx.stats().circuits[0].suspended
            await manager.events_on()
            assert not ctx.stats().circuits[0].suspended
        await states.until("connected", "disconnected")
        assert ctx.stats().reconnects == 1
        assert ctx.stats().circuits == ()
        await updates.aclose()


async def test_stats_know_requests_without_a_reply_and_circuits_that_connect(
    loopback: Loopback,
) -> None:
    async with ScriptedServer(loopback.ca_port), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_search()
        (circuit,) = ctx.stats().circuits
        assert (circuit.connected, circuit.channels) == (False, 1)
        await pv.wait_for_connection()
        reading = asyncio.create_task(pv.read())
        await until(lambda: ctx.stats().circuits[0].requests == 1)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert ctx.stats().circuits[0].requests == 0


# --- how things look -----------------------------------------------------------------------------------------------------------------


async def test_reprs_of_circuit_subscription_and_broadcaster(loopback: Loopback) -> None:
    async with ScriptedServer(loopback.ca_port), Context(timeout=10) as ctx:
        pv, _ = await ctx.get_pvs("pv", "missing")
        ctx.broadcaster.cancel("missing")
        await pv.wait_for_connection()
        assert repr(pv.circuit_manager) == (
            f"<VirtualCircuitManager address=127.0.0.1:{loopback.ca_port} priority=0 "
            "state=States.CONNECTED>"
        )
        sub = pv.subscribe()
        assert repr(sub) == "<Subscription to 'pv', id=None>"
        sub.add_callback(print, strong=True)
        assert repr(sub) == "<Subscription to 'pv', id=0>"
        assert repr(ctx.broadcaster) == "<SharedBroadcaster listeners=1 searching=0>"
    assert repr(pv) == "<PV name='pv' priority=0 (closed)>"


async def test_repr_of_a_broadcaster_of_its_own(loopback: Loopback) -> None:
    broadcaster = SharedBroadcaster()
    assert repr(broadcaster) == "<SharedBroadcaster listeners=0 searching=0>"
    await broadcaster.disconnect()


class Cells(HTMLParser):
    """Collects the texts of the cells, and minds that every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)


async def test_html_of_context_pv_and_subscription(loopback: Loopback) -> None:
    name = "<pv>&'1'"
    data = ChannelDouble(value=2.5)
    async with serving({name: data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs(name)
        assert "searching" in list(Cells(pv._repr_html_()))
        sub = pv.subscribe()
        assert f"Subscription to {name}" in list(Cells(sub._repr_html_()))
        updates = Recorder()
        sub.add_callback(updates)
        await updates.until_value(2.5)
        shown = list(Cells(pv._repr_html_()))
        address = f"127.0.0.1:{loopback.ca_port}"
        for text in (f"PV {name}", "connected", address, "DOUBLE"):
            assert text in shown
        assert "<pv>" not in pv._repr_html_()
        assert "2.5" in list(Cells(sub._repr_html_()))
        shown = list(Cells(ctx._repr_html_()))
        assert "Context" in shown
        assert address in shown
    assert "closed" in list(Cells(pv._repr_html_()))
    assert address not in list(Cells(ctx._repr_html_()))


async def test_html_of_a_subscription_to_a_large_array_is_short(c_ioc_env: CIoc) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("IO:wf:million")
        sub = pv.subscribe()
        async for _ in sub:
            html = sub._repr_html_()
            break
        assert "0." in html
        assert len(html) < 2000
