"""Searches, answered."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ..._constants import DEFAULT_PROTOCOL_VERSION, DO_REPLY, SEARCH_MAX_DATAGRAM_BYTES
from ..._protocol.arrays import Buffer
from ..._protocol.enums import Command
from ..._protocol.framing import walk_datagram
from ..._protocol.header import HEADER, Head

__all__ = ["SearchResponder"]

_VERSION, _SEARCH = int(Command.VERSION), int(Command.SEARCH)
_FROM_HERE = 0xFFFFFFFF
"""In a reply: the server is where the reply comes from."""
_MINOR = DEFAULT_PROTOCOL_VERSION.to_bytes(2, "big").ljust(8, b"\0")
_OLDEST_VERSION = 4
_SEQUENCE_VERSION = 11


class SearchResponder:
    """Answers searches by UDP and by TCP.

    Parameters
    ----------
    knows : callable
        ``knows(name)`` tells whether the PV is served.
    tcp_port : int
        Where.
    ignored_hosts : collection of str
        Hosts whose datagrams get no answer.
    """

    def __init__(
        self,
        knows: Callable[[str], bool],
        tcp_port: int,
        ignored_hosts: Collection[str] = (),
    ) -> None:
        self.tcp_port = tcp_port
        self._knows = knows
        self._ignored_hosts = frozenset(ignored_hosts)

    def answer_datagram(self, datagram: bytes, sender: tuple[str, int]) -> list[bytes]:
        """Return the datagrams that answer a datagram; usually none, or one.

        Raises
        ------
        RemoteProtocolError
            If the datagram cannot be read to its end. What it asks for is not answered then: there is no telling
            who made it.
        """
        if sender[0] in self._ignored_hosts:
            return []
        version = sequence = 0
        replies: list[bytes] = []
        for head, payload in walk_datagram(datagram):
            if head[0] == _VERSION:
                version = head[3]
                sequence = head[4] if head[2] & 1 else 0
            elif head[0] == _SEARCH and head[3] >= _OLDEST_VERSION:
                if head[3] > version:
                    version = head[3]
                if self._knows(_searched_name(payload)):
                    replies.append(
                        HEADER.pack(_SEARCH, 8, self.tcp_port, 0, _FROM_HERE, head[5]) + _MINOR
                    )
        if not replies:
            return []
        prefix = b""
        if version >= _SEQUENCE_VERSION:
            # The sequence number lets the client tell a late answer from one to its last search.
            prefix = HEADER.pack(Command.VERSION, 0, 1, DEFAULT_PROTOCOL_VERSION, sequence, 0)
        return list(_datagrams(prefix, replies))

    def answer_tcp(self, head: Head, payload: Buffer) -> bytes:
        """Return the answer to a search that came over a circuit; empty if there is to be none."""
        if self._knows(_searched_name(payload)):
            return HEADER.pack(Command.SEARCH, 0, self.tcp_port, 0, _FROM_HERE, head[5])
        if head[2] == DO_REPLY:
            return HEADER.pack(
                Command.NOT_FOUND, 0, DO_REPLY, DEFAULT_PROTOCOL_VERSION, head[5], head[5]
            )
        return b""


def _searched_name(payload: Buffer) -> str:
    """Return the name in a search; empty, and so unknown, if there is none."""
    # Whatever the last byte is, it is taken for the NUL, as rsrv does.
    return bytes(payload)[:-1].partition(b"\0")[0].decode("latin-1")


def _datagrams(prefix: bytes, replies: list[bytes]) -> list[bytes]:
    """Pack replies into as few datagrams as travel unfragmented."""
    per_datagram = (SEARCH_MAX_DATAGRAM_BYTES - len(prefix)) // len(replies[0])
    return [
        prefix + b"".join(replies[start : start + per_datagram])
        for start in range(0, len(replies), per_datagram)
    ]
