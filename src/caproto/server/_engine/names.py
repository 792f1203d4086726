"""From the name that a client asks for to the PV that is served under it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from ..._errors import CaprotoError
from .on_demand import on_demand
from .served import Served

__all__ = ["Modify", "Names"]

logger = logging.getLogger("caproto.ctx")

Modify: TypeAlias = Callable[[Served, bool, str], Served | None]
"""``modify(served, long_string, filters)`` returns a PV as ``$`` and filters show it, or None if they cannot."""

_MODIFIED = re.compile(r"(?P<field>\w*)(?P<long>\$?)(?P<filters>(?:[\[{].*)?)", re.DOTALL)
_MODIFIERS = re.compile(r"[$\[{]")
_LONGEST_NAME = 1024
"""With modifiers; without them there is only a look into the dictionary."""


class Names:
    """The PVs of one server by name.

    Parameters
    ----------
    pvdb : mapping of str to Served
        Looked into at each search, so PVs may come and go.
    modify : callable, optional
        What gives ``$`` and channel filters after a name their meaning; by default they have none.
    """

    def __init__(self, pvdb: Mapping[str, Any], modify: Modify | None = None) -> None:
        self._pvdb = on_demand(pvdb)
        self._modify = modify

    def find(self, name: str) -> Served | None:
        """Return what is served under a name: a PV, the field of a record, or one of them modified."""
        served = self._plain(name)
        if served is not None or self._modify is None:
            return served
        for pv, long_string, filters in self._modified(name):
            try:
                return self._modify(pv, long_string, filters)
            except CaprotoError as error:
                logger.debug("The channel %s is refused: %s", name, error)
                return None
        return None

    def knows(self, name: str) -> bool:
        """Tell whether a search for that name is to be answered.

        As with the C IOC, record and field decide that; filters that make no sense are found out when the channel is
        to be created.
        """
        if self._plain(name) is not None:
            return True
        return self._modify is not None and any(True for _ in self._modified(name))

    def parts(self, name: str) -> tuple[str, str]:
        """Return the record and ``record.FIELD`` that a name is about, whatever else it asks for."""
        if name not in self._pvdb:
            record, _, field = name.rpartition(".")
            if record in self._pvdb and self._field(record, field) is not None:
                return record, f"{record}.{field or 'VAL'}"
            for record, match in self._matches(name):
                return record, f"{record}.{match['field'] or 'VAL'}"
        return name, f"{name}.VAL"

    def _plain(self, name: str) -> Served | None:
        """Return the PV, or the field of a record, with that name; None if there is none."""
        served: Served | None = self._pvdb.get(name)
        if served is not None:
            return served
        record_name, dot, field = name.rpartition(".")
        return self._field(record_name, field) if dot else None

    def _modified(self, name: str) -> Iterator[tuple[Served, bool, str]]:
        """Find the PV at the beginning of a name, and what follows it."""
        for record, match in self._matches(name):
            served = self._field(record, match["field"])
            if served is not None:
                yield served, bool(match["long"]), match["filters"]

    def _matches(self, name: str) -> Iterator[tuple[str, re.Match[str]]]:
        """Find the record at the beginning of a name whose end is modifiers.

        The name of the record itself may have dots, brackets and braces.
        """
        if len(name) > _LONGEST_NAME or not _MODIFIERS.search(name):
            return
        dot = name.find(".")
        while dot >= 0:
            if name[:dot] in self._pvdb:
                match = _MODIFIED.fullmatch(name, dot + 1)
                if match is not None:
                    yield name[:dot], match
            dot = name.find(".", dot + 1)

    def _field(self, record_name: str, field: str) -> Served | None:
        """Return the field of a record; no field is the field VAL."""
        record = self._pvdb.get(record_name)
        get_field = getattr(record, "get_field", None)
        if get_field is None or not field:
            return record if field in ("", "VAL") else None
        try:
            found: Served | None = get_field(field)
        except (CaprotoError, AttributeError, KeyError):
            return None
        except Exception:
            logger.exception("Looking for the PV %s.%s failed", record_name, field)
            return None
        return found
