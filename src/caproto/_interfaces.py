"""The IPv4 interfaces of this machine and their broadcast addresses.

On Linux the kernel is asked with ``ioctl``, which tells more than the ``ifaddr`` package can: which
interfaces are up, and the broadcast address that was really configured. Elsewhere ``ifaddr`` is
used if it is installed. Without it there is one nameless interface with the limited broadcast
address, 255.255.255.255, which reaches the network of the default route.
"""

from __future__ import annotations

import socket
import struct
import sys
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from ._addresses import ipv4_from_int32, ipv4_to_int32, is_loopback

__all__ = ["Interface", "broadcast_addresses", "list_interfaces", "outgoing_address"]

LOOPBACK = "127.0.0.1"
LIMITED_BROADCAST = "255.255.255.255"


class Interface(NamedTuple):
    """One IPv4 address of one network interface.

    Attributes
    ----------
    name : str
    address : str
    broadcast : str or None
        Where a datagram to all its neighbours goes: the broadcast address, or the other end of a
        point-to-point link. None for loopback, or if there is no such address.
    """

    name: str
    address: str
    broadcast: str | None

    @property
    def is_loopback(self) -> bool:
        """Whether it only leads back to this machine."""
        return is_loopback(self.address)


if sys.platform == "linux":
    import fcntl

    _SIOCGIFCONF = 0x8912
    _SIOCGIFFLAGS = 0x8913
    _SIOCGIFDSTADDR = 0x8917
    _SIOCGIFBRDADDR = 0x8919
    _IFF_UP, _IFF_BROADCAST, _IFF_LOOPBACK, _IFF_POINTOPOINT = 0x1, 0x2, 0x8, 0x10

    _NAME_SIZE = 16
    # struct ifreq: the name, and a union whose largest member is struct ifmap.
    _IFREQ_SIZE = _NAME_SIZE + struct.calcsize("@LLHBBB0L")
    # struct sockaddr_in up to the address: family in native order, port, address.
    _SOCKADDR = struct.Struct("=HH4s")

    def _ask(sock: socket.socket, request: int, ifreq: bytes) -> bytes | None:
        """Return the union part of the answer about one address, if there is one."""
        try:
            answer = fcntl.ioctl(sock.fileno(), request, ifreq)
        except OSError:  # the interface or its address went away, or has none of this kind
            return None
        return answer[_NAME_SIZE:]

    def _ask_address(sock: socket.socket, request: int, ifreq: bytes) -> str | None:
        answer = _ask(sock, request, ifreq)
        if answer is None:
            return None
        packed: bytes = _SOCKADDR.unpack_from(answer)[2]
        address = socket.inet_ntoa(packed)
        return None if address == "0.0.0.0" else address

    def _configured(sock: socket.socket, count: int = 32) -> Iterator[bytes]:
        """Yield one ``struct ifreq`` for each IPv4 address of the machine."""
        while True:
            buffer = array("b", bytes(count * _IFREQ_SIZE))
            place, _ = buffer.buffer_info()
            ifconf = struct.pack("@iP", len(buffer), place)
            used: int = struct.unpack_from("@i", fcntl.ioctl(sock.fileno(), _SIOCGIFCONF, ifconf))[
                0
            ]
            if used < len(buffer):
                break
            count *= 2  # it may not have held all of them
        for start in range(0, used, _IFREQ_SIZE):
            yield buffer[start : start + _IFREQ_SIZE].tobytes()

    def _linux_interfaces() -> Iterator[Interface]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for ifreq in _configured(sock):
                answer = _ask(sock, _SIOCGIFFLAGS, ifreq)
                flags: int = struct.unpack_from("@H", answer)[0] if answer else 0
                if not flags & _IFF_UP:
                    continue
                name = ifreq[:_NAME_SIZE].split(b"\0", 1)[0].decode(errors="replace")
                address = socket.inet_ntoa(_SOCKADDR.unpack_from(ifreq, _NAME_SIZE)[2])
                broadcast = None
                if flags & _IFF_LOOPBACK:
                    pass
                elif flags & _IFF_BROADCAST:
                    # The address inside `ifreq` chooses among several of one interface.
                    broadcast = _ask_address(sock, _SIOCGIFBRDADDR, ifreq)
                elif flags & _IFF_POINTOPOINT:
                    broadcast = _ask_address(sock, _SIOCGIFDSTADDR, ifreq)
                yield Interface(name, address, broadcast)


def broadcast_of(address: str, prefix_length: int) -> str | None:
    """Return the last address of the network; None if it is too small to have a broadcast."""
    if not 0 < prefix_length < 31 or is_loopback(address):
        return None
    return ipv4_from_int32(ipv4_to_int32(address) | (0xFFFFFFFF >> prefix_length))


def _ifaddr_interfaces() -> Iterator[Interface]:
    import ifaddr

    for adapter in ifaddr.get_adapters():
        for ip in adapter.ips:
            if isinstance(ip.ip, str):  # those of IPv6 are tuples
                yield Interface(adapter.nice_name, ip.ip, broadcast_of(ip.ip, ip.network_prefix))


def _unknown_interfaces() -> Iterator[Interface]:
    """Make the best of a system that we cannot ask."""
    yield Interface("", LOOPBACK, None)
    yield Interface("", outgoing_address(), LIMITED_BROADCAST)


def list_interfaces() -> list[Interface]:
    """Return every IPv4 address of every interface that is up, loopback included.

    It asks anew each time, since interfaces come and go.
    """
    if sys.platform == "linux":
        return list(_linux_interfaces())
    else:
        try:
            return list(_ifaddr_interfaces())
        except (ImportError, OSError):
            return list(_unknown_interfaces())


def outgoing_address() -> str:
    """Return the address from which datagrams leave by the default route, else loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            # Sends nothing: it only looks for a route. The address is one for documentation.
            sock.connect(("192.0.2.1", 9))
            address: str = sock.getsockname()[0]
        except OSError:  # no network
            return LOOPBACK
    return address


def broadcast_addresses() -> tuple[str, ...]:
    """Return the broadcast address of each interface but loopback, each once.

    Returns
    -------
    tuple of str
        ``('127.0.0.1',)`` if there is none, as when no network is up: then the servers of this
        machine are still found. libca does the same.
    """
    found = dict.fromkeys(each.broadcast for each in list_interfaces() if each.broadcast)
    return tuple(found) or (LOOPBACK,)
