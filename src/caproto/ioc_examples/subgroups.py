"""Groups of PVs in a group, declared in three ways.

PVs
---
group1:random, group2:random, group3:random
    A random number from 1 to 5, 20 and 10 respectively, a new one each second.
"""

from __future__ import annotations

import random
from typing import Any, Final

from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run


class MySubGroup(PVGroup):
    """A random number, up to a limit that is an argument of the group.

    Parameters
    ----------
    max_value : int
    """

    def __init__(self, *args: Any, max_value: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.max_value = max_value

    random: Final = pvproperty(value=1, doc="a random number from 1 to max_value")

    @random.scan(period=1.0)
    async def _draw(self, instance: Any, async_lib: Any) -> None:
        await instance.write(random.randint(1, self.max_value))


class MyPVGroup(PVGroup):
    """A subgroup of each form."""

    @SubGroup(prefix="group1:")
    class group1(PVGroup):  # noqa: N801 -- it becomes an attribute
        """A class in the body, which the decorator makes a subgroup of."""

        random = pvproperty(value=1, doc="a random number from 1 to 5")

        @random.scan(period=1.0)
        async def _draw(self, instance: Any, async_lib: Any) -> None:
            await instance.write(random.randint(1, 5))

    # A class that is declared elsewhere. Further arguments go to its __init__.
    group2: Final = SubGroup(MySubGroup, max_value=20)
    group3: Final = SubGroup(
        MySubGroup, prefix="group3:", max_value=10, doc="the prefix may be told"
    )


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="subgroups:", desc=__doc__ or "")
    ioc = MyPVGroup(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
