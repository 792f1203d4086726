"""Fields that show, and change, what the PV of their record has anyway: its units, limits, alarm, labels, ..."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from ..._protocol.enums import ChannelType
from ..data.state import ALARM_FLAG

__all__ = ["Link", "label_link", "link_for"]


class Link(NamedTuple):
    """How a field is linked to the PV of its record.

    Attributes
    ----------
    get : callable
        ``get(parent)`` returns the value of the field.
    set : callable, optional
        ``set(parent, value)`` takes a new one.
    write : coroutine function, optional
        The same where something has to be awaited; done before the value is stored.
    of_alarm : bool
        Whether it follows the alarm.
    of_value : bool
        Whether it follows the value.
    """

    get: Callable[[Any], Any]
    set: Callable[[Any, Any], None] | None = None
    write: Callable[[Any, Any], Awaitable[None]] | None = None
    of_alarm: bool = False
    of_value: bool = False


_METADATA = {
    "display_precision": "precision",
    "engineering_units": "units",
    "units_name": "units",
    "high_operating_range": "upper_disp_limit",
    "low_operating_range": "lower_disp_limit",
    "hihi_alarm_limit": "upper_alarm_limit",
    "high_alarm_limit": "upper_warning_limit",
    "low_alarm_limit": "lower_warning_limit",
    "lolo_alarm_limit": "lower_alarm_limit",
    "drive_high_limit": "upper_ctrl_limit",
    "drive_low_limit": "lower_ctrl_limit",
}
"""Fields that are metadata of the PV."""
_DEADBANDS = {
    "monitor_deadband": "value_atol",
    "archive_deadband": "log_atol",
    "alarm_deadband": "hysteresis",
}
_SEVERITIES = ("hihi_severity", "lolo_severity", "high_severity", "low_severity")
"""In the order of `ChannelNumeric.limit_severities`."""
_ALARM = {
    "alarm_status": "status",
    "current_alarm_severity": "severity",
    "new_alarm_status": "status",
    "new_alarm_severity": "severity",
    "alarm_message": "alarm_string",
    "alarm_acknowledge_severity": "severity_to_acknowledge",
    "alarm_acknowledge_transient": "must_acknowledge_transient",
}
_LAST_VALUES = (
    "last_val_monitored",
    "last_value_monitored",
    "last_value_archived",
    "last_value_alarmed",
)
_SIZES = {
    "number_of_elements": "max_length",
    "maximum_elements": "max_length",
    "num_of_array_elements": "max_length",
    "number_of_values": "max_length",
    "number_elements_read": "length",
    "number_used": "length",
}
# fmt: off
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven",
    "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen",
)
# fmt: on
_LABELS = {
    **{f"{number}_string": index for index, number in enumerate(_NUMBERS)},
    "zero_name": 0,
    "one_name": 1,
}
_STATE_SEVERITIES = {
    **{f"state_{number}_severity": index for index, number in enumerate(_NUMBERS)},
    **{f"state_{number}_sevr": index for index, number in enumerate(_NUMBERS)},
    "zero_error_severity": 0,
    "one_error_severity": 1,
}
_ARRAY_TYPES = {
    ChannelType.STRING: 0,
    ChannelType.CHAR: 2,
    ChannelType.INT: 3,
    ChannelType.LONG: 5,
    ChannelType.FLOAT: 9,
    ChannelType.DOUBLE: 10,
    ChannelType.ENUM: 11,
}
"""The choices of ``menuFtype``, which names the type of an array."""


def change(parent: Any, **metadata: Any) -> None:
    """Change metadata of the PV, and tell its clients."""
    flags = parent.store_metadata(metadata)
    if parent.update_alarm(parent.value, forgive=False):  # as after a new value
        flags |= ALARM_FLAG
    parent.forget_encoded()
    parent.publish_now(flags)


def _metadata_link(name: str) -> Link:
    return Link(
        lambda parent: getattr(parent, name), lambda parent, value: change(parent, **{name: value})
    )


def _attribute_link(name: str) -> Link:
    return Link(
        lambda parent: getattr(parent, name), lambda parent, value: setattr(parent, name, value)
    )


def _severity_link(index: int) -> Link:
    def set_severity(parent: Any, value: Any) -> None:
        severities = list(parent.limit_severities)
        severities[index] = int(value)
        parent.limit_severities = tuple(severities)
        change(parent)

    return Link(lambda parent: int(parent.limit_severities[index]), set_severity)


def label_link(index: int) -> Link:
    """Return the link to the label of a state."""

    def get_label(parent: Any) -> str:
        labels = parent.enum_strings
        return str(labels[index]) if index < len(labels) else ""

    def set_label(parent: Any, value: Any) -> None:
        labels = [*parent.enum_strings, *[""] * (index + 1 - len(parent.enum_strings))]
        labels[index] = str(value)
        while labels and not labels[-1]:
            del labels[-1]
        change(parent, enum_strings=labels)

    return Link(get_label, set_label)


def _state_severity_link(state: int) -> Link:
    def get_severity(parent: Any) -> int:
        severities = parent.state_severities
        return int(severities[state]) if state < len(severities) else 0

    def set_severity(parent: Any, value: Any) -> None:
        severities = [*parent.state_severities, *[0] * (state + 1)]
        severities[state] = int(value)
        parent.state_severities = tuple(severities)
        change(parent)

    return Link(get_severity, set_severity)


def _number(parent: Any) -> int:
    """Return the value of a PV as a whole number, as hardware would have it."""
    return int(getattr(parent, "raw_value", parent.value))


async def _write_number(parent: Any, value: Any) -> None:
    if int(value) != _number(parent):
        await parent.write(int(value))


def _bit_link(bit: int) -> Link:
    async def write_bit(parent: Any, value: Any) -> None:
        number = _number(parent) & ~(1 << bit) | (1 << bit if value.strip(b"\0") else 0)
        await _write_number(parent, number - (1 << 32) if number >> 31 else number)

    return Link(lambda parent: _number(parent) >> bit & 1, write=write_bit, of_value=True)


def _set_description(parent: Any, value: Any) -> None:
    parent.__doc__ = value


async def _process(parent: Any, value: Any) -> None:
    await parent.field_inst.process()


def _set_disabled(parent: Any, value: Any) -> None:
    parent.field_inst.disable_puts(bool(bytes(value).strip(b"\0")))


_ALWAYS = {
    "description": Link(lambda parent: vars(parent).get("__doc__") or "", _set_description),
    "record_name": Link(lambda parent: parent.pvname),
    "record_type": Link(lambda parent: parent.reported_record_type),
    "scan_rate": Link(
        lambda parent: parent.field_inst.scan_choice,
        lambda parent, value: parent.field_inst.choose_scan(value),
    ),
    "process_record": Link(lambda parent: 0, write=_process),
    "disable_putfield": Link(lambda parent: int(parent.field_inst.puts_disabled), _set_disabled),
    "field_type_of_value": Link(lambda parent: _ARRAY_TYPES[parent.data_type]),
    **{
        field: Link(lambda parent, name=name: int(getattr(parent.alarm, name)), of_alarm=True)  # type: ignore[misc]
        for field, name in _ALARM.items()
        if name != "alarm_string"
    },
    "alarm_message": Link(lambda parent: parent.alarm.alarm_string, of_alarm=True),
}


def link_for(attribute: str, parent: Any) -> Link | None:
    """Return how a field is linked to the PV of its record.

    Parameters
    ----------
    attribute : str
        Of the field.
    parent : PvpropertyData

    Returns
    -------
    Link or None
        None if the PV has nothing of the kind, as when a record type is declared for a PV of another type.
    """
    if attribute in _ALWAYS:
        return _ALWAYS[attribute]
    name = _METADATA.get(attribute)
    if name is not None:
        return _metadata_link(name) if hasattr(parent, name) else None
    if attribute in _SIZES:
        size = _SIZES[attribute]
        return Link(lambda parent: getattr(parent, size), of_value=True)
    name = _DEADBANDS.get(attribute)
    if name is not None:
        return _attribute_link(name) if hasattr(parent, name) else None
    if attribute in _SEVERITIES and hasattr(parent, "limit_severities"):
        return _severity_link(_SEVERITIES.index(attribute))
    if attribute in _LABELS and hasattr(parent, "enum_strings"):
        return label_link(_LABELS[attribute])
    if attribute in _STATE_SEVERITIES and hasattr(parent, "state_severities"):
        return _state_severity_link(_STATE_SEVERITIES[attribute])
    return _value_link(attribute, parent)


def _value_link(attribute: str, parent: Any) -> Link | None:
    """Return how a field follows the value of a scalar PV."""
    if parent.max_length != 1 or parent.data_type is ChannelType.STRING:
        return None
    if attribute in _LAST_VALUES:
        return Link(lambda parent: getattr(parent, "raw_value", parent.value), of_value=True)
    if parent.data_type not in (ChannelType.ENUM, ChannelType.LONG):
        return None
    if attribute == "raw_value":
        return Link(_number, write=_write_number, of_value=True)
    bit = re.fullmatch(r"bit_(\d+)", attribute)
    return None if bit is None else _bit_link(int(bit[1]))
