"""Datagrams: answers, beacons and the repeater, and everything that only looks like them."""

from __future__ import annotations

import logging

import pytest

from caproto._protocol.messages import (
    Beacon,
    RepeaterConfirmResponse,
    SearchRequest,
    SearchResponse,
    VersionRequest,
    VersionResponse,
)
from caproto.client import broadcast
from caproto.client.broadcast import BroadcastEngine
from caproto.client.search import Address, SearchEngine

from .searching import SERVER, FailingListener, Listener

NOW = 1000.0


@pytest.fixture
def engine() -> BroadcastEngine:
    """An engine that searches the name x with cid 0."""
    return BroadcastEngine(SearchEngine())


@pytest.fixture
def listener(engine: BroadcastEngine) -> Listener:
    """Who waits for the name x."""
    listener = Listener()
    engine.search.search("x", listener, NOW)
    engine.search.poll(NOW)
    return listener


def hexadecimal(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


# --- answers --------------------------------------------------------------------------------------------------------


def test_answer_means_the_address_it_came_from(engine: BroadcastEngine, listener: Listener) -> None:
    """CA protocol specification, "CA_PROTO_SEARCH": 0xFFFFFFFF stands for the sender; minor version in the payload."""
    engine.on_datagram(
        hexadecimal(
            "0000 0000 0001 000d 00000001 00000000  0006 0008 13c8 0000 ffffffff 00000000 000d000000000000"
        ),
        ("10.0.0.1", 33333),
        NOW,
    )
    assert listener.answers == [(SERVER, 13)]


def test_answer_may_name_another_address(engine: BroadcastEngine, listener: Listener) -> None:
    engine.on_datagram(bytes(SearchResponse(6000, "10.7.7.7", 0, 11)), SERVER, NOW)
    assert listener.answers == [(("10.7.7.7", 6000), 11)]


@pytest.mark.parametrize(("payload", "version"), [("000b", 11), ("000b0000", 11), ("", 0)])
def test_answers_with_short_payloads_are_taken(
    engine: BroadcastEngine, listener: Listener, payload: str, version: int
) -> None:
    """Protocol facts 21 and 22: some servers send 2 bytes, old ones none."""
    data = hexadecimal(payload)
    head = b"\0\6" + len(data).to_bytes(2, "big") + hexadecimal("13c8 0000 ffffffff 00000000")
    engine.on_datagram(head + data, SERVER, NOW)
    assert listener.answers == [(SERVER, version)]


def test_search_requests_are_not_taken_for_answers(
    engine: BroadcastEngine, listener: Listener
) -> None:
    """Epics-base pull request 379: they come back where client and server share a port."""
    request = bytes(VersionRequest(1, 13)) + bytes(SearchRequest("x", 0, 13))
    engine.on_datagram(request, SERVER, NOW)
    assert listener.answers == []
    assert engine.search.pending == 1


def test_answer_without_a_port_is_ignored(engine: BroadcastEngine, listener: Listener) -> None:
    engine.on_datagram(bytes(SearchResponse(0, None, 0, 13)), SERVER, NOW)
    assert listener.answers == []


def test_sequence_number_of_one_datagram_does_not_count_for_the_next(
    engine: BroadcastEngine, listener: Listener
) -> None:
    engine.on_datagram(bytes(VersionResponse(13, 1)), SERVER, NOW)
    assert engine._sequence == 1
    engine.on_datagram(bytes(VersionResponse(13)), SERVER, NOW)
    assert engine._sequence is None


def test_many_answers_in_one_datagram(engine: BroadcastEngine) -> None:
    listeners = [Listener() for _ in range(30)]
    searches = [
        engine.search.search(f"n{number}", listener, NOW)
        for number, listener in enumerate(listeners)
    ]
    engine.search.poll(NOW)
    engine.on_datagram(
        b"".join(bytes(SearchResponse(5064, None, search.cid, 13)) for search in searches),
        SERVER,
        NOW,
    )
    assert [listener.answers for listener in listeners] == [[(SERVER, 13)]] * 30


# --- what is no good ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        bytes(15),
        bytes(17),
        hexadecimal("0006 0008 13c8 0000 ffffffff 00000000"),  # the payload is missing
        hexadecimal("0006 ffff 13c8 0000 ffffffff 00000000") + bytes(100),
        b"\xff" * 64,
    ],
)
def test_malformed_datagram_is_logged_once_per_sender(
    engine: BroadcastEngine,
    listener: Listener,
    caplog: pytest.LogCaptureFixture,
    data: bytes,
) -> None:
    with caplog.at_level(logging.WARNING, "caproto"):
        for _ in range(3):
            engine.on_datagram(data, SERVER, NOW)
        assert len(caplog.messages) == 1
        engine.on_datagram(data, ("10.0.0.2", 5064), NOW)
    assert len(caplog.messages) == 2
    assert "10.0.0.1:5064" in caplog.messages[0]
    assert listener.answers == []


def test_messages_before_the_damage_count(
    engine: BroadcastEngine, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    engine.on_datagram(bytes(SearchResponse(5064, None, 0, 13)) + b"\0\6", SERVER, NOW)
    assert listener.answers == [(SERVER, 13)]


def test_empty_datagram_and_unknown_commands_are_ignored(
    engine: BroadcastEngine, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    engine.on_datagram(b"", SERVER, NOW)
    for command in (1, 14, 24, 99, 65535):
        engine.on_datagram(command.to_bytes(2, "big") + bytes(14), SERVER, NOW)
    assert caplog.messages == []


def test_complaints_about_forged_senders_are_bounded(
    engine: BroadcastEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(broadcast, "_MOST_SERVERS", 10)
    with caplog.at_level(logging.WARNING, "caproto"):
        for number in range(100):
            engine.on_datagram(b"?", (f"10.0.0.{number}", 5064), NOW)
    assert len(caplog.messages) == 10


def test_listener_that_fails_is_logged_and_stops_nothing(
    engine: BroadcastEngine, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    search = engine.search.search("y", FailingListener(), NOW)
    engine.search.poll(NOW)
    engine.on_datagram(bytes(SearchResponse(5064, None, search.cid, 13)), SERVER, NOW)
    assert "could not be handled" in caplog.text
    assert "a bug in the shell" in caplog.text
    engine.on_datagram(bytes(SearchResponse(5064, None, 0, 13)), SERVER, NOW)
    assert listener.answers == [(SERVER, 13)]


# --- beacons --------------------------------------------------------------------------------------------------------


def test_beacon_names_its_server_or_comes_from_it(engine: BroadcastEngine) -> None:
    """Protocol facts 51: address 0 is the sender (the repeater fills it in), port 0 the default port."""
    heard: list[tuple[Address, bool]] = []
    engine.on_beacon.append(lambda address, anomaly: heard.append((address, anomaly)))
    engine.on_datagram(bytes(Beacon(13, 6000, 1, "10.5.5.5")), ("127.0.0.1", 5065), NOW)
    engine.on_datagram(bytes(Beacon(13, 6000, 1, "0.0.0.0")), ("10.6.6.6", 4444), NOW)
    engine.on_datagram(bytes(Beacon(13, 0, 1, "10.7.7.7")), ("127.0.0.1", 5065), NOW)
    engine.on_datagram(bytes(Beacon(13, 0, 2, "10.7.7.7")), ("127.0.0.1", 5065), NOW + 15.0)
    assert heard == [
        (("10.5.5.5", 6000), True),
        (("10.6.6.6", 6000), True),
        (("10.7.7.7", 5064), True),
        (("10.7.7.7", 5064), False),
    ]
    assert engine.last_heard[("10.7.7.7", 5064)] == NOW + 15.0


def test_beacon_that_says_nothing_is_told_to_nobody(engine: BroadcastEngine) -> None:
    heard: list[Address] = []
    engine.on_beacon.append(lambda address, anomaly: heard.append(address))
    for moment in (NOW, NOW + 1.0):
        engine.on_datagram(bytes(Beacon(13, 5064, 1, "10.0.0.1")), SERVER, moment)
    assert heard == [SERVER]
    assert engine.last_heard == {SERVER: NOW}


def test_forged_beacons_do_not_fill_the_memory_nor_push_out_the_living(
    engine: BroadcastEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broadcast, "_MOST_SERVERS", 10)
    for number in range(100):
        now = NOW + 15.0 * number
        engine.on_datagram(bytes(Beacon(13, 5064, number, "10.0.0.1")), SERVER, now)
        engine.on_datagram(bytes(Beacon(13, 5064, 7, f"10.0.1.{number}")), SERVER, now)
    assert len(engine.last_heard) == len(engine._beacons) == 10
    assert SERVER in engine.last_heard
    assert ("10.0.1.99", 5064) in engine.last_heard


# --- the repeater ---------------------------------------------------------------------------------------------------


def test_registration_with_the_repeater(engine: BroadcastEngine) -> None:
    """CA protocol specification, "CA_PROTO_REPEATER_REGISTER"."""
    assert engine.register_request() == hexadecimal("0018 0000 0000 0000 00000000 00000000")
    assert not engine.registered
    engine.on_datagram(bytes(RepeaterConfirmResponse("10.0.0.9")), ("10.0.0.9", 50001), NOW)
    assert engine.registered
