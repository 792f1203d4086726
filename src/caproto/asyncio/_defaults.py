"""Timeouts that stand for somebody else's default."""

from __future__ import annotations

from typing import TypeAlias

__all__ = [
    "CONTEXT_DEFAULT_TIMEOUT",
    "GLOBAL_DEFAULT_TIMEOUT",
    "PV_DEFAULT_TIMEOUT",
    "Default",
    "Timeout",
]


class Default:
    """A marker that prints as its name."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


class _GlobalDefault(float):
    """2.0 in signatures, and a mark that CAPROTO_DEFAULT_TIMEOUT may override it."""


CONTEXT_DEFAULT_TIMEOUT = Default("CONTEXT_DEFAULT_TIMEOUT")
"""The timeout of the Context."""
PV_DEFAULT_TIMEOUT = Default("PV_DEFAULT_TIMEOUT")
"""The timeout of the PV."""
GLOBAL_DEFAULT_TIMEOUT = _GlobalDefault(2.0)
"""Two seconds, or what CAPROTO_DEFAULT_TIMEOUT says."""

Timeout: TypeAlias = "float | Default | None"
"""Seconds, None for never, or a marker."""
