"""A putter that takes the matter into its own hands, and tells the server to leave it.

PVs
---
value
    Begins with 1. Whatever is written, it becomes 85.
"""

from __future__ import annotations

from typing import Any, Final

from caproto import SkipWrite
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class SkipWriteIOC(PVGroup):
    """A number that can only become 85."""

    value: Final = pvproperty(value=1, doc="can only become 85")

    @value.putter
    async def _put(self, instance: Any, value: Any) -> None:
        print(f"{value} was written to {instance.pvname}, which becomes 85")
        # Without the verification, or this putter would call itself.
        await instance.write(85, verify_value=False)
        raise SkipWrite  # so that nothing else is written


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="skip:", desc=__doc__ or "")
    ioc = SkipWriteIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
