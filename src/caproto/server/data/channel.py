"""How a PV is read and written, by clients and by the IOC."""

from __future__ import annotations

from time import time_ns
from typing import Any, ClassVar, TypeAlias

from ..._errors import CaprotoConversionError, CaprotoValueError, Forbidden, SkipWrite
from ..._protocol.arrays import decode_data
from ..._protocol.dbr import DBR_TYPES, METADATA_SIZES, NATIVE_TYPES, DbrMetadata
from ..._protocol.enums import AccessRights, AlarmSeverity, AlarmStatus, ChannelType
from ..._protocol.status import CAStatus
from .conversion import as_elements
from .encoding import EPOCH, epics_time, now
from .overriding import (
    ACCESS_METHODS,
    NUMBER_METHODS,
    READ_METHODS,
    TAKING_METHODS,
    WRITE_METHODS,
    all_plain,
    plain,
)
from .state import ALARM_FLAG, VALUE_FLAGS, ChannelState

__all__ = ["ChannelData"]

_ALL_RIGHTS = AccessRights.READ | AccessRights.WRITE
# Plain integers: one operation on flags of an enum takes 0.5 us.
_READ, _WRITE = int(AccessRights.READ), int(AccessRights.WRITE)
_SETTABLE = ("timestamp", "status", "severity")
_ALARM_KEYWORDS = frozenset(("status", "severity"))

Usual: TypeAlias = tuple[type | None, tuple[float, float] | None]


class ChannelData(ChannelState):
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

    nanoseconds: int
    _reads_plainly: ClassVar[bool] = True
    _writes_plainly: ClassVar[bool] = True
    access_is_fixed: ClassVar[bool] = True
    """Whether `check_access` gives the same answer for as long as a client is connected."""
    takes_scalars: ClassVar[bool] = True
    """Whether `auth_write` may be given one element instead of a sequence of one, since it is ours."""
    # The values for which nothing has to be done but to keep them and to tell the clients: those of exactly this type,
    # or whole numbers where it is `float`. All of them, or those from the lowest to the highest. Set by the classes of
    # numbers, and for a PV by `find_usual`.
    _usual: Usual = (None, None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._reads_plainly = all_plain(cls, READ_METHODS)
        cls._writes_plainly = all_plain(cls, WRITE_METHODS)
        cls.access_is_fixed = all_plain(cls, ACCESS_METHODS)
        cls.takes_scalars = all_plain(cls, TAKING_METHODS)
        if not all_plain(cls, NUMBER_METHODS):
            cls._usual = (None, None)

    # --- what the engine asks ---

    @plain
    def check_access(self, hostname: str, username: str) -> AccessRights:
        """Tell what a user on a host may do; everything, unless a subclass says otherwise."""
        return _ALL_RIGHTS

    @property
    def reads_at_once(self) -> bool:
        """Whether nothing has to be awaited to read this PV."""
        return self._reads_plainly

    @property
    def writes_at_once(self) -> bool:
        """Whether nothing has to be awaited to write this PV."""
        return self._writes_plainly

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
        if not int(self.check_access(hostname, username)) & _READ:
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
        if not int(self.check_access(hostname, username)) & _WRITE:
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

    def find_usual(self) -> None:
        """Find out for which values `take_number` is all there is to a write; after each change of what tells that."""

    def take_number(self, value: Any, flags: int = 0) -> bool:
        """Do what `write` does, for a number that nothing has to be asked about; return False for any other value.

        Most values that an IOC writes are such. Until the update for one subscriber waits to be sent,
        ``await pv.write(value)`` takes 0.7 us this way and 5 us in all its steps.
        """
        usual, limits = self._usual
        kind = type(value)
        if kind is not usual and not (kind is int and usual is float):
            return False
        alarm = self._alarm
        if alarm is not None and alarm.is_raised:  # which may be over with this value
            return False
        if limits is not None and not limits[0] <= value <= limits[1]:
            return False
        self._value = value
        # As `now` does, without the call: 0.05 us.
        nanoseconds = self.nanoseconds = time_ns() - EPOCH
        source = self.source
        if source is not None:
            source.publish(flags | VALUE_FLAGS, value, nanoseconds)
        return True

    def write_now(self, data: Any, data_type: ChannelType, metadata: Any) -> None:
        """Do what `write_from_dbr` does where nothing has to be awaited."""
        if self._write_acknowledgement(data, data_type):
            return
        value = self.value_from_dbr(data, NATIVE_TYPES[data_type])
        self._write_at_once(value, 0, _metadata_keywords(metadata) if metadata else {})

    def _write_at_once(self, value: Any, flags: int, metadata: dict[str, Any]) -> None:
        """Do what `write` does where nothing has to be awaited."""
        value = self.preprocess_value(value)
        try:
            self.check_value(value)
        except SkipWrite:
            return
        except Exception:
            self.note_refusal()
            raise
        self.publish_now(self._store(value, flags, metadata, forgive=True))

    @plain
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

        An alarm that the IOC has set before is over with a new number, unless the value is not verified, or the putter
        has just set the alarm.

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
            As for `write_metadata`, ``timestamp`` above all; the current time by default. With ``status`` and
            ``severity`` the alarm is that one, whatever the limits say.

        Raises
        ------
        CaprotoValueError
            If the value is too long, not of the PV's kind, or beyond its limits.
        """
        if verify_value and not metadata and self.take_number(value, flags):
            return
        if verify_value and self.writes_at_once:
            self._write_at_once(
                value, flags, metadata
            )  # 0.4 us less than to await what awaits nothing
            return
        value = self.preprocess_value(value)
        serial = self.current_alarm.serial
        try:
            if verify_value:
                modified = await self.verify_value(value)
                if modified is not None and modified is not value:
                    value = self.preprocess_value(modified)
            if update_fields:
                await self.update_fields(value)
        except SkipWrite:
            return
        except Exception:
            if (
                self.current_alarm.serial == serial or not self.severity
            ):  # else a handler has said it
                self.note_refusal()
            raise
        # What a handler has just set is not over with the value that it lets pass.
        forgive = verify_value and self.current_alarm.serial == serial
        await self.publish(self._store(value, flags, metadata, forgive=forgive))

    @plain
    def _store(self, value: Any, flags: int, metadata: dict[str, Any], *, forgive: bool) -> int:
        """Take a new value, and return whom it concerns."""
        old, self._value = self._value, value
        timestamp = metadata.pop("timestamp", None) if metadata else None
        self.nanoseconds = now() if timestamp is None else epics_time(timestamp)
        # An alarm that is given with the value is the one to have.
        given = metadata and metadata.keys() >= _ALARM_KEYWORDS
        if not given and self.update_alarm(value, forgive=forgive):
            flags |= ALARM_FLAG
        if metadata:
            flags |= self.store_metadata(metadata)
        flags |= self.value_flags(old, value)
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

    @plain
    def check_value(self, data: Any) -> None:
        """Raise if a new value must not be taken; for checks that await nothing."""

    @plain
    def value_flags(self, old: Any, new: Any) -> int:
        """Return the kinds of subscriptions that a new value concerns."""
        return VALUE_FLAGS

    @plain
    def update_alarm(self, value: Any, *, forgive: bool = True) -> bool:
        """Set the alarm that belongs to a new value, and return whether it changed.

        Parameters
        ----------
        value : object
        forgive : bool
            Whether an alarm that the IOC has set itself is over with this value. Of PVs other than numbers only the one
            that tells of a refused write is.
        """
        if forgive and self.current_alarm.status == AlarmStatus.WRITE:
            return self.set_alarm(AlarmStatus.NO_ALARM, AlarmSeverity.NO_ALARM)
        return False

    def judge(self, status: int, severity: int, *, forgive: bool) -> bool:
        """Set the alarm that a new value is the reason for, and return whether it changed.

        One that another PV shares and whose value is the reason stays, unless this one is worse.
        """
        alarm = self.current_alarm
        if alarm.raised_by not in (self, None):
            if severity <= alarm.severity:
                return False
        elif not severity and alarm.raised_by is None and not forgive:
            return False
        if not severity and not alarm.is_raised:
            return False  # there is no need for one
        return self.set_alarm(status, severity, raised_by=self if severity else None)

    @plain
    def note_refusal(self) -> None:
        """Raise an alarm because a new value was refused; it is over when a write succeeds."""
        if self.set_alarm(AlarmStatus.WRITE, AlarmSeverity.MAJOR_ALARM):
            self.publish_now(ALARM_FLAG)

    def set_alarm(
        self, status: int, severity: int, *, raised_by: ChannelState | None = None
    ) -> bool:
        """Set the alarm, tell the clients of the PVs that share it, and return whether it changed."""
        changed = self.alarm.change(status=status, severity=severity, raised_by=raised_by)
        if changed:
            self.alarm.publish_now(ALARM_FLAG, except_for=self)
        return changed

    @plain
    async def update_fields(self, value: Any) -> None:
        """Do what has to be done when the value changes; for subclasses."""

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
        flags = self.store_metadata(metadata)
        self.forget_encoded()
        if publish:
            await self.publish(flags)

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
