"""The names under which pyepics knows what a PV has, and where a response has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypeAlias

from ..._constants import EPICS2UNIX_EPOCH
from ..._protocol.dbr import promote_type
from ..._protocol.enums import AccessRights, ChannelType
from ..._protocol.messages import EventAddResponse, ReadNotifyResponse
from ..._protocol.metadata import AlarmFields, EnumFields, NumericFields, TimeFields

__all__ = [
    "CTRL_FIELDS",
    "FIELDS",
    "FORMS",
    "Maker",
    "TIME_FIELDS",
    "access_fields",
    "fields_of",
    "form_type",
    "maker_of",
    "time_fields",
    "type_name",
    "update_fields",
]

Maker: TypeAlias = Callable[..., dict[str, Any]]

TIME_FIELDS = ("status", "severity", "timestamp", "posixseconds", "nanoseconds")
LIMIT_FIELDS = (
    "upper_disp_limit",
    "lower_disp_limit",
    "upper_alarm_limit",
    "lower_alarm_limit",
    "lower_warning_limit",
    "upper_warning_limit",
    "upper_ctrl_limit",
    "lower_ctrl_limit",
)
CTRL_FIELDS = ("precision", "units", "enum_strs", *LIMIT_FIELDS)
FIELDS = (
    *("pvname", "value", "char_value", "ftype", "chid", "host", "count", "access"),
    *("write_access", "read_access", "type", "typefull", "nelm", "monitor_delta"),
    *TIME_FIELDS,
    *CTRL_FIELDS,
)
"""Everything that a callback is told."""

FORMS = {"native": "native", "time": "time", "ctrl": "control"}
_NAMES = ("string", "short", "float", "enum", "char", "long", "double")
_PREFIXES = ("", "sts_", "time_", "gr_", "ctrl_")


def form_type(native: ChannelType, form: str) -> ChannelType:
    """Return the type to ask for; a string has no control data, so that its time is asked for instead."""
    if form == "ctrl" and native is ChannelType.STRING:
        form = "time"
    return promote_type(native, FORMS[form])


def type_name(data_type: int) -> str:
    """Return what pyepics calls a type: ``time_double`` for example."""
    if data_type == ChannelType.INT:
        return "int"  # and not short, as with what comes along
    return _PREFIXES[data_type // 7] + _NAMES[data_type % 7]


_OF_AN_UPDATE = {
    "status": "status",
    "severity": "severity",
    "timestamp": f"seconds + {EPICS2UNIX_EPOCH:.1f} + 1e-9 * nanoseconds",
    "posixseconds": f"seconds + {EPICS2UNIX_EPOCH:.1f}",
    "nanoseconds": "nanoseconds",
    "value": "value",
    "count": "1",
}
"""What a number with its time has, as expressions of what `DataMessage.stamped_scalar` returns."""


@lru_cache(maxsize=256)
def maker_of(names: tuple[str, ...]) -> Maker | None:
    """Return a function that makes these fields of a number with its time; None if there are other fields, too.

    It is compiled for these names, which takes 0.5 us; to make all fields and then to choose took 1.2
    (``bench_pyepics.py``).
    """
    if not _OF_AN_UPDATE.keys() >= set(names):
        return None
    items = ", ".join(f"{name!r}: {_OF_AN_UPDATE[name]}" for name in names)
    maker: Maker = eval(f"lambda status, severity, seconds, nanoseconds, value=None: {{{items}}}")
    return maker


def _maker(names: Iterable[str]) -> Maker:
    made = maker_of(tuple(names))
    assert made is not None
    return made


time_fields = _maker(TIME_FIELDS)
"""Makes alarm and time by pyepics' names; the time is that of EPICS."""
update_fields = _maker(_OF_AN_UPDATE)


_READ, _WRITE = int(AccessRights.READ), int(AccessRights.WRITE)
_ACCESS = ("no access", "read-only", "write-only", "read/write")


def access_fields(rights: AccessRights) -> dict[str, Any]:
    """Return what is permitted."""
    bits = int(rights)  # the operators of enums take ten times as long
    return {
        "read_access": bool(bits & _READ),
        "write_access": bool(bits & _WRITE),
        "access": _ACCESS[bits & 3],
    }


def fields_of(response: ReadNotifyResponse | EventAddResponse) -> dict[str, Any]:
    """Return what came with a value, by pyepics' names."""
    metadata = response.metadata
    if isinstance(metadata, TimeFields):  # first: all updates have these, as a rule
        return time_fields(*metadata.numbers())
    if not isinstance(metadata, AlarmFields):
        return {}
    fields: dict[str, Any] = {
        "status": int(metadata.status),
        "severity": int(metadata.severity),
    }
    if isinstance(metadata, EnumFields):
        labels = metadata.enum_strings
        if labels:
            fields["enum_strs"] = tuple(label.decode("latin-1") for label in labels)
    elif isinstance(metadata, NumericFields):
        for name in (*LIMIT_FIELDS, "precision"):
            if hasattr(metadata, name):
                fields[name] = getattr(metadata, name)
        fields["units"] = metadata.units.decode("latin-1")
    return fields
