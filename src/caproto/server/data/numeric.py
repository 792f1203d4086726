"""PVs that hold numbers."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from ..._errors import CaprotoConversionError, CaprotoValueError
from ..._protocol.arrays import Buffer
from ..._protocol.dbr import NATIVE_TYPES, DbrMetadata
from ..._protocol.enums import AlarmSeverity, AlarmStatus, ChannelType, SubscriptionType
from ..._protocol.metadata import CONTROL_LIMITS
from ..._protocol.status import CAStatus
from .._engine.timed_numbers import number_packer
from .channel import ChannelData, Usual
from .conversion import (
    as_elements,
    number_as,
    number_fits,
    number_from_text,
    numbers_as,
    numbers_from_text,
    text_from_number,
)
from .overriding import plain

__all__ = [
    "CannotExceedLimits",
    "ChannelDouble",
    "ChannelFloat",
    "ChannelInteger",
    "ChannelNumeric",
    "ChannelShort",
]

_PAIRS = {
    f"{end}_{kind}_limit": f"{other}_{kind}_limit"
    for kind in ("alarm", "warning", "ctrl")
    for end, other in (("upper", "lower"), ("lower", "upper"))
}
"""The limits that are not used while they are the same as their opposites."""
_LEVELS = (
    (AlarmStatus.HIHI, "upper_alarm_limit", 1),
    (AlarmStatus.LOLO, "lower_alarm_limit", -1),
    (AlarmStatus.HIGH, "upper_warning_limit", 1),
    (AlarmStatus.LOW, "lower_warning_limit", -1),
)
"""The limits that are a reason for an alarm, in the order in which a C IOC asks for them."""
_INTEGERS = (ChannelType.INT, ChannelType.LONG)
_UNREADABLE = (str, bytes, type(None))
"""What a program may set although it is no number; see `ChannelState.keep_odd`."""
_NO_ALARM = (AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)
_MINOR, _MAJOR = int(AlarmSeverity.MINOR_ALARM), int(AlarmSeverity.MAJOR_ALARM)
_VALUE_FLAG, _LOG_FLAG = int(SubscriptionType.DBE_VALUE), int(SubscriptionType.DBE_LOG)


@lru_cache(maxsize=256)
def _usual(kind: type | None, limits: tuple[float, float] | None) -> Usual:
    """Return one pair for all PVs that are alike."""
    return kind, limits


class CannotExceedLimits(CaprotoValueError):
    """A value beyond the control limits of the PV."""


class ChannelNumeric(ChannelData):
    """A PV that holds numbers: one, or an array of them.

    Parameters
    ----------
    value : number or sequence of numbers
    units : str
        At most 7 characters travel.
    upper_disp_limit, lower_disp_limit : number
        Range that a display should show.
    upper_alarm_limit, lower_alarm_limit : number
        A value at or beyond one of them puts a scalar PV into MAJOR alarm (HIHI, LOLO). Not used while both are the
        same.
    upper_warning_limit, lower_warning_limit : number
        The same for MINOR alarm (HIGH, LOW).
    upper_ctrl_limit, lower_ctrl_limit : number
        Values beyond them are refused. Not used while both are the same.
    value_atol, log_atol : float
        Dead-bands: a change by no more than this is not sent to subscriptions that ask for values only
        (``DBE_VALUE``, ``DBE_LOG``). With 0 every write is sent.
    **kwargs
        As for `ChannelData`.

    Attributes
    ----------
    hysteresis : float
        By how much a value has to come back from an alarm or warning limit for its alarm to be over (HYST).
    """

    data_type = ChannelType.DOUBLE
    _units: str = ""
    _upper_disp_limit: float = 0
    _lower_disp_limit: float = 0
    _upper_alarm_limit: float = 0
    _upper_warning_limit: float = 0
    _lower_warning_limit: float = 0
    _lower_alarm_limit: float = 0
    _upper_ctrl_limit: float = 0
    _lower_ctrl_limit: float = 0
    limit_severities: tuple[int, int, int, int] = (_MAJOR, _MAJOR, _MINOR, _MINOR)
    """How bad it is to be at or beyond each of the limits, in the order of `_LEVELS`."""
    hysteresis: float = 0.0
    """By how much a value has to come back for its alarm to be over."""
    _limit_status: int = 0
    """Which limit the last value was beyond."""
    _value_atol: float = 0.0
    _log_atol: float = 0.0
    _sent_value: Any = math.nan
    _sent_log: Any = math.nan
    """What subscribers were told last, where there is a dead-band."""

    def __init__(
        self,
        *,
        value: Any,
        units: str = "",
        upper_disp_limit: float = 0,
        lower_disp_limit: float = 0,
        upper_alarm_limit: float = 0,
        upper_warning_limit: float = 0,
        lower_warning_limit: float = 0,
        lower_alarm_limit: float = 0,
        upper_ctrl_limit: float = 0,
        lower_ctrl_limit: float = 0,
        value_atol: float = 0.0,
        log_atol: float = 0.0,
        **kwargs: Any,
    ) -> None:
        self.keep("_units", units)
        self.keep("_upper_disp_limit", upper_disp_limit)
        self.keep("_lower_disp_limit", lower_disp_limit)
        self.keep("_upper_alarm_limit", upper_alarm_limit)
        self.keep("_upper_warning_limit", upper_warning_limit)
        self.keep("_lower_warning_limit", lower_warning_limit)
        self.keep("_lower_alarm_limit", lower_alarm_limit)
        self.keep("_upper_ctrl_limit", upper_ctrl_limit)
        self.keep("_lower_ctrl_limit", lower_ctrl_limit)
        self.keep("_value_atol", value_atol)
        self.keep("_log_atol", log_atol)
        super().__init__(value=value, **kwargs)
        if value_atol or log_atol:
            self._sent_value = self._sent_log = self._value
        self.find_usual()

    @property
    def units(self) -> str:
        """What the numbers count."""
        return self._units

    @property
    def upper_disp_limit(self) -> float:
        """Upper end of the range that a display should show."""
        return self._upper_disp_limit

    @property
    def lower_disp_limit(self) -> float:
        """Lower end of the range that a display should show."""
        return self._lower_disp_limit

    @property
    def upper_alarm_limit(self) -> float:
        """Values from here on are a MAJOR alarm (HIHI)."""
        return self._upper_alarm_limit

    @property
    def lower_alarm_limit(self) -> float:
        """Values down from here are a MAJOR alarm (LOLO)."""
        return self._lower_alarm_limit

    @property
    def upper_warning_limit(self) -> float:
        """Values from here on are a MINOR alarm (HIGH)."""
        return self._upper_warning_limit

    @property
    def lower_warning_limit(self) -> float:
        """Values down from here are a MINOR alarm (LOW)."""
        return self._lower_warning_limit

    @property
    def upper_ctrl_limit(self) -> float:
        """Values beyond this are refused."""
        return self._upper_ctrl_limit

    @property
    def lower_ctrl_limit(self) -> float:
        """Values below this are refused."""
        return self._lower_ctrl_limit

    @property
    def value_atol(self) -> float:
        """Dead-band of subscriptions to values; 0 is none."""
        return self._value_atol

    @value_atol.setter
    def value_atol(self, value_atol: float) -> None:
        self._value_atol = value_atol
        self.find_usual()

    @property
    def log_atol(self) -> float:
        """Dead-band of subscriptions to what is archived; 0 is none."""
        return self._log_atol

    @log_atol.setter
    def log_atol(self, log_atol: float) -> None:
        self._log_atol = log_atol
        self.find_usual()

    def find_usual(self) -> None:
        """Find out for which values `take_number` is all there is to a write."""
        kind, limits = type(self)._usual
        if not (
            self.writes_at_once
            and self._max_length == 1
            and not (self._value_atol or self._log_atol)
        ):
            kind = None
        # One attribute, and not left to the class: each that Python looks for there takes 0.04 us more.
        self._usual = _usual(kind, self._range_without_alarm(limits))

    def _range_without_alarm(
        self, limits: tuple[float, float] | None
    ) -> tuple[float, float] | None:
        """Narrow the range of a type to the values that are neither refused nor a reason for an alarm."""
        lowest, highest = everything = limits or (-math.inf, math.inf)
        lower, upper = self._lower_ctrl_limit, self._upper_ctrl_limit
        if lower != upper:
            lowest, highest = max(lower, lowest), min(upper, highest)
        for lower, upper in (
            (self._lower_alarm_limit, self._upper_alarm_limit),
            (self._lower_warning_limit, self._upper_warning_limit),
        ):
            if lower != upper:  # a limit itself is in alarm; one that is no number never is
                lowest = max(lowest, math.nextafter(lower, math.inf))
                highest = min(highest, math.nextafter(upper, -math.inf))
        return limits if (lowest, highest) == everything else (lowest, highest)

    def set_metadata(self, name: str, new: Any) -> None:
        """Set the units or a limit."""
        if name == "units" or name in CONTROL_LIMITS:
            setattr(self, f"_{name}", new)
            self.find_usual()
        else:
            super().set_metadata(name, new)

    def fill_metadata(self, metadata: DbrMetadata) -> None:
        """Fill in units and limits, as far as the type has them."""
        super().fill_metadata(metadata)
        fields = metadata.info_fields
        if "units" not in fields:
            return
        metadata.units = self._units  # type: ignore[attr-defined]
        native = ChannelType(metadata.DBR_ID % 7)
        for name in CONTROL_LIMITS:
            if name in fields:
                setattr(metadata, name, self._limit_as(name, native))

    @property
    def limits_as_records(self) -> bool:
        """Whether clients see unused limits as those of a record on a C IOC: no number, or the display limits."""
        return False

    def _limit_as(self, name: str, native: ChannelType) -> float | int:
        """Return a limit as clients see it."""
        if self.limits_as_records and name in _PAIRS and self._is_unused(name):
            if "ctrl" not in name:
                return math.nan if native in (ChannelType.FLOAT, ChannelType.DOUBLE) else 0
            name = name.replace("ctrl", "disp")
        return number_as(getattr(self, f"_{name}"), native)

    def _is_unused(self, name: str) -> bool:
        """Tell whether a limit is the same as its opposite."""
        return bool(getattr(self, f"_{name}") == getattr(self, f"_{_PAIRS[name]}"))

    @plain
    def check_value(self, data: Any) -> None:
        """Raise `CannotExceedLimits` if a scalar is beyond the control limits."""
        lower, upper = self._lower_ctrl_limit, self._upper_ctrl_limit
        if lower == upper or self._max_length != 1 or isinstance(data, _UNREADABLE):
            return
        if not lower <= float(data) <= upper:
            raise CannotExceedLimits(
                f"{data} is beyond the limits, which are {lower} and {upper}",
                status=CAStatus.ECA_PUTFAIL.value,
            )

    @plain
    def update_alarm(self, value: Any, *, forgive: bool = True) -> bool:
        """Set the alarm by the limits, and return whether it changed; an array has none of its own."""
        if self._max_length != 1 or isinstance(value, _UNREADABLE):
            return super().update_alarm(value, forgive=forgive)
        if self._is_far_from_alarm(value):
            return False
        self._limit_status, severity = self._alarm_of(float(value))
        return self.judge(self._limit_status, severity, forgive=forgive)

    def _is_far_from_alarm(self, value: Any) -> bool:
        """Tell whether there is neither an alarm nor a reason for one, without a look at each limit: 0.3 us, not 2."""
        limits = self._usual[1]
        return (
            not self._limit_status
            and not self.current_alarm.is_raised
            and isinstance(value, int | float)
            and (limits is None or limits[0] <= value <= limits[1])
        )

    def _alarm_of(self, value: float) -> tuple[int, int]:
        """Return status and severity that belong to a value, which has to come back by more than the hysteresis."""
        for (status, name, sign), severity in zip(_LEVELS, self.limit_severities, strict=True):
            if not severity or self._is_unused(name):
                continue
            margin = self.hysteresis if self._limit_status == status else 0
            if sign * value >= sign * getattr(self, f"_{name}") - margin:
                return status, severity
        return _NO_ALARM

    @plain
    def value_flags(self, old: Any, new: Any) -> int:
        """Return the kinds of subscriptions that a new value concerns: dead-bands are for scalars."""
        if not (self._value_atol or self._log_atol) or self._max_length != 1:
            return super().value_flags(old, new)
        if isinstance(new, _UNREADABLE):
            self._sent_value = self._sent_log = math.nan  # from which every number differs
            return super().value_flags(old, new)
        flags = 0
        # Compared with what was sent last, so that many small steps do not go unseen.
        if self._value_atol <= 0 or not abs(new - self._sent_value) <= self._value_atol:
            self._sent_value = new
            flags |= _VALUE_FLAG
        if self._log_atol <= 0 or not abs(new - self._sent_log) <= self._log_atol:
            self._sent_log = new
            flags |= _LOG_FLAG
        return flags

    @plain
    def preprocess_element(self, value: Any) -> Any:
        """Take a number as it is, and text for the number that it spells."""
        if isinstance(value, str | bytes):
            try:
                return number_from_text(value, self.data_type)
            except CaprotoConversionError as error:
                return self.keep_odd(value, error)
        if isinstance(value, int) and not number_fits(value, self.data_type):
            why = f"it is beyond what {self.data_type.name} can hold"
            return self.keep_odd(value, why, "get its lowest bits")
        return value

    @plain
    def encode(self, data_type: int, data_count: int) -> tuple[Buffer, int]:
        """Return metadata and values in wire form; see `ChannelState.encode`."""
        pack = number_packer(data_type, data_count)
        if pack is None or not isinstance(self._value, int | float):
            return super().encode(data_type, data_count)
        # What nearly every update is: packed in one go, 0.8 us instead of 1.5.
        number = self.values_as(NATIVE_TYPES[data_type])
        return pack(self.current_alarm.wire, *self.stamp, number), 1

    @plain
    def values_as(self, native: ChannelType) -> Any:
        """Return the numbers as elements of another type; as text, with the PV's precision."""
        value = self._value
        if isinstance(value, int | float):
            if native is ChannelType.STRING:
                return self.text_of(value)
            if native is not self.data_type:
                value = number_as(value, self.data_type)
            return number_as(value, native)
        if value is None and self.data_type not in _INTEGERS:
            return self.text_of(math.nan) if native is ChannelType.STRING else math.nan
        if isinstance(value, _UNREADABLE):
            raise CaprotoConversionError(f"the value {value!r} is not a number")
        elements = as_elements(value)
        if native is ChannelType.STRING:
            return [self.text_of(element) for element in elements]
        if native is self.data_type:
            return elements
        return numbers_as(numbers_as(elements, self.data_type), native)

    def text_of(self, value: Any) -> str:
        """Write a number out."""
        return str(int(value))

    @plain
    def value_from_dbr(self, data: Any, native: ChannelType) -> Any:
        """Convert numbers of another type, or texts that spell numbers."""
        if isinstance(data, int | float):
            return data if native is self.data_type else number_as(data, self.data_type)
        elements = as_elements(data)[: self._max_length]
        if native is ChannelType.STRING:
            if self._max_length == 1 and len(elements) and not elements[0]:
                return 0  # as on a C IOC; in an array an empty text is refused
            return numbers_from_text(elements, self.data_type)
        return numbers_as(elements, self.data_type)


class ChannelInteger(ChannelNumeric):
    """A PV of 32-bit integers (DBR_LONG). Parameters as for `ChannelNumeric`."""

    data_type = ChannelType.LONG
    _usual = (int, (-(1 << 31), (1 << 31) - 1))


class ChannelShort(ChannelNumeric):
    """A PV of 16-bit integers (DBR_INT, also called DBR_SHORT). Parameters as for `ChannelNumeric`."""

    data_type = ChannelType.INT
    _usual = (int, (-(1 << 15), (1 << 15) - 1))


class _ChannelReal(ChannelNumeric):
    """Numbers with a precision."""

    _precision: int = 0

    def __init__(self, *, precision: int = 0, **kwargs: Any) -> None:
        self.keep("_precision", precision)
        super().__init__(**kwargs)

    @property
    def precision(self) -> int:
        """Digits after the point that mean anything."""
        return self._precision

    def set_metadata(self, name: str, new: Any) -> None:
        """Set the precision, the units or a limit."""
        if name == "precision":
            self._precision = new
        else:
            super().set_metadata(name, new)

    def fill_metadata(self, metadata: DbrMetadata) -> None:
        """Fill in precision, units and limits, as far as the type has them."""
        super().fill_metadata(metadata)
        if "precision" in metadata.info_fields:
            metadata.precision = self._precision  # type: ignore[attr-defined]

    def text_of(self, value: Any) -> str:
        """Write a number out with the precision."""
        single = self.data_type is ChannelType.FLOAT
        return text_from_number(float(value), self._precision, single=single)


class ChannelDouble(_ChannelReal):
    """A PV of 64-bit floating-point numbers (DBR_DOUBLE).

    Parameters
    ----------
    precision : int
        Digits after the point that mean anything.
    **kwargs
        As for `ChannelNumeric`.
    """

    data_type = ChannelType.DOUBLE
    _usual = (float, None)


class ChannelFloat(_ChannelReal):
    """A PV of 32-bit floating-point numbers (DBR_FLOAT).

    Parameters
    ----------
    precision : int
        Digits after the point that mean anything.
    **kwargs
        As for `ChannelNumeric`.
    """

    data_type = ChannelType.FLOAT
