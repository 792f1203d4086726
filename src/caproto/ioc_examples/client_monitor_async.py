"""An IOC that is a client as well, by way of the start-up hook of the whole server.

It follows ``simple:A``, which the example `simple` serves, or another PV that ``--target`` names. Either may be started
first, and be started again.

PVs
---
mirrored
    Value, time and alarm of that PV.
"""

from __future__ import annotations

from typing import Any, Final

from caproto import AlarmSeverity, AlarmStatus
from caproto.asyncio.client import Context
from caproto.server import PVGroup, pvproperty, run, template_arg_parser


class MirrorClientIOC(PVGroup):
    """A number that another IOC serves.

    Parameters
    ----------
    target : str
        The name of its PV.
    """

    def __init__(self, *args: Any, target: str = "simple:A", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.target = target

    mirrored: Final = pvproperty(
        value=0.0, record="ai", doc="value, time and alarm of the other PV"
    )

    async def startup(self, async_lib: Any) -> None:
        """Follow the other PV for as long as the server runs.

        Parameters
        ----------
        async_lib : AsyncLibraryLayer
        """
        async with Context() as context:
            async for event, source, data in context.monitor(self.target):
                if event == "connection":
                    print(f"{source.name} is {data}", flush=True)
                    if data == "disconnected":
                        await self.mirrored.alarm.write(
                            status=AlarmStatus.LINK, severity=AlarmSeverity.INVALID_ALARM
                        )
                else:
                    await self.mirrored.write(
                        data.data[0],
                        timestamp=data.metadata.timestamp,
                        status=data.metadata.status,
                        severity=data.metadata.severity,
                    )


def main() -> None:
    """Run the IOC."""
    parser, split_args = template_arg_parser(
        default_prefix="mirror:", desc=__doc__ or "", supported_async_libs=["asyncio"]
    )
    parser.add_argument("--target", default="simple:A", help="the PV to follow [simple:A]")
    args = parser.parse_args()
    ioc_options, run_options = split_args(args)
    ioc = MirrorClientIOC(target=args.target, **ioc_options)
    run(ioc.pvdb, startup_hook=ioc.startup, **run_options)


if __name__ == "__main__":
    main()
