"""Our own asyncio client, on the stock event loop and on uvloop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

from caproto.asyncio.client import Context

from .base import Call, Sink
from .caproto_api import TIMEOUT, CaprotoApiDriver

__all__ = ["OurDriver", "OurUvloopDriver"]

T = TypeVar("T")


class OurDriver(CaprotoApiDriver):
    """The documented API, with the extensions for speed."""

    name = "ours"

    async def open(self, mode: str = "plain") -> None:
        self.context = Context(timeout=TIMEOUT, max_workers=1 if mode == "thread" else 0)

    async def connect(self, names: Sequence[str]) -> list[Any]:
        pvs = await self.context.get_pvs(*names)
        failures = await self.context.wait_for_connections(*pvs)
        for error in failures.values():
            if error is not None:
                raise error
        return pvs

    # No Python function between the timed operation and what it gives.
    scalar = attrgetter("value")  # type: ignore[assignment]
    native_array = attrgetter("value")  # type: ignore[assignment]
    raw_array = attrgetter("data")  # type: ignore[assignment]

    def stamped(self, result: Any) -> tuple[Any, float]:
        return result.value, result.metadata.timestamp

    def read_many(self, pvs: Sequence[Any]) -> Call:
        return partial(self.context.read_many, pvs)

    def callback(self, sink: Sink, mode: str) -> Call:
        add_value, add_stamp = sink.add_value, sink.add_stamp

        def plain(sub: Any, response: Any) -> None:
            add_value(response.value)
            add_stamp(response.metadata.timestamp)

        async def coroutine(sub: Any, response: Any) -> None:
            add_value(response.value)
            add_stamp(response.metadata.timestamp)

        def array(sub: Any, response: Any) -> None:
            value = response.value
            add_value(value[0])
            add_stamp(value[-1])

        return {"coroutine": coroutine, "array": array}.get(mode, plain)

    async def _iterate(self, subscription: Any, sink: Sink) -> None:
        add_value, add_stamp = sink.add_value, sink.add_stamp
        async for response in subscription:
            add_value(response.value)
            add_stamp(response.metadata.timestamp)


class OurUvloopDriver(OurDriver):
    """The same on uvloop."""

    name = "ours-uvloop"

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        import uvloop

        loop = uvloop.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return loop.run_until_complete(main)
        finally:
            loop.close()
