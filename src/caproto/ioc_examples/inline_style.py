"""Handlers that are declared together with their PV: the function below the decorator is the getter.

PVs
---
random_int
    Another random number from 1 to 100 at each read.
random_str
    Another random letter at each read.
A
    Has a getter and a putter, which tell what they do.
"""

from __future__ import annotations

import random
import string
from typing import Any

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class InlineStyleIOC(PVGroup):
    """Getters by decoration."""

    @pvproperty(value=0)
    async def random_int(self, instance: Any) -> int:
        """Give a random number from 1 to 100."""
        return random.randint(1, 100)

    @pvproperty(value="", max_length=16)
    async def random_str(self, instance: Any) -> str:
        """Give a random letter."""
        return random.choice(string.ascii_letters)

    @pvproperty(value="c", max_length=16)
    async def A(self, instance: Any) -> str:  # noqa: N802 -- the name of the PV
        """Give what was written last."""
        print(f"A is read: {instance.value!r}")
        return str(instance.value)

    @A.putter
    async def _put(self, instance: Any, value: Any) -> None:
        print(f"A is written: {value!r}")


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="inline_style:", desc=__doc__ or "")
    ioc = InlineStyleIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
