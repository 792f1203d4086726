"""The `PV` objects of pyepics and of ours, which have the same interface: as most programs use them."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from .base import BlockingDriver, Call, NotSupported, Sink

__all__ = ["OurPyepicsDriver", "PyepicsPvDriver"]

TIMEOUT = 60.0


class PyepicsPvDriver(BlockingDriver):
    """A PV is a `PV`, of which ``get(use_monitor=False)`` asks the server; many are read by `caget_many`."""

    name = "pyepics-pv"
    distribution = "pyepics"
    module: ClassVar[str] = "epics"

    def __init__(self) -> None:
        super().__init__()
        self._epics = importlib.import_module(self.module)

    async def connect(self, names: Sequence[str]) -> list[Any]:
        pvs = [self._epics.PV(name, auto_monitor=False) for name in names]
        end = time.monotonic() + TIMEOUT
        for pv in pvs:
            if not pv.wait_for_connection(timeout=end - time.monotonic()):
                raise TimeoutError(pv.pvname)
        return pvs

    def read(self, pv: Any, form: str = "plain") -> Call:
        if form == "time":
            return partial(pv.get_with_metadata, use_monitor=False)
        return partial(pv.get, use_monitor=False)

    def scalar(self, result: Any) -> Any:
        return result

    def stamped(self, result: Any) -> tuple[Any, float]:
        return result["value"], result["timestamp"]

    def read_many(self, pvs: Sequence[Any]) -> Call:
        names = [pv.pvname for pv in pvs]
        return partial(self._epics.caget_many, names, timeout=TIMEOUT)

    def write(self, pv: Any) -> Call:
        return partial(pv.put, wait=True)

    def send(self, pv: Any) -> Call:
        return pv.put  # type: ignore[no-any-return]

    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        for pv, callback in zip(pvs, self.callbacks(sinks, mode), strict=True):
            pv.add_callback(callback, with_ctrlvars=False)
            pv.auto_monitor = True

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


class OurPyepicsDriver(PyepicsPvDriver):
    """The same with `caproto.threading.pyepics_compat` in its place."""

    name = "ours-pyepics"
    distribution = "caproto"
    module = "caproto.threading.pyepics_compat"
