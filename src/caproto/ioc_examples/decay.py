"""A value that decays to its setpoint: ``I = SP + Tvar * exp(-t / K)``, where t counts from the last write to SP.

PVs
---
I
    The value, ten times a second. Read only.
done
    Whether the value is within 2 of the setpoint. Read only.
SP
    Where it goes.
K
    Time constant in seconds.
Tvar
    How far from the setpoint it begins.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

_TOLERANCE = 2.0


class Decay(PVGroup):
    """An exponential decay."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started = time.monotonic()

    readback: Final = pvproperty(value=0.0, name="I", read_only=True, record="ai", doc="the value")
    done: Final = pvproperty(
        value=False, name="done", read_only=True, record="bi", doc="close to the setpoint"
    )
    setpoint: Final = pvproperty(value=100.0, name="SP", doc="where it goes")
    K = pvproperty(value=10.0, doc="time constant in seconds")
    Tvar: Final = pvproperty(value=10.0, doc="how far from the setpoint it begins")

    @setpoint.putter
    async def _start_again(self, instance: Any, value: Any) -> None:
        self._started = time.monotonic()
        await self.done.write(False)

    @readback.scan(period=0.1, use_scan_field=True)
    async def _decay(self, instance: Any, async_lib: Any) -> None:
        elapsed = time.monotonic() - self._started
        excursion = 0.0
        if self.K.value > 0:
            excursion = self.Tvar.value * math.exp(-elapsed / self.K.value)
        await instance.write(self.setpoint.value + excursion)
        done = abs(excursion) <= _TOLERANCE
        if done != bool(self.done.raw_value):
            await self.done.write(done)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="decay:", desc=__doc__ or "")
    ioc = Decay(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
