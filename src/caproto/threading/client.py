"""The client for programs with threads: the asyncio client behind blocking calls.

>>> with Context() as ctx:
...     x, dt = ctx.get_pvs("random_walk:x", "random_walk:dt")
...     print(x.read().value)
"""

from __future__ import annotations

import inspect
from logging import Logger, getLogger

from .._constants import (
    MAX_ID,
    RESPONSIVENESS_TIMEOUT,
    SEARCH_MAX_DATAGRAM_BYTES,
    STALE_SEARCH_EXPIRATION,
)
from .._errors import (
    ContextDisconnectedError,
    DeadCircuitError,
    DisconnectedError,
    ThreadingClientException,
)
from ..asyncio._defaults import CONTEXT_DEFAULT_TIMEOUT, PV_DEFAULT_TIMEOUT
from ._batch import Batch
from ._broadcaster import SharedBroadcaster
from ._callbacks import CallbackHandler
from ._circuit import VirtualCircuitManager
from ._context import Context
from ._pv import PV, ensure_connected
from ._selector import SelectorThread
from ._subscription import Subscription

__all__ = [
    "Batch",
    "CONTEXT_DEFAULT_TIMEOUT",
    "CallbackHandler",
    "Context",
    "ContextDisconnectedError",
    "DeadCircuitError",
    "DisconnectedError",
    "MAX_ID",
    "PV",
    "PV_DEFAULT_TIMEOUT",
    "RESPONSIVENESS_TIMEOUT",
    "SEARCH_MAX_DATAGRAM_BYTES",
    "STALE_SEARCH_EXPIRATION",
    "SUBSCRIBE_SIG",
    "SelectorThread",
    "SharedBroadcaster",
    "Subscription",
    "ThreadingClientException",
    "VirtualCircuitManager",
    "ch_logger",
    "ensure_connected",
    "search_logger",
]

ch_logger: Logger = getLogger("caproto.ch")
search_logger: Logger = getLogger("caproto.bcast.search")

SUBSCRIBE_SIG = inspect.Signature(
    [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in inspect.signature(PV.subscribe).parameters.items()
        if name != "self"
    ]
)
