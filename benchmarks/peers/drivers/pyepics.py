"""pyepics: blocking calls over the C client library, by the functions of ``epics.ca``, its fastest way."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from epics import ca, dbr

from .base import BlockingDriver, Call, NotSupported, Sink

__all__ = ["PyepicsDriver"]

TIMEOUT = 60.0


class PyepicsDriver(BlockingDriver):
    """A PV is the channel's id; callbacks run in threads of the C library."""

    name = "pyepics"
    distribution = "pyepics"

    def __init__(self) -> None:
        super().__init__()
        self._kept: list[Any] = []

    async def connect(self, names: Sequence[str]) -> list[Any]:
        channels = [ca.create_channel(name, connect=False) for name in names]
        for channel in channels:
            if not ca.isConnected(channel) and not ca.connect_channel(channel, timeout=TIMEOUT):
                raise TimeoutError(ca.name(channel))
        return channels

    def read(self, pv: Any, form: str = "plain") -> Call:
        if form == "time":
            return partial(ca.get_with_metadata, pv, ftype=dbr.TIME_DOUBLE)
        return partial(ca.get, pv, timeout=TIMEOUT)

    def scalar(self, result: Any) -> Any:
        return result

    def stamped(self, result: Any) -> tuple[Any, float]:
        return result["value"], result["timestamp"]

    def read_many(self, pvs: Sequence[Any]) -> Call:
        def read() -> list[Any]:
            for pv in pvs:
                ca.get(pv, wait=False)
            return [ca.get_complete(pv, timeout=TIMEOUT) for pv in pvs]

        return read

    def write(self, pv: Any) -> Call:
        return partial(ca.put, pv, wait=True)

    def send(self, pv: Any) -> Call:
        return partial(ca.put, pv)

    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        for pv, callback in zip(pvs, self.callbacks(sinks, mode), strict=True):
            self._kept.append(
                ca.create_subscription(pv, use_time=True, callback=callback, timeout=TIMEOUT)
            )

    def callback(self, sink: Sink, mode: str) -> Call:
        add_value, add_stamp = sink.add_value, sink.add_stamp

        def plain(value: Any = None, timestamp: float = 0.0, **others: Any) -> None:
            add_value(value)
            add_stamp(timestamp)

        def array(value: Any = None, **others: Any) -> None:
            add_value(value[0])
            add_stamp(value[-1])

        if mode not in ("plain", "thread", "array"):
            raise NotSupported
        return array if mode == "array" else plain
