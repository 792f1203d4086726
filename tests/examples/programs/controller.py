#!/usr/bin/env python3
# ruff: noqa
# mypy: ignore-errors
from textwrap import dedent

from caproto import ChannelType
from caproto.server import PVGroup, SubGroup, get_pv_pair_wrapper, ioc_arg_parser, pvproperty, run

pvproperty_with_rbv = get_pv_pair_wrapper(setpoint_suffix="", readback_suffix="_RBV")


class Loop(PVGroup):
    """One control loop."""

    setpoint = pvproperty(
        value=20.0,
        name="SP",
        units="C",
        precision=2,
        record="ao",
        lower_ctrl_limit=0.0,
        upper_ctrl_limit=100.0,
    )
    temperature = pvproperty(value=20.0, dtype=float, name="TEMP", read_only=True)
    enabled = pvproperty(value="Off", dtype=ChannelType.ENUM, enum_strings=["Off", "On"], name="EN")

    @setpoint.putter
    async def setpoint(self, instance, value):
        await self.parent.count.write(self.parent.count.value + 1)
        await self.temperature.write(value=value)
        return value

    @temperature.startup
    async def temperature(self, instance, async_lib):
        self.queue = async_lib.ThreadsafeQueue()
        await self.queue.async_put("started")
        self.log.debug("started")

    @temperature.getter
    async def temperature(self, instance):
        if self.queue is None:
            raise RuntimeError("not started")


class Controller(PVGroup):
    """
    A controller with two loops.

    PVs
    ---
    loop1:SP, loop1:TEMP, ...
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._ticks = 0

    count = pvproperty(value=0, doc="writes so far")
    ticks = pvproperty(value=0, read_only=True)
    message = pvproperty(value="hello", dtype=str, max_length=200)
    loop1 = SubGroup(Loop, prefix="loop1:")
    loop2 = SubGroup(Loop, prefix="{second}:")
    pair = pvproperty_with_rbv(dtype=int, value=3, doc="a pair")

    @pair.setpoint.putter
    async def pair(obj, instance, value):
        await obj.readback.write(-value)

    @ticks.scan(period=0.05, subtract_elapsed=True, stop_on_error=False)
    async def ticks(self, instance, async_lib):
        self._ticks += 1
        await instance.write(value=self._ticks)

    @message.putter
    async def message(self, instance, value):
        return value.upper()

    @count.shutdown
    async def count(self, instance, async_lib):
        print("bye from", self.name, self.prefix, flush=True)


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="ctl:",
        desc=dedent(Controller.__doc__),
        macros={"second": "loopB"},
        supported_async_libs=("asyncio",),
    )
    ioc = Controller(**ioc_options)
    run(ioc.pvdb, **run_options)
