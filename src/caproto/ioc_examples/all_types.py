"""An IOC with a PV of each type that Channel Access knows, to try clients on."""

from __future__ import annotations

from typing import Any, Final

from caproto import CaprotoValueError, ChannelType
from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run

LABELS = ("zero", "one", "two words", "three")
LONG_TEXT = (
    "A text of more than forty characters does not fit into a string, so it travels as characters."
)


def four(dtype: Any, scalar: Any, array: list[Any] | bytes, **options: Any) -> SubGroup[Any]:
    """Declare a scalar and an array of one type, each as a PV that clients may write and as one that they may not.

    The arrays can hold 10 elements.
    """
    arrays = {"value": array, "dtype": dtype, "max_length": 10, **options}
    return SubGroup(
        {
            "scalar": pvproperty(value=scalar, dtype=dtype, name="", **options),
            "scalar_ro": pvproperty(
                value=scalar, dtype=dtype, name="_ro", read_only=True, **options
            ),
            "array": pvproperty(name="_array", **arrays),
            "array_ro": pvproperty(name="_array_ro", read_only=True, **arrays),
        },
        attr_separator="",
    )


class AllTypes(PVGroup):
    """Each type as scalar and array, read-only and writable; and PVs that do something."""

    string: Final = four(ChannelType.STRING, "hello", ["one", "two", "three"])
    int: Final = four(ChannelType.INT, -12345, [-32768, -1, 0, 1, 32767], units="px")
    float: Final = four(ChannelType.FLOAT, 2.5, [-1.5, 0.0, 1.5], units="A", precision=2)
    enum: Final = four(ChannelType.ENUM, "one", [0, 1, 2], enum_strings=LABELS)
    char: Final = four(bytes, b"\xc8", bytes([1, 2, 200]))
    long: Final = four(ChannelType.LONG, -123456, [-2147483648, 0, 2147483647], units="counts")
    double: Final = four(ChannelType.DOUBLE, 3.25, [-1.5, 0.0, 1e300], units="mm", precision=3)

    long_string: Final = pvproperty(value=LONG_TEXT, dtype=str, max_length=256)
    long_string_ro: Final = pvproperty(value=LONG_TEXT, dtype=str, max_length=256, read_only=True)
    bool: Final = pvproperty(value=True, doc="Off or On")
    empty: Final = pvproperty(value=[], dtype=ChannelType.DOUBLE, max_length=10, doc="no elements")

    limits: Final = pvproperty(
        value=0.0,
        doc="in alarm beyond +-5 and +-8, and never beyond +-10",
        units="V",
        precision=4,
        upper_disp_limit=12,
        lower_disp_limit=-12,
        upper_alarm_limit=8,
        upper_warning_limit=5,
        lower_warning_limit=-5,
        lower_alarm_limit=-8,
        upper_ctrl_limit=10,
        lower_ctrl_limit=-10,
        alarm_group="limits",
    )
    count: Final = pvproperty(value=0, doc="counts ten times a second")
    computed: Final = pvproperty(value=0, doc="counts how often it is read")
    doubled: Final = pvproperty(value=0.0, doc="takes twice what is written")
    slow: Final = pvproperty(value=0.0, doc="takes half a second to be written")
    refusing: Final = pvproperty(value=0, doc="refuses what is written")

    @count.scan(period=0.1)
    async def _count(self, instance: Any, async_lib: Any) -> None:
        await instance.write((instance.value + 1) % 2**31)

    @computed.getter
    async def _compute(self, instance: Any) -> Any:
        return instance.value + 1

    @doubled.putter
    async def _double(self, instance: Any, value: Any) -> Any:
        return 2 * value

    @slow.startup
    async def _remember_async_lib(self, instance: Any, async_lib: Any) -> None:
        self.async_lib = async_lib

    @slow.putter
    async def _take_time(self, instance: Any, value: Any) -> None:
        await self.async_lib.library.sleep(0.5)

    @refusing.putter
    async def _refuse(self, instance: Any, value: Any) -> None:
        raise CaprotoValueError(f"{instance.pvname} takes neither {value} nor anything else")


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="all_types:", desc="Serve a PV of each type."
    )
    ioc = AllTypes(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
