"""Whether a server is alive: silence, echo, death; and what beacons may and may not do."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from caproto._protocol.messages import (
    CreateChanRequest,
    EchoRequest,
    EchoResponse,
    Message,
    ReadNotifyRequest,
    ReadSyncRequest,
)
from caproto.client.health import BeaconRecord, Liveness, Rhythm, Verdict
from caproto.client.pv import PVState
from tests.support.fakes import FakeClient, FakeClock, FakeNetwork, FakeServer

OTHER = ("10.0.0.2", 5064)


def beacons(server: FakeServer, client: FakeClient, seconds: float, period: float = 15.0) -> None:
    """Let time pass with a beacon every `period` seconds."""
    end = client.clock.now + seconds
    while client.clock.now + period <= end:
        client.clock.run(period)
        server.beacon(client)
    client.clock.run(end - client.clock.now)


# --- echo -----------------------------------------------------------------------------------------------------------


def test_silence_of_conn_tmo_asks_for_an_echo(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 49, promise 57: 30 seconds by default."""
    pv = client.connect("a")
    clock.run(29.9)
    assert server.connection.of(EchoRequest) == []
    clock.run(0.2)
    assert len(server.connection.of(EchoRequest)) == 1
    assert pv.circuit is not None
    assert pv.circuit.health.round_trip == pytest.approx(0.001)
    clock.run(60.1)
    assert len(server.connection.of(EchoRequest)) == 3
    assert pv.states == ["connected"]


def test_conn_tmo_comes_from_the_environment(network: FakeNetwork, server: FakeServer) -> None:
    client = FakeClient(network, EPICS_CA_CONN_TMO="3")
    client.connect("a")
    network.clock.run(10.0)
    assert len(server.connection.of(EchoRequest)) == 3


@pytest.mark.parametrize(("version", "kind"), [(2, ReadSyncRequest), (3, EchoRequest)])
def test_server_before_4_3_is_asked_by_read_sync(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, version: int, kind: type[Message]
) -> None:
    """Protocol facts 48."""
    server = FakeServer(network, ["a"], version=version)
    pv = client.connect("a")
    clock.run(100.0)
    assert len(server.connection.of(kind)) == 3
    assert pv.states == ["connected"]


def test_any_message_postpones_the_echo(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.subscribe(pv)
    for value in range(10):
        clock.run(20.0)
        server.post("a", float(value))
    assert server.connection.of(EchoRequest) == []


def test_silent_server_is_dead_five_seconds_after_the_echo(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Promise 58: a warning, once; all PVs are disconnected and searched again, and come back."""
    pvs = [client.connect(name) for name in "abc"]
    sub = client.subscribe(pvs[0])
    clock.run(0.1)
    server.connection.stalled = True
    server.answers_searches = False
    start = clock.now
    with caplog.at_level(logging.WARNING, "caproto"):
        clock.run_until(lambda: not pvs[0].connected)
        assert 34.9 < clock.now - start < 36.0
        clock.run(60.0)
    (message,) = caplog.messages
    assert "10.0.0.1:5064" in message
    assert "35.0 s" in message
    assert "3 PVs" in message
    assert not server.connection.open
    assert [pv.state for pv in pvs] == [PVState.SEARCHING] * 3
    assert client.search.pending == 3
    server.answers_searches = True
    client.search_again()
    clock.run_until(lambda: all(pv.connected for pv in pvs))
    clock.run(0.1)
    assert [pv.states for pv in pvs] == [["connected", "disconnected", "connected"]] * 3
    assert len(sub.updates) == 2


def test_silent_server_fails_over_to_another_with_the_same_pv(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """A partition: packets vanish, the connection looks fine (epics-base issue 190)."""
    pv = client.connect("a")
    sub = client.subscribe(pv)
    clock.run(0.1)
    FakeServer(network, ["a"], OTHER).records["a"].value = [8.0]
    network.cut_off.add(server.address)
    clock.run_until(lambda: pv.address == OTHER and pv.connected, 40.0)
    clock.run(0.1)
    assert sub.values == [0.0, 8.0]


def test_late_reply_instead_of_the_echo_saves_the_circuit_for_a_while(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """A server that is busy for 33 s and then goes on is not dead."""
    pv = client.connect("a")
    server.connection.stalled = True
    clock.run(33.0)
    server.connection.stalled = False
    server.connection.send(EchoResponse())
    clock.run(200.0)
    assert pv.states == ["connected"]


def test_bytes_alone_do_not_stand_for_the_echo_for_ever(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """After a damaged header everything that comes disappears into one long message, the echo with it."""
    pv = client.connect("a")
    server.connection.send(bytes.fromhex("000f fff8 0006 0001 00000001 00000000".replace(" ", "")))
    seconds = clock.run_until(lambda: not pv.connected)
    assert seconds < 100.0
    clock.run_until(lambda: pv.connected)


def test_server_that_owes_a_channel_is_asked_sooner(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    client.connect("a")
    clock.run(20.0)
    server.ignore(CreateChanRequest)
    pv = client.pv("b")
    clock.run_until(lambda: pv.state is PVState.CONNECTING)
    clock.run(4.9)
    assert server.connection.of(EchoRequest) == []  # but not at once
    clock.run(0.2)
    assert len(server.connection.of(EchoRequest)) == 1


def test_health_costs_no_busy_loop(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    client.connect("a")
    wakes = client.wakes
    clock.run(3600.0)
    assert client.wakes - wakes < 2 * 3600 / 30 + 5


# --- late checks ----------------------------------------------------------------------------------------------------


def test_sleeping_computer_gives_the_server_its_echo_first(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """The clock jumps by an hour; the server is as alive as before."""
    pv = client.connect("a")
    clock.sleep(3600.0)
    clock.run(100.0)
    assert pv.states == ["connected"]


def test_connection_that_died_while_the_computer_slept_is_found_within_one_echo_period(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Epics-base issue 190: libca stalls for a quarter of an hour."""
    pv = client.connect("a")
    server.connection.stalled = True
    clock.sleep(3600.0)
    assert clock.run_until(lambda: not pv.connected) < 36.0
    assert clock.run_until(lambda: pv.connected) < 1.0


def test_loop_that_was_blocked_after_the_echo_looks_at_the_socket_before_it_judges(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    server.on(EchoRequest, lambda connection, request: None)
    clock.run(30.5)
    assert len(server.connection.of(EchoRequest)) == 1
    server.script.clear()
    clock.sleep(60.0)
    clock.call_later(0.01, lambda: server.connection.send(EchoResponse()))
    clock.run(100.0)
    assert pv.states == ["connected"]


def test_verdicts_in_order() -> None:
    liveness = Liveness(100.0, patience=30.0, answer_time=5.0)
    assert liveness.check(129.9, busy=False) is Verdict.WAIT
    assert liveness.deadline(busy=False) == 130.0
    assert liveness.check(130.0, busy=False) is Verdict.ECHO
    assert liveness.deadline(busy=False) == 135.0
    assert liveness.check(134.9, busy=False) is Verdict.WAIT
    assert liveness.check(135.0, busy=False) is Verdict.DEAD
    liveness.answered(136.0)
    assert liveness.round_trip == 6.0
    liveness.answered(137.0)  # a second answer to the same question
    assert liveness.round_trip == 6.0


# --- beacons --------------------------------------------------------------------------------------------------------


def test_beacons_in_rhythm_postpone_the_echo(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    client.connect("a")
    beacons(server, client, 600.0)
    assert len(server.connection.of(EchoRequest)) <= 2  # while the rhythm was not known yet


def test_circuit_falls_back_to_echoes_when_the_beacons_end(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    beacons(server, client, 300.0)
    echoes = len(server.connection.of(EchoRequest))
    clock.run(95.0)
    assert len(server.connection.of(EchoRequest)) == echoes + 3
    assert pv.states == ["connected"]


def test_beacons_prove_nothing_after_an_anomaly_until_there_are_bytes(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 50: a server that has been started anew sends beacons, too."""
    pv = client.connect("a")
    beacons(server, client, 150.0)
    server.connection.stalled = True  # power off; the new process knows nothing of our connection
    server._beacon_id = 0
    for pause in (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24):
        clock.run(pause)
        server.beacon(client)
    start = clock.now
    beacons(server, client, 60.0)
    assert pv.states[:2] == ["connected", "disconnected"]
    assert clock.now - start < 61.0


def test_beacons_of_another_server_count_for_nothing(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    client.connect("a")
    other = FakeServer(network, [], OTHER)
    beacons(other, client, 100.0)
    assert len(server.connection.of(EchoRequest)) == 3


def test_forged_beacons_cannot_close_a_healthy_circuit(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """A storm of anomalies costs an echo every 30 s, and nothing else."""
    pv = client.connect("a")
    for _ in range(2_000):
        clock.run(0.1)
        server.beacon(client, network.random.randrange(1 << 32))
    assert pv.states == ["connected"]
    assert len(server.connection.of(EchoRequest)) <= 200 / 30 + 1


@pytest.mark.parametrize("many_servers", [False, True])
def test_forged_beacons_cannot_flood_the_network_with_searches(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, many_servers: bool
) -> None:
    for number in range(100):
        client.pv(f"nobody:{number}")
    clock.run(60.0)
    forger = FakeServer(network, [], OTHER)
    before = client.search.requests_sent
    for number in range(1_000):
        clock.run(0.1)
        if many_servers:
            forger.address = (f"10.1.{number // 256}.{number % 256}", 5064)
        forger.beacon(client, network.random.randrange(1 << 32))
    assert client.search.requests_sent - before < 100 * 100


def test_beacon_of_a_new_server_searches_pending_names_at_once(
    network: FakeNetwork, client: FakeClient, clock: FakeClock
) -> None:
    pv = client.pv("late")
    clock.run(100.0)
    FakeServer(network, ["late"]).beacon(client)
    assert clock.run_until(lambda: pv.connected) < 0.01


def test_restarted_server_is_searched_at_its_first_beacons(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    beacons(server, client, 300.0)
    server.stop()
    clock.run(100.0)
    server.start()
    for pause in (0.02, 0.04, 0.08):
        server.beacon(client)
        clock.run(pause)
    assert pv.connected


def test_anomaly_lifts_the_penalty_of_a_server_that_could_not_be_connected_to(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """It has been started anew; now it may accept."""
    server.tcp = "refuse"
    pv = client.pv("a")
    clock.run(60.0)
    server.tcp = "accept"
    server.beacon(client)
    assert clock.run_until(lambda: pv.connected) < 0.1


def rhythm(*beacon: tuple[int, float]) -> Iterator[Rhythm]:
    """Yield what beacons say: (id, time), the first one at id 10 and time 0 made the record."""
    record = BeaconRecord(10, 0.0)
    for number, moment in beacon:
        yield record.on_beacon(number, moment)


def test_rhythm_of_a_healthy_server_is_normal() -> None:
    steady = [(11 + number, 15.0 * (number + 1)) for number in range(20)]
    assert set(rhythm(*steady)) == {Rhythm.NORMAL}


@pytest.mark.parametrize(
    ("number", "moment", "expected"),
    [
        (14, 60.1, Rhythm.NORMAL),
        (14, 64.0, Rhythm.LATE),  # 1.25 times the average
        (14, 94.0, Rhythm.BROKEN),  # 3.25 times
        (14, 56.0, Rhythm.BROKEN),  # 0.8 times
        (13, 46.0, Rhythm.NONE),  # a duplicate
        (15, 75.0, Rhythm.NONE),  # one was lost
        (16, 90.0, Rhythm.NONE),  # two were lost
        (12, 46.0, Rhythm.NONE),  # out of order
        (17, 60.0, Rhythm.BROKEN),
        (0, 60.0, Rhythm.NONE),  # a new process, or very late; the next one will tell
        (0x80000000, 60.0, Rhythm.BROKEN),
    ],
)
def test_rules_for_anomalies(number: int, moment: float, expected: Rhythm) -> None:
    """Protocol facts 51."""
    steady = [(11, 15.0), (12, 30.0), (13, 45.0)]
    *_, last = rhythm(*steady, (number, moment))
    assert last is expected


def test_beacon_after_a_lost_one_is_in_rhythm() -> None:
    """What was skipped must not be measured as a pause."""
    assert list(rhythm((11, 15.0), (12, 30.0), (14, 60.0), (15, 75.0)))[-1] is Rhythm.NORMAL


def test_numbers_of_beacons_wrap() -> None:
    record = BeaconRecord(0xFFFFFFFE, 0.0)
    assert record.on_beacon(0xFFFFFFFF, 15.0) is Rhythm.NORMAL
    assert record.on_beacon(0, 30.0) is Rhythm.NORMAL


def test_second_beacon_with_a_jump_is_an_anomaly() -> None:
    assert list(rhythm((1000, 15.0))) == [Rhythm.BROKEN]


def test_reads_work_while_beacons_storm(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    for number in range(200):
        server.beacon(client, number * 7)
    waiter = client.read(pv)
    clock.run(0.1)
    assert waiter.result is not None
    assert len(server.connection.of(ReadNotifyRequest)) == 1


def test_one_gap_in_the_beacons_is_one_anomaly() -> None:
    """Three beacons lost in a row, and those that follow in rhythm are no news."""
    record, now = BeaconRecord(0, 0.0), 0.0
    rhythms = []
    for beacon_id in (1, 2, 3, 4, 8, 9, 10, 11, 12, 13):
        now = 15.0 * beacon_id
        rhythms.append(record.on_beacon(beacon_id, now))
    assert rhythms == [Rhythm.NORMAL] * 4 + [Rhythm.BROKEN] + [Rhythm.NORMAL] * 5
