"""Going idle and coming back, and the end of everything."""

from __future__ import annotations

from typing import Any

import pytest

from caproto._errors import ContextDisconnectedError
from caproto._protocol.messages import (
    ClearChannelRequest,
    CreateChanRequest,
    EventAddRequest,
    EventCancelRequest,
    ReadNotifyRequest,
    ReadNotifyResponse,
    WriteNotifyRequest,
)
from caproto.client.pv import PVState
from tests.support.fakes import FakeClient, FakeClock, FakeNetwork, FakeServer, FakeWaiter

# --- idle -----------------------------------------------------------------------------------------------------------


def test_idle_pv_gives_its_channel_back_and_is_not_searched(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promises 46 and 50."""
    pv, other = client.connect("a"), client.connect("b")
    client.engine.make_idle(pv)
    clock.run(100.0)
    assert pv.state is PVState.IDLE
    assert (pv.channel, pv.circuit, pv.access_rights) == (None, None, None)
    assert pv.states == ["connected", "disconnected"]
    (request,) = server.connection.of(ClearChannelRequest)
    assert request.sid == 101
    assert client.search.pending == 0
    assert other.connected


def test_idle_pv_comes_back_as_soon_as_it_is_needed(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 47."""
    pv = client.connect("a")
    client.engine.make_idle(pv)
    clock.run(1.0)
    client.engine.activate(pv)
    assert clock.run_until(lambda: pv.connected) < 0.01
    assert pv.states == ["connected", "disconnected", "connected"]
    waiter = client.read(pv)
    clock.run(0.1)
    assert waiter.result is not None
    assert len(server.connections) == 1


def test_subscribed_pv_does_not_go_idle(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 48."""
    pv = client.connect("a")
    sub = client.subscribe(pv)
    client.engine.make_idle(pv)
    clock.run(1.0)
    assert pv.connected
    sub.stop()
    clock.run(1.0)
    assert pv.connected  # the wish was refused, not kept
    client.engine.make_idle(pv)
    assert pv.state is PVState.IDLE


@pytest.mark.parametrize("seconds", [0.0, 0.0012, 0.0022])
def test_pv_that_is_still_connecting_does_not_go_idle(
    client: FakeClient, clock: FakeClock, server: FakeServer, seconds: float
) -> None:
    """Promise 48."""
    pv = client.pv("a")
    clock.run(seconds)
    assert not pv.connected
    client.engine.make_idle(pv)
    clock.run(1.0)
    assert pv.states == ["connected"]


def test_idle_waits_for_reads_and_writes(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 48."""
    pv = client.connect("a")
    read, write = client.read(pv), client.write(pv, 1)
    client.engine.make_idle(pv)
    assert pv.connected
    clock.run(0.1)
    assert read.result is not None
    assert write.result is not None
    assert pv.state is PVState.IDLE


def test_idle_waits_for_a_bulk_read_by_callback_and_a_failing_one(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    seen: list[Any] = []
    client.request(pv, None, callback=seen.append)
    client.engine.make_idle(pv)
    clock.run(0.1)
    assert len(seen) == 1
    assert pv.state is PVState.IDLE


@pytest.mark.parametrize("ending", ["timeout", "given up", "went away"])
def test_idle_follows_a_read_that_ends_without_a_reply(
    client: FakeClient, clock: FakeClock, server: FakeServer, ending: str
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    waiter = FakeWaiter()
    request = client.request(pv, waiter, timeout=1.0)
    client.engine.make_idle(pv)
    clock.run(0.1)
    assert pv.connected
    if ending == "given up":
        client.engine.forget(request)
        assert pv.state is PVState.IDLE
    elif ending == "went away":
        waiter.cancelled = True
        client.engine.forget_abandoned(clock.now)
        assert pv.state is PVState.IDLE
    clock.run(2.0)
    assert pv.state is PVState.IDLE


def test_idle_follows_a_read_that_had_to_be_repeated(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    clock.run(10.0)
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, timeout=5.0)
    client.engine.make_idle(pv)
    clock.run(0.1)
    server.script.clear()
    server.connection.close()
    clock.run_until(waiter.done)
    assert waiter.result is not None
    assert pv.state is PVState.IDLE


def test_idle_wish_is_fulfilled_by_a_lost_circuit(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """There is nothing left to wait for: the write that was under way has failed."""
    pv = client.connect("a")
    clock.run(10.0)
    server.ignore(WriteNotifyRequest)
    waiter = client.write(pv, 1, timeout=5.0)
    client.engine.make_idle(pv)
    clock.run(0.1)
    server.connection.close()
    clock.run(1.0)
    assert waiter.error is not None
    assert pv.state is PVState.IDLE
    assert client.search.pending == 0
    assert pv.states == ["connected", "disconnected"]


def test_idle_wish_is_withdrawn_by_the_next_use(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.read(pv)
    client.engine.make_idle(pv)
    client.engine.activate(pv)
    clock.run(1.0)
    assert pv.connected


def test_idle_and_subscribe_makes_one_channel_and_delivers_once(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 49: the original makes two channels and delivers every update twice."""
    pv = client.connect("a")
    client.engine.make_idle(pv)
    clock.run(1.0)
    sub = client.subscribe(pv)
    clock.run(1.0)
    server.post("a", 1.0)
    clock.run(1.0)
    assert sub.values == [0.0, 1.0]
    assert len(server.connection.of(CreateChanRequest)) == 2
    assert len(server.connection.channels) == 1
    assert len(server.connection.of(EventAddRequest)) == 1


def test_pv_of_a_lost_circuit_that_was_idle_stays_idle(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.engine.make_idle(pv)
    clock.run(10.0)
    server.connection.close()
    clock.run(10.0)
    assert pv.state is PVState.IDLE
    assert client.engine.circuits == {}


# --- close ----------------------------------------------------------------------------------------------------------


def test_close_fails_everything_and_tells_disconnected_once(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest, WriteNotifyRequest)
    connected, idle = client.connect("a"), client.connect("b")
    client.engine.make_idle(idle)
    searching, connecting = client.pv("nobody"), client.pv("x")
    FakeServer(network, ["x"], ("10.0.0.2", 5064)).tcp = "ignore"
    clock.run_until(lambda: connecting.state is PVState.CONNECTING)
    sub = client.subscribe(connected)
    waiters = [
        client.read(connected),
        client.write(connected, 1),
        client.wait(searching, timeout=None),
        client.wait(connecting, timeout=None),
    ]
    cancelled = client.wait(searching)
    cancelled.cancelled = True
    done = client.read(connected)
    done.cancelled = True
    clock.run(0.1)
    client.close()
    for waiter in waiters:
        assert isinstance(waiter.error, ContextDisconnectedError)
    assert cancelled.error is done.error is None
    assert connected.states == idle.states == ["connected", "disconnected"]
    assert searching.states == connecting.states == []
    assert all(pv.events[-1] == "closed" for pv in (connected, idle, searching, connecting))
    assert all(pv.state is PVState.CLOSED for pv in (connected, idle, searching, connecting))
    assert client.search.pending == 0
    assert client.engine.circuits == {}
    assert not server.connection.open
    assert sub.circuit is None


def test_close_sends_what_was_said_before(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    clock.run(1.0)
    for value in (1, 2, 3):
        client.write(pv, value)
    client.close()
    written = b"".join(server.connection.writes)
    assert written.count(bytes.fromhex("00130008")) == 3


def test_close_fails_reads_that_wait_for_another_circuit(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, timeout=None)
    server.stop()
    clock.run(1.0)
    assert pv.busy
    client.close()
    assert isinstance(waiter.error, ContextDisconnectedError)
    assert pv.states == ["connected", "disconnected"]


def test_close_is_idempotent_and_nothing_happens_after_it(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    late = client.pv("b")
    client.close()
    events = list(pv.events)
    client.close()
    server.beacon(client)
    assert late.found(server.address, 13, clock.now)  # an answer that was on its way
    clock.run(1000.0)
    assert pv.events == events
    assert late.events == ["closed"]
    assert client.engine.circuits == {}
    sent = client.search.requests_sent
    client.search_again()
    clock.run(100.0)
    assert client.search.requests_sent == sent


def test_closed_client_refuses_to_search(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.close()
    with pytest.raises(ContextDisconnectedError, match="no longer usable"):
        client.engine.activate(pv)


def test_bytes_after_the_close_change_nothing(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    pv = client.connect("a")
    sub = client.subscribe(pv)
    waiter = client.read(pv)
    circuit = pv.circuit
    assert circuit is not None
    client.close()
    circuit.feed(bytes(ReadNotifyResponse([1.0], 6, 1, 1, 0)), clock.now)
    circuit.feed(b"\xff" * 64, clock.now)
    circuit.suspend("late")
    circuit.resume("late")
    circuit.flush()
    circuit.close("again", clock.now)
    assert waiter.result is None
    assert sub.updates == []
    assert caplog.messages == []
    clock.run(1.0)
    assert server.connection.of(EventCancelRequest) == []


def test_child_process_lets_go_without_a_word(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """After a fork the sockets belong to the parent."""
    pv = client.connect("a")
    circuit = pv.circuit
    assert circuit is not None
    client.engine.abandon()
    circuit.send(b"nothing of this goes out")
    assert pv.state is PVState.CLOSED
    assert server.connection.open
    assert len(server.connection.writes) == 1
    assert pv.states == ["connected"]
    with pytest.raises(ContextDisconnectedError):
        client.engine.activate(pv)
