"""The asyncio client.

>>> async with Context() as ctx:
...     x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
...     print((await x.read()).value)
"""

from __future__ import annotations

from asyncio import get_running_loop
from logging import Logger, getLogger
from typing import TYPE_CHECKING, Any

from ._broadcaster import SharedBroadcaster
from ._callbacks import CallbackHandler
from ._circuit import VirtualCircuitManager
from ._context import Context
from ._default_context import default_context
from ._defaults import CONTEXT_DEFAULT_TIMEOUT, PV_DEFAULT_TIMEOUT
from ._pv import PV
from ._subscription import Subscription
from ._updates import Updates

if TYPE_CHECKING:
    from ._shortcuts import caget, cainfo, camonitor, caput

__all__ = [
    "CONTEXT_DEFAULT_TIMEOUT",
    "PV",
    "PV_DEFAULT_TIMEOUT",
    "CallbackHandler",
    "Context",
    "SharedBroadcaster",
    "Subscription",
    "Updates",
    "VirtualCircuitManager",
    "caget",
    "cainfo",
    "camonitor",
    "caput",
    "ch_logger",
    "default_context",
    "get_running_loop",
    "search_logger",
]

ch_logger: Logger = getLogger("caproto.ch")
search_logger: Logger = getLogger("caproto.bcast.search")


def __getattr__(name: str) -> Any:
    """Import the functions for a script's first lines when they are asked for: 8 ms that others save."""
    if name not in ("caget", "cainfo", "camonitor", "caput"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _shortcuts

    return getattr(_shortcuts, name)
