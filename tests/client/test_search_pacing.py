"""Thousands of searches at a time: as fast as the network and the servers can take them, and no faster."""

from __future__ import annotations

import random

import pytest

from caproto.client.search import Address, SearchEngine
from tests.support.fakes import FakeClient, FakeNetwork, FakeServer

from .searching import SERVER, Listener, names_in

# What a C IOC needs to look a name up and answer.
LOOK_UP = 20e-6


class _Finder:
    """Notes down where a name was found."""

    def __init__(self, name: str, places: dict[str, Address]) -> None:
        self._name, self._places = name, places

    def found(self, address: Address, version: int, now: float) -> bool:
        self._places[self._name] = address
        return True


class Hunt:
    """A client that looks for many names."""

    def __init__(self, network: FakeNetwork, unknown: int = 0) -> None:
        self.network = network
        self.client = FakeClient(network)
        self.found: dict[str, Address] = {}
        names = [name for server in network.servers.values() for name in server.records]
        self.wanted = len(names)
        names += [f"nobody:has:this:{number}" for number in range(unknown)]
        random.Random(1).shuffle(names)
        for name in names:
            self.client.start_search(name, _Finder(name, self.found))

    def run(self, part: float = 1.0) -> float:
        """Wait until that part of the names that exist is found; return how long it took."""
        return self.network.clock.run_until(lambda: len(self.found) >= part * self.wanted)

    @property
    def requests_per_name(self) -> float:
        search = self.client.search
        return search.requests_sent / (self.wanted + search.pending)


def servers(network: FakeNetwork, count: int, names: int) -> list[FakeServer]:
    made = [
        FakeServer(
            network,
            [f"server:{index}:record:{number}" for number in range(names // count)],
            (f"10.0.1.{index}", 5064),
        )
        for index in range(count)
    ]
    for server in made:
        server.seconds_per_name = LOOK_UP
    return made


def test_10_000_names_of_one_server_are_found_at_the_servers_speed(network: FakeNetwork) -> None:
    """The original sends all at once, the kernel drops a thousand, and the last PV connects after 13 s."""
    (server,) = servers(network, 1, 10_000)
    hunt = Hunt(network)
    assert hunt.run() < 1.05 * 10_000 * LOOK_UP
    assert server.overflows == 0
    assert hunt.requests_per_name == 1.0
    assert hunt.client.polls == 0  # every answer makes room for the next; no timer is needed


def test_names_of_many_servers_are_found_as_fast(network: FakeNetwork) -> None:
    made = servers(network, 20, 4_000)
    hunt = Hunt(network)
    assert hunt.run() < 0.2
    assert sum(server.overflows for server in made) == 0
    assert hunt.requests_per_name == 1.0


def test_small_buffer_of_a_server_is_not_flooded(network: FakeNetwork) -> None:
    """A buffer for 25 datagrams: some are lost once, which is learned from."""
    (server,) = servers(network, 1, 10_000)
    server.buffer = 60_000
    server.seconds_per_name = 5 * LOOK_UP
    hunt = Hunt(network)
    assert hunt.run() < 1.5 * 10_000 * server.seconds_per_name
    assert hunt.requests_per_name < 2.0
    assert server.overflows < 400
    assert hunt.client.search._window < 64


def test_names_that_do_not_exist_do_not_slow_the_others_down(network: FakeNetwork) -> None:
    """Epics-base issue 372: silence about some names was taken for loss, and 150,000 channels took hours."""
    servers(network, 1, 5_000)
    hunt = Hunt(network, unknown=10_000)
    assert hunt.run() < 2.5 * 15_000 * LOOK_UP
    assert hunt.requests_per_name < 1.5


def test_new_names_are_found_at_once_while_thousands_are_searched_in_vain(
    network: FakeNetwork,
) -> None:
    servers(network, 1, 1_000)
    hunt = Hunt(network, unknown=10_000)
    hunt.run()
    network.clock.run(5.0)
    FakeServer(network, ["late"], ("10.0.2.1", 5064))
    late = hunt.client.pv("late")
    assert network.clock.run_until(lambda: late.connected) < 0.1


@pytest.mark.parametrize("loss", [0.05, 0.15, 0.30])
def test_loss_costs_retries_but_not_convergence(network: FakeNetwork, loss: float) -> None:
    """Requests and answers are lost alike, so at 30 % every other try fails."""
    servers(network, 4, 4_000)
    network.loss = loss
    hunt = Hunt(network)
    assert hunt.run(0.9) < 1.0
    assert hunt.run(0.99) < 10.0
    hunt.run()
    assert hunt.requests_per_name < 1.3 / (1.0 - loss) ** 2


def test_loss_among_unknown_names_still_converges(network: FakeNetwork) -> None:
    servers(network, 1, 2_000)
    network.loss = 0.20
    hunt = Hunt(network, unknown=2_000)
    assert hunt.run(0.99) < 10.0
    hunt.run()


def test_duplicated_and_reordered_datagrams_do_no_harm(
    network: FakeNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    servers(network, 2, 4_000)
    network.duplication = 0.2
    network.jitter = 0.010
    hunt = Hunt(network)
    assert hunt.run() < 0.5
    network.clock.run(1.0)
    assert hunt.requests_per_name < 1.5
    assert hunt.client.search._outstanding == 0
    assert caplog.messages == []


@pytest.mark.parametrize("one_way", [0.050, 0.300])
def test_long_round_trips_are_learned_not_taken_for_loss(
    network: FakeNetwork, one_way: float
) -> None:
    """A satellite link: the servers' sequence numbers tell which request an answer belongs to."""
    servers(network, 1, 10_000)
    network.delay = one_way
    hunt = Hunt(network)
    assert hunt.run() < 0.5 + 5 * 2 * one_way  # it takes some round trips to open the window
    assert hunt.requests_per_name < 2.5
    assert hunt.client.search._window == 64


def test_every_datagram_leaves_the_window_once() -> None:
    """An answer that comes after its datagram was given up must not make room a second time."""
    engine = SearchEngine()
    for round_ in range(50):
        now = 1000.0 + round_
        searches = [engine.search(f"{round_}:{number}", Listener(), now) for number in range(200)]
        engine.poll(now)
        engine.poll(now + 0.9)  # given up, and asked again
        for search in searches:
            engine.on_reply(search.cid, SERVER, 13, now + 0.9)
        engine.poll(now + 0.9)
        assert engine._outstanding >= 0
    assert engine.pending == 0
    engine.poll(2000.0)
    assert engine._outstanding == 0


def test_servers_without_sequence_numbers_teach_the_round_trip_only_when_it_is_unambiguous() -> (
    None
):
    engine = SearchEngine()
    search = engine.search("a", Listener(), 1000.0)
    engine.poll(1000.0)
    engine.poll(1000.2)
    engine.on_reply(search.cid, SERVER, 10, 1000.201)
    search = engine.search("b", Listener(), 1001.0)
    engine.poll(1001.0)
    assert engine.next_deadline() == pytest.approx(1001.032)


def test_sequence_number_that_was_never_sent_is_ignored() -> None:
    engine = SearchEngine()
    listener = Listener()
    search = engine.search("a", listener, 1000.0)
    engine.poll(1000.0)
    engine.on_reply(search.cid, SERVER, 13, 1000.001, sequence=0xDEADBEEF)
    assert listener.answers == [(SERVER, 13)]
    engine.search("b", Listener(), 1001.0)
    engine.poll(1001.0)
    assert engine.next_deadline() == pytest.approx(1001.032)


def test_window_is_closed_once_for_all_losses_of_a_round_trip() -> None:
    engine = SearchEngine()
    searches = [engine.search(f"n{number}", Listener(), 1000.0) for number in range(1000)]
    assert len(engine.poll(1000.0)) == 16  # the window at the beginning
    engine.poll(1000.1)
    for search in searches:
        if search.attempts == 2:
            engine.on_reply(search.cid, SERVER, 13, 1000.101)
    assert engine._window == 8.0


def test_server_that_comes_back_does_not_close_the_window(network: FakeNetwork) -> None:
    """Names found at the tenth try were not lost nine times: their server was away."""
    (server,) = servers(network, 1, 2_000)
    hunt = Hunt(network)
    server.stop()
    network.clock.run(30.0)
    server.start()
    server.beacon(hunt.client)
    assert hunt.run() < 0.5
    assert hunt.client.search._window > 16


def test_search_under_way_is_not_a_busy_loop(network: FakeNetwork) -> None:
    """One poll per deadline at which something happens (the fake client also fails a poll that changes nothing)."""
    servers(network, 1, 100)
    hunt = Hunt(network, unknown=1_000)
    network.clock.run(3600.0)
    assert hunt.client.polls <= hunt.client.search.datagrams_sent
    datagrams_per_round = 1_000 * 48 / 1_008
    assert hunt.client.search.datagrams_sent < 2 * datagrams_per_round * (14 + 3600 / 300)


def test_program_that_asks_for_new_names_in_a_row_does_not_multiply_the_old_ones(
    network: FakeNetwork,
) -> None:
    """Original issues 246 and 371: every get_pvs repeated all pending searches, a storm."""
    hunt = Hunt(network, unknown=100)
    network.clock.run(60.0)
    before = hunt.client.search.requests_sent
    for number in range(100):
        hunt.client.pv(f"one:more:{number}")
        hunt.client.search_again()
        network.clock.run(0.01)
    assert hunt.client.search.requests_sent - before < 100 * 5 + 100 * 7


def test_boost_packs_everything_again(network: FakeNetwork) -> None:
    client = FakeClient(network)
    for number in range(100):
        client.pv(f"nobody:{number}")
    network.clock.run(100.0)
    client.search.boost(network.clock.now)
    datagrams = client.search.poll(network.clock.now)
    assert sorted(names_in(datagrams)) == sorted(f"nobody:{number}" for number in range(100))
    assert len(datagrams) == 4
