"""The alarm of one PV, or of several that share it."""

from __future__ import annotations

import weakref
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Any

from ..._protocol.dbr import DBR_TYPES
from ..._protocol.enums import AlarmSeverity, AlarmStatus, ChannelType, SubscriptionType

if TYPE_CHECKING:
    from .state import ChannelState

__all__ = ["NO_ALARM", "ChannelAlarm"]

_STATUS = tuple(AlarmStatus)
_SEVERITY = tuple(AlarmSeverity)
_WIRE = Struct(">HH")


class ChannelAlarm:
    """Alarm state, which several PVs may share.

    Parameters
    ----------
    status : int or AlarmStatus
        Why.
    severity : int or AlarmSeverity
        How bad.
    must_acknowledge_transient : bool
        Whether an alarm that is over has to be acknowledged too (ACKT).
    severity_to_acknowledge : int or AlarmSeverity
        The worst severity that nobody has acknowledged (ACKS).
    alarm_string : str
        Text for people.
    string_encoding : str
        Of that text.
    """

    serial: int = 0
    """Counts how often status or severity were set, so that it can be seen whether a handler has."""
    raised_by: ChannelState | None = None
    """The PV whose value is the reason; None if the alarm was set by the IOC, or tells of a refused write."""

    def __init__(
        self,
        *,
        status: int = 0,
        severity: int = 0,
        must_acknowledge_transient: bool = True,
        severity_to_acknowledge: int = 0,
        alarm_string: str = "",
        string_encoding: str = "latin-1",
    ) -> None:
        self._channels: dict[weakref.ref[ChannelState], None] = {}
        self._forget = self._channels.pop  # kept: a new bound method for each PV takes 72 bytes
        self.string_encoding = string_encoding
        self._status = _STATUS[status]
        self._severity = _SEVERITY[severity]
        self._must_acknowledge_transient = bool(must_acknowledge_transient)
        self._severity_to_acknowledge = _SEVERITY[severity_to_acknowledge]
        self._alarm_string = alarm_string
        self.wire: bytes
        """Status and severity in wire form."""
        self.is_raised: bool
        """Whether there is an alarm at all."""
        self._note_state()

    @property
    def channels(self) -> list[ChannelState]:
        """The PVs that have this alarm."""
        return [channel for channel in (ref() for ref in self._channels) if channel is not None]

    @property
    def status(self) -> AlarmStatus:
        """Why the PVs are in alarm."""
        return self._status

    @property
    def severity(self) -> AlarmSeverity:
        """How bad the alarm is."""
        return self._severity

    @property
    def must_acknowledge_transient(self) -> bool:
        """Whether an alarm that is over has to be acknowledged too (ACKT)."""
        return self._must_acknowledge_transient

    @property
    def severity_to_acknowledge(self) -> AlarmSeverity:
        """The worst severity that nobody has acknowledged (ACKS)."""
        return self._severity_to_acknowledge

    @property
    def alarm_string(self) -> str:
        """Text for people."""
        return self._alarm_string

    def __repr__(self) -> str:
        return f"<ChannelAlarm(status={int(self._status)}, severity={int(self._severity)})>"

    def connect(self, channel_data: ChannelState) -> None:
        """Let a PV have this alarm."""
        self._channels[weakref.ref(channel_data, self._forget)] = None

    def disconnect(self, channel_data: ChannelState) -> None:
        """Let a PV have this alarm no longer."""
        self._channels.pop(weakref.ref(channel_data), None)

    async def read(self, dbr: Any = None) -> Any:
        """Return the alarm as the metadata of STSACK_STRING; or put status and severity into `dbr`."""
        if dbr is None:
            dbr = DBR_TYPES[ChannelType.STSACK_STRING]()
        dbr.status = self._status
        dbr.severity = self._severity
        if hasattr(dbr, "ackt"):
            dbr.ackt = self._must_acknowledge_transient
            dbr.acks = self._severity_to_acknowledge
        return dbr

    async def write(
        self,
        *,
        status: int | None = None,
        severity: int | None = None,
        must_acknowledge_transient: bool | None = None,
        severity_to_acknowledge: int | None = None,
        alarm_string: str | None = None,
        flags: int = 0,
        publish: bool = True,
    ) -> None:
        """Change some of the alarm and tell the clients of all PVs that share it.

        Parameters
        ----------
        status, severity, must_acknowledge_transient, severity_to_acknowledge, alarm_string
            As for the class; what is None stays. A severity raises `severity_to_acknowledge` too.
        flags : int
            Further kinds of subscriptions to tell, beside those to alarms.
        publish : bool
            False to tell nobody.
        """
        changed = self.change(
            status=status,
            severity=severity,
            must_acknowledge_transient=must_acknowledge_transient,
            severity_to_acknowledge=severity_to_acknowledge,
            alarm_string=alarm_string,
        )
        if publish:
            await self.publish(flags | (SubscriptionType.DBE_ALARM if changed else 0))

    def change(
        self,
        *,
        status: int | None = None,
        severity: int | None = None,
        must_acknowledge_transient: bool | None = None,
        severity_to_acknowledge: int | None = None,
        alarm_string: str | None = None,
        raised_by: ChannelState | None = None,
    ) -> bool:
        """Change some of the alarm, tell nobody, and return whether there was a change."""
        before = self._state()
        if status is not None or severity is not None:
            self.serial += 1
            self.raised_by = raised_by
        if status is not None:
            self._status = _STATUS[status]
        if must_acknowledge_transient is not None:
            self._must_acknowledge_transient = bool(must_acknowledge_transient)
        if severity is not None:
            self._severity = _SEVERITY[severity]
            if not self._must_acknowledge_transient or severity >= self._severity_to_acknowledge:
                self._severity_to_acknowledge = self._severity
        if severity_to_acknowledge is not None:
            self._severity_to_acknowledge = _SEVERITY[severity_to_acknowledge]
        if alarm_string is not None:
            self._alarm_string = alarm_string
        if self._state() == before:
            return False
        self._note_state()
        for channel in self.channels:
            channel.forget_encoded()
        return True

    def _note_state(self) -> None:
        """Prepare what every new value of a PV asks for."""
        self.wire = _wire(self._status, self._severity)
        self.is_raised = bool(self._status or self._severity)

    def _state(self) -> tuple[Any, ...]:
        return (
            self._status,
            self._severity,
            self._must_acknowledge_transient,
            self._severity_to_acknowledge,
            self._alarm_string,
        )

    def acknowledge(self, severity: int) -> None:
        """Take note that somebody has seen an alarm of `severity` (PUT_ACKS)."""
        if severity >= self._severity_to_acknowledge:
            self.change(severity_to_acknowledge=0)
            self.publish_now(SubscriptionType.DBE_ALARM)

    def require_acknowledgement(self, transient: bool) -> None:
        """Set whether an alarm that is over has to be acknowledged too (PUT_ACKT)."""
        acks: int | None = None
        if not transient and self._severity_to_acknowledge > self._severity:
            acks = self._severity
        if self.change(must_acknowledge_transient=transient, severity_to_acknowledge=acks):
            self.publish_now(SubscriptionType.DBE_ALARM)

    async def publish(self, flags: int, *, except_for: ChannelState | None = None) -> None:
        """Tell the clients of all PVs that share this alarm, except those of one PV."""
        for channel in self.channels:
            if channel is not except_for:
                await channel.publish(flags)

    def publish_now(self, flags: int, *, except_for: ChannelState | None = None) -> None:
        """Do the same without asking the PVs whether they override `ChannelData.publish`."""
        for channel in self.channels:
            if channel is not except_for:
                channel.publish_now(flags)


@lru_cache(maxsize=128)
def _wire(status: int, severity: int) -> bytes:
    """Return status and severity in wire form; every new value needs it, and there are few of them."""
    return _WIRE.pack(status, severity)


NO_ALARM = ChannelAlarm()
"""What PVs have that never had an alarm; not to be changed."""
