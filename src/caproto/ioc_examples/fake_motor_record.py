"""Motor records without motors: they move, stop, jog, go home and obey their limits as far as clients can tell."""

from __future__ import annotations

from typing import Any, Final

from caproto.ioc_examples._motor_simulation import MotorSimulation
from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run

__all__ = ["FakeMotor", "FakeMotorIOC", "broadcast_precision_to_fields", "motor_record_simulator"]


async def broadcast_precision_to_fields(record: Any) -> None:
    """Give all fields that are floating-point numbers the precision of their record.

    Parameters
    ----------
    record : PvpropertyData
    """
    for field in record.fields.values():
        if hasattr(field, "precision"):
            await field.write_metadata(precision=record.precision)


async def motor_record_simulator(
    instance: Any,
    async_lib: Any,
    defaults: dict[str, Any] | None = None,
    tick_rate_hz: float = 10.0,
) -> None:
    """Simulate a motor behind a record; to be awaited by the start-up hook of the PV.

    What clients write to VAL and the fields that move a motor takes until the end of the motion.

    Parameters
    ----------
    instance : PvpropertyData
        Declared as ``pvproperty(value=0.0, record='motor')``.
    async_lib : AsyncLibraryLayer
    defaults : dict, optional
        ``velocity``, ``precision``, ``acceleration``, ``resolution``, and ``user_limits``, a pair.
    tick_rate_hz : float
        How often the position is updated while the motor moves.
    """
    defaults = {
        "velocity": 0.1,
        "precision": 3,
        "acceleration": 1.0,
        "resolution": 1e-6,
        "user_limits": (0.0, 100.0),
        **(defaults or {}),
    }
    motor = MotorSimulation(instance, async_lib, tick_rate_hz=tick_rate_hz)
    fields = motor.fields
    await instance.write_metadata(precision=defaults["precision"])
    await broadcast_precision_to_fields(instance)
    await fields.velocity.write(defaults["velocity"])
    await fields.seconds_to_velocity.write(defaults["acceleration"])
    await fields.motor_step_size.write(defaults["resolution"])
    await motor.set_user_limits(*map(float, defaults["user_limits"]))
    motor.position = motor.to_dial(instance.value)
    motor.take_over()
    await motor.run()


class FakeMotor(PVGroup):
    """One simulated motor.

    Parameters
    ----------
    velocity : float
        In units per second.
    precision : int
        Digits after the point.
    acceleration : float
        Seconds to reach the velocity; shown, but the motor starts at once.
    resolution : float
        Units per step.
    user_limits : (float, float)
        Where it may go; the same twice for no limits.
    tick_rate_hz : float
        How often the position is updated while the motor moves.
    **kwargs
        As for `PVGroup`.
    """

    motor: Final = pvproperty(value=0.0, name="", record="motor", precision=3)

    def __init__(
        self,
        *args: Any,
        velocity: float = 0.1,
        precision: int = 3,
        acceleration: float = 1.0,
        resolution: float = 1e-6,
        user_limits: tuple[float, float] = (0.0, 100.0),
        tick_rate_hz: float = 10.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.tick_rate_hz = tick_rate_hz
        self.defaults: dict[str, Any] = {
            "velocity": velocity,
            "precision": precision,
            "acceleration": acceleration,
            "resolution": resolution,
            "user_limits": user_limits,
        }

    @motor.startup
    async def _simulate(self, instance: Any, async_lib: Any) -> None:
        await motor_record_simulator(
            instance, async_lib, self.defaults, tick_rate_hz=self.tick_rate_hz
        )


class FakeMotorIOC(PVGroup):
    """Three simulated motors: mtr1, mtr2 and mtr3."""

    motor1: Final = SubGroup(
        FakeMotor, velocity=1.0, precision=3, user_limits=(0, 10), prefix="mtr1"
    )
    motor2: Final = SubGroup(
        FakeMotor, velocity=2.0, precision=2, user_limits=(-10, 20), prefix="mtr2"
    )
    motor3: Final = SubGroup(
        FakeMotor, velocity=3.0, precision=2, user_limits=(0, 30), prefix="mtr3"
    )


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="sim:", desc="Serve motor records without motors."
    )
    ioc = FakeMotorIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
