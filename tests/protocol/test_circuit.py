"""Virtual circuits: what both ends remember while messages pass."""

from __future__ import annotations

import logging
import struct

import pytest

from caproto import (
    CLIENT,
    CLOSED,
    CONNECTED,
    DISCONNECTED,
    FAILED,
    IDLE,
    MUST_CLOSE,
    SEND_VERSION_REQUEST,
    SERVER,
    AccessRights,
    AccessRightsResponse,
    AddressFilter,
    CaprotoRuntimeError,
    CaprotoTypeError,
    CaprotoValueError,
    CAStatus,
    ClearChannelResponse,
    ClientChannel,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EchoRequest,
    EchoResponse,
    ErrorResponse,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
    EventsOffRequest,
    EventsOnRequest,
    LocalProtocolError,
    Message,
    ReadNotifyRequest,
    ReadNotifyResponse,
    RemoteProtocolError,
    RoleFilter,
    SearchRequest,
    SearchResponse,
    ServerChannel,
    ServerDisconnResponse,
    VersionRequest,
    VersionResponse,
    VirtualCircuit,
    WriteNotifyRequest,
    WriteNotifyResponse,
)

from .pair import CircuitPair


@pytest.fixture(params=[1, 7, 1 << 20], ids="{} bytes at a time".format)
def fresh_pair(request: pytest.FixtureRequest) -> CircuitPair:
    return CircuitPair(request.param)


@pytest.fixture
def pair(fresh_pair: CircuitPair) -> CircuitPair:
    return fresh_pair.handshake()


def test_fresh_circuit() -> None:
    circuit = VirtualCircuit(CLIENT, ("127.0.0.1", 5064), 3)
    assert circuit.states == {CLIENT: SEND_VERSION_REQUEST, SERVER: IDLE}
    assert (circuit.host, circuit.port, circuit.priority) == ("127.0.0.1", 5064, 3)
    assert circuit.key == (("127.0.0.1", 5064), 3)
    assert (circuit.our_role, circuit.their_role) == (CLIENT, SERVER)
    assert repr(circuit) == (
        "<VirtualCircuit host='127.0.0.1' port=5064 our_role=Role.CLIENT "
        "state=States.SEND_VERSION_REQUEST>"
    )


def test_handshake_tells_version_and_priority(fresh_pair: CircuitPair) -> None:
    pair = fresh_pair
    with pytest.raises(CaprotoRuntimeError, match="no VersionRequest has come"):
        pair.server.key  # noqa: B018
    pair.to_server(VersionRequest(7, 11))
    assert pair.server.priority == 7
    assert pair.server.protocol_version == 11
    assert pair.server.key == (("127.0.0.1", 40000), 7)
    pair.to_client(VersionResponse(12))
    assert pair.client.protocol_version == 12
    assert pair.client.states == {CLIENT: CONNECTED, SERVER: CONNECTED}


def test_newer_peer_is_spoken_to_in_our_version(fresh_pair: CircuitPair) -> None:
    pair = fresh_pair
    pair.to_server(VersionRequest(0, 13))
    pair.to_client(VersionResponse(14))
    assert pair.client.protocol_version == 13


def test_server_that_tells_its_version_unprompted(fresh_pair: CircuitPair) -> None:
    pair = fresh_pair
    pair.to_client(VersionResponse(13))
    assert pair.client.states == {CLIENT: SEND_VERSION_REQUEST, SERVER: CONNECTED}
    pair.to_server(VersionRequest(0, 13))
    assert pair.client.states == {CLIENT: CONNECTED, SERVER: CONNECTED}


def test_channel_comes_to_be(pair: CircuitPair) -> None:
    channel, served = pair.open("some:pv", 6, 4, 55)
    for end in (channel, served):
        assert end.states == {CLIENT: CONNECTED, SERVER: CONNECTED}
        assert end.name == "some:pv"
        assert (end.sid, end.native_data_type, end.native_data_count) == (55, 6, 4)
        assert end.access_rights == AccessRights.READ | AccessRights.WRITE
    assert pair.client.channels == {channel.cid: channel}
    assert pair.client.channels_sid == {55: channel}
    assert pair.server.channels_sid == {55: served}
    pair.to_client(AccessRightsResponse(channel.cid, 1))
    assert channel.access_rights is AccessRights.READ


def test_channel_that_is_refused_is_forgotten(pair: CircuitPair) -> None:
    channel = ClientChannel("no:pv", pair.client)
    pair.to_server(channel.create())
    pair.to_client(CreateChFailResponse(channel.cid))
    assert channel.states == {CLIENT: FAILED, SERVER: FAILED}
    assert pair.client.channels == pair.server.channels == {}


def test_channel_that_the_server_takes_away_is_forgotten(pair: CircuitPair) -> None:
    channel, served = pair.open()
    pair.to_server(channel.subscribe())
    pair.to_client(served.disconnect())
    assert channel.states == {CLIENT: CLOSED, SERVER: CLOSED}
    for circuit in (pair.client, pair.server):
        assert circuit.channels == circuit.channels_sid == circuit.event_add_commands == {}


def test_channel_that_is_cleared_takes_its_subscriptions_along(pair: CircuitPair) -> None:
    channel, served = pair.open()
    other, _ = pair.open("other:pv", sid=56)
    pair.to_server(channel.subscribe(), other.subscribe())
    pair.to_server(channel.clear())
    assert channel.states == {CLIENT: MUST_CLOSE, SERVER: MUST_CLOSE}
    pair.to_client(served.clear())
    assert channel.states == {CLIENT: CLOSED, SERVER: CLOSED}
    for circuit in (pair.client, pair.server):
        assert list(circuit.channels) == [other.cid]
        assert list(circuit.event_add_commands) == [1]


def test_promise_13_ioids_count_from_0_and_are_shared(pair: CircuitPair) -> None:
    one, served = pair.open()
    two, _ = pair.open("other:pv", sid=56)
    requests = [one.read(), two.read("time"), one.write([1.0], notify=True), two.read()]
    assert [request.ioid for request in requests] == [0, 1, 2, 3]
    pair.to_server(*requests)
    assert list(pair.client.ioids) == list(pair.server.ioids) == [0, 1, 2, 3]
    pair.to_client(served.read([1.0], 0), served.write(2))
    assert list(pair.client.ioids) == list(pair.server.ioids) == [1, 3]


def test_ids_in_use_are_left_out(pair: CircuitPair) -> None:
    circuit = pair.client
    circuit.ioids[1] = None
    assert [circuit.new_ioid() for _ in range(3)] == [0, 2, 3]
    circuit.event_add_commands[0] = ClientChannel  # type: ignore[assignment]
    assert circuit.new_subscriptionid() == 1
    ClientChannel("a", circuit, cid=0)
    assert circuit.new_channel_id() == 1


def test_update_and_cancel(pair: CircuitPair) -> None:
    channel, served = pair.open()
    request = channel.subscribe()
    pair.to_server(request)
    assert pair.server.event_add_commands == {request.subscriptionid: request}
    assert channel.subscriptions == {request.subscriptionid: request}
    [update] = pair.to_client(served.subscribe([2.5], request.subscriptionid))
    assert isinstance(update, EventAddResponse)
    assert update.value == 2.5
    pair.to_server(channel.unsubscribe(request.subscriptionid))
    assert list(pair.client.event_cancel_commands) == [request.subscriptionid]
    [confirmation] = pair.to_client(served.unsubscribe(request.subscriptionid))
    assert type(confirmation) is EventCancelResponse
    for circuit in (pair.client, pair.server):
        assert circuit.event_add_commands == circuit.event_cancel_commands == {}


def test_empty_update_of_a_plain_type_is_told_from_a_cancel_confirmation(
    pair: CircuitPair,
) -> None:
    # The bytes are the same (ca/cac.cpp drops both); what counts is whether a cancel was sent.
    channel, served = pair.open()
    request = channel.subscribe()
    pair.to_server(request)
    [update] = pair.to_client(served.subscribe([], request.subscriptionid, data_count=0))
    assert type(update) is EventAddResponse
    assert len(update.data) == 0
    assert request.subscriptionid in pair.client.event_add_commands
    pair.to_server(channel.unsubscribe(request.subscriptionid))
    [confirmation] = pair.to_client(served.unsubscribe(request.subscriptionid))
    assert type(confirmation) is EventCancelResponse


@pytest.mark.parametrize(
    ("request_", "response"),
    [(EchoRequest(), EchoResponse()), (EventsOffRequest(), None), (EventsOnRequest(), None)],
    ids=lambda m: type(m).__name__,
)
def test_messages_about_the_circuit_itself(
    pair: CircuitPair, request_: Message, response: Message | None
) -> None:
    assert pair.to_server(request_) == [request_]
    if response is not None:
        assert pair.to_client(response) == [response]


def test_search_over_tcp(pair: CircuitPair) -> None:
    pair.to_server(VersionRequest(0, 13), SearchRequest("some:pv", 9, 13))
    [answer] = pair.to_client(SearchResponse(5064, None, 9, 13))
    assert isinstance(answer, SearchResponse)
    assert answer.cid == 9


def test_error_is_taken_at_any_time(pair: CircuitPair) -> None:
    channel, _ = pair.open()
    request = channel.read()
    pair.to_server(request)
    [error] = pair.to_client(ErrorResponse(request, channel.cid, CAStatus.ECA_GETFAIL, "it failed"))
    assert isinstance(error, ErrorResponse)
    assert error.original_head[5] == request.ioid


def test_late_messages_change_nothing(pair: CircuitPair) -> None:
    channel, _ = pair.open()
    late = [
        ReadNotifyResponse([1.0], 6, 1, 1, 777),
        WriteNotifyResponse(6, 1, 1, 777),
        EventAddResponse([1.0], 6, 1, 1, 777),
        EventCancelResponse(6, 55, 777, 1),
        AccessRightsResponse(777, 3),
        CreateChanResponse(6, 1, 777, 8),
        CreateChFailResponse(777),
        ServerDisconnResponse(777),
        ClearChannelResponse(777, 777),
    ]
    found, _ = pair.client.recv(b"".join(map(bytes, late)))
    assert len(found) == len(late)
    for command in found:
        assert pair.client.process_command(command) is None
    assert pair.client.channels == {channel.cid: channel}
    assert pair.client.channels_sid == {55: channel}


def test_responses_on_their_way_when_a_channel_is_cleared(pair: CircuitPair) -> None:
    channel, served = pair.open()
    request = channel.read()
    pair.to_server(request, channel.subscribe())
    response, update = served.read([1.0], request.ioid), served.subscribe([1.0], 0)
    pair.to_server(channel.clear())
    pair.to_client(response, update, served.clear())
    assert channel.states == {CLIENT: CLOSED, SERVER: CLOSED}


# --- misuse, ours and theirs ------------------------------------------------------------------------


def test_sending_before_the_version(fresh_pair: CircuitPair) -> None:
    pair = fresh_pair
    with pytest.raises(LocalProtocolError, match="EchoRequest is not allowed while the client is"):
        pair.client.send(EchoRequest())
    pair.server.recv(bytes(EchoRequest()))
    with pytest.raises(RemoteProtocolError, match="EchoRequest is not allowed"):
        pair.server.process_command(EchoRequest())


@pytest.mark.parametrize(
    "command",
    [
        ReadNotifyRequest(6, 1, 777, 0),
        WriteNotifyRequest([1.0], 6, 1, 777, 0),
        EventCancelRequest(6, 777, 0),
        ServerDisconnResponse(777),
        ReadNotifyResponse([1.0], 6, 1, 1, 777),
        EventAddResponse([1.0], 6, 1, 1, 777),
    ],
    ids=lambda m: type(m).__name__,
)
def test_sending_with_an_id_that_does_not_exist(pair: CircuitPair, command: Message) -> None:
    sender = pair.client if type(command).__name__.endswith("Request") else pair.server
    with pytest.raises(LocalProtocolError, match=r"no (channel with )?\w+ 777"):
        sender.send(command)


def test_cancelling_what_was_not_subscribed(pair: CircuitPair) -> None:
    pair.open()
    with pytest.raises(LocalProtocolError, match="no subscriptionid 777"):
        pair.client.send(EventCancelRequest(6, 55, 777))
    with pytest.raises(RemoteProtocolError, match="no subscriptionid 777") as raised:
        pair.server.process_command(EventCancelRequest(6, 55, 777))
    assert raised.value.address == pair.server.address


def test_request_with_an_unknown_sid_is_a_remote_error(pair: CircuitPair) -> None:
    # rsrv/camessage.c closes such a circuit
    with pytest.raises(RemoteProtocolError, match="no channel with sid 777"):
        pair.server.process_command(ReadNotifyRequest(6, 1, 777, 0))


def test_error_about_a_channel_names_it(pair: CircuitPair) -> None:
    channel, _ = pair.open("some:pv")
    with pytest.raises(LocalProtocolError, match="some:pv: CreateChanRequest") as raised:
        pair.client.send(channel.create())
    assert raised.value.pv_name == "some:pv"
    with pytest.raises(RemoteProtocolError, match="some:pv: CreateChanRequest") as remote:
        pair.server.process_command(CreateChanRequest("some:pv", channel.cid, 13))
    assert remote.value.pv_name == "some:pv"


def test_channel_whose_name_cannot_be_is_a_remote_error() -> None:
    server = CircuitPair().handshake().server
    nameless = CreateChanRequest.from_wire((18, 8, 0, 0, 1, 13), bytes(8))
    with pytest.raises(RemoteProtocolError, match="cannot be the name of a PV"):
        server.process_command(nameless)
    assert server.channels == {}


def test_priority_that_a_client_must_not_have() -> None:
    server = VirtualCircuit(SERVER, ("127.0.0.1", 40000), None)
    command = VersionRequest.from_wire((0, 0, 100, 13, 0, 0))
    with pytest.raises(RemoteProtocolError, match="priority 100 is above 99"):
        server.process_command(command)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">HHHHII", 15, 4, 6, 1, 1, 0) + bytes(4),
        struct.pack(">HHHHII", 99, 0, 6, 1, 1, 0),
        struct.pack(">HHHHII", 5, 0, 6, 1, 1, 0),
        struct.pack(">HHHHII", 20, 0, 6, 1, 1, 0),  # a name, which servers do not have
    ],
)
def test_stream_that_cannot_be_channel_access(pair: CircuitPair, data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        pair.client.recv(data)


def test_disconnection(pair: CircuitPair) -> None:
    channel, _ = pair.open()
    assert pair.client.disconnect() is DISCONNECTED
    pair.disconnect()
    assert pair.client.states == {CLIENT: DISCONNECTED, SERVER: DISCONNECTED}
    assert channel.states == {CLIENT: CLOSED, SERVER: CLOSED}
    with pytest.raises(LocalProtocolError, match="not allowed"):
        pair.client.send(EchoRequest())
    assert list(pair.client.recv(b"", b"")[0]) == [DISCONNECTED]


def test_engine_sets_the_states_directly() -> None:
    circuit = VirtualCircuit(CLIENT, ("127.0.0.1", 5064), 0)
    circuit.connected()
    channel = ClientChannel("some:pv", circuit)
    channel.opened(6, 1, 5)
    assert circuit.states == channel.states == {CLIENT: CONNECTED, SERVER: CONNECTED}
    circuit.closed()
    assert circuit.states == {CLIENT: DISCONNECTED, SERVER: DISCONNECTED}
    assert channel.states == {CLIENT: CLOSED, SERVER: CLOSED}


def test_arguments_of_a_circuit() -> None:
    address = ("127.0.0.1", 5064)
    with pytest.raises(CaprotoTypeError, match="our_role must be CLIENT or SERVER"):
        VirtualCircuit("client", address, 0)  # type: ignore[arg-type]
    with pytest.raises(CaprotoTypeError, match="must give its circuit a priority"):
        VirtualCircuit(CLIENT, address, None)
    with pytest.raises(CaprotoValueError, match="from 0 to 99"):
        VirtualCircuit(CLIENT, address, 100)
    circuit = VirtualCircuit(CLIENT, address, 1)
    with pytest.raises(CaprotoRuntimeError, match="cannot be changed"):
        circuit.priority = 2


def test_messages_are_logged_with_what_they_are_about(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "caproto")
    pair = CircuitPair()
    pair.client.our_address = ("127.0.0.1", 40000)
    pair.to_server(VersionRequest(0, 13))
    sent, received = caplog.records
    assert {record.name for record in caplog.records} == {"caproto.circ"}
    assert sent.getMessage() == received.getMessage() == "VersionRequest(priority=0, version=13)"
    assert vars(sent)["direction"] == "--->>>"
    assert vars(sent)["our_address"] == ("127.0.0.1", 40000)
    assert vars(sent)["their_address"] == ("127.0.0.1", 5064)
    assert vars(sent)["bytesize"] == 16
    assert vars(received)["direction"] == "<<<---"
    assert vars(received)["counter"] == (1, 1)
    assert RoleFilter(CLIENT, exclusive=True).filter(sent)
    assert not RoleFilter(CLIENT, exclusive=True).filter(received)
    assert AddressFilter("127.0.0.1:5064", exclusive=True).filter(sent)


def test_server_makes_its_channels(pair: CircuitPair) -> None:
    pair.server.process_command(CreateChanRequest("some:pv", 7, 13))
    assert isinstance(pair.server.channels[7], ServerChannel)
    pair.client.send(CreateChanRequest("other:pv", 8, 13))
    assert isinstance(pair.client.channels[8], ClientChannel)
