"""PVs that a program makes when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["on_demand"]


class _OnDemand(Mapping[str, Any]):
    """A dict with ``__missing__`` (`collections.defaultdict` for one), of which `get` and ``in`` ask that too."""

    def __init__(self, pvdb: Mapping[str, Any]) -> None:
        self._pvdb = pvdb

    def __getitem__(self, name: str) -> Any:
        return self._pvdb[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pvdb)

    def __len__(self) -> int:
        return len(self._pvdb)


def on_demand(pvdb: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return PVs so that those which the program makes when they are missing are found.

    Parameters
    ----------
    pvdb : mapping of str to Served
        A dict with ``__missing__`` is asked for every name that any client searches.

    Returns
    -------
    mapping
        `pvdb` itself in the common case.
    """
    return _OnDemand(pvdb) if hasattr(type(pvdb), "__missing__") else pvdb
