"""An IOC with what the random-walk IOC lacks: text, states, an array, and PVs that refuse."""

from __future__ import annotations

from typing import Any

from caproto import ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


class Various(PVGroup):
    """The PVs."""

    state = pvproperty(value=0, dtype=ChannelType.ENUM, enum_strings=["off", "on", "out of order"])
    text = pvproperty(value="", dtype=ChannelType.CHAR, max_length=16)
    array = pvproperty(value=[], dtype=ChannelType.DOUBLE, max_length=1000)
    string = pvproperty(value="hello", dtype=ChannelType.STRING)
    refusing = pvproperty(value=1.0)
    unreadable = pvproperty(value=1.0)

    @refusing.putter
    async def _refuse(self, instance: Any, value: Any) -> None:
        raise ValueError("this PV refuses every write")

    @unreadable.getter
    async def _fail(self, instance: Any) -> None:
        raise ValueError("this PV cannot be read")


if __name__ == "__main__":
    options, run_options = ioc_arg_parser(default_prefix="various:", desc="Serve various PVs.")
    run(Various(**options).pvdb, **run_options)
