"""The UDP ends of a server: searches in, beacons out."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .._errors import RemoteProtocolError
from .._sockets import bcast_socket
from ..server._engine.beacons import BeaconSchedule
from ..server._engine.search import SearchResponder

if TYPE_CHECKING:
    from .._addresses import Address

__all__ = ["BeaconSender", "SearchProtocol"]

logger = logging.getLogger("caproto.bcast")

_REMEMBERED_HOSTS = 1000


class SearchProtocol(asyncio.DatagramProtocol):
    """Answers the searches that one socket hears.

    Parameters
    ----------
    responder : SearchResponder
    reply_through : asyncio.DatagramTransport, optional
        Where the answers leave, if not through the same socket: one that is bound to a broadcast address or a multicast
        group cannot send from there.
    """

    def __init__(
        self, responder: SearchResponder, reply_through: asyncio.DatagramTransport | None = None
    ) -> None:
        self._responder = responder
        self._reply_through = reply_through
        self._malformed_from: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        if self._reply_through is None:
            self._reply_through = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answer what is asked for; a malformed datagram is logged, once for each host."""
        sender = (str(addr[0]), int(addr[1]))
        try:
            replies = self._responder.answer_datagram(data, sender)
        except RemoteProtocolError as error:
            if self._first(self._malformed_from, sender[0]):
                logger.warning("A malformed datagram is ignored: %s", error, extra=_extra(sender))
            return
        assert self._reply_through is not None
        for reply in replies:
            self._reply_through.sendto(reply, sender)

    def error_received(self, exc: Exception) -> None:
        """Ignore that a client has gone before the answer came."""
        logger.debug("A datagram did not arrive: %s", exc)

    @staticmethod
    def _first(seen: set[str], host: str) -> bool:
        """Tell whether this is the first time for `host`; forget all when there are too many."""
        if host in seen:
            return False
        if len(seen) >= _REMEMBERED_HOSTS:
            seen.clear()
        seen.add(host)
        return True


def _extra(sender: tuple[str, int]) -> dict[str, object]:
    return {"their_address": sender, "direction": "<<<---", "role": "SERVER"}


class BeaconSender:
    """Sends beacons when they are due.

    Parameters
    ----------
    schedule : BeaconSchedule
    destinations : iterable of Address
    loop : asyncio.AbstractEventLoop
    """

    def __init__(
        self,
        schedule: BeaconSchedule,
        destinations: Iterable[Address],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._schedule = schedule
        self._loop = loop
        self._failures: dict[Address, str] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.sockets: dict[Address, socket.socket] = {}
        """One for each destination."""
        for address in destinations:
            sock = bcast_socket()
            sock.setblocking(False)
            self.sockets[address] = sock

    def start(self) -> None:
        """Send the first beacon, and the others in their time."""
        now = self._loop.time()
        datagram = self._schedule.beacon(now)
        for address, sock in self.sockets.items():
            self._send(sock, datagram, address)
        self._timer = self._loop.call_at(self._schedule.next_deadline(), self.start)

    def _send(self, sock: socket.socket, datagram: bytes, address: Address) -> None:
        """Send one beacon; a failure is logged when it begins, and when it is another one."""
        try:
            sock.sendto(datagram, tuple(address))
        except ConnectionError:
            return  # nobody listens there, which is nobody's fault
        except OSError as error:
            reason = error.strerror or str(error)
            if self._failures.get(address) != reason:
                self._failures[address] = reason
                logger.warning(
                    "Beacons to %s:%d cannot be sent: %s. See EPICS_CAS_BEACON_ADDR_LIST and "
                    "EPICS_CAS_AUTO_BEACON_ADDR_LIST.",
                    *address,
                    reason,
                )
            return
        self._failures.pop(address, None)

    def close(self) -> None:
        """Send no more."""
        if self._timer is not None:
            self._timer.cancel()
        for sock in self.sockets.values():
            sock.close()
