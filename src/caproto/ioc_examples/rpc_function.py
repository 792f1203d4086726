"""A function that clients call by way of PVs.

PVs
---
fixed_random
    A random number from 1 to 100, another one at each read.
get_random:low, get_random:high
    Parameters of the function.
get_random:Process
    Whatever is written here calls the function.
get_random:Retval
    What it returned: a random number from low to high.
get_random:Status
    ``Init`` before the first call, ``Success``, or the exception that the function raised.
"""

from __future__ import annotations

import random
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvfunction, pvproperty, run


class MyPVGroup(PVGroup):
    """A PV with a getter, and a function."""

    @pvproperty(value=0)
    async def fixed_random(self, instance: Any) -> int:
        """Give a random number from 1 to 100."""
        return random.randint(1, 100)

    @pvfunction(default=0)
    async def get_random(self, low: int = 100, high: int = 1000) -> int:
        """Give a random number from low to high."""
        if high < low:
            raise ValueError(f"high ({high}) is below low ({low})")
        return random.randint(low, high)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="rpc:", desc=__doc__ or "")
    ioc = MyPVGroup(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
