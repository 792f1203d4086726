"""A server of ours in the process of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from caproto.asyncio.server import Context
from tests.asyncio.waiting import until

__all__ = ["serving"]


@asynccontextmanager
async def serving(pvdb: Mapping[str, Any], **options: Any) -> AsyncIterator[Context]:
    """Serve `pvdb` at the ports of the environment while the block runs."""
    context = Context(pvdb, **options)
    task = asyncio.create_task(context.run())
    await until(lambda: context.udp_socks or task.done())
    try:
        yield context
    finally:
        context.stop()
        await task
