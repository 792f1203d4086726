"""Sockets as Channel Access needs them, made and bound but not read from or written to."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable, Sequence
from types import ModuleType

from ._errors import CaprotoNetworkError
from ._interfaces import list_interfaces
from ._net import random_ports

__all__ = [
    "bcast_socket",
    "join_multicast_group",
    "port_in_use",
    "search_socket",
    "tcp_listeners",
    "udp_listeners",
]

_RANDOM_TRIES = 100


def bcast_socket(socket_module: ModuleType = socket) -> socket.socket:
    """Make a UDP socket that may broadcast, and may share its port with other servers.

    Parameters
    ----------
    socket_module : module, optional
        Where to take the socket class from; the standard `socket` by default.
    """
    sock: socket.socket = socket_module.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    # Each of the two works only if all who share the port have set it, so set both.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if hasattr(socket, "SO_REUSEPORT"):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return sock


def search_socket(multicast_ttl: int = 1) -> socket.socket:
    """Make the non-blocking UDP socket of a client, bound to a port of its own."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, multicast_ttl)
        sock.bind(("", 0))
    except OSError:
        sock.close()
        raise
    return sock


def port_in_use(port: int, host: str = "") -> bool:
    """Tell whether a UDP port is taken, or not for us, by trying to bind it.

    No ``SO_REUSEADDR`` here: it would make the attempt succeed beside the one who has the port.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def tcp_listeners(hosts: Sequence[str], port: int) -> tuple[int, list[socket.socket]]:
    """Listen on one and the same TCP port of several interfaces.

    Parameters
    ----------
    hosts : sequence of str
        The addresses of the interfaces; ``'0.0.0.0'`` is all of them.
    port : int
        If any interface has it taken, a random one that is free on all of them is used instead.

    Returns
    -------
    (int, list of socket)
        The port, and a listening, non-blocking socket for each of `hosts`.

    Raises
    ------
    CaprotoNetworkError
        If a host is not one of this machine's, or no port is free.
    """
    for candidate in random_ports(_RANDOM_TRIES, try_first=port):
        sockets: list[socket.socket] = []
        try:
            for host in hosts:
                sockets.append(_tcp_listener(host, candidate))
        except OSError as error:
            for sock in sockets:
                sock.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise CaprotoNetworkError(
                    f"Cannot listen on {host}:{candidate}: {error.strerror}",
                    address=(host, candidate),
                ) from error
        else:
            return candidate, sockets
    raise CaprotoNetworkError(f"No TCP port is free on {', '.join(hosts)}")


def _tcp_listener(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # A restarted server gets its port back at once. On Windows the same option would let
            # another program take the port away.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((host, port))
        sock.listen(socket.SOMAXCONN)
    except OSError:
        sock.close()
        raise
    return sock


def udp_listeners(
    hosts: Iterable[str], port: int, groups: Iterable[str] = ()
) -> list[socket.socket]:
    """Hear searches on one UDP port of several interfaces.

    Parameters
    ----------
    hosts : iterable of str
        The addresses of the interfaces; ``'0.0.0.0'`` is all of them.
    port : int
        Shared with any other server that shares it.
    groups : iterable of str
        Multicast groups to hear, too.

    Returns
    -------
    list of socket
        Non-blocking, one for each host first and in order (it is the one to reply from), then
        those that only hear: for the broadcast addresses of the interfaces and for the groups.

    Raises
    ------
    CaprotoNetworkError
        If an address cannot be bound.
    """
    hosts = list(hosts)
    sockets: list[socket.socket] = []
    try:
        for host in (*hosts, *_broadcasts_to_bind(hosts)):
            sockets.append(_udp_listener(host, port))  # noqa: PERF401 -- closed if one fails
        for group in groups:
            # Bound to the group, it hears nothing else. Windows cannot bind to one.
            sock = _udp_listener("" if sys.platform == "win32" else group, port)
            sockets.append(sock)
            for host in hosts:
                join_multicast_group(sock, group, host)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _broadcasts_to_bind(hosts: list[str]) -> list[str]:
    """Return the broadcast addresses that sockets bound to `hosts` would not hear.

    A socket that is bound to one interface's address gets no broadcasts, except on Windows.
    """
    if sys.platform == "win32":
        return []
    heard = [each.broadcast for each in list_interfaces() if each.address in hosts]
    return list(dict.fromkeys(filter(None, heard)))


def _udp_listener(host: str, port: int) -> socket.socket:
    sock = bcast_socket()
    try:
        sock.setblocking(False)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise CaprotoNetworkError(
            f"Cannot bind UDP {host}:{port}: {error.strerror}", address=(host, port)
        ) from error
    return sock


def join_multicast_group(sock: socket.socket, group: str, interface: str = "0.0.0.0") -> None:
    """Let a bound UDP socket hear a multicast group on one interface.

    Raises
    ------
    CaprotoNetworkError
        If the interface does not do multicast.
    """
    membership = socket.inet_aton(group) + socket.inet_aton(interface)
    try:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return  # it is a member already
        raise CaprotoNetworkError(
            f"Cannot join the multicast group {group} on {interface}: {error.strerror}",
            address=(group, 0),
        ) from error
