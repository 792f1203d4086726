"""A snapshot of what a client is doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .pv import PVState

if TYPE_CHECKING:
    from .circuit import Circuit
    from .engine import ClientEngine
    from .search import Address, SearchEngine

__all__ = ["CircuitStats", "ContextStats", "snapshot"]


@dataclass(frozen=True, slots=True)
class CircuitStats:
    """One circuit.

    Attributes
    ----------
    address : (host, port)
    priority : int
    connected : bool
        False while the TCP connection is being made.
    version : int
        Minor protocol version of the server.
    bytes_in, bytes_out, messages_in, messages_out : int
        Since the circuit was made.
    channels, requests, subscriptions : int
        Channels here or to be made, requests without a reply, active subscriptions.
    suspended : bool
        Whether updates are suspended (EVENTS_OFF).
    echo_round_trip : float or None
        Seconds that the last echo took; None if none was needed.
    silent_for : float
        Seconds since the server's last byte.
    """

    address: Address
    priority: int
    connected: bool
    version: int
    bytes_in: int
    bytes_out: int
    messages_in: int
    messages_out: int
    channels: int
    requests: int
    subscriptions: int
    suspended: bool
    echo_round_trip: float | None
    silent_for: float


@dataclass(frozen=True, slots=True)
class ContextStats:
    """A client.

    Attributes
    ----------
    pvs, connected, searching, idle : int
        All PVs, and those in each of these states.
    names_searching : int
        Names that the broadcaster looks for, also for other Contexts that share it.
    search_datagrams, search_requests : int
        Sent so far by the broadcaster.
    circuits : tuple of CircuitStats
    subscriptions : int
        With at least one callback or iteration.
    dropped : int
        Updates merged into newer ones, as iterations with the policy ``'latest'`` asked for.
    reconnects : int
        Circuits that were lost and whose PVs were searched again.
    """

    pvs: int
    connected: int
    searching: int
    idle: int
    names_searching: int
    search_datagrams: int
    search_requests: int
    circuits: tuple[CircuitStats, ...]
    subscriptions: int
    dropped: int
    reconnects: int


def _of_circuit(circuit: Circuit, now: float) -> CircuitStats:
    return CircuitStats(
        address=circuit.address,
        priority=circuit.priority,
        connected=circuit.connected,
        version=circuit.version,
        bytes_in=circuit.bytes_in,
        bytes_out=circuit.bytes_out,
        messages_in=circuit.stream.messages,
        messages_out=circuit.messages_out,
        channels=len(circuit.tables.pvs),
        requests=len(circuit.tables.requests),
        subscriptions=len(circuit.tables.subscriptions),
        suspended=circuit.suspended,
        echo_round_trip=circuit.health.round_trip,
        silent_for=max(0.0, now - circuit.health.last_bytes),
    )


def snapshot(engine: ClientEngine, search: SearchEngine, now: float) -> ContextStats:
    """Count what there is; the time it takes grows with the number of PVs."""
    states = [pv.state for pv in engine.pvs.values()]
    subs = [sub for pv in engine.pvs.values() for sub in pv.subscriptions or ()]
    return ContextStats(
        pvs=len(states),
        connected=states.count(PVState.CONNECTED),
        searching=states.count(PVState.SEARCHING),
        idle=states.count(PVState.IDLE),
        names_searching=search.pending,
        search_datagrams=search.datagrams_sent,
        search_requests=search.requests_sent,
        circuits=tuple(_of_circuit(circuit, now) for circuit in engine.circuits.values()),
        subscriptions=len(subs),
        dropped=sum(sub.dropped for sub in subs),
        reconnects=engine.reconnects,
    )
