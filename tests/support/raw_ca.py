"""A Channel Access search made of plain bytes, so that the harness does not trust what it tests."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from .raw_messages import HEADER

CA_PROTO_VERSION = 0
CA_PROTO_SEARCH = 6
MINOR_VERSION = 13
DONT_REPLY = 5

# How often the search is repeated. Datagrams get lost, and a server that starts is not there yet.
RETRY_PERIOD = 0.02


@dataclass(frozen=True)
class SearchReply:
    """Where a server said that a PV is."""

    host: str
    tcp_port: int


def search_datagram(name: str, cid: int = 1) -> bytes:
    """Build the datagram by which a client of minor version 13 looks for `name`."""
    payload = name.encode("latin-1") + b"\0"
    payload += bytes(-len(payload) % 8)
    version = HEADER.pack(CA_PROTO_VERSION, 0, 0, MINOR_VERSION, 0, 0)
    search = HEADER.pack(CA_PROTO_SEARCH, len(payload), DONT_REPLY, MINOR_VERSION, cid, cid)
    return version + search + payload


def find_reply(datagram: bytes, cid: int = 1) -> int | None:
    """Return the TCP port of the reply to search `cid` in a datagram, if it is there."""
    offset = 0
    while offset + HEADER.size <= len(datagram):
        command, size, tcp_port, _count, _address, reply_cid = HEADER.unpack_from(datagram, offset)
        if command == CA_PROTO_SEARCH and reply_cid == cid:
            return int(tcp_port)
        offset += HEADER.size + size
    return None


def search(
    name: str,
    port: int,
    *,
    host: str = "127.0.0.1",
    timeout: float = 10.0,
    still_worth_it: Callable[[], bool] = lambda: True,
) -> SearchReply | None:
    """
    Look for a PV over UDP until a server answers.

    Parameters
    ----------
    name
        Name of the PV.
    port, host
        Where to send the search.
    timeout
        Seconds after which to give up.
    still_worth_it
        Asked between two tries; when it says no, so does this function, at once.

    Returns
    -------
    SearchReply or None
        None when nobody answered.
    """
    datagram = search_datagram(name)
    limit = time.monotonic() + timeout
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1" if host.startswith("127.") else "", 0))
        sock.settimeout(RETRY_PERIOD)
        while time.monotonic() < limit and still_worth_it():
            sock.sendto(datagram, (host, port))
            try:
                reply, address = sock.recvfrom(65536)
            except (TimeoutError, ConnectionError):
                continue
            tcp_port = find_reply(reply)
            if tcp_port is not None:
                return SearchReply(address[0], tcp_port)
    return None
