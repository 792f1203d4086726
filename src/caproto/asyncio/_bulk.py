"""Reads and writes of many PVs in one call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .._collector import NoCollection
from .._errors import CaprotoError, ContextDisconnectedError
from .._protocol.enums import Command
from ..client.bulk import Body, BulkCall
from ..client.pv import PVState
from ..client.waits import Wait
from ._slots import MOST_CONFIRMED_WRITES, WriteSlots

if TYPE_CHECKING:
    from ._context import Context
    from ._pv import PV

__all__ = ["bulk_read", "bulk_write"]

_CONNECTED = PVState.CONNECTED
_READ_NOTIFY, _WRITE_NOTIFY = int(Command.READ_NOTIFY), int(Command.WRITE_NOTIFY)


async def bulk_read(
    context: Context, pvs: Sequence[PV], wishes: Iterable[Any], timeout: float | None
) -> list[Any]:
    """Read; the wish for each PV, which the caller keeps, is a data type and a count."""
    return await _bulk(context, _READ_NOTIFY, pvs, wishes, _ReadBodies().of, timeout)


class _ReadBodies:
    """Knows what to ask PVs for."""

    # Most PVs are like the one before: 0.08 us instead of 0.16 for looking the kind up, and 0.9 for making it
    # (benchmarks/micro/bench_read.py).
    __slots__ = ("_bodies", "_circuit", "_count", "_found", "_type", "_wish")

    def __init__(self) -> None:
        self._bodies: dict[Any, Body] = {}
        self._circuit: Any = None

    def of(self, pv: PV, wish: Any) -> Body:
        """Return the body of the request; the wish is a data type and a count."""
        channel: Any = pv.channel
        if (
            pv.circuit is not self._circuit
            or channel.native_data_type is not self._type
            or channel.native_data_count != self._count
            or wish is not self._wish
        ):
            self._turn_to(pv.circuit, channel, wish)
        return self._found

    def _turn_to(self, circuit: Any, channel: Any, wish: Any) -> None:
        # The wish, one object for all PVs as a rule, may be something without a hash.
        kind = (channel.native_data_type, channel.native_data_count, circuit, id(wish))
        found = self._bodies.get(kind)
        if found is None:
            found = channel.readable_type(wish[0]), channel.readable_count(wish[1]), b""
            self._bodies[kind] = found
        self._type, self._count, self._circuit, _ = kind
        self._wish, self._found = wish, found


async def bulk_write(
    context: Context, values: Mapping[PV, Any], timeout: float | None
) -> dict[PV, Any]:
    """Write; each PV with its value."""

    def body(pv: PV, value: Any) -> Any:
        return pv.open_channel.write_body(value)

    items = list(values.items())
    deadline = float("inf") if timeout is None else context._loop.time() + timeout
    results: list[Any] = []
    for start in range(0, len(items), MOST_CONFIRMED_WRITES):
        part = dict(items[start : start + MOST_CONFIRMED_WRITES])
        left = None if timeout is None else max(0.0, deadline - context._loop.time())
        async with _slots_for(part, deadline):
            results += await _bulk(context, _WRITE_NOTIFY, list(part), part.values(), body, left)
    return dict(zip(values, results, strict=True))


@asynccontextmanager
async def _slots_for(pvs: Iterable[PV], deadline: float) -> AsyncIterator[None]:
    """Hold as many slots of each circuit as it is to get writes; what is late is told by the writes themselves."""
    held: list[tuple[WriteSlots, int]] = []
    counts = Counter(pv.circuit_manager for pv in pvs if pv.circuit_manager is not None)
    try:
        # In one and the same order for everybody, or two callers could wait for each other for ever.
        for manager, count in sorted(counts.items(), key=lambda each: id(each[0])):
            try:
                await manager.write_slots.acquire(count, deadline)
            except TimeoutError:
                break
            held.append((manager.write_slots, count))
        yield
    finally:
        for slots, count in held:
            slots.release(count)


async def _bulk(
    context: Context,
    command: int,
    pvs: Sequence[PV],
    wishes: Iterable[Any],
    body: Callable[[PV, Any], Body],
    timeout: float | None,
) -> list[Any]:
    """Send what can be sent at once, and the rest when it has connected; return a result or error for each."""
    if context._engine.closed:
        raise ContextDisconnectedError("This Context is no longer usable.")
    if not pvs:
        return []
    loop = context._loop
    deadline = float("inf") if timeout is None else loop.time() + timeout
    finished: asyncio.Future[None] = loop.create_future()
    call = BulkCall(command, len(pvs), finished, deadline, timeout)
    waiting = []
    late = _Latecomers(call, body, loop)
    try:
        with NoCollection(len(pvs)):
            for position, (pv, wish) in enumerate(zip(pvs, wishes, strict=False)):
                if pv.state is not _CONNECTED:
                    waiting.append((position, pv, wish))
                    continue
                try:
                    call.ask(pv, position, body(pv, wish))
                except CaprotoError as error:
                    call.put(position, error)
            call.send()
        for position, pv, wish in waiting:
            late.wait_for(position, pv, wish)
        await finished
    except asyncio.CancelledError:
        finished.cancel()
        context._engine.forget_abandoned(loop.time())
        raise
    finally:
        late.forget_all()
    return call.results


class _Latecomers:
    """Sends for each PV as soon as it has connected, all of one turn of the loop together.

    Parameters
    ----------
    call : BulkCall
    body : callable
        ``f(pv, wish) -> (data type, data count, payload)``
    loop : asyncio.AbstractEventLoop
    """

    def __init__(
        self,
        call: BulkCall,
        body: Callable[[PV, Any], Body],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.call = call
        self._body = body
        self._loop = loop
        self._waits: dict[_Latecomer, Wait] = {}
        self._connected: list[_Latecomer] = []

    def wait_for(self, position: int, pv: PV, wish: Any) -> None:
        """Wait until `pv` is connected; the reason why it is not in time becomes its result."""
        self._wait(_Latecomer(self, position, pv, wish))

    def _wait(self, latecomer: _Latecomer) -> None:
        pv, call = latecomer.pv, self.call
        try:
            pv.engine.activate(pv)
        except CaprotoError as error:
            call.put(latecomer.position, error)
            return
        wait = self._waits[latecomer] = Wait(pv, False, latecomer, call.deadline, call.timeout)
        pv.add_wait(wait)

    def _forget(self, latecomer: _Latecomer) -> None:
        wait = self._waits.pop(latecomer, None)
        if wait is not None:
            latecomer.pv.remove_wait(wait)

    def forget_all(self) -> None:
        """Wait no longer."""
        for latecomer in list(self._waits):
            self._forget(latecomer)

    def connected(self, latecomer: _Latecomer) -> None:
        """Send at the end of this turn."""
        self._forget(latecomer)
        if not self._connected:
            self._loop.call_soon(self._send)
        self._connected.append(latecomer)

    def failed(self, latecomer: _Latecomer, error: CaprotoError) -> None:
        """Take the error as the result."""
        self._forget(latecomer)
        self.call.put(latecomer.position, error)

    def _send(self) -> None:
        latecomers, self._connected = self._connected, []
        for latecomer in latecomers:
            pv, position = latecomer.pv, latecomer.position
            if self.call.waiter.done():
                return
            if pv.state is not _CONNECTED:  # no longer
                self._wait(latecomer)
                continue
            try:
                self.call.ask(pv, position, self._body(pv, latecomer.wish))
            except CaprotoError as error:
                self.call.put(position, error)
        self.call.send()


class _Latecomer:
    """One PV that is not connected yet (caproto.client.host.Waiter)."""

    __slots__ = ("_all", "position", "pv", "wish")

    def __init__(self, latecomers: _Latecomers, position: int, pv: PV, wish: Any) -> None:
        self._all = latecomers
        self.position, self.pv, self.wish = position, pv, wish

    def done(self) -> bool:
        return self._all.call.waiter.done()

    def set_result(self, result: Any, /) -> None:
        self._all.connected(self)

    def set_exception(self, exception: Any, /) -> None:
        self._all.failed(self, exception)
