"""The asyncio client.

>>> async with Context() as ctx:
...     x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
...     print((await x.read()).value)
"""

from __future__ import annotations

from asyncio import get_running_loop
from logging import getLogger

from ._broadcaster import SharedBroadcaster
from ._callbacks import CallbackHandler
from ._circuit import VirtualCircuitManager
from ._context import Context
from ._defaults import CONTEXT_DEFAULT_TIMEOUT, PV_DEFAULT_TIMEOUT
from ._pv import PV
from ._subscription import Subscription, Updates

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
    "ch_logger",
    "get_running_loop",
    "search_logger",
]

ch_logger = getLogger("caproto.ch")
search_logger = getLogger("caproto.bcast.search")
