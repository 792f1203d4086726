"""The example `simple`, with everything that a type checker can check.

What `pvproperty` gives has the type of its data, as `value`, `dtype` and `read_only` tell it: ``self.A`` is a
`PvpropertyInteger`, ``self.B`` a `PvpropertyDoubleRO`.

PVs
---
A
    An integer from 0 to 100.
B
    A number that only the IOC writes: half of A.
C
    An array of up to three integers.
D
    A number with the fields of an ``ai`` record.
"""

from __future__ import annotations

from caproto.server import (
    AsyncLibraryLayer,
    PVGroup,
    PvpropertyDouble,
    PvpropertyInteger,
    ioc_arg_parser,
    pvproperty,
    run,
)


class SimpleIOC(PVGroup):
    """Scalars and an array."""

    A = pvproperty(value=1, doc="an integer", lower_ctrl_limit=0, upper_ctrl_limit=100)
    B = pvproperty(value=2.0, read_only=True, doc="half of A")
    C = pvproperty(value=[1, 2, 3], doc="up to three integers")
    # The class of the data may be told as well.
    D = pvproperty(value=4.5, dtype=PvpropertyDouble, record="ai", doc="a number with fields")

    @A.putter
    async def _half(self, instance: PvpropertyInteger, value: int) -> None:
        await self.B.write(value / 2)

    @A.startup
    async def _begin(self, instance: PvpropertyInteger, async_lib: AsyncLibraryLayer) -> None:
        await self.B.write(instance.value / 2)
        await async_lib.sleep(0)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="simple:", desc=__doc__ or "")
    ioc = SimpleIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
