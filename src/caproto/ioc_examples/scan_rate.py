"""A PV that is scanned as often as its field SCAN says."""

from __future__ import annotations

import time
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class ScanRateIOC(PVGroup):
    """A PV whose value is the time from one scan to the next."""

    scanned: Final = pvproperty(
        value=0.0,
        record="ai",
        units="s",
        precision=3,
        doc="Seconds since the last scan",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.last: float = time.monotonic()

    @scanned.startup
    async def _begin(self, instance: Any, async_lib: Any) -> None:
        self.last = time.monotonic()

    @scanned.scan(period=1, use_scan_field=True)
    async def _scan(self, instance: Any, async_lib: Any) -> None:
        """Once per second until somebody writes to SCAN: ``'.1 second'``, or ``'Passive'`` to end it."""
        now = time.monotonic()
        elapsed, self.last = now - self.last, now
        await instance.write(elapsed)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="periodic:", desc="Serve a PV whose scan rate can be set."
    )
    ioc = ScanRateIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
