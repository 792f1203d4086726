"""aioca: asyncio over the C client library."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from aioca import FORMAT_RAW, FORMAT_TIME, caget, camonitor, caput, connect

from .base import Call, Driver, NotSupported, Sink

__all__ = ["AiocaDriver"]

TIMEOUT = 60.0


class AiocaDriver(Driver):
    """A PV is its name; values are floats and arrays with attributes."""

    name = "aioca"
    distribution = "aioca"

    async def connect(self, names: Sequence[str]) -> list[Any]:
        await connect(list(names), timeout=TIMEOUT)
        return list(names)

    def read(self, pv: Any, form: str = "plain") -> Call:
        return partial(caget, pv, format=FORMAT_TIME if form == "time" else FORMAT_RAW)

    scalar = float  # type: ignore[assignment]

    def stamped(self, result: Any) -> tuple[Any, float]:
        return float(result), result.timestamp

    def native_array(self, result: Any) -> Any:
        return result

    def read_many(self, pvs: Sequence[Any]) -> Call:
        return partial(caget, list(pvs), timeout=TIMEOUT)

    def write(self, pv: Any) -> Call:
        return partial(caput, pv, wait=True)

    def send(self, pv: Any) -> Call:
        return partial(caput, pv)

    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        for pv, callback in zip(pvs, self.callbacks(sinks, mode), strict=True):
            camonitor(pv, callback, format=FORMAT_TIME, all_updates=True)

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

        if mode not in ("plain", "coroutine", "array"):
            raise NotSupported
        return {"coroutine": coroutine, "array": array}.get(mode, plain)
