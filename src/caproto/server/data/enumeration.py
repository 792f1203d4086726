"""PVs that are in one of several named states."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..._constants import MAX_ENUM_STATES
from ..._errors import CaprotoConversionError, CaprotoValueError
from ..._protocol.dbr import DbrMetadata
from ..._protocol.enums import AlarmStatus, ChannelType
from .channel import ChannelData
from .conversion import as_elements, number_as, number_from_text, numbers_as

__all__ = ["ChannelEnum", "EnumLabel"]


class EnumLabel(str):
    """The label of a state, which also compares and counts as its number.

    Programs have met both as the value of an enum, so both work: ``pv.value == 'On'``, ``pv.value == 1``,
    ``if pv.value:`` (false for state 0), ``int(pv.value)``.

    Parameters
    ----------
    label : str
    number : int
    """

    __slots__ = ("number",)
    number: int

    def __new__(cls, label: str, number: int) -> EnumLabel:
        """Make the label, and remember the number."""
        self = super().__new__(cls, label)
        self.number = number
        return self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        return bool(self.number == other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    if TYPE_CHECKING:

        def __hash__(self) -> int: ...

    else:
        __hash__ = str.__hash__

    def __bool__(self) -> bool:
        return self.number != 0

    def __int__(self) -> int:
        return self.number

    def __index__(self) -> int:
        return self.number

    def __getnewargs__(self) -> tuple[str, int]:  # type: ignore[override]
        return str(self), self.number


class ChannelEnum(ChannelData):
    """A PV that is in one of several named states (DBR_ENUM).

    Parameters
    ----------
    enum_strings : sequence of str, optional
        Labels of the states, at most 16, of which at most 25 bytes travel.
    **kwargs
        As for `ChannelData`; the value is a label, a number or a member of an `enum.Enum`.
    """

    data_type = ChannelType.ENUM
    state_severities: tuple[int, ...] = ()
    """How bad it is to be in each state; empty, or short, for states that are no alarm."""

    def __init__(self, *, enum_strings: Sequence[str] | None = None, **kwargs: Any) -> None:
        self._enum_strings = _checked_labels(() if enum_strings is None else enum_strings)
        super().__init__(**kwargs)

    @property
    def enum_strings(self) -> tuple[str, ...]:
        """Labels of the states."""
        return self._enum_strings

    @property
    def raw_value(self) -> Any:
        """Number of the state."""
        return self.get_raw_value(self._value)

    def get_raw_value(self, value: Any) -> Any:
        """Return the number of a state that is given as label or number."""
        if isinstance(value, list | tuple):
            return [self.get_raw_value(element) for element in value]
        if isinstance(value, EnumLabel):
            return value.number
        if isinstance(value, str):
            return self._number_of(value)
        return value

    def _number_of(self, text: str) -> int:
        """Return the number of a state that is given as text."""
        if text in self._enum_strings:
            return self._enum_strings.index(text)
        # As rsrv does: what is no label may still be the number of a state.
        try:
            number = number_from_text(text, ChannelType.ENUM)
        except CaprotoConversionError:
            number = len(self._enum_strings)
        if number < len(self._enum_strings):
            return int(number)
        raise CaprotoConversionError(
            f"{text!r} is not one of the states {', '.join(map(repr, self._enum_strings))}"
        )

    def preprocess_element(self, value: Any) -> Any:
        """Bring a state, given in any form, into the form of a label."""
        if value is None:
            value = 0
        if isinstance(value, enum.Enum):
            value = value.value
        if isinstance(value, bytes):
            value = value.decode(self.string_encoding)
        try:
            number = int(value) if not isinstance(value, str) else self._number_of(str(value))
        except (CaprotoConversionError, TypeError, ValueError) as error:
            return self.keep_odd(value, error)
        if not 0 <= number <= 0xFFFF:
            return self.keep_odd(value, "a state has a number from 0 to 65535")
        if number < len(self._enum_strings):
            return EnumLabel(self._enum_strings[number], number)
        return number

    def preprocess_value(self, value: Any) -> Any:
        """Bring states, given in any form, into the form of labels."""
        value = super().preprocess_value(value)
        if self.max_length == 1:
            return value
        return [self.preprocess_element(element) for element in value]

    def update_alarm(self, value: Any, *, forgive: bool = True) -> bool:
        """Set the alarm that belongs to a state, if there are any, and return whether it changed."""
        if not self.state_severities or self.max_length != 1:
            return super().update_alarm(value, forgive=forgive)
        number = self.get_raw_value(value)
        bad = self.state_severities[number] if number < len(self.state_severities) else 0
        status = AlarmStatus.STATE if bad else AlarmStatus.NO_ALARM
        return self.judge(status, bad, forgive=forgive)

    def set_metadata(self, name: str, new: Any) -> None:
        """Set the labels."""
        if name == "enum_strings":
            labels = _checked_labels(new)
            try:
                value = self.raw_value
            except CaprotoConversionError:  # what was no state may be one now
                value = self._value
            self._enum_strings = labels
            self._value = self.preprocess_value(value)
        else:
            super().set_metadata(name, new)

    def fill_metadata(self, metadata: DbrMetadata) -> None:
        """Fill in the labels, if the type has them."""
        super().fill_metadata(metadata)
        if "enum_strings" in metadata.info_fields:
            metadata.enum_strings = [  # type: ignore[attr-defined]
                label.encode(self.string_encoding, "replace") for label in self._enum_strings
            ]

    def values_as(self, native: ChannelType) -> Any:
        """Return the states as numbers of any type, or as labels."""
        elements = as_elements(self._value)
        if native is ChannelType.STRING:
            return [str(element).encode(self.string_encoding, "replace") for element in elements]
        numbers = [self.get_raw_value(element) for element in elements]
        for number in numbers:
            if not isinstance(number, int) or not 0 <= number <= 0xFFFF:
                raise CaprotoConversionError(f"the value {number!r} is not the number of a state")
        if native is ChannelType.ENUM:
            return numbers
        return numbers_as(numbers, native)

    def value_from_dbr(self, data: Any, native: ChannelType) -> Any:
        """Convert numbers, labels, or numbers as text."""
        elements = as_elements(data)[: self.max_length]
        if native is ChannelType.STRING:
            return [
                self._number_of(
                    element.decode(self.string_encoding) if isinstance(element, bytes) else element
                )
                for element in elements
            ]
        return [number_as(float(element), ChannelType.ENUM) for element in elements]


def _checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels.

    Raises
    ------
    CaprotoValueError
        If there are too many.
    """
    if len(labels) > MAX_ENUM_STATES:
        raise CaprotoValueError(
            f"an enum has at most {MAX_ENUM_STATES} states, and {len(labels)} were given"
        )
    return tuple(labels)
