"""The names that programs import from `caproto.server.server`; all of them are at home in `caproto.server`."""

from __future__ import annotations

from . import *  # noqa: F403 -- a second address for the same names
from . import __all__ as _names
from .handlers import check_handler as check_signature
from .pvspec import TYPE_MAP as pvspec_type_map  # noqa: N811 -- the name of the original
from .pvspec import TYPE_MAP_READ_ONLY as pvspec_type_map_read_only  # noqa: N811
from .typing import AinitHook, Getter, Putter, Scan, Shutdown, Startup

__all__ = [
    *_names,
    "AinitHook",
    "Getter",
    "PVGroupMeta",
    "Putter",
    "Scan",
    "Shutdown",
    "Startup",
    "check_signature",
    "pvspec_type_map",
    "pvspec_type_map_read_only",
]

PVGroupMeta = type
"""The metaclass of groups: they need none of their own."""
