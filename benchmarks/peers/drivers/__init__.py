"""One module per client library, all with the same interface.

They run in the environment of that library: but for it they import the standard library only.
"""

from __future__ import annotations

import importlib

from .base import Driver, NotSupported, Sink

__all__ = ["DRIVERS", "Driver", "NotSupported", "Sink", "make_driver"]

DRIVERS = {
    "floor": "floor:FloorDriver",
    "ours": "ours:OurDriver",
    "ours-uvloop": "ours:OurUvloopDriver",
    "ours-threading": "ours_threading:OurThreadingDriver",
    "ours-pyepics": "pyepics_pv:OurPyepicsDriver",
    "caproto": "caproto_original:CaprotoDriver",
    "aioca": "aioca:AiocaDriver",
    "pyepics": "pyepics:PyepicsDriver",
    "pyepics-pv": "pyepics_pv:PyepicsPvDriver",
    "repics": "repics:RepicsDriver",
    "repics-asyncio": "repics:RepicsAsyncioDriver",
}
"""Module and class of each client."""


def make_driver(name: str) -> Driver:
    """Import what the client needs, and nothing of the others."""
    module_name, class_name = DRIVERS[name].split(":")
    module = importlib.import_module(f".{module_name}", __package__)
    driver: Driver = getattr(module, class_name)()
    return driver
