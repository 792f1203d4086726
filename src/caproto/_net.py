"""Where datagrams go: host names looked up, broadcast addresses of the interfaces added.

Everything here may block on a name server, so an event loop calls it in another thread (or knows
that the settings hold numbers only, when nothing is looked up).
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Iterator

from ._addresses import Address, is_ipv4, unique
from ._env import ClientSettings, Protocol, ServerSettings
from ._env_reader import EnvironmentReader
from ._errors import CaprotoNetworkError
from ._interfaces import LOOPBACK, broadcast_addresses, list_interfaces

__all__ = [
    "beacon_destinations",
    "get_address_list",
    "get_beacon_address_list",
    "get_client_address_list",
    "get_local_address",
    "get_netifaces_addresses",
    "get_server_address_list",
    "random_ports",
    "resolve",
    "resolve_all",
    "search_destinations",
]

logger = logging.getLogger("caproto")

_unresolved: set[str] = set()
"""Host names that could not be looked up the last time: reported already."""


def resolve(address: Address) -> tuple[Address, ...]:
    """Look a host name up; a number is returned as it is, at once.

    Raises
    ------
    CaprotoNetworkError
        If nobody knows the name, or the name server does not answer.
    """
    if is_ipv4(address.host):
        return (address,)
    try:
        found = socket.getaddrinfo(address.host, address.port, socket.AF_INET, socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CaprotoNetworkError(
            f"Host name {address.host!r} cannot be looked up: {reason}", address=address
        ) from error
    return unique(Address(str(sockaddr[0]), int(sockaddr[1])) for *_, sockaddr in found)


def resolve_all(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Look up what can be looked up, in order, each result once.

    A name that is not known is reported once, and again only if it was known in between.
    """
    found: list[Address] = []
    for address in addresses:
        try:
            found.extend(resolve(address))
        except CaprotoNetworkError as error:
            if address.host not in _unresolved:
                _unresolved.add(address.host)
                logger.warning("%s", error)
        else:
            _unresolved.discard(address.host)
    return unique(found)


def search_destinations(settings: ClientSettings) -> tuple[Address, ...]:
    """Return where a client sends its searches.

    Those are the addresses of ``EPICS_CA_ADDR_LIST`` and, unless ``EPICS_CA_AUTO_ADDR_LIST`` is
    NO, the broadcast addresses of all interfaces. It may be empty.
    """
    found = list(resolve_all(settings.addr_list))
    if settings.auto_addr_list:
        found += [Address(host, settings.server_port) for host in broadcast_addresses()]
    return unique(found)


def beacon_destinations(settings: ServerSettings) -> tuple[Address, ...]:
    """Return where a server sends its beacons.

    Those are the addresses of ``EPICS_CAS_BEACON_ADDR_LIST`` and, unless
    ``EPICS_CAS_AUTO_BEACON_ADDR_LIST`` is NO, the broadcast addresses of the interfaces that are
    listened on; for loopback that is loopback itself.
    """
    found = list(resolve_all(settings.beacon_addr_list))
    if settings.auto_beacon_addr_list:
        found += [Address(host, settings.beacon_port) for host in _broadcasts(settings.interfaces)]
    return unique(found)


def _broadcasts(interfaces: tuple[str, ...]) -> tuple[str, ...]:
    """Return the broadcast addresses of the interfaces with the given addresses."""
    if "0.0.0.0" in interfaces:
        return broadcast_addresses()
    wanted = {address.host for address in resolve_all(Address(host, 0) for host in interfaces)}
    found = (each for each in list_interfaces() if each.address in wanted)
    return tuple(dict.fromkeys(each.broadcast or LOOPBACK for each in found))


def random_ports(num: int, *, try_first: int | None = None) -> Iterator[int]:
    """Yield `num` random ports of the dynamic range, 49152 to 65535, after `try_first` if given."""
    if try_first is not None:
        yield try_first
    import random  # only servers need it

    for _ in range(num):
        yield random.randint(49152, 65535)


# --- functions of the documented API, which read the environment at each call ---------------------

_CA, _PVA = Protocol.ChannelAccess, Protocol.PVAccess


def get_local_address() -> str:
    """Return an address of this machine that others can reach, else loopback."""
    found = [each.address for each in list_interfaces() if not each.is_loopback]
    return found[0] if found else LOOPBACK


def get_netifaces_addresses() -> Iterator[tuple[str, str]]:
    """Yield (address, broadcast address) of each interface that has both."""
    for each in list_interfaces():
        if each.broadcast:
            yield each.address, each.broadcast


def get_address_list(*, protocol: Protocol | str = _CA) -> list[str]:
    """Return the search addresses of a client as ``host`` or ``host:port``.

    Parameters
    ----------
    protocol : Protocol
        Whose variables to read: ``EPICS_CA_*`` or ``EPICS_PVA_*``.
    """
    prefix = _prefix(protocol)
    read = EnvironmentReader()
    found = [
        address.host if address.port == 0 else str(address)
        for address in read.addresses(f"{prefix}_ADDR_LIST", 0)
    ]
    if read.auto_addr_list(f"{prefix}_AUTO_ADDR_LIST"):
        found += broadcast_addresses()
    return list(dict.fromkeys(found))


def get_client_address_list(*, protocol: Protocol | str = _CA) -> list[tuple[str, int]]:
    """Return the search addresses of a client as (host, port).

    Parameters
    ----------
    protocol : Protocol
        Whose variables to read: ``EPICS_CA_*`` or ``EPICS_PVA_*``.
    """
    if Protocol(protocol) is _CA:
        return _plain(search_destinations(ClientSettings.from_environ()))
    return _plain(_pva_addresses("EPICS_PVA_ADDR_LIST", "EPICS_PVA_AUTO_ADDR_LIST"))


def get_beacon_address_list(*, protocol: Protocol | str = _CA) -> list[tuple[str, int]]:
    """Return the addresses to which a server sends beacons as (host, port).

    Parameters
    ----------
    protocol : Protocol
        Whose variables to read: ``EPICS_CAS_*`` or ``EPICS_PVAS_*``.
    """
    if Protocol(protocol) is _CA:
        return _plain(beacon_destinations(ServerSettings.from_environ()))
    return _plain(_pva_addresses("EPICS_PVAS_BEACON_ADDR_LIST", "EPICS_PVAS_AUTO_BEACON_ADDR_LIST"))


def get_server_address_list(*, protocol: Protocol | str = _CA) -> list[str]:
    """Return the addresses of the interfaces on which a server listens.

    Parameters
    ----------
    protocol : Protocol
        Whose variables to read: ``EPICS_CAS_*`` or ``EPICS_PVAS_*``.
    """
    if Protocol(protocol) is _CA:
        return list(ServerSettings.from_environ().interfaces)
    return list(EnvironmentReader().hosts(f"{_prefix(protocol)}S_INTF_ADDR_LIST")) or ["0.0.0.0"]


def _prefix(protocol: Protocol | str) -> str:
    return f"EPICS_{Protocol(protocol).value}"


def _pva_addresses(list_name: str, auto_name: str) -> Iterator[Address]:
    read = EnvironmentReader()
    port = read.port("EPICS_PVA_BROADCAST_PORT")
    yield from resolve_all(read.addresses(list_name, port))
    if read.auto_addr_list(auto_name):
        for host in broadcast_addresses():
            yield Address(host, port)


def _plain(addresses: Iterable[Address]) -> list[tuple[str, int]]:
    return [(address.host, address.port) for address in unique(addresses)]
