"""The repeater as a blocking program: it hands beacons on to the clients of this machine.

What it does with a datagram is decided in ``caproto._protocol.repeater``; here are its sockets.
"""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Iterable, Iterator

from .._addresses import Address
from .._constants import MAX_UDP_RECV
from .._env import RepeaterSettings
from .._errors import CaprotoNetworkError, RepeaterAlreadyRunning
from .._interfaces import list_interfaces
from .._protocol.repeater import Repeater, Send
from .._repeater_process import spawn_repeater
from .._sockets import join_multicast_group, port_in_use

__all__ = [
    "MAX_UDP_RECV",
    "RepeaterAlreadyRunning",
    "check_for_running_repeater",
    "check_ports_in_use",
    "logger",
    "run",
    "spawn_repeater",
]

logger: logging.Logger = logging.getLogger("caproto.repeater")

# On Windows a signal does not end a system call, so look for one now and then.
_WAIT = 0.5 if sys.platform == "win32" else None


def run(host: str = "0.0.0.0") -> None:
    """Serve until interrupted from the keyboard.

    The port is that of ``EPICS_CA_REPEATER_PORT``.

    Parameters
    ----------
    host : str
        The address to listen on; all by default, which is needed to hear broadcasts.

    Raises
    ------
    RepeaterAlreadyRunning
        If the port is taken.
    CaprotoNetworkError
        If it cannot be bound for another reason.
    """
    settings = RepeaterSettings.from_environ()
    with check_for_running_repeater((host, settings.repeater_port)) as sock:
        _join_groups(sock, settings.multicast_groups)
        shell = RepeaterShell(sock)
        logger.info("Repeater is listening on %s:%d", *sock.getsockname())
        try:
            shell.serve()
        except KeyboardInterrupt:
            logger.info("Keyboard interrupt; exiting.")
        finally:
            shell.close()


def check_for_running_repeater(addr: tuple[str, int]) -> socket.socket:
    """Bind the repeater's address.

    Returns
    -------
    socket.socket
        The bound socket, for the repeater that is about to run.

    Raises
    ------
    RepeaterAlreadyRunning
        If another process has it.
    CaprotoNetworkError
        If it cannot be bound for another reason.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        # Without SO_REUSEADDR, which would let several repeaters have it, and only one hear.
        sock.bind(addr)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise RepeaterAlreadyRunning(
                f"A repeater has {addr[0]}:{addr[1]} already", address=addr
            ) from error
        raise CaprotoNetworkError(
            f"The repeater cannot bind {addr[0]}:{addr[1]}: {error.strerror}", address=addr
        ) from error
    return sock


def check_ports_in_use(ports: Iterable[int]) -> Iterator[tuple[str, int]]:
    """Yield ``('', port)`` for each of `ports` that is *not* in use any more.

    That is how the repeater finds clients that are gone: nobody has their port now.
    """
    for port in ports:
        if not port_in_use(port):
            yield "", port


def _join_groups(sock: socket.socket, groups: Iterable[str]) -> None:
    for group in groups:
        for interface in list_interfaces():
            try:
                join_multicast_group(sock, group, interface.address)
            except CaprotoNetworkError as error:
                logger.warning("%s", error)


def _is_local(host: str) -> bool:
    """Tell whether an address is this machine's, by trying to bind it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


class RepeaterShell:
    """The sockets of a repeater: the one that hears, and one connected to each client.

    A connected socket learns when the port it sends to is closed, which one that sends to many
    does not.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._repeater = Repeater(_is_local)
        self._client_sockets: dict[int, socket.socket] = {}

    def serve(self) -> None:
        """Receive and send for ever."""
        self._sock.settimeout(_WAIT)
        while True:
            self.serve_one()

    def serve_one(self) -> None:
        """Receive one datagram, if there is one in time, and send what follows from it."""
        try:
            datagram, source = self._sock.recvfrom(MAX_UDP_RECV)
            self._receive(datagram, Address(*source))
        except (TimeoutError, BlockingIOError):
            return
        except OSError as error:
            # We have run out of file descriptors; or, on Windows, a receiver is gone.
            logger.debug("A datagram is lost: %s", error)

    def close(self) -> None:
        """Close the sockets of the clients."""
        for sock in self._client_sockets.values():
            sock.close()
        self._client_sockets.clear()

    def _receive(self, datagram: bytes, source: Address) -> None:
        known = source.port in self._repeater.clients
        sends = self._repeater.receive(datagram, source)
        if not known and source.port in self._repeater.clients:
            logger.debug("Client %s registered", source)
            gone = self._forget_dead_clients(source.port)
            sends = [send for send in sends if send.client.port not in gone]
        for send in sends:
            self._send(send, registering=send.client.port == source.port)

    def _forget_dead_clients(self, newest: int) -> set[int]:
        """Drop the clients whose ports nobody has; done whenever another one comes."""
        others = [port for port in self._repeater.clients if port != newest]
        gone = {port for _, port in check_ports_in_use(others)}
        for port in gone:
            self._forget(self._repeater.clients[port])
        return gone

    def _forget(self, client: Address) -> None:
        logger.debug("Client %s is gone", client)
        self._repeater.remove(client)
        sock = self._client_sockets.pop(client.port, None)
        if sock is not None:
            sock.close()

    def _send(self, send: Send, registering: bool) -> None:
        try:
            sock = self._client_socket(send.client)
            try:
                sock.send(send.datagram)
            except ConnectionError:
                if not registering:
                    raise
                # The error is that of an earlier datagram, to a former owner of the port.
                sock.send(send.datagram)
        except ConnectionError:
            self._forget(send.client)
        except OSError as error:  # its queue is full, or we have no more file descriptors
            logger.debug("Sending to client %s failed: %s", send.client, error)

    def _client_socket(self, client: Address) -> socket.socket:
        sock = self._client_sockets.get(client.port)
        if sock is None:
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._client_sockets[client.port] = sock
            sock.setblocking(False)
            sock.connect(client)
        return sock
