"""A Channel Access client made of blocking sockets and of bytes that have been packed before."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from types import TracebackType
from typing import NamedTuple

__all__ = [
    "CREATED_BYTES",
    "HOST",
    "Message",
    "RawCircuit",
    "created",
    "creation",
    "messages",
    "pack",
    "search_all",
    "searches",
]

HOST = "127.0.0.1"
HEADER = struct.Struct(">HHHHII")
VERSION = 13
CREATED_BYTES = 2 * HEADER.size
"""What comes back for each channel: the rights and the confirmation."""
TIMEOUT = 10.0
"""Seconds without a byte after which a server counts as broken."""
SEARCH_BYTES = 1400
SEARCH_TIMEOUT, SEARCH_TRIES = 1.0, 5


class Message(NamedTuple):
    """One message, taken apart."""

    command: int
    data_type: int
    data_count: int
    p1: int
    p2: int
    payload: bytes


def pack(
    command: int,
    data_type: int = 0,
    data_count: int = 0,
    p1: int = 0,
    p2: int = 0,
    payload: bytes = b"",
) -> bytes:
    """Build a message; the payload is padded."""
    payload += bytes(-len(payload) % 8)
    return HEADER.pack(command, len(payload), data_type, data_count, p1, p2) + payload


def messages(data: bytes) -> Iterator[Message]:
    """Take whole messages apart; there are none with an extended header."""
    offset = 0
    while offset < len(data):
        command, size, data_type, data_count, p1, p2 = HEADER.unpack_from(data, offset)
        start = offset + HEADER.size
        offset = start + size
        yield Message(command, data_type, data_count, p1, p2, data[start:offset])


class RawCircuit:
    """One TCP connection to a server; use it as a context manager.

    Parameters
    ----------
    port : int
    """

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(
            pack(0, 0, VERSION) + pack(21, payload=b"bench\0") + pack(20, payload=b"bench\0")
        )
        self._cids = count(1)
        (greeting,) = messages(self.receive(HEADER.size))
        assert greeting.command == 0, greeting

    def __enter__(self) -> RawCircuit:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def receive(self, size: int) -> bytes:
        """Wait for so many bytes."""
        data = self.socket.recv(size)
        if len(data) == size:
            return data
        parts, missing = [data], size - len(data)
        while missing:
            data = self.socket.recv(missing)
            if not data:
                raise ConnectionError("the server has closed the connection")
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def exchange(self, request: bytes, size: int) -> bytes:
        """Send bytes, and wait for so many."""
        self.socket.sendall(request)
        return self.receive(size)

    def create(self, names: Sequence[str]) -> list[int]:
        """Open channels, all requests in one piece, and return their sids."""
        cids = [next(self._cids) for _ in names]
        replies = self.exchange(creation(names, cids), CREATED_BYTES * len(names))
        return created(replies, cids)

    def subscribe(self, sids: Iterable[int], data_type: int, update_size: int) -> list[Message]:
        """Subscribe to values and alarms, and return the first updates."""
        payload = struct.pack(">fffHxx", 0, 0, 0, 5)
        requests = [pack(1, data_type, 1, sid, id_, payload) for id_, sid in enumerate(sids)]
        return list(messages(self.exchange(b"".join(requests), update_size * len(requests))))


def creation(names: Sequence[str], cids: Sequence[int]) -> bytes:
    """Return the requests that open channels."""
    return b"".join(
        pack(18, 0, 0, cid, VERSION, name.encode() + b"\0")
        for name, cid in zip(names, cids, strict=True)
    )


def created(replies: bytes, cids: Sequence[int]) -> list[int]:
    """Return the sids of channels that have been opened.

    Raises
    ------
    AssertionError
        If one of them is not opened as a scalar double that may be read and written.
    """
    rights, sids = {}, {}
    for reply in messages(replies):
        if reply.command == 22:
            rights[reply.p1] = reply.p2
        else:
            assert reply[:3] == (18, 6, 1), reply
            sids[reply.p1] = reply.p2
    assert rights == dict.fromkeys(cids, 3), "not all may be read and written"
    return [sids[cid] for cid in cids]


def searches(names: Sequence[str]) -> list[tuple[bytes, set[int]]]:
    """Return datagrams that search for PVs, and the cids that each of them asks for."""
    found = []
    datagram, cids = pack(0, 0, VERSION), set[int]()
    for cid, name in enumerate(names):
        request = pack(6, 5, VERSION, cid, cid, name.encode() + b"\0")
        if len(datagram) + len(request) > SEARCH_BYTES:
            found.append((datagram, cids))
            datagram, cids = pack(0, 0, VERSION), set()
        datagram += request
        cids.add(cid)
    return [*found, (datagram, cids)]


def search_all(port: int, prepared: Iterable[tuple[bytes, set[int]]]) -> None:
    """Search for PVs by UDP, datagram by datagram; return when the server has answered for all.

    Raises
    ------
    TimeoutError
        If it does not.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HOST, port))
        sock.settimeout(SEARCH_TIMEOUT)
        for datagram, cids in prepared:
            _search(sock, datagram, cids)


def _search(sock: socket.socket, datagram: bytes, cids: set[int]) -> None:
    """Send one datagram until all that it asks for is answered."""
    for _ in range(SEARCH_TRIES):
        sock.send(datagram)
        try:
            while cids:
                cids.difference_update(_answered(sock.recv(65536)))
            return
        except TimeoutError:
            continue
    raise TimeoutError(f"{len(cids)} searches of a datagram were not answered")


def _answered(datagram: bytes) -> Iterator[int]:
    """Yield the cids in a reply to searches."""
    offset, unpack = 0, HEADER.unpack_from
    while offset < len(datagram):
        head = unpack(datagram, offset)
        offset += HEADER.size + head[1]
        if head[0] == 6:
            yield head[5]
