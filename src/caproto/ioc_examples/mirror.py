"""An IOC that is a client as well: it follows a number that another IOC serves, which ``--target`` names.

Value, time and alarm are the other PV's. While that cannot be reached, the value stays and the alarm is INVALID.

PVs
---
value
    The value of the other PV. Read only.
"""

from __future__ import annotations

from typing import Any, Final

from caproto import AlarmSeverity, AlarmStatus
from caproto.asyncio.client import Context
from caproto.server import PVGroup, pvproperty, run, template_arg_parser


class Mirror(PVGroup):
    """A number that another IOC serves.

    Parameters
    ----------
    target : str
        The name of its PV.
    """

    def __init__(self, target: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.target = target

    value: Final = pvproperty(value=0.0, read_only=True, doc="the value of the other PV")

    @value.startup
    async def _follow(self, instance: Any, async_lib: Any) -> None:
        await instance.alarm.write(status=AlarmStatus.LINK, severity=AlarmSeverity.INVALID_ALARM)
        async with Context() as context:
            async for event, _, data in context.monitor(self.target):
                if event == "subscription":
                    metadata = data.metadata
                    await instance.write(
                        data.data[0],
                        timestamp=metadata.timestamp,
                        status=metadata.status,
                        severity=metadata.severity,
                    )
                elif data == "disconnected":
                    await instance.alarm.write(
                        status=AlarmStatus.LINK, severity=AlarmSeverity.INVALID_ALARM
                    )


def main() -> None:
    """Run the IOC."""
    parser, split_args = template_arg_parser(
        default_prefix="mirror:", desc=__doc__ or "", supported_async_libs=["asyncio"]
    )
    parser.add_argument("--target", required=True, help="the PV to follow")
    args = parser.parse_args()
    ioc_options, run_options = split_args(args)
    ioc = Mirror(args.target, **ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
