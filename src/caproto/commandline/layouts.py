"""Whole lines about readings, as ``caget``, ``caput`` and ``camonitor`` of EPICS print them. Pure."""

from __future__ import annotations

from .._protocol.arrays import decode_string
from .._protocol.dbr import NATIVE_TYPES
from .._protocol.enums import ChannelType
from .readings import Reading, c_name, severity_name, status_name
from .stamps import Stamps
from .values import UNDEFINED_TIME, Style, show_time

__all__ = ["block", "decoded", "named", "noted", "plain", "terse", "time_of", "titled", "wide"]

_NAME_WIDTH = 30
_LIMITS = (
    ("Lo disp limit", "lower_disp_limit"),
    ("Hi disp limit", "upper_disp_limit"),
    ("Lo alarm limit", "lower_alarm_limit"),
    ("Lo warn limit", "lower_warning_limit"),
    ("Hi warn limit", "upper_warning_limit"),
    ("Hi alarm limit", "upper_alarm_limit"),
    ("Lo ctrl limit", "lower_ctrl_limit"),
    ("Hi ctrl limit", "upper_ctrl_limit"),
)


def decoded(raw: bytes) -> str:
    """Return text that a person reads, such as units: UTF-8, or else Latin-1."""
    return decode_string(raw, "utf-8")


def named(name: str, count: int, separator: str) -> str:
    """Return the name, padded where it begins a line with at most one element."""
    return name.ljust(_NAME_WIDTH) if count <= 1 and separator == " " else name


def terse(reading: Reading, style: Style) -> str:
    """Return the value alone."""
    if reading.note:
        return reading.note
    return style.separator.join(reading.fields(style))


def plain(reading: Reading, style: Style) -> str:
    """Return name and value."""
    name = named(reading.name, len(reading.values), style.separator)
    return name + style.separator + terse(reading, style)


def time_of(reading: Reading) -> str:
    """Return the time stamp as text."""
    return UNDEFINED_TIME if reading.stamp is None else show_time(*reading.stamp)


def wide(reading: Reading, style: Style, when: str | None = None) -> str:
    """Return name, time, value and alarm.

    Parameters
    ----------
    reading : Reading
    style : Style
    when : str, optional
        What to show for the time; the time stamp of the reading by default.
    """
    name = named(reading.name, len(reading.values), style.separator)
    if reading.note:  # the time at which that was noticed
        return noted(name, when or show_time(*Stamps.now()), reading.note, style.separator)
    when = time_of(reading) if when is None else when
    status = status_name(reading.status) if reading.status else ""
    severity = severity_name(reading.severity) if reading.severity else ""
    return style.separator.join([name, when, *reading.fields(style), status, severity])


def noted(name: str, when: str, note: str, separator: str) -> str:
    """Return a line with a note in place of the value; there is always a space before it."""
    return f"{name}{separator}{when} {note}"


def titled(title: str, value: object) -> str:
    """Return a line with a title, as in `block`."""
    return f"    {title + ':':<18}{value}"


def block(reading: Reading, style: Style) -> str:
    """Return everything about a reading in lines of their own: the form of ``caget -d``."""
    if reading.note:
        return f"{reading.name}\n    {reading.note}"
    lines = [
        reading.name,
        titled("Native data type", c_name(reading.native, "DBF_")),
        titled("Request type", c_name(reading.kind)),
    ]
    if reading.kind is ChannelType.CLASS_NAME:
        return "\n".join([*lines, titled("Class Name", "".join(reading.values))])
    lines.append(titled("Element count", len(reading.values)))
    shown = reading.fields(style) if reading.shown_as_text(style) else reading.shown_values(style)
    lines.append(titled("Value", style.separator.join(shown)))
    if reading.metadata is not None:
        lines += _metadata_lines(reading)
    return "\n".join(lines)


def _metadata_lines(reading: Reading) -> list[str]:
    metadata = reading.metadata
    lines = []
    if reading.stamp is not None:
        lines.append(titled("Timestamp", time_of(reading)))
    lines.append(titled("Status", status_name(reading.status)))
    lines.append(titled("Severity", severity_name(reading.severity)))
    if reading.kind is ChannelType.STSACK_STRING:
        lines.append(titled("Ack transient?", "YES" if metadata.ackt else "NO"))  # type: ignore[union-attr]
        lines.append(titled("Ack severity", severity_name(metadata.acks)))  # type: ignore[union-attr]
    labels = reading.labels
    if labels is not None:
        lines.append(titled("Enums", f"({len(labels):2d})"))
        lines += [f"{'':22}[{index:2d}] {label}" for index, label in enumerate(labels)]
    units = getattr(metadata, "units", None)
    if units is not None:
        lines.append(titled("Units", decoded(units)))
    precision = getattr(metadata, "precision", None)
    if precision is not None:
        lines.append(titled("Precision", precision))
    lines += [
        titled(title, _limit(getattr(metadata, name), reading.kind))
        for title, name in _LIMITS
        if hasattr(metadata, name)
    ]
    return lines


def _limit(value: float, kind: ChannelType) -> str:
    plain_type = NATIVE_TYPES[kind]
    if plain_type in (ChannelType.DOUBLE, ChannelType.FLOAT):
        return "nan" if value != value else f"{value:g}"
    if plain_type is ChannelType.CHAR and value > 127:
        value -= 256
    return f"{int(value):8d}"
