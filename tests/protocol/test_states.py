"""The tables of what may follow what."""

from __future__ import annotations

import itertools

import pytest

import caproto
from caproto import (
    CLIENT,
    CLOSED,
    CONNECTED,
    DISCONNECTED,
    FAILED,
    IDLE,
    MUST_CLOSE,
    REQUEST,
    RESPONSE,
    SEND_CREATE_CHAN_REQUEST,
    SEND_VERSION_REQUEST,
    SERVER,
    ClearChannelRequest,
    ClearChannelResponse,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EchoRequest,
    EventAddResponse,
    LocalProtocolError,
    Message,
    ReadNotifyRequest,
    Role,
    ServerDisconnResponse,
    States,
    VersionRequest,
    VersionResponse,
)
from caproto._protocol.messages import REQUESTS, RESPONSES
from caproto._protocol.states import CHANNEL_RULES, CIRCUIT_RULES, Rules, StatePair, advance

TABLES = pytest.mark.parametrize(
    "rules", [CIRCUIT_RULES, CHANNEL_RULES], ids=["circuit", "channel"]
)
STARTS = {id(CIRCUIT_RULES): SEND_VERSION_REQUEST, id(CHANNEL_RULES): SEND_CREATE_CHAN_REQUEST}


def test_members_print_as_the_page_shows_them() -> None:
    assert f"{CONNECTED} {CONNECTED!r}" == "States.CONNECTED States.CONNECTED"
    assert f"{CLIENT} {SERVER!r}" == "Role.CLIENT Role.SERVER"
    assert f"{REQUEST} {RESPONSE!r}" == "Direction.REQUEST Direction.RESPONSE"


def test_every_state_is_a_public_constant() -> None:
    for state in States:
        assert getattr(caproto, state.name) is state


@TABLES
def test_next_states_are_in_the_table(rules: Rules) -> None:
    for table in rules.values():
        for transitions in table.values():
            assert set(transitions.values()) <= set(table)


@TABLES
def test_messages_of_the_table_exist_in_the_protocol(rules: Rules) -> None:
    known = {*REQUESTS.values(), *RESPONSES.values(), caproto.EventCancelResponse}
    for table in rules.values():
        assert {message for transitions in table.values() for message in transitions} <= known


@TABLES
def test_every_state_can_be_reached_and_none_is_a_trap(rules: Rules) -> None:
    messages = {m for table in rules.values() for row in table.values() for m in row}
    reached = {(STARTS[id(rules)], IDLE)}
    frontier = list(reached)
    while frontier:
        client, server = frontier.pop()
        for message in messages:
            try:
                pair = advance(rules, StatePair(client, server), message)
            except LocalProtocolError:
                continue
            after = (pair[CLIENT], pair[SERVER])
            if after not in reached:
                reached.add(after)
                frontier.append(after)
    assert {client for client, _ in reached} == set(rules[CLIENT]) - {DISCONNECTED}
    assert {server for _, server in reached} == set(rules[SERVER]) - {DISCONNECTED}
    # The two ends never disagree about being connected, but for a server that tells its version unprompted.
    for client, server in reached:
        if rules is CHANNEL_RULES:
            assert (client is CONNECTED) == (server is CONNECTED)


def run(rules: Rules, *messages: type[Message]) -> StatePair:
    pair = StatePair(STARTS[id(rules)], IDLE)
    for message in messages:
        pair = advance(rules, pair, message)
    return pair


@pytest.mark.parametrize(
    "messages",
    [
        (VersionRequest, VersionResponse),
        (VersionResponse, VersionRequest),  # rsrv tells its version at once
        (VersionRequest, CreateChanRequest, CreateChanResponse),  # before 4.4 nobody told one
        (VersionRequest, CreateChanRequest, VersionResponse),  # no client waits for it
        (VersionRequest, VersionResponse, VersionRequest),  # again, before a search
    ],
    ids=lambda messages: "-".join(m.__name__ for m in messages),
)
def test_ways_to_a_connected_circuit(messages: tuple[type[Message], ...]) -> None:
    assert run(CIRCUIT_RULES, *messages) == {CLIENT: CONNECTED, SERVER: CONNECTED}


@pytest.mark.parametrize(
    ("messages", "end"),
    [
        ((CreateChanRequest, CreateChanResponse), CONNECTED),
        ((CreateChanRequest, CreateChanResponse, CreateChanResponse), CONNECTED),
        ((CreateChanRequest, CreateChFailResponse), FAILED),
        ((CreateChanRequest, ServerDisconnResponse), CLOSED),
        ((CreateChanRequest, CreateChanResponse, ServerDisconnResponse), CLOSED),
        ((CreateChanRequest, CreateChanResponse, ClearChannelRequest), MUST_CLOSE),
        (
            (CreateChanRequest, CreateChanResponse, ClearChannelRequest, EventAddResponse),
            MUST_CLOSE,
        ),
        (
            (CreateChanRequest, CreateChanResponse, ClearChannelRequest, ClearChannelResponse),
            CLOSED,
        ),
    ],
    ids=lambda value: "-".join(m.__name__ for m in value) if isinstance(value, tuple) else "",
)
def test_ways_of_a_channel(messages: tuple[type[Message], ...], end: States) -> None:
    assert run(CHANNEL_RULES, *messages) == {CLIENT: end, SERVER: end}


@pytest.mark.parametrize(
    ("rules", "messages"),
    [
        (CIRCUIT_RULES, (EchoRequest,)),
        (CHANNEL_RULES, (ReadNotifyRequest,)),
        (CHANNEL_RULES, (CreateChanRequest, CreateChanRequest)),
        (CHANNEL_RULES, (CreateChanRequest, CreateChFailResponse, ReadNotifyRequest)),
        (
            CHANNEL_RULES,
            (CreateChanRequest, CreateChanResponse, ClearChannelRequest, ReadNotifyRequest),
        ),
    ],
    ids=lambda value: "-".join(m.__name__ for m in value) if isinstance(value, tuple) else "",
)
def test_what_the_rules_forbid(rules: Rules, messages: tuple[type[Message], ...]) -> None:
    *before, last = messages
    pair = run(rules, *before)
    with pytest.raises(LocalProtocolError, match=f"{last.__name__} is not allowed while the"):
        advance(rules, pair, last)


def test_nothing_is_allowed_once_disconnected() -> None:
    gone = StatePair(DISCONNECTED, DISCONNECTED)
    for message in itertools.chain(REQUESTS.values(), RESPONSES.values()):
        with pytest.raises(LocalProtocolError):
            advance(CIRCUIT_RULES, gone, message)


def test_states_by_role_are_a_mapping() -> None:
    pair = StatePair(CONNECTED, IDLE)
    assert dict(pair) == {CLIENT: CONNECTED, SERVER: IDLE}
    assert list(pair) == [CLIENT, SERVER]
    assert len(pair) == 2
    assert repr(pair) == "{Role.CLIENT: States.CONNECTED, Role.SERVER: States.IDLE}"
    assert set(Role) == set(pair)
    with pytest.raises(KeyError):
        pair["client"]  # type: ignore[index]
