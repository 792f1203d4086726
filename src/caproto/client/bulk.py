"""Reads and writes of many PVs in one call: no object per PV, and one send per circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .._protocol.arrays import Buffer
from .._protocol.header import HEADER, SHORT_LIMIT, pack_head
from .._protocol.status import status_from_code
from .requests import Request, failure

if TYPE_CHECKING:
    from .circuit import Circuit
    from .host import Waiter
    from .pv import PVCore

__all__ = ["BulkCall", "BulkRequest", "Item", "send_bulk"]

Item: TypeAlias = "tuple[PVCore, int, tuple[int, int, Buffer]]"
"""One PV of a call: its place among the results, and what is asked for or written: data type, count and payload."""


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
    items : list
        For each PV what `send_bulk` is given.
    """

    __slots__ = ("_base", "_call", "_circuit", "_command", "_items", "deadline")

    def __init__(self, call: BulkCall, command: int, circuit: Circuit, items: list[Item]) -> None:
        self._call = call
        self._command = command
        self._circuit = circuit
        self._items = items
        self._base = 0
        self.deadline: float = call.deadline

    @property
    def waiter(self) -> Waiter:
        """Who waits."""
        return self._call.waiter

    def send(self) -> None:
        """Send everything at once."""
        count = len(self._items)
        self._base = base = self._circuit.reserve(self, count)
        command, pack = self._command, HEADER.pack
        # 1.3 us per PV from here to the result, where a Request and a future for each take 8 (benchmarks/micro).
        parts: list[Buffer] = []
        for ioid, (pv, _, (data_type, data_count, payload)) in enumerate(self._items, base):
            size, sid = len(payload), pv.channel.sid  # type: ignore[union-attr]
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
        position = self._items[head[5] - self._base][1]
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
        return self._items[ioid - self._base][0]

    def single(self, ioid: int) -> Request:
        """Return the request for one PV as one of its own, for all that is not the usual way."""
        pv, position, (data_type, data_count, payload) = self._items[ioid - self._base]
        place = _Place(self._call, position)
        request = Request(
            self._command,
            pv,
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


def send_bulk(call: BulkCall, command: int, items: Sequence[Item]) -> None:
    """Send the requests for connected PVs, each with its position, and its data type, data count and payload."""
    by_circuit: dict[Any, list[Item]] = {}
    for item in items:
        circuit = item[0].circuit
        if circuit in by_circuit:
            by_circuit[circuit].append(item)
        else:
            by_circuit[circuit] = [item]
    for circuit, together in by_circuit.items():
        BulkRequest(call, command, circuit, together).send()
