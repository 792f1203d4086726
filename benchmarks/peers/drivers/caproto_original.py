"""The original caproto: the asyncio client of release 1.3."""

from __future__ import annotations

from .caproto_api import CaprotoApiDriver

__all__ = ["CaprotoDriver"]


class CaprotoDriver(CaprotoApiDriver):
    """The asyncio client; its plain callbacks run in a thread."""

    name = "caproto"
