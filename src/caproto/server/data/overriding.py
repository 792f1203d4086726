"""Which methods of a PV an IOC has overridden: as long as it has none, a request needs no coroutine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["ACCESS_METHODS", "READ_METHODS", "WRITE_METHODS", "all_plain", "plain"]

F = TypeVar("F", bound=Callable[..., Any])

READ_METHODS = ("read", "auth_read")
WRITE_METHODS = (
    "auth_write",
    "write_from_dbr",
    "write",
    "verify_value",
    "update_fields",
    "publish",
)
ACCESS_METHODS = ("check_access",)


def plain(method: F) -> F:
    """Mark a method of ours that awaits nothing, so that the quick way does the same."""
    method.plain = True  # type: ignore[attr-defined]
    return method


def all_plain(cls: type, names: tuple[str, ...]) -> bool:
    """Tell whether a class has ours of all these methods."""
    return all(getattr(getattr(cls, name), "plain", False) for name in names)
