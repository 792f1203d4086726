"""A temperature controller like those of Lake Shore, with a simulated sample that it heats.

Ten times a second the controller compares the sample with the setpoint, which it approaches at the ramp rate, and
heats with ``Kp * error + Ki * integral of error + Kd * change of error``, from 0 to 100 percent.

PVs
---
Kp, Ki, Kd
    Parameters of the controller.
ramp_rate
    In kelvin per second; 0 takes a new setpoint at once.
setpoint
    The temperature that is wanted, in kelvin.
feedback
    The temperature of the sample. A write to it sets the simulated sample to another temperature.
output
    The heater in percent. It is the controller that sets it.

Each has a readback, ``Kp_rbv`` and so on; ``setpoint_rbv`` is where the ramp has got to.
"""

from __future__ import annotations

from typing import Any, Final

from caproto import CaprotoValueError
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

_PERIOD = 0.1


class ThermalMaterial:
    """A sample that is heated, and loses heat to a cold environment.

    Parameters
    ----------
    temperature : float
        In kelvin.
    """

    environment: float = 77.0
    heating: float = 20.0
    """Kelvin per second at full power."""
    loss: float = 0.05
    """Per second, of the difference from the environment."""

    def __init__(self, temperature: float) -> None:
        self.temperature: float = temperature

    def step(self, output: float, seconds: float) -> None:
        """Let time pass with the heater at some percent."""
        warmer = self.heating * output / 100
        colder = self.loss * (self.temperature - self.environment)
        self.temperature += (warmer - colder) * seconds


class PIDController:
    """A controller with a proportional, an integral and a differential part; its output is from 0 to 100."""

    def __init__(self) -> None:
        self._integral = 0.0
        self._last_error: float | None = None

    def output(self, error: float, seconds: float, kp: float, ki: float, kd: float) -> float:
        """Return the output for what the temperature lacks.

        Parameters
        ----------
        error : float
            In kelvin.
        seconds : float
            Since the last call.
        kp, ki, kd : float
        """
        change = 0.0 if self._last_error is None else (error - self._last_error) / seconds
        self._last_error = error
        integral = self._integral + error * seconds
        wanted = kp * error + ki * integral + kd * change
        if 0 <= wanted <= 100 or wanted * error < 0:
            self._integral = (
                integral  # not while the heater can do no more: it would have to be undone
            )
        return min(100.0, max(0.0, wanted))


class LakeshoreIOC(PVGroup):
    """A controller and its sample."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.sample: ThermalMaterial = ThermalMaterial(self.feedback.value)
        self.controller: PIDController = PIDController()

    Kp: Final = pvproperty(value=10.0, doc="proportional part")
    Kp_rbv: Final = pvproperty(value=10.0, read_only=True)
    Ki: Final = pvproperty(value=2.0, doc="integral part")
    Ki_rbv: Final = pvproperty(value=2.0, read_only=True)
    Kd: Final = pvproperty(value=0.0, doc="differential part")
    Kd_rbv: Final = pvproperty(value=0.0, read_only=True)
    ramp_rate: Final = pvproperty(value=0.0, units="K/s", doc="0 takes a new setpoint at once")
    ramp_rate_rbv: Final = pvproperty(value=0.0, units="K/s", read_only=True)
    setpoint: Final = pvproperty(value=100.0, units="K", doc="temperature that is wanted")
    setpoint_rbv: Final = pvproperty(
        value=100.0, units="K", read_only=True, doc="where the ramp is"
    )
    feedback: Final = pvproperty(value=100.0, units="K", doc="temperature of the sample")
    feedback_rbv: Final = pvproperty(value=100.0, units="K", read_only=True)
    output: Final = pvproperty(value=0.0, units="%", doc="power of the heater")
    output_rbv: Final = pvproperty(value=0.0, units="%", read_only=True)

    async def _copy(self, instance: Any, value: float) -> None:
        if not value >= 0:
            raise CaprotoValueError(f"{instance.pvname} cannot be {value}: it begins at 0")
        await self.attr_pvdb[f"{instance.pvspec.attr}_rbv"].write(value)

    Kp.putter(_copy)
    Ki.putter(_copy)
    Kd.putter(_copy)
    ramp_rate.putter(_copy)

    @setpoint.putter
    async def _set_temperature(self, instance: Any, value: float) -> None:
        if not value >= 0:
            raise CaprotoValueError(f"{instance.pvname} cannot be {value} K")

    @feedback.putter
    async def _set_sample(self, instance: Any, value: float) -> None:
        self.sample.temperature = value

    @setpoint.scan(period=_PERIOD)
    async def _control(self, instance: Any, async_lib: Any) -> None:
        await self._ramp()
        output = self.controller.output(
            self.setpoint_rbv.value - self.sample.temperature,
            _PERIOD,
            self.Kp.value,
            self.Ki.value,
            self.Kd.value,
        )
        self.sample.step(output, _PERIOD)
        for data in (self.output, self.output_rbv):
            await data.write(output)
        for data in (self.feedback, self.feedback_rbv):
            await data.write(self.sample.temperature, verify_value=False)

    async def _ramp(self) -> None:
        """Let the setpoint that holds now approach the one that is wanted."""
        now, wanted = self.setpoint_rbv.value, self.setpoint.value
        step = self.ramp_rate.value * _PERIOD
        if step > 0:
            wanted = min(wanted, now + step) if wanted > now else max(wanted, now - step)
        if wanted != now:
            await self.setpoint_rbv.write(wanted)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="Lakeshore:", desc=__doc__ or "")
    ioc = LakeshoreIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
