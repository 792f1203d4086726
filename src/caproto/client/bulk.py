"""Reads and writes of many PVs in one call: no object per PV, and one send per circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._protocol.arrays import Buffer
from .._protocol.header import HEADER, SHORT_LIMIT, pack_head
from .._protocol.status import status_from_code
from .requests import Request, failure

if TYPE_CHECKING:
    from .circuit import Circuit
    from .host import Waiter
    from .pv import PVCore

__all__ = ["BulkCall", "BulkRequest", "send_bulk"]


class BulkCall:
    """One call: the results by position, and who waits for them all.

    Parameters
    ----------
    count : int
        Number of PVs.
    waiter : Waiter
        Gets its (empty) result when every PV has one.
    deadline : float
    timeout : float or None
    """

    __slots__ = ("deadline", "left", "results", "timeout", "waiter")

    def __init__(self, count: int, waiter: Waiter, deadline: float, timeout: float | None) -> None:
        self.results: list[Any] = [None] * count
        self.left: int = count
        self.waiter: Waiter = waiter
        self.deadline: float = deadline
        self.timeout: float | None = timeout

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
    """

    __slots__ = (
        "_base",
        "_bodies",
        "_call",
        "_circuit",
        "_command",
        "_positions",
        "_pvs",
        "deadline",
    )

    def __init__(self, call: BulkCall, command: int, circuit: Circuit) -> None:
        self._call = call
        self._command = command
        self._circuit = circuit
        self._base = 0
        self._pvs: list[PVCore] = []
        self._positions: list[int] = []
        self._bodies: list[tuple[int, int, Buffer]] = []
        self.deadline: float = call.deadline

    @property
    def waiter(self) -> Waiter:
        """Who waits."""
        return self._call.waiter

    def add(self, pv: PVCore, position: int, body: tuple[int, int, Buffer]) -> None:
        """Add a PV with its data type, data count and payload."""
        self._pvs.append(pv)
        self._positions.append(position)
        self._bodies.append(body)

    def send(self) -> None:
        """Send everything at once."""
        count = len(self._pvs)
        self._base = base = self._circuit.reserve(self, count)
        sids = [pv.channel.sid for pv in self._pvs]  # type: ignore[union-attr]
        command, pack = self._command, HEADER.pack
        # 1.3 us per PV from here to the result, where a Request and a future for each take 8 (benchmarks/micro).
        parts: list[Buffer] = []
        for ioid, sid, (data_type, data_count, payload) in zip(
            range(base, base + count), sids, self._bodies, strict=True
        ):
            size = len(payload)
            if size >= SHORT_LIMIT or data_count >= SHORT_LIMIT:
                parts.append(pack_head(command, size, data_type, data_count, sid or 0, ioid))
            else:
                parts.append(pack(command, size, data_type, data_count, sid, ioid))
            if size:
                parts.append(payload)
        self._circuit.send(b"".join(parts), count)

    def complete(self, message: Any) -> None:
        """Take the reply for one PV."""
        head = message._head
        call = self._call
        position = self._positions[head[5] - self._base]
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
        return self._pvs[ioid - self._base]

    def single(self, ioid: int) -> Request:
        """Return the request for one PV as one of its own, for all that is not the usual way."""
        index = ioid - self._base
        data_type, data_count, payload = self._bodies[index]
        place = _Place(self._call, self._positions[index])
        request = Request(
            self._command,
            self._pvs[index],
            data_type,
            data_count,
            payload,
            place,
            None,
            self.deadline,
            self._call.timeout,
        )
        request.ioid = ioid
        return request


def send_bulk(call: BulkCall, command: int, items: Sequence[tuple[PVCore, int, Any]]) -> None:
    """Send the requests for connected PVs, each given with its position and body."""
    by_circuit: dict[Circuit, BulkRequest] = {}
    for pv, position, body in items:
        circuit = pv.circuit
        assert circuit is not None
        bulk = by_circuit.get(circuit)
        if bulk is None:
            bulk = by_circuit[circuit] = BulkRequest(call, command, circuit)
        bulk.add(pv, position, body)
    for bulk in by_circuit.values():
        bulk.send()
