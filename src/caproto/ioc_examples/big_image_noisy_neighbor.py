"""A large image that is updated all the time, beside a small PV that should not suffer from it.

The image has 15,681,600 bytes (3960 x 3960). A client on libca needs ``EPICS_CA_MAX_ARRAY_BYTES`` of at least that.

PVs
---
t1
    Seconds of a clock, ten times a second.
image
    Bytes, updated once a second.
"""

from __future__ import annotations

import random
import time
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

_SIZE = 3960 * 3960


class IOInterruptIOC(PVGroup):
    """A small PV and its noisy neighbour."""

    t1: Final = pvproperty(value=2.0, doc="seconds of a clock")
    image: Final = pvproperty(value=bytes(_SIZE), max_length=_SIZE, doc="a large image")

    @t1.scan(period=0.1)
    async def _tick(self, instance: Any, async_lib: Any) -> None:
        await instance.write(time.monotonic())

    @image.scan(period=1.0)
    async def _expose(self, instance: Any, async_lib: Any) -> None:
        await instance.write(await async_lib.to_thread(random.randbytes, _SIZE))


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="big_image:", desc=__doc__ or "")
    ioc = IOInterruptIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
