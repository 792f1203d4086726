"""A synchronous Channel Access client of plain bytes, which asks for thousands of values at once."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.support.raw_messages import EXTENDED, EXTENSION, HEADER, raw_message

VERSION, CLIENT_NAME, HOST_NAME = 0, 20, 21
CREATE, RIGHTS, CREATE_FAILED = 18, 22, 26
READ_NOTIFY, WRITE_NOTIFY, ERROR = 15, 19, 11
AT_ONCE = 500


class Channel(NamedTuple):
    """What the server said about a channel."""

    sid: int
    data_type: int
    data_count: int
    rights: int


class Answer(NamedTuple):
    """What the server said to a read."""

    status: int
    data_type: int
    data_count: int
    payload: bytes


class BulkClient:
    """One TCP connection to a server.

    Parameters
    ----------
    port
        Of a server on loopback.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._stream = self._socket.makefile("rb")
        self._socket.sendall(
            raw_message(VERSION, 0, 13)
            + raw_message(CLIENT_NAME, payload=b"somebody\0")
            + raw_message(HOST_NAME, payload=b"somewhere\0")
        )
        self._next_cid = 0

    def __enter__(self) -> BulkClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()
        self._socket.close()

    def _next(self) -> tuple[int, int, int, int, int, bytes]:
        """Return command, type, count, both parameters and payload of the next message."""
        command, size, data_type, count, p1, p2 = HEADER.unpack(self._stream.read(16))
        if size == EXTENDED:
            size, count = EXTENSION.unpack(self._stream.read(8))
        return command, data_type, count, p1, p2, self._stream.read(size)

    def open(self, names: Sequence[str]) -> dict[str, Channel | None]:
        """Open channels; None for a name that the server does not know."""
        found: dict[str, Channel | None] = {}
        for start in range(0, len(names), AT_ONCE):
            some = names[start : start + AT_ONCE]
            first, self._next_cid = self._next_cid, self._next_cid + len(some)
            self._socket.sendall(
                b"".join(
                    raw_message(CREATE, 0, 0, first + index, 13, name.encode() + b"\0")
                    for index, name in enumerate(some)
                )
            )
            rights: dict[int, int] = {}
            waiting = len(some)
            while waiting:
                command, data_type, count, p1, p2, _ = self._next()
                if command == RIGHTS:
                    rights[p1] = p2
                elif command == CREATE:
                    found[some[p1 - first]] = Channel(p2, data_type, count, rights[p1])
                    waiting -= 1
                elif command == CREATE_FAILED:
                    found[some[p1 - first]] = None
                    waiting -= 1
        return found

    def read(self, requests: Iterable[tuple[Channel, int]]) -> list[Answer]:
        """Read values, each as a DBR type, and as many elements as there are."""
        wanted = list(requests)
        answers: list[Answer] = []
        for start in range(0, len(wanted), AT_ONCE):
            some = wanted[start : start + AT_ONCE]
            self._socket.sendall(
                b"".join(
                    raw_message(READ_NOTIFY, data_type, 0, channel.sid, ioid)
                    for ioid, (channel, data_type) in enumerate(some)
                )
            )
            got: dict[int, Answer] = {}
            while len(got) < len(some):
                command, data_type, count, p1, p2, payload = self._next()
                if command == READ_NOTIFY:
                    got[p2] = Answer(p1, data_type, count, payload)
                elif command == ERROR:
                    ioid = HEADER.unpack(payload[:16])[5]
                    got[ioid] = Answer(p2, -1, 0, b"")
            answers.extend(got[ioid] for ioid in range(len(some)))
        return answers

    def write(self, channel: Channel, data_type: int, count: int, payload: bytes) -> int:
        """Write a value and return the status."""
        self._socket.sendall(raw_message(WRITE_NOTIFY, data_type, count, channel.sid, 7, payload))
        while True:
            command, _, _, p1, p2, _ = self._next()
            if command == WRITE_NOTIFY:
                return p1
            if command == ERROR:
                return p2
