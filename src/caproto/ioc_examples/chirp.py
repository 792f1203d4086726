"""One PV is updated at a steady rate; another faster and faster, until it begins again.

Try a client on it: up to which rate does it keep up with ``chirp``, and do the updates of ``steady`` still come at
regular intervals?

PVs
---
chirp
    How many updates there were since the beginning. Each interval is the one before times ``--ramprate``.
steady
    Counts ten times a second.
"""

from __future__ import annotations

from typing import Any, Final

from caproto.server import PVGroup, pvproperty, run, template_arg_parser

_LONGEST = 2.0
_SHORTEST = 0.001


class Chirp(PVGroup):
    """A chirping signal, and a steady one.

    Parameters
    ----------
    ramp_rate : float
        What each interval is multiplied by to get the next; between 0 and 1.
    """

    def __init__(self, *args: Any, ramp_rate: float = 0.75, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ramp_rate = ramp_rate

    chirp: Final = pvproperty(value=0.0, read_only=True, doc="counts faster and faster")
    steady: Final = pvproperty(value=0, read_only=True, doc="counts ten times a second")

    @chirp.startup
    async def _chirp(self, instance: Any, async_lib: Any) -> None:
        while True:
            interval, count = _LONGEST, 0
            while interval > _SHORTEST:
                await instance.write(count)
                await async_lib.sleep(interval)
                interval, count = interval * self.ramp_rate, count + 1

    @steady.scan(period=0.1)
    async def _count(self, instance: Any, async_lib: Any) -> None:
        await instance.write((instance.value + 1) % 2**31)


def in_range(text: str) -> float:
    """Read a ramp rate.

    Raises
    ------
    ValueError
        If it is not between 0 and 1.
    """
    value = float(text)
    if not 0 < value < 1:
        raise ValueError(f"the ramp rate must be between 0 and 1, not {value}")
    return value


def main() -> None:
    """Run the IOC."""
    parser, split_args = template_arg_parser(default_prefix="chirp:", desc=__doc__ or "")
    parser.add_argument(
        "--ramprate",
        type=in_range,
        default=0.75,
        help="each interval is the one before times this [0.75]",
    )
    args = parser.parse_args()
    ioc_options, run_options = split_args(args)
    ioc = Chirp(ramp_rate=args.ramprate, **ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
