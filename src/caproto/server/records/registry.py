"""The record types by name: those of the table, and those that a program adds."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from ..._errors import CaprotoValueError
from .group import RecordFieldGroup
from .properties import value_class
from .table import table

__all__ = [
    "Record",
    "Registry",
    "class_name",
    "get_record_registry",
    "record_class",
    "records",
    "register_record",
]

T = TypeVar("T", bound=type[RecordFieldGroup])
Record: TypeAlias = str | type[RecordFieldGroup]
"""How a record type is declared: by its name, or by a class of fields."""


def class_name(record_type: str) -> str:
    """Return the name of the class of fields of a record type: ``'AiFields'``."""
    return f"{record_type.capitalize()}Fields"


class Registry(Mapping[str, type[RecordFieldGroup]]):
    """The classes of fields by record type. Those of the table are made when they are looked up."""

    def __init__(self) -> None:
        self._classes: dict[str, type[RecordFieldGroup]] = {}

    def __getitem__(self, record_type: str) -> type[RecordFieldGroup]:
        cls = self._classes.get(record_type)
        if cls is None:
            if record_type not in table().record_types:
                raise KeyError(record_type)
            cls = self._classes[record_type] = self._make(record_type)
        return cls

    def __iter__(self) -> Iterator[str]:
        names = table().record_types
        return iter([*names, *(name for name in self._classes if name not in names)])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, record_type: object) -> bool:
        return record_type in self._classes or record_type in table().record_types

    def add(self, record_type: str, cls: type[RecordFieldGroup]) -> None:
        """Enter a class."""
        self._classes[record_type] = cls

    def own(self, record_type: str) -> type[RecordFieldGroup] | None:
        """Return a class that a program has entered."""
        cls = self._classes.get(record_type)
        return None if cls is None or "_table_type" in vars(cls) else cls

    @staticmethod
    def _make(record_type: str) -> type[RecordFieldGroup]:
        """Make the class of fields of a record type of the table."""
        value = next((f for f in table().fields[record_type] if f.name == "VAL"), None)
        body: dict[str, Any] = {
            "__doc__": f"The fields of {record_type} records.",
            "__module__": __package__,
            "_record_type": record_type,
            "_table_type": record_type,
            "has_val_field": value is not None and value.kind != "NOACCESS",
        }
        made = value_class(record_type)
        body["_dtype"] = None if made is None else made.data_type
        cls: type[RecordFieldGroup] = types.new_class(
            class_name(record_type), (RecordFieldGroup,), exec_body=lambda space: space.update(body)
        )
        return cls


records: Registry = Registry()
"""The classes of fields by record type."""


def get_record_registry() -> dict[str, type[RecordFieldGroup]]:
    """Return all record types with their classes of fields."""
    return dict(records)


def register_record(cls: T) -> T:
    """Decorate a class of fields, so that ``record='name'`` finds it by its ``_record_type``.

    Raises
    ------
    CaprotoValueError
        If it has no ``_record_type`` of its own.
    """
    record_type = vars(cls).get("_record_type")
    if not record_type:
        raise CaprotoValueError(f"{cls.__name__} needs a _record_type to be registered")
    records.add(record_type, cls)
    return cls


def record_class(record: Record) -> type[RecordFieldGroup]:
    """Return the class of fields of a record, given by itself or by its name.

    Raises
    ------
    CaprotoValueError
        If there is no such record type.
    """
    if isinstance(record, type):
        return record
    try:
        return records[record]
    except KeyError:
        raise CaprotoValueError(
            f"there is no record type {record!r}; there are {', '.join(records)}"
        ) from None
