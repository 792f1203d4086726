"""The names that programs import from `caproto.server.server`; all of them are at home in `caproto.server`."""

from __future__ import annotations

from typing import Any

import caproto

from . import *  # noqa: F403 -- a second address for the same names
from . import __all__ as _names
from .fieldspec import FieldProxy, FieldSpec, FieldSpecItems
from .handlers import check_handler as check_signature
from .pvproperty import P as T_pvproperty  # noqa: N811
from .pvproperty import T_Data, T_RecordFields
from .pvspec import TYPE_MAP as pvspec_type_map  # noqa: N811 -- the name of the original
from .pvspec import TYPE_MAP_READ_ONLY as pvspec_type_map_read_only  # noqa: N811
from .subgroup import S as T_SubGroup  # noqa: N811
from .subgroup import T_PVGroup
from .typing import AinitHook, Getter, Putter, Scan, Shutdown, Startup

__all__ = [
    *_names,
    "AinitHook",
    "FieldProxy",
    "FieldSpec",
    "FieldSpecItems",
    "Getter",
    "PVGroupMeta",
    "Putter",
    "Scan",
    "Shutdown",
    "Startup",
    "T_Data",
    "T_PVGroup",
    "T_RecordFields",
    "T_SubGroup",
    "T_pvproperty",
    "check_signature",
    "pvspec_type_map",
    "pvspec_type_map_read_only",
]

PVGroupMeta = type
"""The metaclass of groups: they need none of their own."""


def __getattr__(name: str) -> Any:
    """Find what programs get from here, too, although it is at home in `caproto`: ``ChannelType``."""
    if name in caproto.__all__:
        return getattr(caproto, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
