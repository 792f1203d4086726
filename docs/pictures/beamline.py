"""An IOC with a few values that move, for the pictures in the documentation."""

from __future__ import annotations

import asyncio
import math
import random
import sys

from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.asyncio.server import run
from caproto.server import PVGroup, pvproperty

_PERIOD = 0.1


class Beamline(PVGroup):
    """What a person at a beamline looks at."""

    current = pvproperty(value=200.0, units="mA", precision=2, name="ring:current")
    energy = pvproperty(value=8.979, units="keV", precision=3, name="mono:energy")
    intensity = pvproperty(value=1.0e5, units="cts/s", precision=0, name="ion:rate")
    temperature = pvproperty(
        value=295.0,
        units="K",
        precision=2,
        name="mirror:temp",
        upper_warning_limit=297.0,
        upper_alarm_limit=298.0,
        alarm_group="mirror",  # or all values of the group would share its alarm
    )
    vacuum = pvproperty(value=2.4e-8, units="mbar", precision=2, name="vac:pressure")
    shutter = pvproperty(
        value="Open", enum_strings=["Closed", "Open"], name="shutter", dtype=ChannelType.ENUM
    )
    sample = pvproperty(value="Cu foil, 6 um", name="sample", dtype=ChannelType.STRING)

    @current.startup
    async def _move(self, instance: object, async_lib: object) -> None:
        """Let everything move."""
        step = 0
        chance = random.Random(7)
        while True:
            t = step * _PERIOD
            await self.current.write(200.0 - (0.6 * t) % 8 + chance.gauss(0, 0.02))
            temperature = 296.2 + 2.0 * math.cos((t - 10.5) / 2.2) + chance.gauss(0, 0.03)
            severity = AlarmSeverity.NO_ALARM
            status = AlarmStatus.NO_ALARM
            if temperature > 297.6:
                severity, status = AlarmSeverity.MAJOR_ALARM, AlarmStatus.HIHI
            elif temperature > 296.8:
                severity, status = AlarmSeverity.MINOR_ALARM, AlarmStatus.HIGH
            await self.temperature.write(temperature, severity=severity, status=status)
            if step % 2 == 0:
                rate = 1.0e5 * (1 + 0.3 * math.sin(t * 1.9)) + chance.gauss(0, 2e3)
                await self.intensity.write(rate)
            if step % 5 == 0:
                await self.energy.write(8.979 + 0.002 * (step // 5 % 20))
                await self.vacuum.write(2.4e-8 * (1 + 0.1 * chance.random()))
            step += 1
            await asyncio.sleep(_PERIOD)


if __name__ == "__main__":
    prefix = sys.argv[1] if len(sys.argv) > 1 else "BL12:"
    run(Beamline(prefix=prefix).pvdb)
