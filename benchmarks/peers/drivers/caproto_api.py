"""What our client and the original have in common: the documented API of ``caproto.asyncio.client``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from caproto.asyncio.client import Context

from .base import Call, Driver, NotSupported, Sink

__all__ = ["CaprotoApiDriver"]

TIMEOUT = 60.0


class CaprotoApiDriver(Driver):
    """A client with that API."""

    distribution = "caproto"

    def __init__(self) -> None:
        super().__init__()
        self.context: Context
        self._kept: list[Any] = []  # callbacks are held weakly

    async def open(self, mode: str = "plain") -> None:
        self.context = Context(timeout=TIMEOUT)

    async def close(self) -> None:
        await self.context.disconnect()
        tasks = [kept for kept in self._kept if isinstance(kept, asyncio.Task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def connect(self, names: Sequence[str]) -> list[Any]:
        pvs = await self.context.get_pvs(*names)
        await asyncio.gather(*[pv.wait_for_connection() for pv in pvs])
        return pvs

    def read(self, pv: Any, form: str = "plain") -> Call:
        return partial(pv.read, data_type="time") if form == "time" else pv.read

    def scalar(self, result: Any) -> Any:
        return result.data[0]

    def stamped(self, result: Any) -> tuple[Any, float]:
        return result.data[0], result.metadata.timestamp

    def native_array(self, result: Any) -> Any:
        return result.data.astype(float)

    def raw_array(self, result: Any) -> Any:
        return result.data

    def read_many(self, pvs: Sequence[Any]) -> Call:
        return self.gather(pvs)

    def write(self, pv: Any) -> Call:
        return pv.write  # type: ignore[no-any-return]

    def send(self, pv: Any) -> Call:
        return partial(pv.write, wait=False)

    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        subscriptions = [pv.subscribe(data_type="time") for pv in pvs]
        if mode == "iterate":
            for subscription, sink in zip(subscriptions, sinks, strict=True):
                self._kept.append(asyncio.create_task(self._iterate(subscription, sink)))
            return
        callbacks = self.callbacks(sinks, mode)
        self._kept += callbacks
        for subscription, callback in zip(subscriptions, callbacks, strict=True):
            subscription.add_callback(callback)

    def callback(self, sink: Sink, mode: str) -> Call:
        """Return a callback of the form ``f(sub, response)``."""
        add_value, add_stamp = sink.add_value, sink.add_stamp

        def plain(sub: Any, response: Any) -> None:
            add_value(response.data[0])
            add_stamp(response.metadata.timestamp)

        async def coroutine(sub: Any, response: Any) -> None:
            add_value(response.data[0])
            add_stamp(response.metadata.timestamp)

        def array(sub: Any, response: Any) -> None:
            value = response.data.astype(float)
            add_value(value[0])
            add_stamp(value[-1])

        if mode not in ("plain", "thread", "coroutine", "array"):
            raise NotSupported
        return {"coroutine": coroutine, "array": array}.get(mode, plain)

    async def _iterate(self, subscription: Any, sink: Sink) -> None:
        add_value, add_stamp = sink.add_value, sink.add_stamp
        async for response in subscription:
            add_value(response.data[0])
            add_stamp(response.metadata.timestamp)
