"""Searches, addresses and the repeater: what users reported of caproto, of EPICS base and of others."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import caproto._interfaces as interfaces_module
import caproto._net as net_module
from caproto import CaprotoTimeoutError
from caproto._addresses import Address
from caproto._env import ClientSettings
from caproto._errors import RepeaterAlreadyRunning
from caproto._interfaces import Interface, list_interfaces
from caproto._net import search_destinations
from caproto._protocol.messages import (
    CreateChanRequest,
    EventAddRequest,
    ReadNotifyRequest,
    SearchResponse,
    VersionRequest,
)
from caproto.asyncio._server_udp import BeaconSender
from caproto.asyncio.client import Context
from caproto.client.pv import PVState
from caproto.server._engine.beacons import BeaconSchedule
from caproto.server.data import ChannelDouble
from caproto.sync.repeater import run as run_repeater
from tests.asyncio.raw_client import serving
from tests.asyncio.scripted_server import ScriptedServer, channel
from tests.asyncio.sent_messages import CREATE_CHAN, READ_NOTIFY
from tests.asyncio.waiting import until
from tests.support import free_port, write_bulk_database
from tests.support.fakes import FakeClient, FakeNetwork, FakeRecord, FakeServer
from tests.support.raw_messages import HEADER, RawMessage

from ..conftest import Loopback, MakeCIoc
from .datagrams import listening

CLIENT_NAME, HOST_NAME, VERSION = 20, 21, 0

ETHERNET = [
    Interface("lo", "127.0.0.1", None),
    Interface("eth0", "192.0.2.7", "192.0.2.255"),
    Interface("eth1", "198.51.100.7", "198.51.100.127"),
]


def destinations(**environment: str) -> list[str]:
    """Return where a client with that environment searches."""
    return [str(place) for place in search_destinations(ClientSettings.from_environ(environment))]


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> list[Interface]:
    """The interfaces of this machine, which a test may change."""
    present = list(ETHERNET)
    monkeypatch.setattr(interfaces_module, "list_interfaces", lambda: present)
    return present


# --- address lists ---------------------------------------------------------------------------------------------------------------


def test_caproto_461_and_404_every_interface_has_a_broadcast_address_of_its_own(
    interfaces: list[Interface],
) -> None:
    assert destinations() == ["192.0.2.255:5064", "198.51.100.127:5064"]


def test_caproto_590_list_and_automatic_addresses_are_both_searched(
    interfaces: list[Interface],
) -> None:
    assert destinations(EPICS_CA_ADDR_LIST="203.0.113.4 203.0.113.5") == [
        "203.0.113.4:5064",
        "203.0.113.5:5064",
        "192.0.2.255:5064",
        "198.51.100.127:5064",
    ]


@pytest.mark.parametrize("no", ["NO", "no"])
def test_caproto_463_automatic_addresses_can_be_switched_off(
    interfaces: list[Interface], no: str
) -> None:
    listed = destinations(EPICS_CA_ADDR_LIST="203.0.113.4", EPICS_CA_AUTO_ADDR_LIST=no)
    assert listed == ["203.0.113.4:5064"]


def test_caproto_639_port_of_an_entry_is_used_once_and_others_get_the_servers_port(
    interfaces: list[Interface],
) -> None:
    environment = {
        "EPICS_CA_ADDR_LIST": "203.0.113.4:5066 203.0.113.5",
        "EPICS_CA_SERVER_PORT": "6000",
    }
    assert destinations(**environment) == [
        "203.0.113.4:5066",
        "203.0.113.5:6000",
        "192.0.2.255:6000",
        "198.51.100.127:6000",
    ]


def test_caproto_398_same_address_is_searched_once(interfaces: list[Interface]) -> None:
    assert destinations(EPICS_CA_ADDR_LIST="192.0.2.255 198.51.100.127 192.0.2.255") == [
        "192.0.2.255:5064",
        "198.51.100.127:5064",
    ]


async def test_caproto_645_client_registers_with_the_repeater_of_this_machine_only(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = free_port()
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{elsewhere}")
    async with listening(loopback.repeater_port) as repeater, listening(elsewhere) as remote:
        async with Context() as ctx:
            await ctx.get_pvs("pv")
            await until(lambda: repeater.received and remote.received)
        assert {data[:2] for data, _ in repeater.received} == {b"\0\x18"}  # REPEATER_REGISTER
        assert {data[:2] for data, _ in remote.received} == {b"\0\0"}  # VERSION, then searches


def test_caproto_493_interfaces_are_found_with_nothing_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("netifaces", "ifaddr"):
        monkeypatch.setitem(sys.modules, name, None)  # cannot be imported
    found = list_interfaces()
    assert any(each.address == "127.0.0.1" for each in found)


async def test_caproto_782_client_without_any_network_searches_this_machine(
    loopback: Loopback, interfaces: list[Interface], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "")
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "YES")
    del interfaces[1:]
    async with serving({"pv": ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        assert ctx.broadcaster._destinations == (("127.0.0.1", loopback.ca_port),)


async def test_caproto_870_server_on_one_interface_with_an_ignore_list_is_found(
    make_c_ioc: MakeCIoc, loopback: Loopback, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lists = {
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_IGNORE_ADDR_LIST": "192.0.2.1 127.0.0.9",
    }
    (name,) = write_bulk_database(tmp_path / "one.db", 1)
    make_c_ioc(tmp_path / "one.db", port=loopback.ca_port, extra_env=lists)
    # Broadcasts are tried, too, and do not reach it.
    monkeypatch.setenv("EPICS_CA_AUTO_ADDR_LIST", "YES")
    monkeypatch.setattr(net_module, "broadcast_addresses", lambda: ("127.255.255.255",))
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs(name)
        await pv.wait_for_connection()
        assert len(ctx.broadcaster._destinations) == 2


# --- host names ------------------------------------------------------------------------------------------------------------------


class Names:
    """Stands in for the name service: a thread may be held up in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **known: str) -> None:
        self.known = known
        self.asked: list[str] = []
        self.answering = threading.Event()
        self.answering.set()
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        assert self.answering.wait(20)
        if host not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (self.known[host], port))]


def look_up_often(ctx: Context) -> None:
    """Look host names up again much sooner than EPICS_CA_DNS_REFRESH_SECS can say."""
    ctx.broadcaster.settings = ctx.broadcaster.settings._replace(dns_refresh=0.02)


async def test_epics_base_488_address_of_a_host_may_change(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "ioc.test")
    names = Names(monkeypatch, **{"ioc.test": "127.0.0.77"})  # nobody there
    async with serving({"pv": ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
        look_up_often(ctx)
        (pv,) = await ctx.get_pvs("pv")
        await until(lambda: ctx.broadcaster._destinations)
        assert not pv.connected
        names.known["ioc.test"] = "127.0.0.1"
        await pv.wait_for_connection()
        assert len(names.asked) >= 2
        assert ctx.broadcaster._destinations == (("127.0.0.1", loopback.ca_port),)


async def test_epics_base_488_slow_name_service_holds_up_neither_the_loop_nor_other_addresses(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = free_port()
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"slow.test:{other} 127.0.0.1 gone.test")
    names = Names(monkeypatch, **{"slow.test": "127.0.0.1"})
    names.answering.clear()
    try:
        async with serving({"pv": ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
            pv, elsewhere = await ctx.get_pvs("pv", "elsewhere")
            await pv.wait_for_connection()
            assert names.asked == ["slow.test"]
            names.answering.set()
            async with ScriptedServer(other):
                await elsewhere.wait_for_connection()
            ports = [port for _, port in ctx.broadcaster._destinations]
            assert ports == [other, loopback.ca_port]
    finally:
        names.answering.set()


async def test_epics_base_488_context_may_end_while_a_name_is_looked_up(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "slow.test")
    names = Names(monkeypatch)
    names.answering.clear()
    async with Context() as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await until(lambda: names.asked)
        with pytest.raises(CaprotoTimeoutError, match=r"slow\.test .* could not be looked up yet"):
            await pv.wait_for_connection(timeout=0.05)
    names.answering.set()


async def test_epics_base_488_unknown_host_is_reported_once(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "nowhere.test 127.0.0.1")
    monkeypatch.setattr(net_module, "_unresolved", set())
    names = Names(monkeypatch)
    with caplog.at_level(logging.WARNING, "caproto"):
        async with Context(timeout=10) as ctx:
            look_up_often(ctx)
            (pv,) = await ctx.get_pvs("pv")
            await until(lambda: len(names.asked) >= 3)
            async with serving({"pv": ChannelDouble(value=1.0)}):
                await pv.wait_for_connection()
    assert [r.getMessage() for r in caplog.records if "nowhere.test" in r.getMessage()] == [
        "Host name 'nowhere.test' cannot be looked up: Name or service not known"
    ]


# --- versions ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("searched", "greeting", "expected"),
    [(13, 13, 0), (13, 12, 5), (12, 12, 5), (12, None, 5), (11, None, 5), (13, None, 0)],
)
def test_caproto_213_count_of_zero_only_for_servers_that_know_it(
    searched: int, greeting: int | None, expected: int
) -> None:
    network = FakeNetwork()
    server = FakeServer(network, version=searched if greeting is None else greeting)
    server.greets = greeting is not None
    server.search_reply = lambda request: bytes(  # type: ignore[method-assign]
        SearchResponse(5064, None, request.cid, searched)
    )
    server.records["pv"] = FakeRecord(count=5, value=[0.0] * 5)
    client = FakeClient(network)
    pv = client.connect("pv")
    client.read(pv)
    client.subscribe(pv)
    network.clock.run(0.1)
    (read,) = server.connection.of(ReadNotifyRequest)
    (subscribe,) = server.connection.of(EventAddRequest)
    assert read.data_count == expected
    assert subscribe.data_count == expected


def test_caproto_702_and_757_version_without_a_search_reply_says_nothing_about_a_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network = FakeNetwork()
    server = FakeServer(network, ["pv"])
    client = FakeClient(network)
    with caplog.at_level(logging.DEBUG, "caproto"):
        # A repeater sends VERSION with minor version 0, and clients hear each other's requests.
        network.send_datagram(bytes(16), client, server)
        network.send_datagram(bytes(VersionRequest(0, 13)), client, server)
        pv = client.connect("pv")
    assert pv.circuit is not None
    assert pv.circuit.version == 13
    assert [r for r in caplog.records if r.levelno >= logging.INFO] == []


# --- the handshake ---------------------------------------------------------------------------------------------------------------------


async def test_caproto_62_read_waits_for_the_end_of_the_handshake(loopback: Loopback) -> None:
    asked: list[RawMessage] = []

    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=10) as ctx:

        def hesitate(received: RawMessage) -> bytes:
            if received.command == READ_NOTIFY:
                return HEADER.pack(READ_NOTIFY, 8, 6, 1, 1, received.p2) + bytes(8)
            if received.command == CREATE_CHAN:
                asked.append(received)
            return b""

        server.on_message = hesitate
        server.version = None  # nor does it say hello
        (pv,) = await ctx.get_pvs("pv")
        reading = asyncio.create_task(pv.read())
        await until(lambda: asked)
        assert not pv.connected
        server.send(channel(asked[0]))
        assert await reading is not None
        commands = [m.command for m in server.received]
        assert commands[0] == VERSION
        assert set(commands[1:3]) == {CLIENT_NAME, HOST_NAME}
        assert commands[3:] == [CREATE_CHAN, READ_NOTIFY]


def test_caproto_365_channels_are_asked_for_once_and_not_before_the_connection_stands() -> None:
    network = FakeNetwork()
    network.delay = 0.05
    server = FakeServer(network, ["first", "second"])
    client = FakeClient(network)
    first = client.pv("first")
    network.clock.run_until(lambda: first.state is PVState.CONNECTING)
    second = client.pv("second")  # joins a circuit that is not connected yet
    network.clock.run_until(lambda: first.connected and second.connected)
    assert len(server.connections) == 1
    assert [message.name for message in server.connection.of(CreateChanRequest)] == [
        "first",
        "second",
    ]
    assert server.connection.commands[0] == "VersionRequest"


async def test_caproto_60_registering_twice_is_no_error(loopback: Loopback) -> None:
    async with listening(loopback.repeater_port) as repeater, Context() as ctx:
        await ctx.broadcaster.register()
        await ctx.broadcaster.register()
        await until(lambda: len(repeater.received) >= 2)
        confirm = b"\0\x11" + bytes(10) + bytes([127, 0, 0, 1])
        for _, client in repeater.received:
            repeater.send(confirm, client)
        await until(lambda: ctx.broadcaster.engine.registered)


def test_caproto_123_two_repeaters_on_one_port_are_not_possible(loopback: Loopback) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", loopback.repeater_port))
        with pytest.raises(RepeaterAlreadyRunning):
            run_repeater()


# --- errors of the network -----------------------------------------------------------------------------------------------------------------


class FailingSocket:
    """A UDP socket that fails as often as it is told, and works otherwise."""

    def __init__(
        self,
        sock: Any,
        sending: list[OSError] | None = None,
        receiving: list[OSError] | None = None,
    ) -> None:
        self._sock = sock
        self.sending = sending or []
        self.receiving = receiving or []

    def recvfrom_into(self, buffer: Any) -> Any:
        if self.receiving:
            raise self.receiving.pop(0)
        return self._sock.recvfrom_into(buffer)

    def sendto(self, data: bytes, address: Any) -> Any:
        if self.sending:
            raise self.sending.pop(0)
        return self._sock.sendto(data, address)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


async def test_caproto_789_and_560_errors_of_the_search_socket_do_not_stop_searches(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    receiving: list[OSError] = [
        ConnectionResetError(10054, "An existing connection was forcibly closed"),
        OSError(10022, "An invalid argument was supplied"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        InterruptedError(errno.EINTR, "Interrupted system call"),
    ]
    sending: list[OSError] = [
        ConnectionResetError(10054, "An existing connection was forcibly closed"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    ]
    with caplog.at_level(logging.WARNING, "caproto"):
        async with serving({"pv": ChannelDouble(value=1.0)}), Context(timeout=10) as ctx:
            broadcaster = ctx.broadcaster
            failing = FailingSocket(broadcaster._sock, sending, receiving)
            broadcaster._sock = failing  # type: ignore[assignment]
            (pv,) = await ctx.get_pvs("pv")
            await pv.wait_for_connection()
            assert failing.sending == []
            assert failing.receiving == []
    assert caplog.records == []


async def test_caproto_842_failing_searches_are_logged_once_per_change_of_error(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with Context() as ctx:
        broadcaster, place = ctx.broadcaster, ("127.0.0.1", 9)
        unreachable = [OSError(errno.ENETUNREACH, "Network is unreachable") for _ in range(5)]
        denied = [PermissionError(errno.EACCES, "Permission denied") for _ in range(5)]
        failures = [*unreachable, *denied]
        really = broadcaster._sock
        broadcaster._sock = FailingSocket(really, failures)  # type: ignore[assignment]
        with caplog.at_level(logging.WARNING, "caproto"):
            for _ in range(11):  # the last one works
                broadcaster._send_datagram(b"", place)
            failures += [OSError(errno.ENETUNREACH, "Network is unreachable")]
            broadcaster._send_datagram(b"", place)
        broadcaster._sock = really
    assert [record.getMessage().rpartition("] ")[2] for record in caplog.records] == [
        "Network is unreachable",
        "Permission denied",
        "Network is unreachable",
    ]


async def test_caproto_842_717_515_207_beacons_that_cannot_be_sent_are_logged_once_per_change(
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = Address("127.0.0.1", free_port())
    loop = asyncio.get_running_loop()
    sender = BeaconSender(BeaconSchedule(5064, 15.0, loop.time()), [place], loop)
    failures: list[OSError] = [
        *(OSError(errno.EADDRNOTAVAIL, "Can't assign requested address") for _ in range(4)),
        *(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused") for _ in range(4)),
        *(PermissionError(errno.EACCES, "Permission denied") for _ in range(4)),
    ]
    sender.sockets[place] = FailingSocket(sender.sockets[place], failures)  # type: ignore[assignment]
    with caplog.at_level(logging.WARNING, "caproto"):
        for _ in range(13):
            sender.start()
            assert sender._timer is not None
            sender._timer.cancel()
    sender.close()
    assert failures == []
    reasons = [record.getMessage() for record in caplog.records]
    assert len(reasons) == 2
    assert "Can't assign requested address" in reasons[0]
    assert "Permission denied" in reasons[1]
    assert all("EPICS_CAS_BEACON_ADDR_LIST" in reason for reason in reasons)
    assert all(record.exc_info is None for record in caplog.records)
