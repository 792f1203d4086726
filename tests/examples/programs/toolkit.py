# ruff: noqa
# mypy: ignore-errors
"""Own options, nested groups, functions, inheritance, group_read and group_write."""

import enum
import logging

import caproto
from caproto import AlarmSeverity, AlarmStatus, ChannelType, SkipWrite
from caproto.server import (
    AsyncLibraryLayer,
    PVGroup,
    PvpropertyDouble,
    PvpropertyString,
    SubGroup,
    pvfunction,
    pvproperty,
    run,
    scan_wrapper,
    template_arg_parser,
)
from caproto.server.server import PvpropertyData
from caproto.server.common import LoopExit

logger = logging.getLogger("caproto.tests.toolkit")


class Mode(enum.IntEnum):
    idle = 0
    busy = 1


class Base(PVGroup):
    mode = pvproperty(value=Mode.idle, name="mode")
    value = pvproperty(value=0.0, dtype=PvpropertyDouble, name="value", alarm_group="value")

    @value.putter
    async def value(self, instance, value):
        return value + 1


class Derived(Base):
    more = pvproperty(value=[1.0, 2.0], max_length=4, name="more")

    @Base.value.putter
    async def value(self, instance, value):
        if value < 0:
            raise SkipWrite()
        if value > 100:
            await instance.alarm.write(status=AlarmStatus.HIHI, severity=AlarmSeverity.MAJOR_ALARM)
        return value + 10


class Store(PVGroup):
    """All PVs are kept in a dict."""

    a = pvproperty(value=1)
    b = pvproperty(value=2)

    def __init__(self, *args, store, **kwargs):
        super().__init__(*args, **kwargs)
        self.store = store

    async def group_read(self, instance):
        return self.store.get(instance.pvname, instance.value)

    async def group_write(self, instance, value):
        self.store[instance.pvname] = value * 2
        return value


class Main(PVGroup):
    base = SubGroup(Base, attr_separator=".")
    derived = SubGroup(Derived)
    store = SubGroup(Store, store={})

    @SubGroup(prefix="in:")
    class inner(PVGroup):
        text = pvproperty(value="abc", dtype=PvpropertyString)

        @SubGroup
        class deeper(PVGroup):
            x = pvproperty(value=1)

            @x.putter
            async def x(self, instance, value):
                await self.parent.text.write(f"x is {value}")

    @pvfunction(default=[0.0], names={"process": "Go"}, doc="adds")
    async def add(self, a: float = 1.0, b: float = 2.0) -> float:
        return a + b

    async def poll(self, instance, async_lib: AsyncLibraryLayer):
        await instance.write(instance.value + 1)

    polled = pvproperty(value=0, startup=scan_wrapper(poll, 0.05))


def main():
    parser, split_args = template_arg_parser(
        default_prefix="{device}:", desc=__doc__, macros={"device": "tk"}
    )
    parser.add_argument("--offset", type=int, default=0)
    args = parser.parse_args()
    ioc_options, run_options = split_args(args)
    ioc = Main(**ioc_options)
    assert ioc.pvdb[f"{ioc.prefix}base.mode"] is ioc.base.mode
    assert ioc.attr_to_pvname["inner.deeper.x"] == ioc.inner.deeper.x.pvname
    logger.info("offset %d", args.offset)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
