"""An IOC whose values survive a restart."""

from __future__ import annotations

from typing import Final

from caproto.server import PVGroup, SubGroup, ioc_arg_parser, pvproperty, run
from caproto.server.autosave import AutosaveHelper, RotatingFileManager, autosaved


class AutosavedSubgroup(PVGroup):
    """PVs whose values are saved by the helper of the group around them, but for B."""

    A = autosaved(pvproperty(value=1, record="ao", doc="An integer"))
    B = pvproperty(value=2.0, doc="A number that is not saved")
    C = autosaved(pvproperty(value=[1, 2, 3], doc="Three integers"))


class AutosavedSimpleIOC(AutosavedSubgroup):
    """The same PVs twice, and the helper that saves them."""

    autosave_helper: Final = SubGroup(
        AutosaveHelper, file_manager=RotatingFileManager("autosave.json")
    )
    subgroup: Final = SubGroup(AutosavedSubgroup)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(
        default_prefix="autosaved_simple:",
        desc="Serve values that are saved in autosave.json and survive a restart.",
    )
    ioc = AutosavedSimpleIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
