"""The attributes of a pyepics-like PV that tell what is known about it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, overload

from ..._protocol.enums import AlarmSeverity, AlarmStatus
from .fields import CTRL_FIELDS, TIME_FIELDS
from .requests import Requests

__all__ = ["Attributes"]

_PATIENCE = 1.0  # seconds that looking at an attribute may take


class _Field:
    """A descriptor: something that is known about the PV, asked for when it is not known yet."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, pv: None, owner: type) -> _Field: ...

    @overload
    def __get__(self, pv: Attributes, owner: type) -> Any: ...

    def __get__(self, pv: Attributes | None, owner: type) -> Any:
        return self if pv is None else pv._getarg(self._name)


class Attributes(Requests):
    """A PV that tells what is known about it; each is None as long as it is not known."""

    status: _Field = _Field("The alarm status, a number.")
    severity: _Field = _Field("The alarm severity: 0 none, 1 minor, 2 major, 3 invalid.")
    timestamp: _Field = _Field("Unix time of the value, in seconds.")
    posixseconds: _Field = _Field("The whole seconds of it.")
    nanoseconds: _Field = _Field("The nanoseconds beside these.")
    precision: _Field = _Field("Digits after the point, of floating-point PVs.")
    units: _Field = _Field("The engineering units.")
    enum_strs: _Field = _Field("The labels of an enum, a tuple of str.")
    upper_disp_limit: _Field = _Field("Upper end of a display's scale.")
    lower_disp_limit: _Field = _Field("Lower end of a display's scale.")
    upper_alarm_limit: _Field = _Field("From here on up the value is in alarm.")
    lower_alarm_limit: _Field = _Field("From here on down the value is in alarm.")
    lower_warning_limit: _Field = _Field("From here on down the value is worth a warning.")
    upper_warning_limit: _Field = _Field("From here on up the value is worth a warning.")
    upper_ctrl_limit: _Field = _Field("The largest value that may be set.")
    lower_ctrl_limit: _Field = _Field("The smallest value that may be set.")
    type: _Field = _Field("What it is and what comes with it: ``time_double`` for example.")
    typefull: _Field = _Field("The same as `type`.")
    ftype: _Field = _Field("The same as a number, the DBR type.")
    host: _Field = _Field("Where its server is, ``'address:port'``.")
    count: _Field = _Field("How many elements the value has.")
    nelm: _Field = _Field("How many elements it can have.")
    read_access: _Field = _Field("Whether it may be read.")
    write_access: _Field = _Field("Whether it may be written.")
    access: _Field = _Field(
        "The same in words: ``read/write``, ``read-only``, ``write-only`` or ``no access``."
    )

    def _getarg(self, name: str) -> Any:
        """Return what is known by that name; ask the server if it has not told it yet."""
        if self._args[name] is None and self.connected:
            if name in TIME_FIELDS:
                self.get_timevars(timeout=_PATIENCE, warn=False)
            elif name in CTRL_FIELDS:
                self.get_ctrlvars(timeout=_PATIENCE, warn=False)
            elif name == "count":
                self.get(timeout=_PATIENCE)
        return self._args[name]

    @property
    def char_status(self) -> str | None:
        """The alarm status in words."""
        number = self.status
        return None if number is None else AlarmStatus(number).name

    @property
    def char_severity(self) -> str | None:
        """The alarm severity in words."""
        number = self.severity
        if not number:
            return None if number is None else AlarmSeverity.NO_ALARM.name
        return AlarmSeverity(number).name.removesuffix("_ALARM")

    @property
    def info(self) -> str | None:
        """A paragraph with everything that is known; None if the PV is not connected."""
        if not self.connected:
            return None
        self.get_ctrlvars(timeout=_PATIENCE, warn=False)
        self.get_timevars(timeout=_PATIENCE, warn=False)
        self.get(timeout=_PATIENCE)
        return _paragraph(self)


_SHOWN = (
    *("value", "char_value", "count", "nelm", "type", "units", "precision", "host", "access"),
    *("status", "char_status", "severity", "char_severity"),
    *("timestamp", "posixseconds", "nanoseconds"),
    *("upper_ctrl_limit", "lower_ctrl_limit", "upper_disp_limit", "lower_disp_limit"),
    *("upper_alarm_limit", "lower_alarm_limit", "upper_warning_limit", "lower_warning_limit"),
)


def _paragraph(pv: Attributes) -> str:
    """Write down what is known about a PV."""
    lines = [f"== {pv.pvname}  ({pv.type}) =="]
    for name in _SHOWN:
        value = getattr(pv, name)
        if value is not None:
            lines.append(f"   {name:<19} = {_shown(name, value)}")
    if pv.enum_strs:
        lines.append("   enum strings:")
        lines += [f"       {number} = {label}" for number, label in enumerate(pv.enum_strs)]
    watched = "not " if pv._auto_monitor_sub is None else ""
    lines.append(
        f"   PV is {watched}internally monitored, with {len(pv.callbacks)} user-defined callbacks"
    )
    lines.append("=" * 29)
    return "\n".join(lines)


def _shown(name: str, value: Any) -> str:
    """Write one line's value; text is in quotes, so that blanks can be seen."""
    if name == "char_value":
        return repr(value)
    if name == "timestamp":
        return f"{value:.3f} ({datetime.fromtimestamp(value).astimezone():%Y-%m-%d %H:%M:%S.%f})"
    return str(value)
