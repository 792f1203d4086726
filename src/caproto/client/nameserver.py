"""Searches over TCP: a name server is asked the same as the network, on a circuit of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from .._constants import DEFAULT_PROTOCOL_VERSION
from .._errors import RemoteProtocolError
from .._protocol.arrays import Buffer
from .._protocol.enums import Command
from .._protocol.framing import COMMANDS, Handler, MessageStream
from .._protocol.header import HEADER, Head
from .._protocol.messages import SearchResponse, VersionRequest, wire
from .._protocol.messages.datagram import ANY_ADDRESS, ipv4_from_int32
from .health import Liveness, Verdict
from .search import Address, SearchEngine

__all__ = ["NameServer"]

logger: logging.Logger = logging.getLogger("caproto.bcast.search")

_ECHO = HEADER.pack(Command.ECHO, 0, 0, 0, 0, 0)
_TCP_SEARCH = 12  # the minor version that brought searches over TCP
_MAX_PAYLOAD = 1 << 16
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between two attempts to connect


class NameServer:
    """One entry of EPICS_CA_NAME_SERVERS.

    Parameters
    ----------
    address : (host, port)
    search : SearchEngine
        Gets the answers.
    patience, answer_time : float
        As of any circuit, in seconds.
    """

    def __init__(
        self, address: Address, search: SearchEngine, patience: float, answer_time: float
    ) -> None:
        self.address = address
        self.peer: Address = address  # with the host name looked up
        self.connecting: bool = False
        self._search = search
        self._patience, self._answer_time = patience, answer_time
        self._write: Callable[[bytes], Any] | None = None
        self._version: int | None = None
        self._stream: MessageStream | None = None
        self._health: Liveness | None = None
        self._now = 0.0
        self._since = 0.0  # when it was connected
        self._pause = _FIRST_PAUSE
        self._retry_at = float("-inf")

    @property
    def ready(self) -> bool:
        """Whether it can be asked: connected, and known to understand the question."""
        return self._write is not None and (self._version or 0) >= _TCP_SEARCH

    def wants_connection(self, now: float) -> bool:
        """Tell whether it is time to connect (again)."""
        return self._write is None and not self.connecting and now >= self._retry_at

    def connected_by(self, write: Callable[[bytes], Any], peer: Address, now: float) -> None:
        """Begin to talk."""
        self.connecting = False
        self.peer = peer
        self._write = write
        self._since = now
        self._version = None
        handlers: list[Handler] = [self._ignore] * COMMANDS
        handlers[Command.VERSION] = self._on_version
        handlers[Command.SEARCH] = self._on_reply
        handlers[Command.ECHO] = self._on_echo
        self._stream = MessageStream(handlers, _MAX_PAYLOAD)
        self._health = Liveness(now, self._patience, self._answer_time)
        write(bytes(VersionRequest(0, DEFAULT_PROTOCOL_VERSION)))

    def lost(self, reason: str, now: float) -> None:
        """Take note that the connection is gone, or was not made."""
        if self._write is not None and now - self._since >= self._pause:
            self._pause = _FIRST_PAUSE  # it lasted, so this is not the same trouble as before
        self.connecting = False
        self._write = None
        self._retry_at = now + self._pause
        if self._pause == _FIRST_PAUSE:
            logger.warning("Name server %s:%d: %s. Trying again.", *self.address, reason)
        self._pause = min(_LONGEST_PAUSE, self._pause * 2)

    def ask(self, datagram: bytes) -> None:
        """Send the searches of a datagram, if the server can take them now."""
        if self._write is not None and self.ready:
            self._write(datagram)

    def feed(self, data: bytes, now: float) -> bool:
        """Take a chunk; return False if the connection is to be closed. Nothing is raised."""
        assert self._stream is not None
        assert self._health is not None
        self._health.last_bytes = self._health.last_heard = self._now = now
        try:
            self._stream.feed(data)
        except RemoteProtocolError as error:
            logger.warning("Name server %s:%d: %s", *self.address, error)
            return False
        except Exception:
            logger.exception("An answer of name server %s:%d could not be handled", *self.address)
            return False
        return True

    def check(self, now: float) -> bool:
        """Send an echo if it has long been silent; return False if the connection is to be closed."""
        if self._write is None or self._health is None:
            return True
        verdict = self._health.check(now, busy=False)
        if verdict is Verdict.ECHO:
            self._write(_ECHO)
        return verdict is not Verdict.DEAD

    def next_deadline(self) -> float:
        """Return when to `check`, or to connect."""
        if self._write is not None and self._health is not None:
            return self._health.deadline(busy=False)
        return float("inf") if self.connecting or not self._search.pending else self._retry_at

    def _ignore(self, head: Head, payload: Buffer) -> None:
        """NOT_FOUND and the rest ask for nothing."""

    def _on_echo(self, head: Head, payload: Buffer) -> None:
        assert self._health is not None
        self._health.answered(self._now)

    def _on_version(self, head: Head, payload: Buffer) -> None:
        self._version = head[3]
        if head[3] >= _TCP_SEARCH:
            self._search.boost(self._now)
        else:
            logger.warning(
                "Name server %s:%d speaks version 4.%d; searches over TCP need 4.12",
                *self.address,
                head[3],
            )

    def _on_reply(self, head: Head, payload: Buffer) -> None:
        _, size, port, count, ip, cid = head[:6]
        if count != 0 or (port == 0 and ip != ANY_ADDRESS):
            return  # as of a datagram: a request, or an address that nobody can connect to
        # Without an address of its own the answer means this very circuit, and its port field says nothing.
        address = self.peer if ip == ANY_ADDRESS else (ipv4_from_int32(ip), port)
        version = wire(SearchResponse, head, payload).version if size >= 2 else self._version or 0
        self._search.on_reply(cid, address, version, self._now)
