"""Reads and writes of many PVs in one call: no object per PV, and one send per circuit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from .._protocol.arrays import Buffer
from .._protocol.header import SHORT_LIMIT, pack_head, pack_heads
from .._protocol.status import status_from_code
from .requests import Request, failure

if TYPE_CHECKING:
    from .circuit import Circuit
    from .host import Waiter
    from .pv import PVCore

__all__ = ["Body", "BulkCall", "BulkRequest"]

Body: TypeAlias = "tuple[int, int, Buffer]"
"""What is asked for or written: data type, data count and payload."""

_count, _payload = itemgetter(1), itemgetter(2)


class BulkCall:
    """One call: the results by position, and who waits for them all.

    Parameters
    ----------
    command : int
        READ_NOTIFY or WRITE_NOTIFY.
    count : int
        Number of PVs.
    waiter : Waiter
        Gets its (empty) result when every PV has one.
    deadline : float
    timeout : float or None
    """

    __slots__ = ("_command", "_requests", "deadline", "left", "results", "timeout", "waiter")

    def __init__(
        self, command: int, count: int, waiter: Waiter, deadline: float, timeout: float | None
    ) -> None:
        self.results: list[Any] = [None] * count
        self.left: int = count
        self.waiter: Waiter = waiter
        self.deadline: float = deadline
        self.timeout: float | None = timeout
        self._command = command
        self._requests: dict[Circuit | None, BulkRequest] = {}

    def ask(self, pv: PVCore, position: int, body: Body) -> None:
        """Enter what goes to one PV, which is connected; `send` sends it."""
        circuit = pv.circuit
        request = self._requests.get(circuit)
        if request is None:
            assert circuit is not None
            request = self._requests[circuit] = BulkRequest(self, self._command, circuit)
        request.pvs.append(pv)
        request.positions.append(position)
        request.bodies.append(body)

    def send(self) -> None:
        """Send what was entered, all that goes to one circuit together."""
        requests, self._requests = self._requests, {}
        for request in requests.values():
            request.send()

    def put(self, position: int, result: Any) -> None:
        """Take the result, or the error, for one PV."""
        self.results[position] = result
        self.left -= 1
        if not self.left and not self.waiter.done():
            self.waiter.set_result(None)


class _Place:
    """Stands for one PV's place in the results where a single request needs a waiter."""

    __slots__ = ("_call", "_position")

    def __init__(self, call: BulkCall, position: int) -> None:
        self._call, self._position = call, position

    def done(self) -> bool:
        return self._call.waiter.done() or self._call.results[self._position] is not None

    def set_result(self, result: Any, /) -> None:
        self._call.put(self._position, result)

    def set_exception(self, exception: Any, /) -> None:
        self._call.put(self._position, exception)


class BulkRequest:
    """The part of a call that goes to one circuit; in its table of requests it stands under many ioids.

    Parameters
    ----------
    call : BulkCall
    command : int
        READ_NOTIFY or WRITE_NOTIFY.
    circuit : Circuit

    Attributes
    ----------
    pvs : list of PVCore
    positions : list of int
        The place of each among the results.
    bodies : list
        What goes to each.
    """

    # Three lists, because a tuple for each PV would be one more object that is made, and that the garbage collector
    # looks through.
    __slots__ = ("_base", "_call", "_circuit", "_command", "bodies", "deadline", "positions", "pvs")

    def __init__(self, call: BulkCall, command: int, circuit: Circuit) -> None:
        self._call = call
        self._command = command
        self._circuit = circuit
        self._base = 0
        self.pvs: list[PVCore] = []
        self.positions: list[int] = []
        self.bodies: list[Body] = []
        self.deadline: float = call.deadline

    @property
    def waiter(self) -> Waiter:
        """Who waits."""
        return self._call.waiter

    def send(self) -> None:
        """Send everything at once."""
        count = len(self.pvs)
        self._base = base = self._circuit.reserve(self, count)
        sids: list[int] = [pv.channel.sid for pv in self.pvs]  # type: ignore[union-attr, misc]
        self._circuit.send(_joined(self._command, self.bodies, sids, base), count)

    def complete(self, message: Any) -> None:
        """Take the reply for one PV."""
        head = message._head
        call = self._call
        position = self.positions[head[5] - self._base]
        if head[4] & 1:
            call.results[position] = message
            call.left -= 1
            if not call.left and not call.waiter.done():
                call.waiter.set_result(None)
        else:
            request = self.single(head[5])
            call.put(position, failure(request, status_from_code(head[4]), "", message))
        engine = self._circuit.engine
        if engine.idle_wishes:
            engine.request_done(self.pv_of(head[5]))

    def pv_of(self, ioid: int) -> PVCore:
        """Return the PV that the request with this ioid is for."""
        return self.pvs[ioid - self._base]

    def single(self, ioid: int) -> Request:
        """Return the request for one PV as one of its own, for all that is not the usual way."""
        index = ioid - self._base
        place = _Place(self._call, self.positions[index])
        request = Request(
            self._command,
            self.pvs[index],
            *self.bodies[index],
            place,
            None,
            self.deadline,
            self._call.timeout,
        )
        request.ioid = ioid
        return request


def _joined(command: int, bodies: Sequence[Body], sids: Iterable[int], base: int) -> bytes:
    """Return the bytes of many requests, whose ioids begin with `base`."""
    kind, count, payload = first = bodies[0]
    if not payload and count < SHORT_LIMIT and bodies.count(first) == len(bodies):
        # All alike, as the values of many PVs mostly are: 0.06 us for each, otherwise 0.13.
        return pack_heads(command, [kind << 16 | count] * len(bodies), sids, base)
    if not any(map(_payload, bodies)) and max(map(_count, bodies)) < SHORT_LIMIT:
        return pack_heads(command, [kind << 16 | count for kind, count, _ in bodies], sids, base)
    parts: list[Buffer] = []
    for ioid, ((data_type, count, payload), sid) in enumerate(zip(bodies, sids, strict=True), base):
        parts += (pack_head(command, len(payload), data_type, count, sid, ioid), payload)
    return b"".join(parts)
