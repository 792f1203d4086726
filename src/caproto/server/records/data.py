"""The data behind the fields of a record."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ..._errors import CaprotoValueError
from ..._protocol.enums import ChannelType
from ..._protocol.status import CAStatus
from ..data.enumeration import EnumLabel
from ..data.overriding import plain
from ..data.state import ALARM_FLAG, VALUE_FLAGS
from ..properties import PvpropertyData, PvpropertyEnum

if TYPE_CHECKING:
    from .links import Link

__all__ = ["MenuData", "RecordField", "field_class", "linked_class", "refuse_write"]

_MOST_CHOICES = 16


class MenuData(PvpropertyEnum):
    """One choice of a menu, of which there may be more than the 16 that travel.

    Parameters
    ----------
    choices : sequence of str
        All of them.
    **kwargs
        As for `PvpropertyEnum`.
    """

    def __init__(self, *, choices: Sequence[str] = (), **kwargs: Any) -> None:
        self.choices: tuple[str, ...] = tuple(choices)
        super().__init__(enum_strings=self.choices[:_MOST_CHOICES], **kwargs)

    def preprocess_element(self, value: Any) -> Any:
        """Bring a choice, given in any form, into the form of a label."""
        if type(value) is str and value in self.choices:
            value = self.choices.index(value)
        value = super().preprocess_element(value)
        if type(value) is int and value < len(self.choices):
            return EnumLabel(self.choices[value], value)
        return value


def refuse_write(*args: Any, **kwargs: Any) -> None:
    """Refuse what a client writes to a record whose DISP is set.

    Raises
    ------
    CaprotoValueError
    """
    raise CaprotoValueError(
        "the field DISP of the record forbids writing", status=CAStatus.ECA_PUTFAIL.value
    )


class RecordField(PvpropertyData):
    """A field of a record. DISP forbids clients to write it, unless it is DISP itself."""

    def publish_now(self, flags: int) -> None:
        """Send the current value; a new alarm of the record is not news of each of its fields."""
        if flags != ALARM_FLAG:
            super().publish_now(flags)

    @plain
    def update_alarm(self, value: Any, *, forgive: bool = True) -> bool:
        """Leave the alarm alone, which is that of the record."""
        return False

    @plain
    def note_refusal(self) -> None:
        """Leave the alarm alone."""

    def _is_disabled(self) -> bool:
        return bool(self.group.puts_disabled) and self.pvspec.name != "DISP"

    def write_now(self, data: Any, data_type: ChannelType, metadata: Any) -> None:
        """Store and publish a value that a client sent."""
        if self._is_disabled():
            refuse_write()
        super().write_now(data, data_type, metadata)

    @plain
    async def write_from_dbr(
        self, data: Any, data_type: ChannelType, metadata: Any, *, flags: int = 0
    ) -> None:
        """Write what came over the network."""
        if self._is_disabled():
            refuse_write()
        await super().write_from_dbr(data, data_type, metadata, flags=flags)


class LinkedField(RecordField):
    """A field that shows something that the record knows anyway, and may change it."""

    link: Link | None = None
    _shown: Any = None
    """What it held before there was a link, and then what subscribers saw last."""

    @property
    def reads_at_once(self) -> bool:
        """Whether nothing has to be awaited; if so the value would be remembered, and this one is not ours."""
        return False

    @property
    def writes_at_once(self) -> bool:
        """Whether nothing has to be awaited to write this field."""
        return super().writes_at_once and (self.link is None or self.link.write is None)

    @property
    def _value(self) -> Any:
        if self.link is None:
            return self._shown
        return self.preprocess_value(self.link.get(self.group.parent))

    @_value.setter
    def _value(self, value: Any) -> None:
        self._shown = value
        if self.link is not None and self.link.set is not None:
            self.link.set(self.group.parent, value)

    @plain
    async def verify_value(self, data: Any) -> Any:
        """Let the handlers have the value, then the record."""
        data = await super().verify_value(data)
        if self.link is not None and self.link.write is not None:
            await self.link.write(self.group.parent, data)
        return data

    def take_link(self, link: Link) -> None:
        """Show from now on what the record knows."""
        self.link = link
        self._shown = self._value

    def publish_now(self, flags: int) -> None:
        """Send the current value; for what shows the alarm, a new alarm may be a new value."""
        if self.link is not None and self.link.of_alarm and self._value != self._shown:
            self._shown = self._value
            flags |= VALUE_FLAGS
        super().publish_now(flags)

    def refresh(self) -> None:
        """Tell the subscribers if what the record knows has changed."""
        value = self._value
        if value != self._shown:
            self._shown = value
            self.publish_now(VALUE_FLAGS)


@cache
def field_class(cls: type[PvpropertyData]) -> type[PvpropertyData]:
    """Return the form of a data class that is a field of a record."""
    return type(f"{cls.__name__}Field", (RecordField, cls), {"__doc__": cls.__doc__})


@cache
def linked_class(cls: type[PvpropertyData]) -> type[PvpropertyData]:
    """Return the form of a data class that shows something of its record."""
    return type(f"{cls.__name__}Link", (LinkedField, cls), {"__doc__": cls.__doc__})
