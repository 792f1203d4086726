"""Records: the fields that give a PV what clients expect of a record of EPICS base.

``pvproperty(value=0.0, record='ai')`` serves ``NAME.DESC``, ``NAME.EGU``, ``NAME.SCAN`` and all others beside ``NAME``.
Units, precision, limits, labels and the alarm are those of the PV itself: to write one is to change the other.

The class of fields of each record type is an attribute of this package, made when it is looked up: `AiFields`,
`MotorFields`, ... Decorators of single fields are on ``pvproperty.fields``, for example
``@prop.fields.scan_rate.putter``; subclasses with `register_record` make record types of a program's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..pvproperty import pvproperty  # which programs import from here, too
from .group import RecordFieldGroup
from .linking import link_enum_strings, link_parent_attribute
from .properties import value_class as _value_class
from .registry import (
    Record,
    class_name,
    get_record_registry,
    record_class,
    records,
    register_record,
)
from .summary import summarize
from .table import table

__all__ = [
    "RecordFieldGroup",
    "check_record",
    "get_record_registry",
    "link_enum_strings",
    "link_parent_attribute",
    "pvproperty",
    "record_class",
    "record_hook",
    "record_name",
    "records",
    "register_record",
    "summarize",
    "value_class",
]


def check_record(record: Record) -> None:
    """Raise if there is no such record type.

    Raises
    ------
    CaprotoValueError
        It lists those that there are.
    """
    if not isinstance(record, type) and record not in records:
        record_class(record)


def record_name(record: Record) -> str:
    """Return the name of a record type that is given by it or by its class."""
    return str(record._record_type if isinstance(record, type) else record)


def record_hook(record: Record) -> bool:
    """Tell whether the fields of a record want to know of each new value."""
    cls = record if isinstance(record, type) else records.own(record)
    return cls is not None and cls.value_write_hook is not RecordFieldGroup.value_write_hook


def value_class(record: Record) -> Any:
    """Return the data class of a PV for which nothing but the record type is declared; None if it can be any."""
    cls = record if isinstance(record, type) else records.own(record)
    name = record if cls is None else cls._table_type
    return _value_class(str(name))


if TYPE_CHECKING:  # what `__getattr__` makes

    class AaiFields(RecordFieldGroup): ...

    class AaoFields(RecordFieldGroup): ...

    class AiFields(RecordFieldGroup): ...

    class AoFields(RecordFieldGroup): ...

    class AsubFields(RecordFieldGroup): ...

    class AsynFields(RecordFieldGroup): ...

    class BiFields(RecordFieldGroup): ...

    class BoFields(RecordFieldGroup): ...

    class CalcFields(RecordFieldGroup): ...

    class CalcoutFields(RecordFieldGroup): ...

    class CompressFields(RecordFieldGroup): ...

    class DfanoutFields(RecordFieldGroup): ...

    class EventFields(RecordFieldGroup): ...

    class FanoutFields(RecordFieldGroup): ...

    class HistogramFields(RecordFieldGroup): ...

    class Int64inFields(RecordFieldGroup): ...

    class Int64outFields(RecordFieldGroup): ...

    class LonginFields(RecordFieldGroup): ...

    class LongoutFields(RecordFieldGroup): ...

    class LsiFields(RecordFieldGroup): ...

    class LsoFields(RecordFieldGroup): ...

    class MbbiFields(RecordFieldGroup): ...

    class MbbidirectFields(RecordFieldGroup): ...

    class MbboFields(RecordFieldGroup): ...

    class MbbodirectFields(RecordFieldGroup): ...

    class MotorFields(RecordFieldGroup): ...

    class PermissiveFields(RecordFieldGroup): ...

    class PrintfFields(RecordFieldGroup): ...

    class SelFields(RecordFieldGroup): ...

    class SeqFields(RecordFieldGroup): ...

    class StateFields(RecordFieldGroup): ...

    class StringinFields(RecordFieldGroup): ...

    class StringoutFields(RecordFieldGroup): ...

    class SubFields(RecordFieldGroup): ...

    class SubarrayFields(RecordFieldGroup): ...

    class WaveformFields(RecordFieldGroup): ...


def __getattr__(name: str) -> Any:
    """Return the class of fields of a record type: ``AiFields``."""
    for record_type in table().record_types:
        if name == class_name(record_type):
            return records[record_type]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *map(class_name, table().record_types)])
