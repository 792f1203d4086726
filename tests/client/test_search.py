"""Searches: what goes into the datagrams, when names are asked for again, and what becomes of answers."""

from __future__ import annotations

import logging
from itertools import pairwise
from struct import unpack_from

import pytest

from caproto._errors import CaprotoValueError
from caproto.client.search import Address, SearchEngine

from .searching import OTHER, SERVER, Listener, names_in, request_times, requests_in

START = 1000.0


def cid_of(engine: SearchEngine, name: str) -> int:
    search = engine.get(name)
    assert search is not None
    return search.cid


# --- datagrams ------------------------------------------------------------------------------------------------------


def test_datagram_is_version_with_sequence_number_then_search() -> None:
    """CA protocol specification, "CA_PROTO_SEARCH": DONT_REPLY, minor version, cid twice, name padded with NULs."""
    engine = SearchEngine()
    engine.search("simple", Listener(), START)
    (datagram,) = engine.poll(START)
    version = "0000 0000 0001 000d 00000001 00000000"
    search = "0006 0008 0005 000d 00000000 00000000" + b"simple\0\0".hex()
    assert datagram == bytes.fromhex((version + search).replace(" ", ""))


def test_each_datagram_has_its_own_sequence_number() -> None:
    engine = SearchEngine()
    for number in range(60):
        engine.search(f"name:{number}", Listener(), START)
    datagrams = engine.poll(START)
    assert len(datagrams) > 1
    assert [unpack_from(">I", datagram, 8)[0] for datagram in datagrams] == list(
        range(1, len(datagrams) + 1)
    )


def test_datagrams_are_filled_but_never_exceed_1024_bytes() -> None:
    engine = SearchEngine()
    names = [f"a:name:of:some:length:{number}" for number in range(300)]
    for name in names:
        engine.search(name, Listener(), START)
    datagrams = engine.poll(START)
    assert names_in(datagrams) == names
    assert all(len(datagram) <= 1024 for datagram in datagrams)
    # One more request would not have fitted.
    assert all(len(datagram) + 48 > 1024 for datagram in datagrams[:-1])


@pytest.mark.parametrize("length", [59, 60, 61, 200, 991])
def test_names_of_59_and_more_characters_are_searched(length: int) -> None:
    """The original's search loop died of a name of 60 characters (findings of 3.2, number 6; pull request 872)."""
    engine = SearchEngine()
    listener = Listener()
    engine.search("short", Listener(), START)
    engine.search("n" * length, listener, START)
    engine.search("other", Listener(), START)
    datagrams = engine.poll(START)
    assert all(len(datagram) <= 1024 for datagram in datagrams)
    assert sorted(names_in(datagrams)) == sorted(["n" * length, "other", "short"])
    engine.on_reply(cid_of(engine, "n" * length), SERVER, 13, START + 0.01)
    assert listener.answers == [(SERVER, 13)]


def test_name_that_fits_no_datagram_is_refused_at_the_call() -> None:
    engine = SearchEngine()
    with pytest.raises(CaprotoValueError, match="991"):
        engine.search("n" * 992, Listener(), START)
    engine.search("fine", Listener(), START)
    assert names_in(engine.poll(START)) == ["fine"]


def test_name_is_searched_with_the_bytes_that_create_its_channel() -> None:
    """Text beyond Latin-1 travels as UTF-8, not as question marks."""
    engine = SearchEngine()
    engine.search("Ω:x", Listener(), START)
    (datagram,) = engine.poll(START)
    assert "Ω:x\0".encode() in datagram


# --- when -----------------------------------------------------------------------------------------------------------


def test_names_of_one_turn_share_datagrams_and_are_asked_for_at_once() -> None:
    engine = SearchEngine()
    engine.search("a", Listener(), START)
    engine.search("b", Listener(), START)
    assert engine.next_deadline() <= START
    assert [len(requests_in(datagram)) for datagram in engine.poll(START)] == [2]


def test_back_off_begins_at_32_ms_and_doubles_to_the_maximum() -> None:
    engine = SearchEngine(max_period=60.0)
    engine.search("nobody", Listener(), START)
    times = request_times(engine, START, START + 400.0, "nobody")
    pauses = [later - earlier for earlier, later in pairwise(times)]
    doubling = [0.032 * 2**step for step in range(11)]
    assert pauses[:11] == pytest.approx(doubling)
    assert pauses[11:] == pytest.approx([60.0] * len(pauses[11:]))
    assert len(pauses) > 14


def test_new_names_never_wait_behind_old_ones() -> None:
    """Ten thousand names that nobody has fill the network with retries; a new name still goes first."""
    engine = SearchEngine()
    for number in range(10_000):
        engine.search(f"nobody:{number}", Listener(), START)
    now = START
    while now < START + 2.0:
        engine.poll(now)
        now = engine.next_deadline()
    engine.search("new", Listener(), now)
    datagrams = engine.poll(now)
    assert names_in(datagrams[:1])[0] == "new"


def test_names_tried_least_come_first() -> None:
    engine = SearchEngine()
    engine.search("old", Listener(), START)
    now = START
    for _ in range(5):
        engine.poll(now)
        now = engine.next_deadline()
    engine.search("young", Listener(), now)
    engine.poll(now)
    assert names_in(engine.poll(START + 100.0)) == ["young", "old"]


def test_search_begins_after_the_delay_that_a_penalty_asks_for() -> None:
    engine = SearchEngine()
    engine.search("x", Listener(), START, delay=5.0)
    assert engine.poll(START + 4.9) == []
    assert engine.next_deadline() == START + 5.0
    assert names_in(engine.poll(START + 5.0)) == ["x"]


def test_long_penalty_of_one_name_does_not_delay_another() -> None:
    engine = SearchEngine()
    engine.search("long", Listener(), START, delay=30.0)
    engine.search("short", Listener(), START, delay=0.5)
    assert engine.next_deadline() == START + 0.5
    assert names_in(engine.poll(START + 0.5)) == ["short"]


def test_retries_stay_on_time_when_the_network_has_become_faster() -> None:
    """A name that was asked for while answers were slow must not hold up those asked for since."""
    engine = SearchEngine()
    now = START
    for number in range(20):  # answers take 200 ms, so that patience grows
        engine.search(f"slow:{number}", Listener(), now)
        engine.poll(now)
        now += 0.200
        engine.on_reply(cid_of(engine, f"slow:{number}"), SERVER, 13, now)
    engine.search("before", Listener(), now)
    engine.poll(now)
    for number in range(40):  # and then 1 ms
        engine.search(f"fast:{number}", Listener(), now)
        engine.poll(now)
        now += 0.001
        engine.on_reply(cid_of(engine, f"fast:{number}"), SERVER, 13, now)
    engine.search("after", Listener(), now)
    engine.poll(now)
    assert engine.next_deadline() <= now + 0.033
    assert names_in(engine.poll(now + 0.033)) == ["after"]


def test_round_trip_estimate_survives_a_sleeping_computer() -> None:
    """An answer that is read an hour late says nothing about the network."""
    engine = SearchEngine()
    engine.search("a", Listener(), START)
    engine.poll(START)
    engine.on_reply(cid_of(engine, "a"), SERVER, 13, START + 3600.0)
    now = START + 3600.0
    engine.search("b", Listener(), now)
    assert names_in(engine.poll(now)) == ["b"]
    assert engine.next_deadline() <= now + 2.0


def test_thousands_of_polls_are_not_needed() -> None:
    """One poll per datagram and retry is what it takes; a search for a name that nobody has does not keep a CPU busy."""
    engine = SearchEngine(max_period=60.0)
    for number in range(5):
        engine.search(f"nobody:{number}", Listener(), START)
    now, polls = START, 0
    while now < START + 3600.0:
        engine.poll(now)
        polls += 1
        following = engine.next_deadline()
        assert following > now
        now = following
    assert polls < 2 * (12 + 3600 / 60)


def test_nothing_to_search_means_no_deadline() -> None:
    engine = SearchEngine()
    assert engine.next_deadline() == float("inf")
    assert engine.poll(START) == []
    engine.search("a", Listener(), START)
    engine.poll(START)
    engine.on_reply(cid_of(engine, "a"), SERVER, 13, START + 0.001)
    assert engine.poll(START + 0.001) == []
    assert engine.next_deadline() == float("inf")


# --- boosts ---------------------------------------------------------------------------------------------------------


def tired(engine: SearchEngine, name: str, seconds: float) -> float:
    """Search `name` in vain for so long; return the time."""
    engine.search(name, Listener(), START)
    request_times(engine, START, START + seconds, name)
    return START + seconds


def test_boost_asks_for_everything_again_at_once() -> None:
    engine = SearchEngine()
    now = tired(engine, "patient", 20.0)
    engine.search("cancelled", Listener(), now)
    engine.poll(now)
    engine.cancel("cancelled")
    assert engine.next_deadline() > now + 1.0
    engine.boost(now)
    assert names_in(engine.poll(now)) == ["patient"]


def test_boosts_in_a_row_are_limited_and_the_last_one_is_made_up_for() -> None:
    """A program that calls get_pvs in a loop must not send all its old searches each time."""
    engine = SearchEngine()
    now = tired(engine, "patient", 100.0)
    asked = 0
    for step in range(100):
        moment = now + step / 100
        engine.boost(moment)
        asked += len(names_in(engine.poll(moment)))
    assert 1 <= asked <= 12
    assert engine.next_deadline() < now + 2.0


def test_boost_leaves_new_names_first() -> None:
    engine = SearchEngine()
    now = tired(engine, "patient", 20.0)
    engine.boost(now)
    engine.search("new", Listener(), now)
    assert names_in(engine.poll(now)) == ["new", "patient"]


# --- answers --------------------------------------------------------------------------------------------------------


def test_answer_ends_the_search() -> None:
    engine = SearchEngine()
    listener = Listener()
    search = engine.search("a", listener, START)
    engine.poll(START)
    assert engine.pending == 1
    engine.on_reply(search.cid, SERVER, 11, START + 0.001)
    assert listener.answers == [(SERVER, 11)]
    assert engine.pending == 0
    assert engine.get("a") is None
    assert engine.poll(START + 1000.0) == []


def test_everybody_who_waits_for_a_name_is_told() -> None:
    """The same name at two priorities is one search."""
    engine = SearchEngine()
    first, second = Listener(), Listener()
    search = engine.search("a", first, START)
    assert engine.search("a", second, START) is search
    assert names_in(engine.poll(START)) == ["a"]
    engine.on_reply(search.cid, SERVER, 13, START)
    assert first.answers == second.answers == [(SERVER, 13)]


def test_unknown_cid_is_ignored() -> None:
    engine = SearchEngine()
    listener = Listener()
    engine.search("a", listener, START)
    engine.poll(START)
    engine.on_reply(12345, SERVER, 13, START)
    assert listener.answers == []
    assert engine.pending == 1


def test_refused_answer_keeps_the_search_going() -> None:
    engine = SearchEngine()
    content, picky = Listener(), Listener(taken=False)
    search = engine.search("a", content, START)
    engine.search("a", picky, START)
    engine.poll(START)
    engine.on_reply(search.cid, SERVER, 13, START + 0.001)
    assert engine.pending == 1
    assert request_times(engine, START + 0.001, START + 1.0, "a")
    picky.taken = True
    engine.on_reply(search.cid, OTHER, 13, START + 1.0)
    assert engine.pending == 0
    assert content.answers == [(SERVER, 13)]
    assert picky.answers == [(SERVER, 13), (OTHER, 13)]


class _SearchesAgain:
    """Takes the answer, and begins a search for somebody else."""

    def __init__(self, engine: SearchEngine, name: str, other: Listener) -> None:
        self._engine, self._name, self._other = engine, name, other

    def found(self, address: Address, version: int, now: float) -> bool:
        self._engine.search(self._name, self._other, now)
        return True


def test_listener_that_searches_again_while_it_is_told_starts_another_search() -> None:
    """A circuit that fails at once searches its PVs again from within the answer."""
    engine = SearchEngine()
    later = Listener()

    search = engine.search("a", _SearchesAgain(engine, "a", later), START)
    engine.poll(START)
    engine.on_reply(search.cid, SERVER, 13, START + 0.001)
    assert later.answers == []
    assert engine.pending == 1
    assert request_times(engine, START + 0.001, START + 2.0, "a")
    found = engine.get("a")
    assert found is not None
    engine.on_reply(found.cid, SERVER, 13, START + 2.0)
    assert later.answers == [(SERVER, 13)]


def test_refused_listener_joins_the_search_that_another_has_begun_meanwhile() -> None:
    engine = SearchEngine()
    picky = Listener(taken=False)

    first = engine.search("a", _SearchesAgain(engine, "a", Listener()), START)
    engine.search("a", picky, START)
    engine.poll(START)
    engine.on_reply(first.cid, SERVER, 13, START + 0.001)
    second = engine.get("a")
    assert second is not None
    assert second is not first
    engine.on_reply(first.cid, SERVER, 13, START + 0.002)  # an answer to the old one
    assert picky.answers == [(SERVER, 13)]
    picky.taken = True
    engine.poll(START + 0.003)
    engine.on_reply(second.cid, SERVER, 13, START + 0.004)
    assert len(picky.answers) == 2
    assert engine.pending == 0


def test_first_of_two_servers_wins_and_one_warning_names_both(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = SearchEngine()
    listener = Listener()
    search = engine.search("twice", listener, START)
    engine.poll(START)
    engine.on_reply(search.cid, SERVER, 13, START + 0.001)
    with caplog.at_level(logging.WARNING, "caproto"):
        engine.on_reply(search.cid, SERVER, 13, START + 0.002)  # a duplicated datagram
        assert caplog.messages == []
        engine.on_reply(search.cid, OTHER, 13, START + 0.003)
        engine.on_reply(search.cid, OTHER, 13, START + 0.004)
        engine.on_reply(search.cid, ("10.0.0.3", 5064), 13, START + 0.005)
    (message,) = caplog.messages
    assert "twice" in message
    assert "10.0.0.1:5064" in message
    assert "10.0.0.2:5064" in message
    assert listener.answers == [(SERVER, 13)]


def test_answer_that_is_older_than_the_period_for_duplicates_is_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    engine = SearchEngine(duplicates_period=10.0)
    search = engine.search("a", Listener(), START)
    engine.poll(START)
    engine.on_reply(search.cid, SERVER, 13, START + 0.001)
    engine.poll(START + 11.0)
    with caplog.at_level(logging.WARNING, "caproto"):
        engine.on_reply(search.cid, OTHER, 13, START + 11.0)
    assert caplog.messages == []


# --- the end of a search --------------------------------------------------------------------------------------------


def test_cancelled_name_is_not_asked_for_again() -> None:
    engine = SearchEngine()
    listener = Listener()
    search = engine.search("a", listener, START)
    engine.poll(START)
    assert engine.cancel("a")
    assert not engine.cancel("a")
    assert engine.poll(START + 1000.0) == []
    engine.on_reply(search.cid, SERVER, 13, START + 1000.0)
    assert listener.answers == []


def test_name_cancelled_before_its_first_request_is_never_asked_for() -> None:
    engine = SearchEngine()
    engine.search("a", Listener(), START)
    engine.cancel("a")
    assert engine.poll(START) == []
    assert engine.next_deadline() == float("inf")


def test_cancelled_name_can_be_searched_afresh() -> None:
    engine = SearchEngine()
    engine.search("a", Listener(), START)
    engine.poll(START)
    engine.cancel("a")
    listener = Listener()
    search = engine.search("a", listener, START + 0.001)
    assert names_in(engine.poll(START + 0.001)) == ["a"]
    engine.on_reply(search.cid, SERVER, 13, START + 0.002)
    assert listener.answers == [(SERVER, 13)]


def test_search_goes_on_for_those_who_are_left() -> None:
    engine = SearchEngine()
    leaving, staying = Listener(), Listener()
    search = engine.search("a", leaving, START)
    engine.search("a", staying, START)
    engine.forget("a", leaving)
    engine.forget("a", leaving)
    engine.forget("unknown", leaving)
    assert names_in(engine.poll(START)) == ["a"]
    engine.on_reply(search.cid, SERVER, 13, START)
    assert (leaving.answers, staying.answers) == ([], [(SERVER, 13)])


def test_search_ends_with_the_last_who_leaves() -> None:
    engine = SearchEngine()
    listener = Listener()
    engine.search("a", listener, START)
    engine.forget("a", listener)
    assert engine.pending == 0
    assert engine.poll(START) == []


# --- ids ------------------------------------------------------------------------------------------------------------


def test_more_than_65536_names_have_ids_of_their_own() -> None:
    """The original's 16-bit counter spun for ever when all ids were taken (findings of 3.2, number 7)."""
    engine = SearchEngine()
    listener = Listener()
    cids = {engine.search(f"n{number}", listener, START).cid for number in range(70_000)}
    assert len(cids) == 70_000
    assert engine.pending == 70_000


def test_ids_wrap_at_32_bits_and_skip_those_in_use() -> None:
    engine = SearchEngine()
    assert engine.search("first", Listener(), START).cid == 0
    engine._next_cid = 0xFFFFFFFF
    assert engine.search("last", Listener(), START).cid == 0xFFFFFFFF
    assert engine.search("next", Listener(), START).cid == 1
