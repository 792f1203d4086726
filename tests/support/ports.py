"""Port numbers that are free for UDP and TCP alike, and that no other test process takes."""

from __future__ import annotations

import itertools
import random
import socket
import sys
import threading
from collections.abc import Iterator

from .leaks import own_fd

# Below the range from which Linux takes ports for clients (32768 to 60999), so that no
# outgoing socket ever lands on a port between the moment we pick it and the moment it is bound.
FIRST_PORT = 20_000
LAST_PORT = 31_999
BLOCK_SIZE = 400

_lock = threading.Lock()
_reservation: socket.socket | None = None
_block: range | None = None
_numbers: Iterator[int] | None = None
_foreign: frozenset[int] = frozenset()  # bound by somebody else before we began


def _reserve_block() -> range:
    """Take one block of ports for this process; the kernel gives it back when the process ends."""
    global _reservation
    starts = list(range(FIRST_PORT, LAST_PORT + 1 - BLOCK_SIZE + 1, BLOCK_SIZE))
    random.SystemRandom().shuffle(starts)
    if sys.platform == "linux":
        for start in starts:
            claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                # An abstract address: one owner at a time, and nothing to clean up.
                claim.bind(f"\0caproto-test-ports-{start}")
            except OSError:
                claim.close()
                continue
            _reservation = claim
            own_fd(claim.fileno())
            return range(start, start + BLOCK_SIZE)
    return range(starts[0], starts[0] + BLOCK_SIZE)


def port_block() -> range:
    """Ports that belong to this process for as long as it lives."""
    global _block, _foreign, _numbers
    with _lock:
        if _block is None:
            _block = _reserve_block()
            _foreign = frozenset(_bound_ports() & set(_block))
            _numbers = itertools.cycle(_block)
        return _block


def is_free(port: int) -> bool:
    """Whether nobody on this machine has `port` bound, on any address, for UDP or TCP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        # No SO_REUSEADDR: a port in TIME_WAIT is not free for our purposes.
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


def free_port() -> int:
    """
    Pick a port number that is free for both UDP and TCP.

    Returns
    -------
    int
        A number that this process has not handed out lately and that no other test process
        hands out at all.
    """
    block = port_block()
    assert _numbers is not None
    for _ in range(len(block)):
        with _lock:
            port = next(_numbers)
        if is_free(port):
            return port
    raise RuntimeError(f"every port from {block[0]} to {block[-1]} is taken")


def free_ports(count: int) -> tuple[int, ...]:
    """Pick `count` different free ports."""
    return tuple(free_port() for _ in range(count))


def bound_ports() -> set[int]:
    """Ports of this process's block that a program of ours has bound right now (Linux only)."""
    block = port_block()
    return (_bound_ports() & set(block)) - _foreign


def _bound_ports() -> set[int]:
    """Every port on this machine that a server has bound."""
    found: set[int] = set()
    for table in ("udp", "udp6", "tcp", "tcp6"):
        try:
            with open(f"/proc/net/{table}") as lines:
                next(lines, None)
                for line in lines:
                    fields = line.split()
                    state = int(fields[3], 16)
                    # 0A: a listening TCP socket, 07: an unconnected UDP socket.
                    if state in (0x0A, 0x07):
                        found.add(int(fields[1].rsplit(":", 1)[1], 16))
        except OSError:
            continue
    return found
