"""PVs whose names are told on the command line: ``--beamline BL7 --suffix slit``.

PVs
---
{beamline}:{suffix}.VAL
    A setpoint.
{beamline}:{suffix}.RBV
    What was written to it last.
"""

from __future__ import annotations

from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class MacroifiedNames(PVGroup):
    """A setpoint and its readback, with macros in their names."""

    placeholder1: Final = pvproperty(value=0, name="{beamline}:{suffix}.VAL", doc="setpoint")
    placeholder2: Final = pvproperty(value=0, name="{beamline}:{suffix}.RBV", doc="readback")

    @placeholder1.putter
    async def _put(self, instance: Any, value: Any) -> None:
        await self.placeholder2.write(value)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="macros:",
        desc=__doc__ or "",
        macros={"beamline": "my_beamline", "suffix": "thing"},
    )
    ioc = MacroifiedNames(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
