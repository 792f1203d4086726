"""Our client for programs with threads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from typing import Any

from caproto.threading.client import Context

from .base import BlockingDriver, Call, NotSupported, Sink

__all__ = ["OurThreadingDriver"]

TIMEOUT = 60.0


class OurThreadingDriver(BlockingDriver):
    """Blocking calls; callbacks run on worker threads, as a program gets it that says nothing."""

    name = "ours-threading"
    distribution = "caproto"

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Any] = []  # callbacks are held weakly

    async def open(self, mode: str = "plain") -> None:
        self.context = Context(timeout=TIMEOUT)

    async def close(self) -> None:
        self.context.disconnect()

    async def connect(self, names: Sequence[str]) -> list[Any]:
        pvs = self.context.get_pvs(*names)
        for error in self.context.wait_for_connections(*pvs).values():
            if error is not None:
                raise error
        return pvs

    def read(self, pv: Any, form: str = "plain") -> Call:
        return partial(pv.read, data_type="time") if form == "time" else pv.read

    scalar = attrgetter("value")  # type: ignore[assignment]
    native_array = attrgetter("value")  # type: ignore[assignment]
    raw_array = attrgetter("data")  # type: ignore[assignment]

    def stamped(self, result: Any) -> tuple[Any, float]:
        return result.value, result.metadata.timestamp

    def read_many(self, pvs: Sequence[Any]) -> Call:
        return partial(self.context.read_many, pvs)

    def write(self, pv: Any) -> Call:
        return pv.write  # type: ignore[no-any-return]

    def send(self, pv: Any) -> Call:
        return partial(pv.write, wait=False)

    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        for pv, callback in zip(pvs, self.callbacks(sinks, mode), strict=True):
            self._kept.append(callback)
            pv.subscribe(data_type="time").add_callback(callback)

    def callback(self, sink: Sink, mode: str) -> Call:
        add_value, add_stamp = sink.add_value, sink.add_stamp

        def plain(sub: Any, response: Any) -> None:
            add_value(response.value)
            add_stamp(response.metadata.timestamp)

        def array(sub: Any, response: Any) -> None:
            value = response.value
            add_value(value[0])
            add_stamp(value[-1])

        if mode not in ("plain", "thread", "array"):
            raise NotSupported
        return array if mode == "array" else plain
