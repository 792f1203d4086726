"""Searches over TCP."""

from __future__ import annotations

import logging

import pytest

from caproto._protocol.messages import (
    EchoResponse,
    NotFoundResponse,
    SearchResponse,
    VersionRequest,
    VersionResponse,
)
from caproto.client.nameserver import NameServer
from caproto.client.search import Address, SearchEngine

from .searching import FailingListener, Listener, names_in

NOW = 1000.0
NAME_SERVER: Address = ("names.example", 5064)
PEER: Address = ("10.0.0.53", 5064)
ECHO = bytes.fromhex("00170000000000000000000000000000")


@pytest.fixture
def search() -> SearchEngine:
    return SearchEngine()


@pytest.fixture
def written() -> list[bytes]:
    """What went out on the connection."""
    return []


@pytest.fixture
def server(search: SearchEngine, written: list[bytes]) -> NameServer:
    """A name server whose connection stands."""
    server = NameServer(NAME_SERVER, search, patience=30.0, answer_time=5.0)
    server.connected_by(written.append, PEER, NOW)
    return server


def cid_of(search: SearchEngine, name: str) -> int:
    found = search.get(name)
    assert found is not None
    return found.cid


# --- connecting -----------------------------------------------------------------------------------------------------


def test_connection_is_wanted_at_once_but_has_a_deadline_only_while_there_is_something_to_ask(
    search: SearchEngine,
) -> None:
    server = NameServer(NAME_SERVER, search, 30.0, 5.0)
    assert server.wants_connection(NOW)
    assert server.next_deadline() == float("inf")
    search.search("a", Listener(), NOW)
    assert server.next_deadline() <= NOW
    server.connecting = True
    assert not server.wants_connection(NOW)
    assert server.next_deadline() == float("inf")
    assert server.check(NOW)


def test_greeting_is_version(server: NameServer, written: list[bytes]) -> None:
    assert written == [bytes(VersionRequest(0, 13))]
    assert not server.wants_connection(NOW)


def test_nothing_is_asked_before_the_version_is_known(
    server: NameServer, search: SearchEngine, written: list[bytes]
) -> None:
    server.ask(b"question")
    assert len(written) == 1
    server.feed(bytes(VersionResponse(13)), NOW)
    assert server.ready
    server.ask(b"question")
    assert written[1:] == [b"question"]


def test_version_repeats_the_questions_that_came_too_early(
    server: NameServer, search: SearchEngine
) -> None:
    search.search("a", Listener(), NOW)
    search.poll(NOW)
    server.feed(bytes(VersionResponse(12)), NOW + 0.001)
    assert names_in(search.poll(NOW + 0.001)) == ["a"]


def test_server_before_4_12_is_never_asked(
    server: NameServer, written: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "caproto"):
        server.feed(bytes(VersionResponse(11)), NOW)
    server.ask(b"question")
    assert len(written) == 1
    assert "4.11" in caplog.text


def test_lost_connection_is_made_again_ever_more_slowly(
    search: SearchEngine, caplog: pytest.LogCaptureFixture
) -> None:
    server = NameServer(NAME_SERVER, search, 30.0, 5.0)
    search.search("a", Listener(), NOW)
    now, pauses = NOW, []
    with caplog.at_level(logging.WARNING, "caproto"):
        for _ in range(10):
            server.connecting = True
            server.lost("connection refused", now)
            pause = server.next_deadline() - now
            pauses.append(pause)
            assert not server.wants_connection(now + pause - 0.01)
            assert server.wants_connection(now + pause)
            now += pause
    assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
    assert pauses[-1] == 30.0
    (message,) = caplog.messages  # once
    assert "names.example:5064" in message
    assert "connection refused" in message


def test_connection_that_lasted_starts_with_the_short_pause_again(
    server: NameServer, search: SearchEngine
) -> None:
    search.search("a", Listener(), NOW)
    for _ in range(5):
        server.lost("refused", NOW)
    server.connected_by(lambda data: None, PEER, NOW)
    server.lost("reset", NOW + 1000.0)
    assert server.next_deadline() == NOW + 1000.5
    assert not server.ready
    server.ask(b"question")


# --- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 8, 1000])
def test_answer_without_address_means_this_very_circuit(
    server: NameServer, search: SearchEngine, chunk: int
) -> None:
    """No payload, p1 = 0xFFFFFFFF; the port field says nothing."""
    listener = Listener()
    search.search("a", listener, NOW)
    search.poll(NOW)
    data = bytes(VersionResponse(13)) + bytes.fromhex("0006000000000000ffffffff00000000")
    for start in range(0, len(data), chunk):
        assert server.feed(data[start : start + chunk], NOW)
    assert listener.answers == [(PEER, 13)]


def test_answer_with_an_address_means_that_server(server: NameServer, search: SearchEngine) -> None:
    listener = Listener()
    search.search("a", listener, NOW)
    search.poll(NOW)
    server.feed(bytes(SearchResponse(6000, "10.7.7.7", cid_of(search, "a"), 11)), NOW)
    assert listener.answers == [(("10.7.7.7", 6000), 11)]


def test_answers_that_name_no_port_and_requests_are_ignored(
    server: NameServer, search: SearchEngine
) -> None:
    listener = Listener()
    search.search("a", listener, NOW)
    (datagram,) = search.poll(NOW)
    assert server.feed(bytes(SearchResponse(0, "10.7.7.7", cid_of(search, "a"), 13)), NOW)
    assert server.feed(datagram, NOW)
    assert listener.answers == []


def test_not_found_and_the_rest_are_ignored(server: NameServer, search: SearchEngine) -> None:
    search.search("a", Listener(), NOW)
    assert server.feed(bytes(NotFoundResponse(13, cid_of(search, "a"))), NOW)
    assert search.pending == 1


def test_malformed_stream_asks_for_the_end_of_the_connection(
    server: NameServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert not server.feed(b"\xff" * 32, NOW)
    assert "names.example:5064" in caplog.text


def test_listener_that_fails_is_logged(
    server: NameServer, search: SearchEngine, caplog: pytest.LogCaptureFixture
) -> None:
    search.search("a", FailingListener(), NOW)
    search.poll(NOW)
    assert not server.feed(bytes.fromhex("0006000000000000ffffffff00000000"), NOW)
    assert "could not be handled" in caplog.text
    assert "a bug in the shell" in caplog.text


# --- health ---------------------------------------------------------------------------------------------------------


def test_silent_name_server_gets_an_echo_and_is_given_up(
    server: NameServer, written: list[bytes]
) -> None:
    assert server.next_deadline() == NOW + 30.0
    assert server.check(NOW + 29.0)
    assert server.check(NOW + 30.0)
    assert written[1:] == [ECHO]
    assert server.next_deadline() == NOW + 35.0
    assert not server.check(NOW + 35.0)


def test_echo_keeps_the_connection(server: NameServer, written: list[bytes]) -> None:
    server.check(NOW + 30.0)
    assert server.feed(bytes(EchoResponse()), NOW + 30.1)
    assert server.check(NOW + 35.0)
    assert server.next_deadline() == pytest.approx(NOW + 60.1)
