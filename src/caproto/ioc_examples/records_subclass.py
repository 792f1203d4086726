"""A record type of one's own: a motor whose readback trembles."""

from __future__ import annotations

import random
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run
from caproto.server.records import MotorFields, register_record


@register_record
class CustomMotorFields(MotorFields):
    """The fields of a motor, of which RBV follows VAL with some noise."""

    _record_type = "my_motor"

    @MotorFields.user_readback_value.startup
    async def user_readback_value(self, instance: Any, async_lib: Any) -> None:
        """RBV: set ten times per second, near to where the motor should be."""
        while True:
            await instance.write(self.parent.value + random.uniform(0.0, 0.01))
            await async_lib.library.sleep(0.1)


class RecordMockingIOC(PVGroup):
    """Two motors of that kind."""

    motor1: Final = pvproperty(value=1.0, record="my_motor", precision=3)
    motor2: Final = pvproperty(value=2.0, record="my_motor", precision=3)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="mock:", desc="Serve records of a type that this program defines."
    )
    ioc = RecordMockingIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
