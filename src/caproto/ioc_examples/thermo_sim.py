"""A temperature that swings around its setpoint, less and less.

``I = SP + Tvar * exp(-t / K) * sin(omega * t)``, where t counts from the last write to SP.

PVs
---
I
    The temperature, ten times a second. Read only.
SP
    Where it goes.
K
    Time constant in seconds.
omega
    Angular frequency in radians per second.
Tvar
    Height of the oscillation.
"""

from __future__ import annotations

import math
import time
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


def calculate_temperature(
    elapsed: float,
    *,
    setpoint: float,
    K: float,  # noqa: N803 -- the names of the PVs
    omega: float,
    Tvar: float,  # noqa: N803
) -> float:
    """Return the temperature some seconds after a write to the setpoint.

    Parameters
    ----------
    elapsed : float
        In seconds.
    setpoint, K, omega, Tvar : float
        See the PVs.
    """
    damping = math.exp(-elapsed / K) if K > 0 else 0.0
    return setpoint + Tvar * damping * math.sin(omega * elapsed)


class Thermo(PVGroup):
    """A damped oscillation."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._started = time.monotonic()

    readback: Final = pvproperty(
        value=0.0, name="I", read_only=True, record="ai", doc="temperature"
    )
    setpoint: Final = pvproperty(value=100.0, name="SP", doc="where it goes")
    K = pvproperty(value=10.0, doc="time constant in seconds")
    omega: Final = pvproperty(value=math.pi, doc="angular frequency in radians per second")
    Tvar: Final = pvproperty(value=10.0, doc="height of the oscillation")

    @setpoint.putter
    async def _start_again(self, instance: Any, value: Any) -> None:
        self._started = time.monotonic()

    @readback.scan(period=0.1, use_scan_field=True)
    async def _swing(self, instance: Any, async_lib: Any) -> None:
        await instance.write(
            calculate_temperature(
                time.monotonic() - self._started,
                setpoint=self.setpoint.value,
                K=self.K.value,
                omega=self.omega.value,
                Tvar=self.Tvar.value,
            )
        )


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="thermo:", desc=__doc__ or "")
    ioc = Thermo(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
