"""What was read of a PV, apart from how it travelled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .._protocol.dbr import DBR_TYPES, NATIVE_TYPES
from .._protocol.enums import AlarmSeverity, AlarmStatus, ChannelType
from .values import Style, escape, show_float, show_integer, signed_char, text_of_chars

if TYPE_CHECKING:
    from .._protocol.metadata import DbrMetadata

__all__ = ["Reading", "c_name", "severity_name", "status_name"]

_INTEGERS = (ChannelType.INT, ChannelType.LONG)
_MAX_STATES = 16


def c_name(kind: int, prefix: str = "DBR_") -> str:
    """Return the name of a DBR type as C writes it, where INT is SHORT."""
    name = ChannelType(kind).name
    return prefix + (name[:-3] + "SHORT" if name.endswith("INT") else name)


def status_name(number: int) -> str:
    """Return the name of an alarm status, or the number if there is no such status."""
    return AlarmStatus(number).name if 0 <= number < len(AlarmStatus) else str(int(number))


def severity_name(number: int) -> str:
    """Return the name of an alarm severity in the short form of EPICS."""
    if not 0 <= number < len(AlarmSeverity):
        return str(int(number))
    name = AlarmSeverity(number).name
    return name if name == "NO_ALARM" else name.removesuffix("_ALARM")


@dataclass(slots=True)
class Reading:
    """One value with its metadata.

    Attributes
    ----------
    name : str
        Of the PV.
    native : ChannelType
        The PV's own type.
    kind : ChannelType
        The type that was asked for.
    values : list
        Of float, int, or str (one character per byte).
    metadata : DbrMetadata or None
        None for a plain type.
    note : str
        What is shown instead of the value, if it cannot be had.
    response : object
        The message that brought it, None if there was none.
    """

    name: str
    native: ChannelType
    kind: ChannelType
    values: list[Any]
    metadata: DbrMetadata | None = None
    note: str = ""
    response: Any = field(default=None, repr=False)

    @classmethod
    def of_response(cls, name: str, native: int, response: Any) -> Reading:
        """Take what a reply or an update brought."""
        kind = ChannelType(response.data_type)
        data = response.data
        values = list(data) if NATIVE_TYPES[kind] is ChannelType.STRING else data.tolist()
        if NATIVE_TYPES[kind] is ChannelType.STRING:
            values = [_decoded(value) for value in values]
        return cls(name, ChannelType(native), kind, values, response.metadata, "", response)

    @classmethod
    def blank(cls, name: str, native: int, kind: int, count: int) -> Reading:
        """Return what C tools show of a value that could not be read: nothing but zeros."""
        plain = NATIVE_TYPES[ChannelType(kind)]
        values = ["" if plain is ChannelType.STRING else 0] * count
        layout = DBR_TYPES[ChannelType(kind)]
        metadata = layout() if layout.SIZE else None
        return cls(name, ChannelType(native), ChannelType(kind), values, metadata)

    @property
    def status(self) -> int:
        """Alarm status; 0 if it is not known."""
        return int(getattr(self.metadata, "status", 0))

    @property
    def severity(self) -> int:
        """Alarm severity; 0 if it is not known."""
        return int(getattr(self.metadata, "severity", 0))

    @property
    def stamp(self) -> tuple[int, int] | None:
        """EPICS seconds and nanoseconds, if the type carries them."""
        seconds = getattr(self.metadata, "secondsSinceEpoch", None)
        return None if seconds is None else (seconds, self.metadata.nanoSeconds)  # type: ignore[union-attr]

    @property
    def labels(self) -> list[str] | None:
        """The labels of an enum, if the type carries them."""
        labels = getattr(self.metadata, "enum_strings", None)
        return None if labels is None else [label.decode("latin-1") for label in labels]

    @property
    def is_text(self) -> bool:
        """Whether this is an array of characters."""
        return NATIVE_TYPES[self.kind] is ChannelType.CHAR

    def shown_as_text(self, style: Style) -> bool:
        """Return whether these characters are one text; a single one is a number unless a count was asked for."""
        return style.chars_as_text and self.is_text and (style.show_count or len(self.values) > 1)

    def shown_values(self, style: Style) -> list[str]:
        """Return each element as text."""
        plain = NATIVE_TYPES[self.kind]
        if plain is ChannelType.STRING:
            return [escape(value) for value in self.values]
        if plain in (ChannelType.DOUBLE, ChannelType.FLOAT):
            return [show_float(value, style) for value in self.values]
        if plain is ChannelType.CHAR:
            return [str(signed_char(value)) for value in self.values]
        labels = self.labels
        if labels is not None and not style.enum_as_number:
            return [_label(value, labels) for value in self.values]
        if plain is ChannelType.ENUM:  # in no other base, as for the C tools
            return [str(value) for value in self.values]
        return [show_integer(value, style.integer_base) for value in self.values]

    def fields(self, style: Style) -> list[str]:
        """Return the fields that stand for the value in a line: count if there are several, elements, or text."""
        if self.shown_as_text(style):
            return [escape(text_of_chars(self.values))]
        shown = self.shown_values(style)
        if style.show_count or len(shown) > 1:
            shown.insert(0, str(len(shown)))
        return shown


def _label(value: int, labels: list[str]) -> str:
    if value >= _MAX_STATES:
        return f"Illegal Value ({value})"
    return labels[value] if value < len(labels) else f"Enum Index Overflow ({value})"


def _decoded(value: Any) -> str:
    return value if isinstance(value, str) else bytes(value).decode("latin-1")
