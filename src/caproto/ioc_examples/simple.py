"""Three PVs that clients may read and write; nothing else happens.

PVs
---
A
    An integer.
B
    A floating-point number.
C
    An array of up to three integers.
"""

from __future__ import annotations

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class SimpleIOC(PVGroup):
    """A scalar of either kind, and an array."""

    A = pvproperty(value=1, doc="an integer")
    B = pvproperty(value=2.0, doc="a floating-point number")
    C = pvproperty(value=[1, 2, 3], doc="an array of up to three integers")


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="simple:", desc=__doc__ or "")
    ioc = SimpleIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
