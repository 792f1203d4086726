"""An IOC with a value that walks at random."""

from __future__ import annotations

import random
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class RandomWalkIOC(PVGroup):
    """A value that takes a random step every `dt` seconds."""

    dt: Final = pvproperty(value=3.0, doc="seconds from one step to the next")
    x: Final = pvproperty(value=0.0, doc="where the walk has got to")

    @x.startup
    async def _walk(self, instance: Any, async_lib: Any) -> None:
        while True:
            await instance.write(instance.value + random.uniform(-1.0, 1.0))
            # Looked at each time, so that a new dt counts from the next step on.
            await async_lib.library.sleep(max(0.001, self.dt.value))


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="random_walk:", desc="Serve a value that walks at random."
    )
    ioc = RandomWalkIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
