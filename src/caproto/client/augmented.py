"""Values that know their PV, time, alarm, units and limits.

A value is what one would calculate with, a `float`, an `int`, a `str` or an array, and carries the rest as attributes.
They are decoded when they are looked at.
"""

from __future__ import annotations

import datetime as _datetime
from array import array
from typing import TYPE_CHECKING, Any, overload

from .._protocol.arrays import decode_string
from .._protocol.dbr import NATIVE_TYPES
from .._protocol.enums import AlarmSeverity, AlarmStatus, ChannelType

if TYPE_CHECKING:
    from .._protocol.dbr import DbrMetadata
    from .._protocol.messages import EventAddResponse, ReadNotifyResponse

__all__ = [
    "Augmented",
    "AugmentedFloat",
    "AugmentedInt",
    "AugmentedList",
    "AugmentedStr",
    "augment",
    "bytes_of_characters",
    "text_of_characters",
]


class _Limit:
    """A descriptor: one of the limits of the control data."""

    def __init__(self, description: str) -> None:
        self.__doc__ = description

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, value: None, owner: type) -> _Limit: ...

    @overload
    def __get__(self, value: Augmented, owner: type) -> float | None: ...

    def __get__(self, value: Augmented | None, owner: type) -> _Limit | float | None:
        return self if value is None else getattr(value.control, self._name, None)


class Augmented:
    """What every value carries beside being a number, a text or an array.

    Results of calculations (``value + 1``) are plain again.
    """

    name: str = ""
    """The name of the PV."""
    response: ReadNotifyResponse | EventAddResponse | None = None
    """The message that brought the value."""
    control: DbrMetadata | None = None
    """Units, limits and labels, as a ``DBR_CTRL_…`` has them; None if they were not asked for."""

    @property
    def datatype(self) -> ChannelType:
        """The plain type in which the value came."""
        return NATIVE_TYPES[self.response.data_type] if self.response else ChannelType.STRING

    @property
    def element_count(self) -> int:
        """How many elements came."""
        return self.response.data_count if self.response else 0

    def _field(self, name: str, default: Any = None) -> Any:
        """Look for `name` in what came with the value, then in the control data."""
        for metadata in (self.response and self.response.metadata, self.control):
            if hasattr(metadata, name):
                return getattr(metadata, name)
        return default

    @property
    def timestamp(self) -> float | None:
        """Unix time in seconds; None if it was not asked for."""
        return self._field("timestamp")  # type: ignore[no-any-return]

    @property
    def datetime(self) -> _datetime.datetime | None:
        """The time as an aware `datetime.datetime` in UTC, to the microsecond."""
        stamp = self._field("stamp")
        if stamp is None:
            return None
        naive: _datetime.datetime = stamp.as_datetime()
        return naive.replace(tzinfo=_datetime.timezone.utc)

    @property
    def severity(self) -> AlarmSeverity:
        """How bad the alarm is."""
        return self._field("severity", AlarmSeverity.NO_ALARM)  # type: ignore[no-any-return]

    @property
    def status(self) -> AlarmStatus:
        """Why the PV is in alarm."""
        return self._field("status", AlarmStatus.NO_ALARM)  # type: ignore[no-any-return]

    @property
    def units(self) -> str:
        """The engineering units; empty if there are none."""
        return decode_string(self._field("units", b""), "utf-8")

    @property
    def precision(self) -> int | None:
        """Digits after the point, of floating-point PVs."""
        return self._field("precision")  # type: ignore[no-any-return]

    @property
    def enum_strings(self) -> tuple[str, ...]:
        """The labels of an enum; empty for other types."""
        return tuple(decode_string(label, "utf-8") for label in self._field("enum_strings", ()))

    @property
    def label(self) -> str | None:
        """The label of an enum's value; None for other types, or if the number has no label."""
        labels = self.enum_strings
        if not labels or not isinstance(self, int) or not 0 <= self < len(labels):
            return None
        return labels[self]

    upper_disp_limit: _Limit = _Limit("Upper end of a display's scale; None if there is none.")
    lower_disp_limit: _Limit = _Limit("Lower end of a display's scale.")
    upper_alarm_limit: _Limit = _Limit("From here on up the value is in alarm.")
    upper_warning_limit: _Limit = _Limit("From here on up the value is worth a warning.")
    lower_warning_limit: _Limit = _Limit("From here on down the value is worth a warning.")
    lower_alarm_limit: _Limit = _Limit("From here on down the value is in alarm.")
    upper_ctrl_limit: _Limit = _Limit("The largest value that may be set.")
    lower_ctrl_limit: _Limit = _Limit("The smallest value that may be set.")

    @property
    def limits(self) -> dict[str, float]:
        """The limits by name (``'upper_disp_limit'``, …); empty for types that have none."""
        names = self.control.info_fields if self.control else ()
        return {name: getattr(self, name) for name in names if name.endswith("_limit")}

    @property
    def summary(self) -> str:
        """The value as a person would write it down: label or units, time, and alarm if there is one."""
        plain = _plain_repr(self)
        parts = [plain if self.label is None else f"{self.label} ({plain})", self.units]
        if self.datetime is not None:
            parts.append(self.datetime.isoformat(sep=" ", timespec="milliseconds"))
        if self.severity:
            parts.append(_alarm_text(self.severity, self.status))
        return "  ".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        """Show value, time, alarm, units and limits in a notebook."""
        from .._html import fields_table

        plain = _plain_repr(self)
        fields: list[tuple[str, object]] = [
            ("value", plain if self.label is None else f"{self.label} ({plain})"),
            ("units", self.units),
            ("time", "" if self.datetime is None else self.datetime.isoformat(sep=" ")),
            ("alarm", _alarm_text(self.severity, self.status)),
            ("states", ", ".join(self.enum_strings)),
            *((name.replace("_", " "), limit) for name, limit in self.limits.items()),
        ]
        return fields_table(self.name, [field for field in fields if field[1] != ""])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show the summary in IPython."""
        printer.text(self.summary)


def _alarm_text(severity: AlarmSeverity, status: AlarmStatus) -> str:
    """Return an alarm in words; both may be numbers that have no name."""
    return f"{getattr(severity, 'name', severity)} {getattr(status, 'name', status)}"


def _plain_repr(value: Any) -> str:
    """Return how the value itself is written, without what it carries."""
    for plain in (int, float, str, list):
        if isinstance(value, plain):
            return plain.__repr__(value)
    return repr(value)


class AugmentedFloat(Augmented, float):
    """A `float` that carries what `Augmented` has."""


class AugmentedInt(Augmented, int):
    """An `int` that carries what `Augmented` has; of an enum the number, with its `label`."""


class AugmentedStr(Augmented, str):
    """A `str` that carries what `Augmented` has."""


class AugmentedList(Augmented, list[Any]):
    """A list of `str` that carries what `Augmented` has."""


class _AugmentedMachineArray(Augmented, array):  # type: ignore[type-arg]
    """An `array.array` that carries what `Augmented` has."""


_CARRIERS: dict[type, Any] = {
    int: AugmentedInt,
    float: AugmentedFloat,
    str: AugmentedStr,
    list: AugmentedList,
}


def _carrier(value: Any) -> Any:
    """Return `value` as an instance of the class that carries more."""
    if isinstance(value, str):
        value = _readable(value)
    elif isinstance(value, list):
        value = [_readable(each) if isinstance(each, str) else each for each in value]
    carrier = _CARRIERS.get(type(value))
    if carrier is not None:
        return carrier(value)
    if isinstance(value, array):
        return _AugmentedMachineArray(value.typecode, value)
    if hasattr(value, "dtype"):
        from .numpy_augmented import AugmentedArray

        return value.view(AugmentedArray)
    return AugmentedStr(value.decode("latin-1"))  # of a type that is not known


def _readable(text: str) -> str:
    """Read as UTF-8 what has been read as Latin-1, if it is UTF-8: IOCs have no rule, but most send that."""
    if text.isascii():
        return text
    try:
        return decode_string(text.encode("latin-1"), "utf-8")
    except UnicodeEncodeError:  # read in another way
        return text


def bytes_of_characters(value: Any) -> bytes:
    """Return what a character or an array of them holds, up to the first NUL."""
    raw = bytes([value]) if isinstance(value, int) else bytes(value)
    return raw.partition(b"\0")[0]


def text_of_characters(value: Any) -> str:
    """Return that as text."""
    return decode_string(bytes_of_characters(value), "utf-8")


def augment(
    name: str,
    response: ReadNotifyResponse | EventAddResponse,
    control: DbrMetadata | None = None,
    *,
    as_text: bool = False,
) -> Any:
    """Make an augmented value.

    Parameters
    ----------
    name : str
        Of the PV.
    response : ReadNotifyResponse or EventAddResponse
        What brought the value.
    control : DbrMetadata, optional
        Units, limits and labels, if they came by another message.
    as_text : bool
        Make a `str` of an array of characters.

    Returns
    -------
    AugmentedFloat, AugmentedInt, AugmentedStr, AugmentedList or AugmentedArray
    """
    value = response.value
    if as_text and NATIVE_TYPES[response.data_type] is ChannelType.CHAR:
        value = text_of_characters(value)
    result = _carrier(value)
    result.name, result.response, result.control = name, response, control
    return result
