"""What happens to PVs, as one stream: their updates, and that they come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any

from ..client.pv import DataType

if TYPE_CHECKING:
    from ._context import Context

__all__ = ["events_of"]


async def events_of(
    context: Context, names: Sequence[str], data_type: DataType
) -> AsyncGenerator[tuple[str, Any, Any], None]:
    """Yield ``(kind, source, data)`` for each event, as `Context.monitor` describes it."""
    events: asyncio.Queue[tuple[str, Any, Any]] = asyncio.Queue()

    async def on_state(pv: Any, state: str) -> None:
        events.put_nowait(("connection", pv, state))

    async def on_update(sub: Any, response: Any) -> None:
        events.put_nowait(("subscription", sub, response))

    pvs = await context.get_pvs(*names)
    tokens = [pv.connection_state_callback.add_callback(on_state, run=True) for pv in pvs]
    subs = [pv.subscribe(data_type=data_type) for pv in pvs]
    try:
        for sub in subs:
            sub.add_callback(on_update)
        while True:
            yield await events.get()
    finally:
        for pv, token, sub in zip(pvs, tokens, subs, strict=True):
            pv.connection_state_callback.remove_callback(token)
            await sub.clear()
