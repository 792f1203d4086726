"""From the name that a client asks for to the PV that is served under it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..._errors import CaprotoError
from .on_demand import on_demand
from .served import Served

__all__ = ["Names"]

logger = logging.getLogger("caproto.ctx")


class Names:
    """The PVs of one server by name.

    Parameters
    ----------
    pvdb : mapping of str to Served
        Looked into at each search, so PVs may come and go.
    """

    def __init__(self, pvdb: Mapping[str, Any]) -> None:
        self._pvdb = on_demand(pvdb)

    def find(self, name: str) -> Served | None:
        """Return the PV, or the field of a record, with that name; None if there is none."""
        served: Served | None = self._pvdb.get(name)
        if served is not None:
            return served
        record_name, dot, field = name.rpartition(".")
        if not dot:
            return None
        record = self._pvdb.get(record_name)
        get_field = getattr(record, "get_field", None)
        if get_field is None:
            return record if field == "VAL" else None
        try:
            found: Served | None = get_field(field)
        except (CaprotoError, AttributeError, KeyError):
            return None
        except Exception:
            logger.exception("Looking for the PV %s failed", name)
            return None
        return found
