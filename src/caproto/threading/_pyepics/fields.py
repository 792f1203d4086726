"""The names under which pyepics knows what a PV has, and where a response has it."""

from __future__ import annotations

from typing import Any

from ..._constants import EPICS2UNIX_EPOCH
from ..._protocol.dbr import promote_type
from ..._protocol.enums import ChannelType
from ..._protocol.messages import EventAddResponse, ReadNotifyResponse
from ..._protocol.metadata import AlarmFields, EnumFields, NumericFields, TimeFields

__all__ = [
    "CTRL_FIELDS",
    "FIELDS",
    "FORMS",
    "TIME_FIELDS",
    "fields_of",
    "form_type",
    "time_fields",
    "type_name",
]

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


def time_fields(status: int, severity: int, seconds: int, nanoseconds: int) -> dict[str, Any]:
    """Return alarm and time by pyepics' names; the time is that of EPICS."""
    whole = seconds + EPICS2UNIX_EPOCH
    return {
        "status": status,
        "severity": severity,
        "timestamp": whole + 1e-9 * nanoseconds,
        "posixseconds": float(whole),
        "nanoseconds": nanoseconds,
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
