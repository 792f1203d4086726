"""What all PVs have: a value, its time, its alarm, and who may use it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..._constants import MAX_SUBSCRIPTION_BACKLOG
from ..._errors import CaprotoConversionError, CaprotoValueError, Forbidden, SkipWrite
from ..._protocol.arrays import Buffer, decode_data
from ..._protocol.dbr import DBR_TYPES, METADATA_SIZES, NATIVE_TYPES, DbrMetadata
from ..._protocol.enums import (
    AccessRights,
    AlarmSeverity,
    AlarmStatus,
    ChannelType,
    SubscriptionType,
)
from ..._protocol.status import CAStatus
from ..._protocol.timestamps import TimeStamp
from .alarm import NO_ALARM, ChannelAlarm
from .conversion import as_elements
from .encoding import encode_value, epics_time, now
from .overriding import ACCESS_METHODS, READ_METHODS, WRITE_METHODS, all_plain, plain

if TYPE_CHECKING:
    from .._engine.source import Source

__all__ = ["ChannelData"]


_VALUE_FLAGS = SubscriptionType.DBE_VALUE | SubscriptionType.DBE_LOG
_ALARM_FLAG = int(SubscriptionType.DBE_ALARM)
_PROPERTY_FLAG = int(SubscriptionType.DBE_PROPERTY)

_SETTABLE = ("timestamp", "status", "severity")


class ChannelData:
    """The data of one PV, and the base class of those with a type.

    Parameters
    ----------
    alarm : ChannelAlarm, optional
        May be shared; a new one by default.
    value : object
        Initial value: one element, or a sequence of them.
    timestamp : float, TimeStamp, datetime or (int, int), optional
        Of the value: Unix seconds, or EPICS seconds and nanoseconds. Now by default.
    max_length : int, optional
        The most elements the PV can hold; by default as many as `value` has. With 1 the PV is a scalar.
    string_encoding : str
        Of text in either direction.
    reported_record_type : str
        What clients see who ask for the CLASS_NAME.
    max_subscription_backlog : int
        Accepted for compatibility. A client that is too slow gets the newest value.

    Attributes
    ----------
    data_type : ChannelType
        The plain type of the PV.
    """

    data_type: ChannelType = ChannelType.LONG
    source: Source | None = None
    # What most PVs have in common is kept by the class; see `keep`.
    string_encoding: str = "latin-1"
    reported_record_type: str = "caproto"
    max_subscription_backlog: int = MAX_SUBSCRIPTION_BACKLOG
    _alarm: ChannelAlarm | None = None
    _max_length: int = 1
    _reads_plainly: ClassVar[bool] = True
    _writes_plainly: ClassVar[bool] = True
    access_is_fixed: ClassVar[bool] = True
    """Whether `check_access` gives the same answer for as long as a client is connected."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._reads_plainly = all_plain(cls, READ_METHODS)
        cls._writes_plainly = all_plain(cls, WRITE_METHODS)
        cls.access_is_fixed = all_plain(cls, ACCESS_METHODS)

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
        self.keep("string_encoding", string_encoding)
        self.keep("reported_record_type", reported_record_type)
        self.keep("max_subscription_backlog", max_subscription_backlog)
        if alarm is not None:
            self._alarm = alarm
            alarm.connect(self)
        if max_length is None:
            max_length = max(1, self.calculate_length(value))
        self.keep("_max_length", max_length)
        self.stamp = now() if timestamp is None else epics_time(timestamp)
        self._value: Any = self.preprocess_value(value)

    def keep(self, name: str, value: Any) -> None:
        """Set an attribute, unless the class has it with that value.

        A server may have hundreds of thousands of PVs, which differ in few of their twenty attributes.
        """
        if getattr(type(self), name) != value or name in self.__dict__:
            setattr(self, name, value)

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
        if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
            return 1
        return 1 if getattr(value, "ndim", 1) == 0 else len(value)

    def is_compatible_array(self, value: Any) -> bool:
        """Tell whether `value` is a sequence of elements rather than one."""
        return not isinstance(value, str | bytes) and hasattr(value, "__len__")

    def preprocess_value(self, value: Any) -> Any:
        """Bring a new value into the form in which it is kept.

        Raises
        ------
        CaprotoValueError
            If it has more elements than the PV can hold, or is not of its kind.
        """
        is_array = self.is_compatible_array(value) and getattr(value, "ndim", 1) > 0
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

    def preprocess_element(self, value: Any) -> Any:
        """Bring one element into the form in which it is kept."""
        return value

    def _check_length(self, length: int) -> None:
        if length > self._max_length:
            raise CaprotoValueError(
                f"a value of {length} elements is too long for "
                f"{type(self).__name__}(max_length={self._max_length})"
            )

    # --- time, alarm, access ---

    @property
    def timestamp(self) -> float:
        """When the value was set, in Unix seconds."""
        return self.epics_timestamp.timestamp

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

    @plain
    def check_access(self, hostname: str, username: str) -> AccessRights:
        """Tell what a user on a host may do; everything, unless a subclass says otherwise."""
        return AccessRights.READ | AccessRights.WRITE

    # --- what the engine asks ---

    @property
    def reads_at_once(self) -> bool:
        """Whether nothing has to be awaited to read this PV."""
        return self._reads_plainly

    @property
    def writes_at_once(self) -> bool:
        """Whether nothing has to be awaited to write this PV."""
        return self._writes_plainly

    def forget_encoded(self) -> None:
        """Drop the wire forms of a value that has changed."""
        if self.source is not None:
            self.source.replies.clear()

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

    # --- reading ---

    @plain
    async def auth_read(
        self,
        hostname: str,
        username: str,
        data_type: ChannelType,
        *,
        user_address: tuple[str, int] | None = None,
    ) -> tuple[Any, Any]:
        """Read on behalf of a client.

        Raises
        ------
        Forbidden
            If the client may not.
        """
        if not self.check_access(hostname, username) & AccessRights.READ:
            raise Forbidden(f"{username}@{hostname} may not read this PV")
        return await self.read(data_type)

    @plain
    async def read(self, data_type: int) -> tuple[Any, Any]:
        """Return the current value as a client would get it.

        Parameters
        ----------
        data_type : ChannelType or int

        Returns
        -------
        metadata : DbrMetadata or bytes
            Empty bytes for the plain types.
        values : numpy.ndarray, array.array or DbrStringArray
            As `caproto.ReadNotifyResponse.data`.

        Raises
        ------
        CaprotoConversionError
            If the value cannot be had in that type.
        """
        payload, count = self.encode(data_type, 0)
        size = METADATA_SIZES[data_type]
        metadata: Any = b""
        if size:
            metadata = DBR_TYPES[ChannelType(data_type)].from_buffer(bytes(payload[:size]))
        return metadata, decode_data(payload, data_type, count)

    # --- writing ---

    @plain
    async def auth_write(
        self,
        hostname: str,
        username: str,
        data: Any,
        data_type: ChannelType,
        metadata: Any,
        *,
        flags: int = 0,
        user_address: tuple[str, int] | None = None,
    ) -> Any:
        """Write on behalf of a client.

        Raises
        ------
        Forbidden
            If the client may not.
        """
        if not self.check_access(hostname, username) & AccessRights.WRITE:
            raise Forbidden(f"{username}@{hostname} may not write this PV")
        return await self.write_from_dbr(data, data_type, metadata, flags=flags)

    @plain
    async def write_from_dbr(
        self, data: Any, data_type: ChannelType, metadata: Any, *, flags: int = 0
    ) -> None:
        """Write what came over the network.

        Parameters
        ----------
        data : sequence
            Numbers, or texts as `bytes`.
        data_type : ChannelType
            What they are.
        metadata : DbrMetadata, dict or None
            Alarm and time to be set with them.
        flags : int
            As for `write`.

        Raises
        ------
        CaprotoConversionError
            If they cannot be converted to the type of the PV.
        """
        if self._write_acknowledgement(data, data_type):
            return
        await self.write(
            self.value_from_dbr(data, NATIVE_TYPES[data_type]),
            flags=flags,
            **_metadata_keywords(metadata),
        )

    def write_now(self, data: Any, data_type: ChannelType, metadata: Any) -> None:
        """Do what `write_from_dbr` does where nothing has to be awaited."""
        if self._write_acknowledgement(data, data_type):
            return
        value = self.preprocess_value(self.value_from_dbr(data, NATIVE_TYPES[data_type]))
        self.check_value(value)
        self.publish_now(self._store(value, 0, _metadata_keywords(metadata)))

    def value_from_dbr(self, data: Any, native: ChannelType) -> Any:
        """Convert elements of a plain type to a value of this PV; as many as it can hold."""
        if native is not self.data_type:
            raise CaprotoConversionError(
                f"{type(self).__name__} cannot be written as {native.name}",
                status=CAStatus.ECA_NOCONVERT.value,
            )
        elements = as_elements(data)
        return elements[: self._max_length]

    def _write_acknowledgement(self, data: Any, data_type: ChannelType) -> bool:
        """Do what the two types ask for that only write the alarm."""
        if data_type < ChannelType.PUT_ACKT:
            return False
        if data_type not in (ChannelType.PUT_ACKT, ChannelType.PUT_ACKS):
            raise CaprotoValueError(
                f"{data_type.name} can only be read", status=CAStatus.ECA_BADTYPE.value
            )
        number = int(as_elements(data)[0])
        if data_type == ChannelType.PUT_ACKT:
            self.alarm.require_acknowledgement(bool(number))
        else:
            self.alarm.acknowledge(number)
        return True

    @plain
    async def write(
        self,
        value: Any,
        *,
        flags: int = 0,
        verify_value: bool = True,
        update_fields: bool = True,
        **metadata: Any,
    ) -> None:
        """Set a new value and tell the clients.

        Parameters
        ----------
        value : object
            One element or a sequence of them.
        flags : int
            Further kinds of subscriptions to tell (`SubscriptionType`), beside those to values.
        verify_value : bool
            False to leave out `verify_value`, and so the putter of a `pvproperty`.
        update_fields : bool
            False to leave out `update_fields`.
        **metadata
            As for `write_metadata`, ``timestamp`` above all; the current time by default.

        Raises
        ------
        CaprotoValueError
            If the value is too long, not of the PV's kind, or beyond its limits.
        """
        value = self.preprocess_value(value)
        try:
            if verify_value:
                modified = await self.verify_value(value)
                if modified is not None and modified is not value:
                    value = self.preprocess_value(modified)
            if update_fields:
                await self.update_fields(value)
        except SkipWrite:
            return
        await self.publish(self._store(value, flags, metadata))

    def _store(self, value: Any, flags: int, metadata: dict[str, Any]) -> int:
        """Take a new value, and return whom it concerns."""
        old, self._value = self._value, value
        timestamp = metadata.pop("timestamp", None) if metadata else None
        self.stamp = now() if timestamp is None else epics_time(timestamp)
        if metadata:
            flags |= self._store_metadata(metadata)
        flags |= self.value_flags(old, value)
        if self.update_alarm(value):
            flags |= _ALARM_FLAG
        self.forget_encoded()
        return flags

    @plain
    async def verify_value(self, data: Any) -> Any:
        """Check a new value, and return it or another one to be used instead.

        Raises
        ------
        CaprotoValueError
            To refuse it.
        SkipWrite
            To leave the current value silently.
        """
        self.check_value(data)
        return data

    def check_value(self, data: Any) -> None:
        """Raise if a new value must not be taken; for checks that await nothing."""

    def value_flags(self, old: Any, new: Any) -> int:
        """Return the kinds of subscriptions that a new value concerns."""
        return _VALUE_FLAGS

    def update_alarm(self, value: Any) -> bool:
        """Set the alarm that belongs to a new value, and return whether it changed."""
        return False

    @plain
    async def update_fields(self, value: Any) -> None:
        """Do what has to be done when the value changes; for subclasses."""

    @plain
    async def publish(self, flags: int) -> None:
        """Send the current value to every subscription that asks for any of `flags`."""
        self.publish_now(flags)

    def publish_now(self, flags: int) -> None:
        """Send the current value to every subscription that asks for any of `flags`."""
        if self.source is not None:
            self.source.publish(flags)

    async def write_metadata(self, publish: bool = True, **metadata: Any) -> None:
        """Change some of the metadata and tell the clients.

        Parameters
        ----------
        publish : bool
            False to tell nobody.
        **metadata
            ``timestamp``, ``status``, ``severity``, and what the type of PV has: ``units``, ``precision``, the eight
            limits ``upper_disp_limit`` to ``lower_ctrl_limit``, ``enum_strings``. What is None stays.

        Raises
        ------
        CaprotoValueError
            If there is no such metadata.
        """
        flags = self._store_metadata(metadata)
        self.forget_encoded()
        if publish:
            await self.publish(flags)

    def _store_metadata(self, metadata: dict[str, Any]) -> int:
        """Take new metadata, and return whom it concerns."""
        flags = 0
        alarm: dict[str, Any] = {}
        for name, new in metadata.items():
            if new is None:
                continue
            if name == "timestamp":
                self.stamp = epics_time(new)
                flags |= _VALUE_FLAGS
            elif name in ("status", "severity"):
                alarm[name] = new
            else:
                self.set_metadata(name, new)
                flags |= _PROPERTY_FLAG
        if alarm and self.alarm.change(**alarm):
            flags |= _ALARM_FLAG
            self.alarm.publish_now(_ALARM_FLAG, except_for=self)
        return flags

    def set_metadata(self, name: str, new: Any) -> None:
        """Set one item of metadata that a subclass has."""
        raise CaprotoValueError(f"{type(self).__name__} has no metadata {name!r}")

    # --- hooks of state machines ---

    def pre_state_change(self, state: Any, new_value: Any) -> None:
        """Do something before a state of the group changes; for subclasses."""

    def post_state_change(self, state: Any, new_value: Any) -> None:
        """Do something after a state of the group has changed; for subclasses."""


def _metadata_keywords(metadata: Any) -> dict[str, Any]:
    """Return what a client may set beside the value as keywords of `ChannelData.write`."""
    if not metadata:
        return {}
    if isinstance(metadata, DbrMetadata):
        metadata = metadata.to_dict()
    return {name: metadata[name] for name in _SETTABLE if name in metadata}
