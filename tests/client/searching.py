"""Helpers for tests of searches alone, without a network."""

from __future__ import annotations

from dataclasses import dataclass, field

from caproto._protocol.framing import walk_datagram
from caproto._protocol.messages import SearchRequest, VersionRequest, message_from_wire
from caproto.client.search import Address, SearchEngine

SERVER: Address = ("10.0.0.1", 5064)
OTHER: Address = ("10.0.0.2", 5064)


@dataclass(eq=False)
class Listener:
    """Takes answers; `taken` says whether it is content with them."""

    taken: bool = True
    answers: list[tuple[Address, int]] = field(default_factory=list)

    def found(self, address: Address, version: int, now: float) -> bool:
        self.answers.append((address, version))
        return self.taken


class FailingListener(Listener):
    """Has a bug."""

    def found(self, address: Address, version: int, now: float) -> bool:
        raise RuntimeError("a bug in the shell")


def requests_in(datagram: bytes) -> list[SearchRequest]:
    """Return the searches of a datagram, whose first message must be VERSION."""
    first, *rest = (
        message_from_wire(head, payload, from_client=True)
        for head, payload in walk_datagram(datagram)
    )
    assert isinstance(first, VersionRequest)
    assert all(isinstance(message, SearchRequest) for message in rest)
    return rest  # type: ignore[return-value]


def names_in(datagrams: list[bytes]) -> list[str]:
    """Return all names that are asked for."""
    return [request.name for datagram in datagrams for request in requests_in(datagram)]


def request_times(engine: SearchEngine, start: float, end: float, name: str) -> list[float]:
    """Poll whenever it is due; return when `name` was asked for, relative to `start`."""
    times, now = [], start
    while now <= end:
        times += [now - start for asked in names_in(engine.poll(now)) if asked == name]
        following = engine.next_deadline()
        assert following > now, "a busy loop"
        now = following
    return times
