"""repics: a Rust core with blocking calls, and with asyncio."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from repics import ca
from repics.ca import asyncio as aio

from .base import BlockingDriver, Call, Driver, NotSupported, Sink

__all__ = ["RepicsAsyncioDriver", "RepicsDriver"]

TIMEOUT = 60.0


class _RepicsResults(Driver):
    """What both front ends have in common: a PV is its name; values are floats and arrays with attributes."""

    distribution = "repics"
    scalar = float  # type: ignore[assignment]

    def stamped(self, result: Any) -> tuple[Any, float]:
        return float(result), result.timestamp

    def native_array(self, result: Any) -> Any:
        return result

    def callback(self, sink: Sink, mode: str) -> Call:
        add_value, add_stamp = sink.add_value, sink.add_stamp

        def plain(value: Any) -> None:
            add_value(float(value))
            add_stamp(value.timestamp)

        async def coroutine(value: Any) -> None:
            add_value(float(value))
            add_stamp(value.timestamp)

        def array(value: Any) -> None:
            add_value(value[0])
            add_stamp(value[-1])

        if mode == "iterate" or (mode == "coroutine" and self.blocking):
            raise NotSupported
        return {"coroutine": coroutine, "array": array}.get(mode, plain)


class RepicsDriver(_RepicsResults, BlockingDriver):
    """The blocking calls; callbacks run in one thread."""

    name = "repics"

    async def connect(self, names: Sequence[str]) -> list[Any]:
        ca.connect(list(names), timeout=TIMEOUT)
        return list(names)

    def read(self, pv: Any, form: str = "plain") -> Call:
        return partial(ca.caget, pv, form=form)

    def read_many(self, pvs: Sequence[Any]) -> Call:
        return partial(ca.caget, list(pvs), form="plain", timeout=TIMEOUT)

    def write(self, pv: Any) -> Call:
        return partial(ca.caput, pv, wait=True)

    def send(self, pv: Any) -> Call:
        return partial(ca.caput, pv)

    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        for pv, callback in zip(pvs, self.callbacks(sinks, mode), strict=True):
            ca.camonitor(pv, callback, form="time", all_updates=True)


class RepicsAsyncioDriver(_RepicsResults):
    """The coroutines; callbacks run on the event loop."""

    name = "repics-asyncio"

    async def connect(self, names: Sequence[str]) -> list[Any]:
        await aio.connect(list(names), timeout=TIMEOUT)
        return list(names)

    def read(self, pv: Any, form: str = "plain") -> Call:
        return partial(aio.caget, pv, form=form)

    def read_many(self, pvs: Sequence[Any]) -> Call:
        return partial(aio.caget, list(pvs), form="plain", timeout=TIMEOUT)

    def write(self, pv: Any) -> Call:
        return partial(aio.caput, pv, wait=True)

    def send(self, pv: Any) -> Call:
        return partial(aio.caput, pv)

    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        if mode == "thread":
            raise NotSupported
        for pv, callback in zip(pvs, self.callbacks(sinks, mode), strict=True):
            aio.camonitor(pv, callback, form="time", all_updates=True)
