"""Waiting for an event, but not forever."""

from __future__ import annotations

import asyncio

__all__ = ["wait_for_event"]


async def wait_for_event(
    event: asyncio.Event, timeout: float | None, *, clear: bool = True
) -> bool:
    """Wait for an event, and return whether it came; it may come again."""
    try:
        await asyncio.wait_for(event.wait(), timeout)
    except asyncio.TimeoutError:
        return False
    if clear:
        event.clear()
    return True
