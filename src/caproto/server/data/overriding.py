"""Which methods of a PV an IOC has overridden: as long as it has none, a request needs no coroutine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = [
    "ACCESS_METHODS",
    "NUMBER_METHODS",
    "READ_METHODS",
    "TAKING_METHODS",
    "WRITE_METHODS",
    "all_plain",
    "plain",
]

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
NUMBER_METHODS = (
    *WRITE_METHODS,
    "preprocess_value",
    "preprocess_element",
    "check_value",
    "_store",
    "value_flags",
    "update_alarm",
    "note_refusal",
    "forget_encoded",
    "publish_now",
    "encode",
    "values_as",
    "value_from_dbr",
)
"""What `ChannelData.take_number` leaves out, because ours do nothing for most numbers."""
TAKING_METHODS = ("auth_write", "write_from_dbr")
ACCESS_METHODS = ("check_access",)


def plain(method: F) -> F:
    """Mark a method of ours that a quick way may leave out, because it does the same."""
    method.plain = True  # type: ignore[attr-defined]
    return method


def all_plain(cls: type, names: tuple[str, ...]) -> bool:
    """Tell whether a class has ours of all these methods."""
    return all(getattr(getattr(cls, name), "plain", False) for name in names)
