"""What a client hears by UDP: answers to searches, beacons, and the repeater."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ClassVar

from .._constants import EPICS_CA1_PORT
from .._errors import RemoteProtocolError
from .._protocol.arrays import Buffer
from .._protocol.enums import Command
from .._protocol.framing import walk_datagram
from .._protocol.header import Head
from .._protocol.messages import (
    RepeaterRegisterRequest,
)
from .._protocol.messages.datagram import ANY_ADDRESS, ipv4_from_int32
from .health import BeaconRecord, Rhythm
from .search import Address, SearchEngine

__all__ = ["BroadcastEngine"]

logger: logging.Logger = logging.getLogger("caproto.bcast")
search_logger: logging.Logger = logging.getLogger("caproto.bcast.search")

_BEACON_SPACING = (
    5.0  # seconds; a storm of beacons, or forged ones, must not become a storm of searches
)
_MOST_SERVERS = 100_000  # forged beacons must not fill the memory


class BroadcastEngine:
    """Takes datagrams, keeps count of servers, and drives the searches.

    Parameters
    ----------
    search : SearchEngine
    server_port : int
        Where a server listens that does not say so.
    """

    def __init__(self, search: SearchEngine, server_port: int = EPICS_CA1_PORT) -> None:
        self.search = search
        self.server_port = server_port
        self.registered: bool = False
        self.last_heard: dict[Address, float] = {}
        self.on_beacon: list[Callable[[Address, bool], None]] = []
        """``f(address, anomaly)`` for each beacon that counts."""
        self._sequence: int | None = None  # of the searches that the datagram at hand answers
        self._beacons: dict[Address, BeaconRecord] = {}
        self._noisy: set[Address] = set()

    def register_request(self) -> bytes:
        """Return what registers us with the repeater."""
        return bytes(RepeaterRegisterRequest("0.0.0.0"))

    def on_datagram(self, data: bytes, sender: Address, now: float) -> None:
        """Take a datagram; whatever is in it, nothing is raised."""
        self._sequence = None
        try:
            for head, payload in walk_datagram(data):
                handler = self._HANDLERS.get(head[0])
                if handler is not None:
                    handler(self, head, payload, sender, now)
        except RemoteProtocolError as error:
            self._complain(sender, str(error))
        except Exception:
            logger.exception("A datagram from %s:%d could not be handled", *sender)

    def _complain(self, sender: Address, reason: str) -> None:
        """Log a bad datagram, once for each sender."""
        if sender not in self._noisy and len(self._noisy) < _MOST_SERVERS:
            self._noisy.add(sender)
            logger.warning(
                "Ignoring a malformed datagram from %s:%d: %s",
                *sender,
                reason,
                extra={"their_address": sender},
            )

    def _on_version(self, head: Head, payload: Buffer, sender: Address, now: float) -> None:
        """Take the sequence number that the server sends back, if it says that there is one."""
        if head[2] & 1:
            self._sequence = head[4]

    def _on_search_reply(self, head: Head, payload: Buffer, sender: Address, now: float) -> None:
        _, _, port, count, address, cid = head
        # A search *request* has our own version in the count, and must not be taken for an answer (it comes back to
        # the client where client and server share a port).
        if count != 0 or port == 0:
            return
        host = sender[0] if address == ANY_ADDRESS else ipv4_from_int32(address)
        version = int.from_bytes(payload[:2], "big")
        self.search.on_reply(cid, (host, port), version, now, self._sequence)

    def _on_beacon(self, head: Head, payload: Buffer, sender: Address, now: float) -> None:
        host = sender[0] if head[5] == 0 else ipv4_from_int32(head[5])
        address = (host, head[3] or self.server_port)
        record = self._beacons.pop(address, None)
        if record is None:
            record, rhythm = BeaconRecord(head[4], now), Rhythm.BROKEN
            if len(self._beacons) >= _MOST_SERVERS:
                longest_silent = next(iter(self._beacons))
                del self._beacons[longest_silent], self.last_heard[longest_silent]
        else:
            rhythm = record.on_beacon(head[4], now)
        self._beacons[address] = record  # the one heard last comes last
        if rhythm is Rhythm.NONE:
            return
        self.last_heard[address] = now
        if rhythm is Rhythm.BROKEN:
            self.search.boost(now, _BEACON_SPACING)
        anomaly = rhythm is not Rhythm.NORMAL
        for listener in self.on_beacon:
            listener(address, anomaly)

    def _on_confirm(self, head: Head, payload: Buffer, sender: Address, now: float) -> None:
        self.registered = True

    _HANDLERS: ClassVar[
        dict[int, Callable[[BroadcastEngine, Head, Buffer, Address, float], None]]
    ] = {
        Command.VERSION: _on_version,
        Command.SEARCH: _on_search_reply,
        Command.RSRV_IS_UP: _on_beacon,
        Command.REPEATER_CONFIRM: _on_confirm,
    }
