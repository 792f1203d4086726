"""Failures at every stage between a name and its channel: a correct state, a new search, a growing penalty."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise

import pytest

from caproto._protocol.messages import (
    AccessRightsResponse,
    ClientNameRequest,
    CreateChanRequest,
    CreateChFailResponse,
    EchoRequest,
    ErrorResponse,
    EventAddRequest,
    HostNameRequest,
    Message,
    ReadNotifyRequest,
    ServerDisconnResponse,
    VersionRequest,
)
from caproto.client.circuit import Circuit
from caproto.client.pv import PVState
from tests.support.fakes import (
    FakeClient,
    FakeClock,
    FakeConnection,
    FakeNetwork,
    FakeServer,
    usual,
)

OTHER = ("10.0.0.2", 5064)


def attempts(server: FakeServer, clock: FakeClock, seconds: float) -> list[float]:
    """Let time pass; return when the server was connected to, in seconds from now."""
    times: list[float] = []
    start, accepted = clock.now, server.accepted

    def note(connection: FakeConnection) -> None:
        times.append(clock.now - start)
        accepted(connection)

    server.accepted = note  # type: ignore[method-assign]
    clock.run(seconds)
    return times


# --- TCP ------------------------------------------------------------------------------------------------------------


def test_refused_connection_goes_back_to_search(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The original leaves the PV stuck for ever (findings of 3.2, number 1; phoebus issue 1958)."""
    server.tcp = "refuse"
    pv = client.pv("a")
    with caplog.at_level(logging.WARNING, "caproto"):
        clock.run(0.4)
    assert pv.state is PVState.SEARCHING
    assert client.engine.circuits == {}
    (message,) = caplog.messages
    assert "10.0.0.1:5064" in message
    assert "Connection refused" in message
    server.tcp = "accept"
    assert clock.run_until(lambda: pv.connected) < 2.0
    assert pv.states == ["connected"]


def test_connection_that_is_never_accepted_is_given_up_after_a_while(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.tcp = "ignore"
    pv = client.pv("a")
    with caplog.at_level(logging.WARNING, "caproto"):
        clock.run_until(lambda: bool(caplog.messages))
    assert "did not accept" in caplog.text
    assert pv.state is PVState.SEARCHING
    server.tcp = "accept"
    clock.run_until(lambda: pv.connected)


def test_late_connection_of_a_circuit_that_was_given_up_is_not_used(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.pv("a")
    clock.run_until(lambda: pv.circuit is not None)
    circuit = pv.circuit
    assert circuit is not None
    circuit.close("given up", clock.now)
    written: list[bytes] = []
    circuit.connected_by(written.append, clock.now)
    assert written == []
    assert not circuit.connected


def test_penalty_of_a_server_that_refuses_grows_to_half_a_minute(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.tcp = "refuse"
    tries: list[float] = []
    open_circuit = client.open_circuit

    def note(circuit: Circuit) -> None:
        tries.append(clock.now)
        open_circuit(circuit)

    client.open_circuit = note  # type: ignore[method-assign]
    client.pv("a")
    clock.run(600.0)
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[0] < 1.5
    assert all(later > 0.9 * earlier for earlier, later in pairwise(pauses[:6]))
    assert min(pauses[6:]) >= 30.0
    assert len(tries) < 25


def test_server_that_refuses_for_days_is_still_tried(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """The penalty is bounded, also as a number: two to the power of the attempts would not fit a float one day."""
    server.tcp = "refuse"
    pv = client.pv("a")
    for _ in range(3000):
        penalty = client.engine._penalties.get(server.address)
        client.engine._penalties.clear()
        pv.found(server.address, 13, clock.now)
        assert pv.circuit is not None
        if penalty is not None:
            client.engine._penalties[server.address] = penalty
        pv.circuit.close("Connection refused", clock.now)
    server.tcp = "accept"
    assert clock.run_until(lambda: pv.connected) < 700.0


def test_server_that_refuses_delays_nobody_else(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.tcp = "refuse"
    FakeServer(network, [f"x{number}" for number in range(100)], OTHER)
    bad = [client.pv(name) for name in "abc"]
    clock.run(3.0)
    good = [client.pv(f"x{number}") for number in range(100)]
    assert clock.run_until(lambda: all(pv.connected for pv in good)) < 0.05
    assert not any(pv.connected for pv in bad)


def test_other_server_with_the_same_pv_takes_over_from_one_that_refuses(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.tcp = "refuse"
    pv = client.pv("a")
    clock.run(0.1)
    FakeServer(network, ["a"], OTHER)
    assert clock.run_until(lambda: pv.connected) < 2.0
    assert pv.address == OTHER


def test_circuit_is_refused_to_new_pvs_only_while_it_does_not_stand(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """A penalty speaks against a new connection, not against one that another PV has already."""
    server.tcp = "refuse"
    first = client.pv("a")
    clock.run(0.1)
    server.tcp = "accept"
    clock.run_until(lambda: first.connected)
    second = client.pv("b")
    assert clock.run_until(lambda: second.connected) < 0.01


# --- the handshake --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stage", [VersionRequest, ClientNameRequest, HostNameRequest, CreateChanRequest]
)
def test_close_during_the_handshake_is_a_new_search_with_a_growing_penalty(
    client: FakeClient, clock: FakeClock, server: FakeServer, stage: type[Message]
) -> None:
    server.die_on(stage)
    pv = client.pv("a")
    times = attempts(server, clock, 60.0)
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) < 10
    assert pauses[0] >= 0.5
    assert pauses[-1] > 4 * pauses[0]
    assert pv.state is PVState.SEARCHING
    assert (pv.channel, pv.circuit) == (None, None)
    assert pv.states == []
    server.script.clear()
    clock.run_until(lambda: pv.connected)
    assert pv.states == ["connected"]


def test_close_as_soon_as_the_connection_is_accepted(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.accepted = lambda connection: connection.close()  # type: ignore[method-assign]
    pv = client.pv("a")
    clock.run(10.0)
    assert pv.state is PVState.SEARCHING
    del server.accepted
    clock.run_until(lambda: pv.connected)


def test_close_between_access_rights_and_create_chan(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    def half(connection: FakeConnection, request: CreateChanRequest) -> None:
        connection.send(AccessRightsResponse(request.cid, 3))
        connection.close()

    server.on(CreateChanRequest, half)
    pv = client.pv("a")
    clock.run(2.0)
    assert pv.states == []
    assert pv.access_rights is None
    server.script.clear()
    clock.run_until(lambda: pv.connected)
    assert pv.events[-2:] == [3, "connected"]


@pytest.mark.parametrize("stage", [EventAddRequest, ReadNotifyRequest])
def test_server_that_closes_at_the_first_request_is_not_connected_to_as_fast_as_the_network_allows(
    client: FakeClient, clock: FakeClock, server: FakeServer, stage: type[Message]
) -> None:
    """A C server closes the circuit for a request that it does not like, again and again."""
    server.die_on(stage)
    pv = client.pv("a")
    client.subscribe(pv)
    clock.run_until(lambda: pv.connected)
    client.read(pv, timeout=None)
    assert len(attempts(server, clock, 20.0)) <= 40
    assert pv.states.count("connected") - pv.states.count("disconnected") in (0, 1)


def test_server_that_greets_and_stalls_is_found_dead(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Accept, greet, and never answer CREATE_CHAN nor an echo: patience is short while something is owed."""
    server.ignore(CreateChanRequest, EchoRequest)
    pv = client.pv("a")
    with caplog.at_level(logging.WARNING, "caproto"):
        clock.run_until(lambda: pv.state is PVState.CONNECTING)
        seconds = clock.run_until(lambda: pv.state is PVState.SEARCHING)
    assert 9.0 < seconds < 12.0
    assert pv.states == []
    assert caplog.text.count("has been silent") == 1


def test_channel_that_a_living_server_never_makes_is_searched_again(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """It answers every echo, so the circuit stays; but the PV may be somewhere else by now."""
    good = client.connect("b")
    server.ignore(CreateChanRequest)
    pv = client.pv("a")
    clock.run_until(lambda: pv.state is PVState.CONNECTING)
    seconds = clock.run_until(lambda: pv.state is PVState.SEARCHING)
    assert seconds < 60.0
    assert good.connected
    server.script.clear()
    clock.run_until(lambda: pv.connected)
    assert good.states == ["connected"]


# --- channels that the server does not give -------------------------------------------------------------------------


REFUSALS: dict[str, Callable[[CreateChanRequest], Message | bytes]] = {
    "CREATE_CH_FAIL": lambda request: CreateChFailResponse(request.cid),
    "SERVER_DISCONN": lambda request: ServerDisconnResponse(request.cid),
    "ERROR": lambda request: ErrorResponse(request, request.cid, 48, "out of memory"),
    "a type that does not exist": lambda request: bytes.fromhex(
        f"0012 0000 0063 0001 {request.cid:08x} 00000032".replace(" ", "")
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refused_channel_is_searched_again_with_a_growing_delay(
    client: FakeClient,
    clock: FakeClock,
    server: FakeServer,
    caplog: pytest.LogCaptureFixture,
    refusal: str,
) -> None:
    """The original ignores CREATE_CH_FAIL (findings of 3.2, number 2; ca-gateway issues 24 and 50)."""
    good = client.connect("b")
    server.on(
        CreateChanRequest,
        lambda connection, request: (
            REFUSALS[refusal](request) if request.name == "a" else usual(connection, request)
        ),
    )
    pv = client.pv("a")
    with caplog.at_level(logging.WARNING, "caproto"):
        clock.run(100.0)
    tries = [request for request in server.connection.of(CreateChanRequest) if request.name == "a"]
    assert 5 < len(tries) < 12
    assert "'a'" in caplog.text or "a: " in caplog.text
    assert pv.states == []
    assert pv.state is PVState.SEARCHING
    # One bad channel is no reason to disturb the others.
    assert good.states == ["connected"]
    assert len(server.connections) == 1
    server.script.clear()
    clock.run_until(lambda: pv.connected)
    assert pv.failures == 0


def test_other_server_takes_over_a_channel_that_is_refused(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.on(CreateChanRequest, lambda connection, request: CreateChFailResponse(request.cid))
    pv = client.pv("a")
    clock.run(0.1)
    server.answers_searches = False
    FakeServer(network, ["a"], OTHER)
    assert clock.run_until(lambda: pv.connected) < 2.0
    assert pv.address == OTHER


@pytest.mark.parametrize("farewell", [ServerDisconnResponse, CreateChFailResponse])
def test_channel_taken_away_by_the_server_comes_back(
    client: FakeClient, clock: FakeClock, server: FakeServer, farewell: type[ServerDisconnResponse]
) -> None:
    """The original keeps a stale channel (findings of 3.2, number 3)."""
    pv, other = client.connect("a"), client.connect("b")
    sub, other_sub = client.subscribe(pv), client.subscribe(other)
    clock.run(0.1)
    assert pv.channel is not None
    waiter = client.read(pv)
    server.connection.send(farewell(pv.channel.cid))
    clock.run_until(lambda: not pv.connected)
    assert clock.run_until(lambda: pv.connected) < 1.0
    clock.run(0.1)
    assert pv.states == ["connected", "disconnected", "connected"]
    assert other.states == ["connected"]
    assert len(sub.updates) == 2
    assert len(other_sub.updates) == 1
    assert waiter.result is not None


def test_farewell_to_an_unknown_channel_is_ignored(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    server.connection.send(ServerDisconnResponse(999), CreateChFailResponse(999))
    clock.run(1.0)
    assert pv.states == ["connected"]


def test_refusal_of_a_channel_that_is_not_being_made_is_only_logged(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    server.connection.send(ErrorResponse(CreateChanRequest("z", 999, 13), 999, 48, "no"))
    clock.run(1.0)
    assert pv.states == ["connected"]


def test_delay_of_a_channel_is_forgotten_when_it_was_open(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    for _ in range(5):
        assert pv.channel is not None
        server.connection.send(ServerDisconnResponse(pv.channel.cid))
        clock.run_until(lambda: not pv.connected)
        assert clock.run_until(lambda: pv.connected) < 0.7


# --- a lost circuit -------------------------------------------------------------------------------------------------


def test_lost_circuit_brings_all_its_pvs_back(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Original issue 798: a PV never reconnects after an interrupted connection."""
    pvs = [client.connect(name) for name in "abc"]
    clock.run(10.0)
    server.connection.close()
    clock.run_until(lambda: not any(pv.connected for pv in pvs))
    assert client.engine.circuits == {}
    assert clock.run_until(lambda: all(pv.connected for pv in pvs)) < 0.1
    for pv in pvs:
        assert pv.states == ["connected", "disconnected", "connected"]
        assert pv.access_rights == 3
    assert len(server.connections) == 2
    assert client.engine.reconnects == 1


def test_ioc_that_comes_back_on_another_port_is_found(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Cothread issue 17."""
    pv = client.connect("a")
    server.stop()
    clock.run(20.0)
    assert not pv.connected
    again = FakeServer(network, ["a"], ("10.0.0.1", 40123))
    again.beacon(client)
    assert clock.run_until(lambda: pv.connected) < 0.1
    assert pv.address == ("10.0.0.1", 40123)


def test_dead_server_fails_over_to_another_with_the_same_pv(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    sub = client.subscribe(pv)
    clock.run(0.1)
    other = FakeServer(network, ["a"], OTHER)
    other.records["a"].value = [5.0]
    server.stop()
    clock.run_until(lambda: pv.address == OTHER and pv.connected)
    clock.run(0.1)
    assert sub.values == [0.0, 5.0]


def test_dead_circuits_are_not_counted(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Findings of 3.2, number 12."""
    pv = client.connect("a")
    for _ in range(3):
        clock.run(10.0)
        server.connection.close()
        clock.run_until(lambda: not pv.connected)
        clock.run_until(lambda: pv.connected)
    assert len(client.engine.circuits) == 1


def test_channel_made_anew_has_a_new_sid(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 43 and 45: an old sid makes a C server close the circuit."""
    pv = client.connect("a")
    assert pv.channel is not None
    old = pv.channel.sid
    clock.run(10.0)
    server.connection.close()
    clock.run_until(lambda: not pv.connected)
    clock.run_until(lambda: pv.connected)
    waiter = client.read(pv)
    clock.run(0.1)
    (request,) = server.connection.of(ReadNotifyRequest)
    assert request.sid == pv.channel.sid != old
    assert waiter.result is not None


def test_reconnect_on_request_clears_the_channel_and_makes_another(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    sub = client.subscribe(pv)
    clock.run(0.1)
    waiter = client.read(pv, timeout=5.0)
    client.engine.reconnect(pv, clock.now)
    assert pv.states == ["connected", "disconnected"]
    clock.run_until(lambda: pv.connected)
    clock.run(0.1)
    assert server.connection.commands.count("ClearChannelRequest") == 1
    assert len(server.connection.subscriptions) == 1
    assert len(sub.updates) == 2
    assert waiter.result is not None


def test_reconnect_at_once_takes_everything_to_the_next_channel(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """The program does not like what it is told when the PV is connected."""
    pv = client.connect("a")
    sub = client.subscribe(pv)
    clock.run(10.0)
    waiter = client.read(pv, timeout=5.0)
    told = pv.on_connected

    def leave() -> None:
        told()
        del pv.on_connected
        client.engine.reconnect(pv, clock.now)

    pv.on_connected = leave  # type: ignore[method-assign]
    server.connection.stalled = True
    server.connection.close()
    clock.run_until(waiter.done)
    assert waiter.result is not None
    assert pv.states == ["connected", "disconnected"] * 2 + ["connected"]
    assert len(server.connection.of(CreateChanRequest)) == 2
    assert len(server.connection.of(EventAddRequest)) == 1
    assert len(sub.updates) == 2


def test_reconnect_of_a_pv_without_a_circuit_searches_it(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.engine.make_idle(pv)
    client.engine.reconnect(pv, clock.now)
    clock.run_until(lambda: pv.connected)


def test_cancelled_search_stops_and_starts_afresh_on_request(
    network: FakeNetwork, client: FakeClient, clock: FakeClock
) -> None:
    """The original's cancel does nothing (promise 51)."""
    pv = client.pv("late")
    clock.run(1.0)
    client.cancel(pv)
    sent = client.search.requests_sent
    server = FakeServer(network, ["late"])
    clock.run(1000.0)
    assert client.search.requests_sent == sent
    assert server.searched == []
    client.engine.activate(pv)
    assert clock.run_until(lambda: pv.connected) < 0.1


def test_cancelling_a_connected_pv_changes_nothing(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.cancel(pv)
    clock.run(1.0)
    assert pv.connected
    assert not pv.cancelled
