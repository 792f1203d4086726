"""What a PV holds: value, time, alarm and other metadata, and their wire form."""

from __future__ import annotations

import datetime
import logging
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..._constants import MAX_SUBSCRIPTION_BACKLOG
from ..._errors import CaprotoConversionError, CaprotoValueError
from ..._protocol.arrays import Buffer
from ..._protocol.dbr import DbrMetadata
from ..._protocol.enums import AlarmSeverity, AlarmStatus, ChannelType, SubscriptionType
from ..._protocol.status import CAStatus
from ..._protocol.timestamps import TimeStamp
from .._engine.timed_numbers import SECOND
from .alarm import NO_ALARM, ChannelAlarm
from .conversion import as_elements
from .encoding import encode_metadata, encode_value, epics_time, now
from .overriding import plain

if TYPE_CHECKING:
    from .._engine.source import Source

__all__ = ["ALARM_FLAG", "VALUE_FLAGS", "ChannelState"]

logger: logging.Logger = logging.getLogger("caproto.ioc")

_SEQUENCES = (Sequence, array)

# Plain integers: one operation on flags of an enum takes 0.5 us, and every new value needs some.
VALUE_FLAGS = int(SubscriptionType.DBE_VALUE | SubscriptionType.DBE_LOG)
ALARM_FLAG = int(SubscriptionType.DBE_ALARM)
_PROPERTY_FLAG = int(SubscriptionType.DBE_PROPERTY)


class ChannelState:
    """What a PV holds. Parameters are those of `ChannelData`."""

    data_type: ChannelType = ChannelType.LONG
    source: Source | None = None
    # What most PVs have in common is kept by the class; see `keep`.
    string_encoding: str = "latin-1"
    reported_record_type: str = "caproto"
    max_subscription_backlog: int = MAX_SUBSCRIPTION_BACKLOG
    _alarm: ChannelAlarm | None = None
    _max_length: int = 1
    _odd: str | None = None
    """What was last said about a value that is not of this PV's kind."""

    def __init__(
        self,
        *,
        alarm: ChannelAlarm | None = None,
        value: Any = None,
        timestamp: Any = None,
        max_length: int | None = None,
        string_encoding: str = "latin-1",
        reported_record_type: str = "caproto",
        max_subscription_backlog: int = MAX_SUBSCRIPTION_BACKLOG,
    ) -> None:
        # Not left to the class: an attribute that comes later costs each PV a dictionary of its own, 300 bytes.
        self.source = None
        self.keep("string_encoding", string_encoding)
        self.keep("reported_record_type", reported_record_type)
        self.keep("max_subscription_backlog", max_subscription_backlog)
        if alarm is not None:
            self._alarm = alarm
            alarm.connect(self)
        if max_length is None:
            max_length = max(1, self.calculate_length(value))
        self.keep("_max_length", max_length)
        self.nanoseconds: int = now() if timestamp is None else epics_time(timestamp)
        """When the value was set, since the EPICS epoch: a third of the memory that a pair of seconds and rest takes."""
        self._value: Any = self.preprocess_value(value)

    def keep(self, name: str, value: Any) -> None:
        """Set an attribute, unless it has that value already, as a rule from the class.

        A server may have hundreds of thousands of PVs, which differ in few of their twenty attributes.
        """
        if getattr(self, name) != value:
            setattr(self, name, value)

    def _repr_html_(self) -> str:
        from ..._html import fields_table, shortened

        time = datetime.datetime.fromtimestamp(self.timestamp, datetime.timezone.utc)
        fields: list[tuple[str, object]] = [
            ("value", shortened(self.value)),
            ("type", self.data_type.name),
            ("elements", f"{self.length} of {self.max_length}"),
            ("units", getattr(self, "units", "")),
            ("states", ", ".join(getattr(self, "enum_strings", ()))),
            ("time", time.isoformat(sep=" ")),
            ("alarm", f"{self.severity.name} {self.status.name}"),
        ]
        title = getattr(self, "pvname", type(self).__name__)
        return fields_table(title, [field for field in fields if field[1] != ""])

    # --- value and length ---

    @property
    def value(self) -> Any:
        """The current value."""
        return self._value

    @property
    def max_length(self) -> int:
        """The most elements that the PV can hold."""
        return self._max_length

    @property
    def length(self) -> int:
        """How many elements the current value has."""
        return self.calculate_length(self._value)

    def calculate_length(self, value: Any) -> int:
        """Return how many elements `value` would be."""
        return len(value) if ChannelState.is_compatible_array(self, value) else 1

    def is_compatible_array(self, value: Any) -> bool:
        """Tell whether `value` is a sequence of elements rather than one."""
        if isinstance(value, str | bytes):
            return False
        dimensions = getattr(value, "ndim", None)
        # Asked for by its type, not by what it can do: a mock in a test of an IOC can do everything.
        return dimensions > 0 if isinstance(dimensions, int) else isinstance(value, _SEQUENCES)

    @plain
    def preprocess_value(self, value: Any) -> Any:
        """Bring a new value into the form in which it is kept.

        Raises
        ------
        CaprotoValueError
            If it has more elements than the PV can hold, or is not of its kind.
        """
        if self._max_length == 1 and isinstance(value, int | float):
            return self.preprocess_element(value)  # what most values are, with fewer questions
        is_array = self.is_compatible_array(value)
        if self._max_length == 1:
            if not is_array:
                return self.preprocess_element(value)
            if len(value) == 0:
                raise CaprotoValueError("an empty array cannot be the value of a scalar PV")
            self._check_length(len(value))
            element = value[0]
            return self.preprocess_element(element.item() if hasattr(element, "item") else element)
        if not is_array:
            return [self.preprocess_element(value)]
        self._check_length(len(value))
        return value

    @plain
    def preprocess_element(self, value: Any) -> Any:
        """Bring one element into the form in which it is kept."""
        return value

    def keep_odd(self, value: Any, why: object, effect: str = "get an error") -> Any:
        """Keep a value that is not of this PV's kind as the IOC set it, and say so once.

        An IOC whose instrument answers with something odd goes on running so.
        """
        complaint = f"{value!r}: {why}; clients that read it {effect}"
        if self._odd != complaint:
            self._odd = complaint
            log = getattr(self, "log", logger)
            log.warning("%s was set to %s", getattr(self, "pvname", type(self).__name__), complaint)
        return value

    def _check_length(self, length: int) -> None:
        if length > self._max_length:
            raise CaprotoValueError(
                f"a value of {length} elements is too long for "
                f"{type(self).__name__}(max_length={self._max_length})"
            )

    # --- time and alarm ---

    @property
    def timestamp(self) -> float:
        """When the value was set, in Unix seconds."""
        return self.epics_timestamp.timestamp

    @property
    def stamp(self) -> tuple[int, int]:
        """The same in EPICS seconds and nanoseconds."""
        return divmod(self.nanoseconds, SECOND)

    @property
    def epics_timestamp(self) -> TimeStamp:
        """The same with its raw integers."""
        return TimeStamp(*self.stamp)

    @property
    def alarm(self) -> ChannelAlarm:
        """The alarm, which other PVs may share."""
        if self._alarm is None:
            self._alarm = ChannelAlarm()
            self._alarm.connect(self)
        return self._alarm

    @alarm.setter
    def alarm(self, alarm: ChannelAlarm) -> None:
        if self._alarm is not None:
            self._alarm.disconnect(self)
        self._alarm = alarm
        alarm.connect(self)
        self.forget_encoded()

    @property
    def current_alarm(self) -> ChannelAlarm:
        """The alarm to look at; a PV that never had any need not have one of its own."""
        return self._alarm or NO_ALARM

    @property
    def status(self) -> AlarmStatus:
        """Why the PV is in alarm."""
        return self.current_alarm.status

    @property
    def severity(self) -> AlarmSeverity:
        """How bad the alarm is."""
        return self.current_alarm.severity

    # --- wire form ---

    @plain
    def forget_encoded(self) -> None:
        """Drop the wire forms of a value that has changed."""
        if self.source is not None:
            self.source.forget()

    @plain
    def encode(self, data_type: int, data_count: int) -> tuple[Buffer, int]:
        """Return metadata and values in wire form.

        Parameters
        ----------
        data_type : int
            DBR type code.
        data_count : int
            How many elements; 0 for as many as there are. What is missing is filled up with zeros.

        Returns
        -------
        payload : bytes-like
            Not padded.
        data_count : int

        Raises
        ------
        CaprotoValueError
            If the value cannot be had in that type, or not as so many elements.
        """
        return encode_value(self, data_type, data_count)

    def encode_metadata(self, data_type: int) -> bytes:
        """Return what stands before the values of a type, in wire form."""
        return encode_metadata(self, data_type)

    @plain
    def values_as(self, native: ChannelType) -> Any:
        """Return the current value as elements of a plain type."""
        if native is not self.data_type:
            raise CaprotoConversionError(
                f"{type(self).__name__} cannot be read as {native.name}",
                status=CAStatus.ECA_NOCONVERT.value,
            )
        return as_elements(self._value)

    def fill_metadata(self, metadata: DbrMetadata) -> None:
        """Fill in the metadata of the graphic and control types."""
        metadata.status = self.status  # type: ignore[attr-defined]
        metadata.severity = self.severity  # type: ignore[attr-defined]

    # --- change ---

    @plain
    async def publish(self, flags: int) -> None:
        """Send the current value to every subscription that asks for any of `flags`."""
        self.publish_now(flags)

    @plain
    def publish_now(self, flags: int) -> None:
        """Send the current value to every subscription that asks for any of `flags`."""
        if self.source is not None:
            self.source.publish(flags)

    def store_metadata(self, metadata: dict[str, Any]) -> int:
        """Take new metadata, and return whom it concerns."""
        flags = 0
        alarm: dict[str, Any] = {}
        for name, new in metadata.items():
            if new is None:
                continue
            if name == "timestamp":
                self.nanoseconds = epics_time(new)
                flags |= VALUE_FLAGS
            elif name in ("status", "severity"):
                alarm[name] = new
            else:
                self.set_metadata(name, new)
                flags |= _PROPERTY_FLAG
        if alarm and self.alarm.change(**alarm):
            flags |= ALARM_FLAG
            self.alarm.publish_now(ALARM_FLAG, except_for=self)
        return flags

    def set_metadata(self, name: str, new: Any) -> None:
        """Set one item of metadata that a subclass has."""
        raise CaprotoValueError(f"{type(self).__name__} has no metadata {name!r}")
