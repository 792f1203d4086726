"""Reads and writes of many PVs in one call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .._errors import CaprotoError
from .._protocol.enums import Command
from ..client.bulk import BulkCall, send_bulk
from ..client.pv import PVState
from ._connections import wait_for_all
from ._slots import MOST_CONFIRMED_WRITES, WriteSlots

if TYPE_CHECKING:
    from ._context import Context
    from ._pv import PV

__all__ = ["bulk_read", "bulk_write"]

_CONNECTED = PVState.CONNECTED


async def bulk_read(
    context: Context, wishes: Sequence[tuple[PV, Any]], timeout: float | None
) -> list[Any]:
    """Read; each wish is a PV with data type and count."""

    def body(pv: PV, wish: Any) -> tuple[int, int, bytes]:
        return pv.resolve_type(wish[0]), pv.resolve_count(wish[1]), b""

    return await _bulk(context, Command.READ_NOTIFY, wishes, body, timeout)


async def bulk_write(
    context: Context, values: Mapping[PV, Any], timeout: float | None
) -> dict[PV, Any]:
    """Write; each PV with its value."""

    def body(pv: PV, value: Any) -> Any:
        return pv.encode(value, None, None)

    items = list(values.items())
    deadline = float("inf") if timeout is None else context._loop.time() + timeout
    results: list[Any] = []
    for start in range(0, len(items), MOST_CONFIRMED_WRITES):
        part = items[start : start + MOST_CONFIRMED_WRITES]
        left = None if timeout is None else max(0.0, deadline - context._loop.time())
        async with _slots_for(part, deadline):
            results += await _bulk(context, Command.WRITE_NOTIFY, part, body, left)
    return dict(zip(values, results, strict=True))


@asynccontextmanager
async def _slots_for(items: Sequence[tuple[PV, Any]], deadline: float) -> AsyncIterator[None]:
    """Hold as many slots of each circuit as it is to get writes; what is late is told by the writes themselves."""
    held: list[tuple[WriteSlots, int]] = []
    counts = Counter(pv.circuit_manager for pv, _ in items if pv.circuit_manager is not None)
    try:
        for manager, count in counts.items():
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
    wishes: Sequence[tuple[PV, Any]],
    body: Any,
    timeout: float | None,
) -> list[Any]:
    """Send what can be sent at once, and the rest when it has connected; return a result or error for each."""
    if not wishes:
        return []
    loop = context._loop
    deadline = float("inf") if timeout is None else loop.time() + timeout
    finished: asyncio.Future[None] = loop.create_future()
    call = BulkCall(len(wishes), finished, deadline, timeout)
    ready, waiting = [], []
    for position, (pv, wish) in enumerate(wishes):
        if pv.state is not _CONNECTED:
            waiting.append((position, pv, wish))
            continue
        try:
            ready.append((pv, position, body(pv, wish)))
        except CaprotoError as error:
            call.put(position, error)
    send_bulk(call, command, ready)
    if waiting:
        await _send_when_connected(call, command, waiting, body, loop)
    await finished
    return call.results


async def _send_when_connected(
    call: BulkCall,
    command: int,
    waiting: Sequence[tuple[int, PV, Any]],
    body: Any,
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Connect what is not connected; what cannot be in time has the reason as its result."""
    left = None if call.timeout is None else max(0.0, call.deadline - loop.time())
    errors = await wait_for_all([pv for _, pv, _ in waiting], left, None, loop)
    ready = []
    for position, pv, wish in waiting:
        error = errors[pv]
        if error is None and pv.state is not _CONNECTED:
            error = pv.connection_timeout(call.timeout, loop.time())
        try:
            if error is not None:
                raise error
            ready.append((pv, position, body(pv, wish)))
        except CaprotoError as failed:
            call.put(position, failed)
    send_bulk(call, command, ready)
