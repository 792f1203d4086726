"""The ``--format`` templates of the original's commands."""

from __future__ import annotations

import datetime
import string
from typing import Any

from .options import UsageError
from .readings import Reading
from .values import Style, text_of_chars

__all__ = ["Template"]


class Template:
    """A format string with fields such as ``{pv_name}``.

    Parameters
    ----------
    text : str
    known : tuple of str
        The fields that may occur.

    Raises
    ------
    UsageError
        If it is no format string, or has other fields.
    """

    def __init__(self, text: str, known: tuple[str, ...]) -> None:
        self.text = text
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
        except ValueError as error:
            raise UsageError(f"The template {text!r} is malformed: {error}.") from error
        roots = {name.partition(".")[0].partition("[")[0] for name in fields}
        unknown = sorted(roots.difference(known))
        if unknown:
            available = ", ".join(f"{{{name}}}" for name in known)
            raise UsageError(f"The template has no {{{unknown[0]}}}; there are {available}.")
        self.needs_time: bool = bool(roots & {"timestamp", "timedelta"})

    def fill(self, reading: Reading, style: Style, **more: Any) -> str:
        """Return the text for one reading.

        Raises
        ------
        UsageError
            If a field has no such attribute, or does not take such a format.
        """
        stamp = reading.stamp
        when = None
        if stamp is not None:
            from .._protocol.timestamps import TimeStamp

            when = TimeStamp(*stamp).as_datetime().replace(tzinfo=datetime.timezone.utc)
            when = when.astimezone().replace(tzinfo=None)
        try:
            return self.text.format(
                pv_name=reading.name,
                response=_Response(reading, style),
                timestamp=when,
                **more,
            )
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise UsageError(f"The template {self.text!r} does not fit: {error}.") from error


class _Response:
    """A response whose data is shown as the options ask."""

    def __init__(self, reading: Reading, style: Style) -> None:
        self._reading = reading
        self._style = style

    @property
    def data(self) -> Any:
        reading, style = self._reading, self._style
        if style.chars_as_text and reading.is_text:
            return text_of_chars(reading.values)
        return _Data(reading, style)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reading.response, name)

    def __repr__(self) -> str:
        return repr(self._reading.response)


class _Data(list[Any]):
    """A list that is shown as ``[1 2.5]``."""

    def __init__(self, reading: Reading, style: Style) -> None:
        super().__init__(reading.values)
        self._shown = reading.shown_values(style)
        self._separator = style.separator

    def __str__(self) -> str:
        return f"[{self._separator.join(self._shown)}]"

    def __format__(self, spec: str) -> str:
        """Format the whole as text, or with a specification each element."""
        if not spec:
            return str(self)
        return f"[{self._separator.join(format(value, spec) for value in self)}]"
