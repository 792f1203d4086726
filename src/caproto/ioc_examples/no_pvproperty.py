"""PVs without a group: each is made of a `PVSpec`, for programs that learn only when they run which PVs they have.

PVs
---
a
    An integer from 0 to 100; other numbers are refused.
b
    A floating-point number.
c
    Up to three integers.
"""

from __future__ import annotations

from typing import Any

from caproto import CaprotoValueError
from caproto.server import PVSpec, ioc_arg_parser, run


async def put_handler(instance: Any, value: Any) -> None:
    """Take what a client writes; without a group, a handler begins with the PV itself.

    Parameters
    ----------
    instance : PvpropertyData
    value : object

    Raises
    ------
    CaprotoValueError
        To refuse it.
    """
    if instance.pvname.endswith("a") and not 0 <= value <= 100:
        raise CaprotoValueError(f"{instance.pvname} goes from 0 to 100; {value} is refused")
    print(f"{instance.pvname} was {instance.value} and becomes {value}", flush=True)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="pvspec:", desc=__doc__ or "")
    prefix = ioc_options["prefix"]
    specs = [
        PVSpec(name=f"{prefix}a", value=1, put=put_handler, doc="an integer from 0 to 100"),
        PVSpec(name=f"{prefix}b", value=2.0, put=put_handler, doc="a number", record="ai"),
        PVSpec(name=f"{prefix}c", value=[1, 2, 3], put=put_handler, doc="integers"),
    ]
    pvs = [spec.create() for spec in specs]
    run({pv.pvname: pv for pv in pvs}, **run_options)


if __name__ == "__main__":
    main()
