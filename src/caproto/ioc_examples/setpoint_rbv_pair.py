"""Pairs of a setpoint and its readback, each declared at once.

PVs
---
pair, pair_RBV
    Integers. The readback follows the setpoint.
pair2, pair2_RBV
    Numbers. The readback takes a moment: it gets there in ten steps.
pair3, pair3_RBV
    ``No`` or ``Yes``: a ``bo`` record and a ``bi`` record.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from caproto import ChannelType
from caproto.server import PVGroup, get_pv_pair_wrapper, ioc_arg_parser, pvproperty, run

__all__ = ["Group", "pvproperty", "pvproperty_with_rbv"]

pvproperty_with_rbv: Final = get_pv_pair_wrapper(setpoint_suffix="", readback_suffix="_RBV")
_STEPS = 10


class Group(PVGroup):
    """Three pairs."""

    pair: Final = pvproperty_with_rbv(dtype=int, doc="the readback follows the setpoint")
    pair2: Final = pvproperty_with_rbv(dtype=float, doc="the readback takes a moment")
    pair3: Final = pvproperty_with_rbv(
        dtype=ChannelType.ENUM,
        enum_strings=["No", "Yes"],
        doc="a bo record and a bi record",
        setpoint_kw={"record": "bo"},
        readback_kw={"record": "bi"},
    )

    @pair2.setpoint.putter
    async def _put_pair2(self: Any, instance: Any, value: float) -> None:
        # Here `self` is the pair, not the whole group.
        start = self.readback.value
        for step in range(1, _STEPS + 1):
            await asyncio.sleep(0.02)
            await self.readback.write(start + (value - start) * step / _STEPS)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="setpoint_rbv:", desc=__doc__ or "")
    ioc = Group(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
