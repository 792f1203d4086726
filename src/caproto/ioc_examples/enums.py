"""PVs with named states.

Clients may write a state by its name or by its number. As records they have the names in their fields too: ZNAM and
ONAM of ``bi`` and ``bo``; ZRST, ONST, TWST and so on of ``mbbi``.

PVs
---
bo
    A binary output.
bi
    A binary input.
mbbi
    An input with five states.
enum_class
    The states are those of a Python `enum.IntEnum`.
"""

from __future__ import annotations

import enum
from typing import Final

from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class MyEnum(enum.IntEnum):
    """What becomes the states of `enum_class`."""

    off = 0
    on = 1
    unknown = 2


class EnumIOC(PVGroup):
    """Named states, declared in several ways."""

    bo: Final = pvproperty(
        value="One Value",
        dtype=ChannelType.ENUM,
        enum_strings=["Zero Value", "One Value"],
        record="bo",
    )
    bi: Final = pvproperty(value="a", dtype=ChannelType.ENUM, enum_strings=["a", "b"], record="bi")
    mbbi: Final = pvproperty(
        value="one",
        dtype=ChannelType.ENUM,
        enum_strings=["zero", "one", "two", "three", "four"],
        record="mbbi",
    )
    enum_class: Final = pvproperty(value=MyEnum.on, record="mbbi")


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="enum:", desc=__doc__ or "")
    ioc = EnumIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
