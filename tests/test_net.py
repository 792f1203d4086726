"""Interfaces, host names, and the destinations that come of them."""

from __future__ import annotations

import builtins
import errno
import logging
import socket
import struct
import sys
from typing import Any

import pytest

from caproto import _interfaces, _net, _sockets
from caproto._addresses import Address
from caproto._env import ClientSettings, Protocol, ServerSettings
from caproto._errors import CaprotoNetworkError
from caproto._interfaces import Interface, broadcast_of

LO = Interface("lo", "127.0.0.1", None)
ETH = Interface("eth0", "10.0.0.7", "10.0.0.255")
ALIAS = Interface("eth0:1", "10.1.0.7", "10.1.255.255")
TUNNEL = Interface("tun0", "10.9.0.1", "10.9.0.2")


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> list[Interface]:
    """A machine with four interfaces; a test may change the list."""
    found = [LO, ETH, ALIAS, TUNNEL]
    for module in (_interfaces, _net, _sockets):
        monkeypatch.setattr(module, "list_interfaces", lambda: list(found))
    return found


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server: what stands in this dict is known."""
    table: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, *_: object) -> list[Any]:
        if host not in table:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", (ip, port)) for ip in table[host]]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(_net, "_unresolved", set())
    return table


# --- interfaces -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_the_interfaces_of_this_machine_include_loopback_without_broadcast() -> None:
    found = _interfaces.list_interfaces()
    assert next(each for each in found if each.address == "127.0.0.1").broadcast is None
    for each in found:
        assert _sockets.port_in_use(0, each.address) is False, "each address can be bound"


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_linux_and_ifaddr_agree_on_the_addresses() -> None:
    pytest.importorskip("ifaddr")
    asked = {each.address for each in _interfaces.list_interfaces()}
    # ifaddr also tells of interfaces that are down
    assert asked <= {each.address for each in _interfaces._ifaddr_interfaces()}


@pytest.mark.skipif(sys.platform != "linux", reason="asks the Linux kernel")
def test_a_machine_may_have_more_addresses_than_expected() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        expected = list(_interfaces._configured(sock))
        # Room for one address is too little even if there is only one: it may be the first of two.
        assert list(_interfaces._configured(sock, count=1)) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="pretends to be the Linux kernel")
def test_linux_interfaces_by_their_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    up, broadcast, link = 0x1, 0x2, 0x10
    # name: flags, own address, broadcast address or far end
    kernel = {
        "eth0": (up | broadcast, "10.0.0.7", "10.0.0.255"),
        "down": (broadcast, "10.5.0.7", "10.5.0.255"),
        "tun0": (up | link, "10.9.0.1", "10.9.0.2"),
        "odd0": (up | broadcast, "10.8.0.1", "0.0.0.0"),
        "new0": (up | broadcast, "10.7.0.1", ""),
        "dumb": (up, "10.6.0.1", "10.6.0.255"),
        "gone": (-1, "10.4.0.1", ""),
    }

    def address(ip: str) -> bytes:
        return struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(ip)).ljust(24, b"\0")

    def ifreqs(sock: socket.socket) -> list[bytes]:
        return [name.encode().ljust(16, b"\0") + address(ip) for name, (_, ip, _) in kernel.items()]

    def ioctl(fd: int, request: int, ifreq: bytes) -> bytes:
        flags, _, far = kernel[ifreq[:16].rstrip(b"\0").decode()]
        if request == 0x8913 and flags >= 0:
            return ifreq[:16] + struct.pack("@H", flags).ljust(24, b"\0")
        if request in (0x8917, 0x8919) and far:
            return ifreq[:16] + address(far)
        raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")

    monkeypatch.setattr(_interfaces, "_configured", ifreqs)
    monkeypatch.setattr("fcntl.ioctl", ioctl)
    assert _interfaces.list_interfaces() == [
        Interface("eth0", "10.0.0.7", "10.0.0.255"),
        Interface("tun0", "10.9.0.1", "10.9.0.2"),
        Interface("odd0", "10.8.0.1", None),
        Interface("new0", "10.7.0.1", None),
        Interface("dumb", "10.6.0.1", None),
    ]


@pytest.mark.parametrize(
    ("address", "prefix", "expected"),
    [
        ("10.1.2.3", 24, "10.1.2.255"),
        ("10.1.2.3", 8, "10.255.255.255"),
        ("10.1.2.3", 30, "10.1.2.3"),
        ("10.1.2.3", 31, None),
        ("10.1.2.3", 32, None),
        ("10.1.2.3", 0, None),
        ("127.0.0.1", 8, None),
    ],
)
def test_a_broadcast_address_is_the_last_of_its_network(
    address: str, prefix: int, expected: str | None
) -> None:
    assert broadcast_of(address, prefix) == expected


def test_without_any_means_to_ask_the_limited_broadcast_is_used() -> None:
    found = list(_interfaces._unknown_interfaces())
    assert found[0] == Interface("", "127.0.0.1", None)
    assert found[1].broadcast == "255.255.255.255"


def test_a_platform_without_ifaddr_still_has_interfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_ifaddr(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "ifaddr":
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(sys, "platform", "plan9")
    assert "127.0.0.1" in {each.address for each in _interfaces.list_interfaces()}
    monkeypatch.setattr(builtins, "__import__", no_ifaddr)
    assert _interfaces.broadcast_addresses() == ("255.255.255.255",)


def test_broadcasts_leave_out_loopback_and_include_the_far_ends_of_links(
    interfaces: list[Interface],
) -> None:
    assert _interfaces.broadcast_addresses() == ("10.0.0.255", "10.1.255.255", "10.9.0.2")


def test_bug_with_no_interface_up_loopback_is_searched(interfaces: list[Interface]) -> None:
    interfaces[:] = [LO]
    assert _net.search_destinations(ClientSettings.from_environ({})) == (("127.0.0.1", 5064),)
    assert _net.get_local_address() == "127.0.0.1"


def test_without_a_route_the_outgoing_address_is_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unconnected(socket.socket):
        def connect(self, address: object) -> None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket, "socket", Unconnected)
    assert _interfaces.outgoing_address() == "127.0.0.1"


# --- names ----------------------------------------------------------------------------------------


def test_a_number_is_not_looked_up(names: dict[str, list[str]]) -> None:
    assert _net.resolve(Address("10.0.0.1", 7)) == (("10.0.0.1", 7),)


def test_every_address_of_a_name_is_used_once(names: dict[str, list[str]]) -> None:
    names["ioc"] = ["10.0.0.1", "10.0.0.2", "10.0.0.1"]
    assert _net.resolve(Address("ioc", 7)) == (("10.0.0.1", 7), ("10.0.0.2", 7))


@pytest.mark.parametrize("host", ["nowhere.example.org", "x" * 70])
def test_a_name_that_nobody_knows_is_an_error_that_carries_it(host: str) -> None:
    with pytest.raises(CaprotoNetworkError, match=f"'{host}' cannot be looked up") as caught:
        _net.resolve(Address(host, 7))
    assert caught.value.address == (host, 7)


def test_unknown_names_are_left_out_and_reported_once_until_they_were_known(
    names: dict[str, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    addresses = [Address("late", 7), Address("10.0.0.1", 7)]
    for _ in range(3):
        assert _net.resolve_all(addresses) == (("10.0.0.1", 7),)
    assert len(caplog.records) == 1
    names["late"] = ["10.0.0.9"]
    assert _net.resolve_all(addresses) == (("10.0.0.9", 7), ("10.0.0.1", 7))
    del names["late"]
    _net.resolve_all(addresses)
    assert len(caplog.records) == 2
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


# --- destinations ---------------------------------------------------------------------------------


def search(**environ: str) -> list[str]:
    settings = ClientSettings.from_environ(environ)
    return [str(address) for address in _net.search_destinations(settings)]


def beacons(**environ: str) -> list[str]:
    settings = ServerSettings.from_environ(environ)
    return [str(address) for address in _net.beacon_destinations(settings)]


def test_searches_go_to_the_list_first_and_to_each_broadcast(interfaces: list[Interface]) -> None:
    assert search(EPICS_CA_ADDR_LIST="10.0.0.255 1.2.3.4:9", EPICS_CA_SERVER_PORT="6064") == [
        "10.0.0.255:6064",
        "1.2.3.4:9",
        "10.1.255.255:6064",
        "10.9.0.2:6064",
    ]


def test_bug_nothing_is_broadcast_if_told_not_to_even_if_the_list_is_empty(
    interfaces: list[Interface],
) -> None:
    assert search(EPICS_CA_AUTO_ADDR_LIST="NO") == []
    assert search(EPICS_CA_AUTO_ADDR_LIST="NO", EPICS_CA_ADDR_LIST="1.2.3.4") == ["1.2.3.4:5064"]


def test_beacons_go_to_the_broadcasts_of_the_interfaces_that_are_served(
    interfaces: list[Interface], names: dict[str, list[str]]
) -> None:
    names["me"] = ["10.0.0.7"]
    assert beacons() == ["10.0.0.255:5065", "10.1.255.255:5065", "10.9.0.2:5065"]
    assert beacons(EPICS_CAS_INTF_ADDR_LIST="me") == ["10.0.0.255:5065"]
    assert beacons(EPICS_CAS_INTF_ADDR_LIST="127.0.0.1") == ["127.0.0.1:5065"]
    assert beacons(EPICS_CAS_AUTO_BEACON_ADDR_LIST="NO", EPICS_CAS_BEACON_ADDR_LIST="1.2.3.4") == [
        "1.2.3.4:5065"
    ]


# --- functions of the documented API --------------------------------------------------------------


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, loopback: object) -> pytest.MonkeyPatch:
    """No EPICS variable is set; afterwards everything is as before."""
    for name in ("EPICS_CA_ADDR_LIST", "EPICS_CA_AUTO_ADDR_LIST", "EPICS_CA_SERVER_PORT",
                 "EPICS_CA_REPEATER_PORT", "EPICS_CAS_SERVER_PORT", "EPICS_CAS_INTF_ADDR_LIST",
                 "EPICS_CAS_BEACON_ADDR_LIST", "EPICS_CAS_AUTO_BEACON_ADDR_LIST",
                 "EPICS_CAS_BEACON_PORT"):  # fmt: skip
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(("protocol", "port"), [(Protocol.ChannelAccess, 5064), ("PVA", 5076)])
def test_client_address_lists_of_both_protocols(
    clean_environment: pytest.MonkeyPatch,
    interfaces: list[Interface],
    protocol: Protocol | str,
    port: int,
) -> None:
    del interfaces[2:]
    prefix = f"EPICS_{Protocol(protocol).value}"
    assert _net.get_client_address_list(protocol=protocol) == [("10.0.0.255", port)]
    clean_environment.setenv(f"{prefix}_ADDR_LIST", "h 1.2.3.4:9")
    assert _net.get_address_list(protocol=protocol) == ["h", "1.2.3.4:9", "10.0.0.255"]
    clean_environment.setenv(f"{prefix}_AUTO_ADDR_LIST", "NO")
    assert _net.get_address_list(protocol=protocol) == ["h", "1.2.3.4:9"]


@pytest.mark.parametrize(("protocol", "port"), [(Protocol.ChannelAccess, 5065), ("PVA", 5076)])
def test_server_address_lists_of_both_protocols(
    clean_environment: pytest.MonkeyPatch,
    interfaces: list[Interface],
    protocol: Protocol | str,
    port: int,
) -> None:
    del interfaces[2:]
    prefix = f"EPICS_{Protocol(protocol).value}S"
    assert _net.get_server_address_list(protocol=protocol) == ["0.0.0.0"]
    assert _net.get_beacon_address_list(protocol=protocol) == [("10.0.0.255", port)]
    clean_environment.setenv(f"{prefix}_INTF_ADDR_LIST", "10.0.0.7")
    clean_environment.setenv(f"{prefix}_BEACON_ADDR_LIST", "1.2.3.4")
    clean_environment.setenv(f"{prefix}_AUTO_BEACON_ADDR_LIST", "NO")
    assert _net.get_server_address_list(protocol=protocol) == ["10.0.0.7"]
    assert _net.get_beacon_address_list(protocol=protocol) == [("1.2.3.4", port)]


def test_address_lists_are_plain_tuples(
    clean_environment: pytest.MonkeyPatch, interfaces: list[Interface]
) -> None:
    assert {type(address) for address in _net.get_client_address_list()} == {tuple}


def test_local_address_and_interfaces_of_the_documented_api(interfaces: list[Interface]) -> None:
    assert _net.get_local_address() == "10.0.0.7"
    assert list(_net.get_netifaces_addresses()) == [
        ("10.0.0.7", "10.0.0.255"),
        ("10.1.0.7", "10.1.255.255"),
        ("10.9.0.1", "10.9.0.2"),
    ]


def test_promise_4_random_ports_are_from_the_dynamic_range() -> None:
    ports = list(_net.random_ports(500))
    assert len(ports) == 500
    assert min(ports) >= 49152
    assert max(ports) <= 65535
    assert len(set(ports)) > 400
    assert next(_net.random_ports(1, try_first=5064)) == 5064
    assert len(list(_net.random_ports(1, try_first=5064))) == 2
