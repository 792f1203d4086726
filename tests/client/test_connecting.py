"""From an answered search to an open channel: the order of messages, sharing of circuits, and joined sends."""

from __future__ import annotations

import pytest

from caproto._protocol.enums import AccessRights, ChannelType
from caproto._protocol.messages import (
    AccessRightsResponse,
    ClearChannelRequest,
    ClientNameRequest,
    CreateChanRequest,
    CreateChanResponse,
    EchoRequest,
    HostNameRequest,
    ReadSyncRequest,
    SearchRequest,
    SearchResponse,
    VersionRequest,
)
from caproto.client.circuit import CircuitState
from caproto.client.pv import PVState
from tests.support.fakes import FakeClient, FakeClock, FakeNetwork, FakeRecord, FakeServer

# --- greeting -------------------------------------------------------------------------------------------------------


def test_greeting_is_version_then_names_then_channels_in_one_send(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 10: pushed before waiting for anything; the names come before the first channel."""
    names = [client.pv(name, priority=7) for name in "abc"]
    clock.run_until(lambda: all(pv.connected for pv in names))
    connection = server.connection
    assert len(connection.writes) == 1
    version, user, host, *channels = connection.received
    assert isinstance(version, VersionRequest)
    assert (version.priority, version.version) == (7, 13)
    assert isinstance(user, ClientNameRequest)
    assert user.name == "user"
    assert isinstance(host, HostNameRequest)
    assert host.name == "host"
    assert [(message.name, message.version) for message in channels] == [  # type: ignore[attr-defined]
        ("a", 13),
        ("b", 13),
        ("c", 13),
    ]


def test_greeting_bytes(client: FakeClient, server: FakeServer) -> None:
    """CA protocol specification: VERSION with priority and minor version, CLIENT_NAME, HOST_NAME, CREATE_CHAN."""
    client.connect("a", priority=1)
    assert server.connection.writes[0] == bytes.fromhex(
        "0000 0000 0001 000d 00000000 00000000"
        "0014 0008 0000 0000 00000000 00000000 7573657200000000"
        "0015 0008 0000 0000 00000000 00000000 686f737400000000"
        "0012 0008 0000 0000 00000000 0000000d 6100000000000000".replace(" ", "")
    )


@pytest.mark.parametrize("version", [4, 11, 13])
def test_server_that_sends_no_version_is_not_waited_for(
    network: FakeNetwork, client: FakeClient, version: int
) -> None:
    """Protocol facts 11: old servers never send one."""
    server = FakeServer(network, ["a"], version=version)
    server.greets = False
    pv = client.connect("a")
    assert pv.circuit is not None
    assert pv.circuit.version == version  # what came with the answer to the search


def test_version_on_the_circuit_overrides_that_of_the_search(
    client: FakeClient, server: FakeServer
) -> None:
    def older_answer(request: SearchRequest) -> bytes:
        return bytes(SearchResponse(5064, None, request.cid, 11))

    server.search_reply = older_answer  # type: ignore[method-assign]
    pv = client.connect("a")
    assert pv.circuit is not None
    assert pv.circuit.version == 13
    # What goes out keeps to the lower one: behind a gateway both must understand it.
    assert pv.circuit.protocol.protocol_version == 11


def test_newer_server_is_spoken_to_in_our_version(network: FakeNetwork, client: FakeClient) -> None:
    FakeServer(network, ["a"], version=14)
    pv = client.connect("a")
    assert pv.circuit is not None
    assert pv.circuit.protocol.protocol_version == 13


# --- channels -------------------------------------------------------------------------------------------------------


def test_open_channel_knows_type_count_ids_and_rights(
    client: FakeClient, server: FakeServer
) -> None:
    server.records["wave"] = FakeRecord(ChannelType.LONG, 100, [1, 2, 3], rights=1)
    pv = client.connect("wave")
    channel = pv.channel
    assert channel is not None
    assert channel.native_data_type is ChannelType.LONG
    assert channel.native_data_count == 100
    assert channel.sid == 101
    assert channel.access_rights is AccessRights.READ
    assert pv.address == server.address
    assert pv.events == ["found", AccessRights.READ, "connected"]


def test_reprs_follow_the_way_to_the_channel(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.pv("a")
    assert repr(pv) == "<PV name='a' priority=0 (searching....)>"
    clock.run_until(lambda: pv.circuit is not None)
    assert repr(pv) == (
        "<PV name='a' priority=0 address=('10.0.0.1', 5064), "
        "circuit_state=States.SEND_VERSION_REQUEST (creating...)>"
    )
    clock.run_until(lambda: pv.connected)
    assert repr(pv) == (
        "<PV name='a' priority=0 address=('10.0.0.1', 5064), circuit_state=States.CONNECTED, "
        "channel_state=States.CONNECTED>"
    )
    client.engine.make_idle(pv)
    assert repr(pv) == "<PV name='a' priority=0 (idle)>"
    lost = client.pv("nobody")
    client.cancel(lost)
    assert repr(lost) == "<PV name='nobody' priority=0 (cancelled)>"
    client.close()
    assert repr(pv) == "<PV name='a' priority=0 (closed)>"


def test_one_circuit_per_address_and_priority(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    other = FakeServer(network, ["x", "y"], ("10.0.0.2", 5064))
    pvs = [client.pv(name) for name in "abcxy"] + [client.pv("a", priority=5)]
    clock.run_until(lambda: all(pv.connected for pv in pvs))
    assert len(server.connections) == 2
    assert len(other.connections) == 1
    assert set(client.engine.circuits) == {
        (server.address, 0),
        (server.address, 5),
        (other.address, 0),
    }
    priorities = {connection.of(VersionRequest)[0].priority for connection in server.connections}
    assert priorities == {0, 5}


def test_same_name_at_two_priorities_is_searched_once(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pvs = [client.pv("a", priority) for priority in (0, 99)]
    clock.run_until(lambda: all(pv.connected for pv in pvs))
    assert server.searched == ["a"]
    assert pvs[0].circuit is not pvs[1].circuit


def test_channel_that_is_added_later_uses_the_circuit_that_stands(
    client: FakeClient, server: FakeServer
) -> None:
    first, second = client.connect("a"), client.connect("b")
    assert first.circuit is second.circuit
    assert first.circuit is not None
    assert first.circuit.pvs == [first, second]
    assert server.connection.commands == [
        "VersionRequest",
        "ClientNameRequest",
        "HostNameRequest",
        "CreateChanRequest",
        "CreateChanRequest",
    ]


def test_channel_added_while_the_connection_is_made_is_part_of_the_greeting(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    first = client.pv("a")
    clock.run_until(lambda: first.circuit is not None)
    assert first.circuit is not None
    assert first.circuit.state is CircuitState.CONNECTING
    second = client.pv("b")
    network.servers[server.address].answers_searches = False
    assert second.found(server.address, 13, clock.now)
    clock.run_until(lambda: first.connected and second.connected)
    assert len(server.connection.writes) == 1


def test_answer_for_a_pv_that_is_not_searched_any_more_changes_nothing(
    client: FakeClient, server: FakeServer
) -> None:
    pv = client.connect("a")
    assert pv.found(("10.0.0.7", 5064), 13, client.clock.now)
    assert pv.address == server.address
    assert len(client.engine.circuits) == 1


def test_create_chan_for_a_cid_that_was_given_up_is_answered_by_clear_channel(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 17: otherwise the server would keep the channel for ever."""
    client.connect("a")
    server.connection.send(CreateChanResponse(6, 1, 999, 777))
    clock.run(0.1)
    (request,) = server.connection.of(ClearChannelRequest)
    assert (request.sid, request.cid) == (777, 999)


def test_channel_given_up_while_it_is_made_is_cleared_when_it_comes(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    other = client.pv("b")
    clock.run_until(lambda: other.state is PVState.CONNECTING)
    client.engine.reconnect(other, clock.now)
    assert server.connection.of(ClearChannelRequest) == []
    clock.run_until(lambda: other.connected)
    assert len(server.connection.of(CreateChanRequest)) == 3
    assert len(server.connection.of(ClearChannelRequest)) == 1
    assert len(server.connection.channels) == 2
    assert pv.connected


def test_second_create_chan_for_the_same_channel_is_ignored(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    assert pv.channel is not None
    server.connection.send(CreateChanResponse(5, 10, pv.channel.cid, 555))
    clock.run(0.1)
    assert pv.channel.sid == 101
    assert server.connection.of(ClearChannelRequest) == []
    assert pv.states == ["connected"]


def test_channel_count_beyond_16_bits_comes_in_an_extended_header(
    client: FakeClient, server: FakeServer
) -> None:
    """Protocol facts 19."""
    server.records["image"] = FakeRecord(ChannelType.CHAR, 5_000_000, [0])
    pv = client.connect("image")
    assert pv.channel is not None
    assert pv.channel.native_data_count == 5_000_000


# --- access rights --------------------------------------------------------------------------------------------------


def test_rights_are_told_before_the_channel_is_open_and_at_every_change(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 15: ACCESS_RIGHTS comes first, and may come again at any time."""
    pv = client.connect("a")
    assert pv.channel is not None
    for rights in (3, 1, 1, 0, 3):
        server.connection.send(AccessRightsResponse(pv.channel.cid, rights))
    clock.run(0.1)
    both = AccessRights.READ | AccessRights.WRITE
    assert pv.events == [
        "found",
        both,
        "connected",
        AccessRights.READ,
        AccessRights.NO_ACCESS,
        both,
    ]
    assert pv.access_rights == pv.channel.access_rights == both


def test_rights_repeated_before_the_channel_is_open_are_told_once(
    client: FakeClient, server: FakeServer
) -> None:
    server.on(
        CreateChanRequest,
        lambda connection, request: (
            AccessRightsResponse(request.cid, 1),
            AccessRightsResponse(request.cid, 1),
            CreateChanResponse(6, 1, request.cid, 50),
        ),
    )
    pv = client.connect("a")
    assert pv.events == ["found", AccessRights.READ, "connected"]


def test_rights_of_unknown_channels_and_unknown_bits_are_tolerated(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    assert pv.channel is not None
    server.connection.send(
        AccessRightsResponse(4711, 0), AccessRightsResponse(pv.channel.cid, 0xFFFFFFFD)
    )
    clock.run(0.1)
    assert pv.access_rights is AccessRights.READ


def test_server_without_access_rights_opens_channels_all_the_same(
    client: FakeClient, server: FakeServer
) -> None:
    server.on(
        CreateChanRequest, lambda connection, request: CreateChanResponse(6, 1, request.cid, 50)
    )
    pv = client.connect("a")
    assert pv.access_rights is None


# --- sending --------------------------------------------------------------------------------------------------------


def test_lone_request_is_sent_at_once_and_those_of_the_same_turn_are_joined(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    clock.run(1.0)
    before = len(server.connection.writes)
    waiters = [client.read(pv) for _ in range(100)]
    assert len(server.connection.writes) == before + 1
    clock.settle()
    assert len(server.connection.writes) == before + 2
    assert client.flushes == 1
    clock.run(0.1)
    assert all(waiter.result is not None for waiter in waiters)


def test_much_to_send_does_not_wait_for_the_end_of_the_turn(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.records["wave"] = FakeRecord(ChannelType.CHAR, 50_000, [0])
    pv = client.connect("wave")
    clock.run(1.0)
    before = len(server.connection.writes)
    for _ in range(4):
        client.write(pv, b"x" * 40_000)
    sizes = [len(data) for data in server.connection.writes[before:]]
    assert sizes == [40_016, 80_032]
    clock.settle()
    assert [len(data) for data in server.connection.writes[before:]] == [40_016, 80_032, 40_016]


def test_order_of_requests_is_kept(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    clock.run(1.0)
    for turn in range(3):
        for number in range(5):
            client.write(pv, 10 * turn + number)
        clock.run(0.001)
    clock.run(1.0)
    written = [
        message.data[0]  # type: ignore[attr-defined]
        for message in server.connection.received
        if type(message).__name__ == "WriteNotifyRequest"
    ]
    assert written == [10 * turn + number for turn in range(3) for number in range(5)]


def test_nothing_is_sent_without_a_reason(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    client.connect("a")
    clock.run(10.0)
    writes, datagrams = len(server.connection.writes), len(server.datagrams)
    clock.run(19.0)
    assert len(server.connection.writes) == writes
    assert len(server.datagrams) == datagrams
    assert server.connection.of(EchoRequest) == server.connection.of(ReadSyncRequest) == []
