"""Searches, beacons and registration."""

from __future__ import annotations

import logging
import struct

import pytest

from caproto import (
    CLIENT,
    SERVER,
    Beacon,
    Broadcaster,
    CaprotoTypeError,
    CaprotoValueError,
    EchoRequest,
    LocalProtocolError,
    NotFoundResponse,
    ReadNotifyRequest,
    ReadNotifyResponse,
    RemoteProtocolError,
    RepeaterConfirmResponse,
    RepeaterRegisterRequest,
    RoleFilter,
    SearchRequest,
    SearchResponse,
    VersionRequest,
    VersionResponse,
    batch_requests,
    extract_address,
)

ADDRESS = ("10.1.0.30", 5064)


def test_search_and_answer() -> None:
    client, server = Broadcaster(CLIENT), Broadcaster(SERVER)
    question = [VersionRequest(0, 13), SearchRequest("some:pv", 3, 13)]
    received = server.recv(client.send(*question), ADDRESS)
    assert received == question
    assert received[1].sender_address == ADDRESS
    server.process_commands(received)
    answer = [VersionResponse(13), SearchResponse(5064, None, 3, 13), NotFoundResponse(13, 4)]
    found = client.recv(server.send(*answer), ADDRESS)
    assert found == answer
    client.process_commands(found)


def test_address_of_a_server_is_in_the_answer_or_is_the_sender() -> None:
    here, there = SearchResponse(5075, None, 3, 13), SearchResponse(5075, "10.9.9.9", 3, 13)
    [from_sender] = Broadcaster(CLIENT).recv(bytes(here), ADDRESS)
    assert isinstance(from_sender, SearchResponse)
    assert extract_address(from_sender) == ("10.1.0.30", 5075)
    assert extract_address(there) == ("10.9.9.9", 5075)
    with pytest.raises(CaprotoValueError, match="that is not known"):
        extract_address(here)


def test_registration() -> None:
    client = Broadcaster(CLIENT)
    request = client.register("10.0.0.1")
    assert request == RepeaterRegisterRequest("10.0.0.1")
    assert client.send(client.register()) == bytes(RepeaterRegisterRequest("0.0.0.0"))
    states = [client.registered]
    client.process_commands(client.recv(bytes(RepeaterConfirmResponse("127.0.0.1")), ADDRESS))
    states.append(client.registered)
    assert repr(client) == "<Broadcaster our_role=Role.CLIENT registered=True>"
    client.disconnect()
    states.append(client.registered)
    assert states == [False, True, False]


def test_beacon() -> None:
    beacon = Beacon(13, 5064, 1, "0.0.0.0")
    data = Broadcaster(SERVER).send(beacon)
    client = Broadcaster(CLIENT)
    found = client.recv(data, ADDRESS)
    assert found == [beacon]
    client.process_commands(found)


def test_search_of_another_client_is_not_taken_for_an_answer() -> None:
    # It comes by broadcast; answers have count 0.
    data = bytes(SearchRequest("some:pv", 3, 13)) + bytes(SearchResponse(5064, None, 3, 13))
    assert Broadcaster(CLIENT).recv(data, ADDRESS) == [SearchResponse(5064, None, 3, 13)]


@pytest.mark.parametrize(
    "data",
    [
        b"abc",
        b"abc" * 20,
        struct.pack(">HHHHII", 6, 8, 5064, 0, 0, 1),
        bytes(RepeaterRegisterRequest()),
        struct.pack(">HHHHII", 99, 0, 0, 0, 0, 0),
    ],
)
def test_datagram_that_cannot_be_channel_access(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        Broadcaster(CLIENT).recv(data, ADDRESS)


def test_empty_datagram_has_no_messages() -> None:
    assert Broadcaster(SERVER).recv(b"", ADDRESS) == []


def test_messages_that_do_not_travel_in_datagrams() -> None:
    client = Broadcaster(CLIENT)
    with pytest.raises(LocalProtocolError, match="a client does not send ReadNotifyRequest"):
        client.send(ReadNotifyRequest(6, 1, 0, 0))
    with pytest.raises(LocalProtocolError, match="a server does not send EchoRequest"):
        Broadcaster(SERVER).send(EchoRequest())
    found = client.recv(bytes(ReadNotifyResponse([1.0], 6, 1, 1, 0)), ADDRESS)
    with pytest.raises(RemoteProtocolError, match="ReadNotifyResponse") as raised:
        client.process_commands(found)
    assert raised.value.address == ADDRESS


def test_addresses_by_role() -> None:
    client, server = Broadcaster(CLIENT), Broadcaster(SERVER)
    client.our_addresses.append(("127.0.0.1", 1))
    server.our_addresses.append(("127.0.0.1", 2))
    assert client.our_addresses == client.client_addresses == [("127.0.0.1", 1)]
    assert client.their_addresses == []
    assert server.our_addresses == server.server_addresses == [("127.0.0.1", 2)]
    assert server.their_addresses is server.client_addresses


def test_role_is_checked() -> None:
    with pytest.raises(CaprotoTypeError, match="CLIENT or SERVER"):
        Broadcaster("client")  # type: ignore[arg-type]


def test_requests_are_divided_among_datagrams() -> None:
    requests = [SearchRequest("x" * 20, cid, 13) for cid in range(5)]  # 40 bytes each
    batches = list(batch_requests(requests, 100))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    assert [request for batch in batches for request in batch] == requests
    assert list(batch_requests([], 100)) == []
    assert [len(batch) for batch in batch_requests(requests[:2], 10)] == [1, 1]


def test_datagrams_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "caproto")
    data = Broadcaster(CLIENT).send(SearchRequest("some:pv", 3, 13))
    Broadcaster(SERVER).recv(data, ADDRESS)
    sent, received = caplog.records
    assert {record.name for record in caplog.records} == {"caproto.bcast"}
    assert sent.getMessage() == "SearchRequest(name='some:pv', cid=3, version=13, reply=5)"
    assert vars(sent)["direction"] == "--->>>"
    assert vars(received)["their_address"] == ADDRESS
    assert RoleFilter(SERVER, exclusive=True).filter(received)
    assert not RoleFilter(SERVER, exclusive=True).filter(sent)
