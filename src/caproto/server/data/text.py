"""PVs that hold text, as strings or as arrays of characters, and those that hold raw bytes."""

from __future__ import annotations

from typing import Any

from ..._constants import MAX_STRING_SIZE
from ..._errors import CaprotoValueError
from ..._protocol.arrays import decode_string
from ..._protocol.enums import ChannelType
from .channel import ChannelData
from .conversion import as_elements, numbers_as, numbers_from_text, text_from_number
from .numeric import ChannelNumeric

__all__ = ["ChannelByte", "ChannelChar", "ChannelString"]

_LONGEST = MAX_STRING_SIZE - 1
_PRECISION = 6
"""Digits after the point when a number becomes text; what the C IOC takes for records without PREC."""


def _encoded(text: str, encoding: str) -> bytes:
    """Return text as bytes; what the encoding lacks becomes a question mark."""
    return text.encode(encoding, "replace")


def _sole_text(value: Any) -> Any:
    """Return the text of which `value` is a list, or `value` itself if it is none."""
    if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], str | bytes):
        return value[0]
    return value


def _raw(values: Any) -> bytes:
    """Return a sequence of numbers from 0 to 255 as bytes.

    Raises
    ------
    TypeError, ValueError
        If it is something else.
    """
    if isinstance(values, bytes | bytearray | memoryview):
        return bytes(values)
    if isinstance(values, int):  # of which bytes() would make as many zeros
        raise TypeError
    if getattr(values, "itemsize", 0) == 1:
        return bytes(values.tobytes())
    return bytes(values.tolist() if hasattr(values, "tolist") else values)


class ChannelString(ChannelData):
    """A PV of strings, of which at most 39 bytes travel (DBR_STRING).

    Parameters
    ----------
    long_string_max_length : int
        Length as a long string.
    **kwargs
        As for `ChannelData`.
    """

    data_type = ChannelType.STRING
    long_string_max_length: int = 81

    def __init__(self, *, long_string_max_length: int = 81, **kwargs: Any) -> None:
        self.keep("long_string_max_length", long_string_max_length)
        super().__init__(**kwargs)

    @property
    def long_string(self) -> bytes:
        """The whole text, for clients that ask for it by ``$``; of several, the first."""
        texts = as_elements(self._value)
        return _encoded(texts[0], self.string_encoding) if len(texts) else b""

    def preprocess_element(self, value: Any) -> Any:
        """Take text, bytes as text, and anything else as it prints."""
        if isinstance(value, bytes):
            return decode_string(value, self.string_encoding)
        return value if isinstance(value, str) else str(value)

    def preprocess_value(self, value: Any) -> Any:
        """Bring texts into the form in which they are kept: `str`, or a list of them."""
        value = super().preprocess_value("" if value is None else value)
        if self.max_length == 1:
            return value
        return [self.preprocess_element(element) for element in value]

    def values_as(self, native: ChannelType) -> Any:
        """Return the texts, or the numbers that they spell."""
        texts = as_elements(self._value)
        if native is ChannelType.STRING:
            return [_encoded(text, self.string_encoding)[:_LONGEST] for text in texts]
        return numbers_from_text(texts, native)

    def value_from_dbr(self, data: Any, native: ChannelType) -> Any:
        """Convert texts, characters, or numbers to be written out."""
        if native is ChannelType.CHAR:
            return decode_string(_until_nul(data), self.string_encoding)
        elements = as_elements(data)[: self.max_length]
        if native is ChannelType.STRING:
            return [
                decode_string(element, self.string_encoding)
                if isinstance(element, bytes)
                else element
                for element in elements
            ]
        return _written_out(elements, native)


class ChannelChar(ChannelData):
    """A PV of text as an array of characters, which may be long (DBR_CHAR).

    Parameters
    ----------
    report_as_string : bool
        Let clients take it for a string (DBR_STRING) of at most 39 bytes.
    **kwargs
        As for `ChannelData`. Text may be longer than `max_length`.
    """

    data_type: ChannelType = ChannelType.CHAR
    report_as_string: bool = False

    def __init__(
        self,
        *,
        report_as_string: bool = False,
        value: Any = None,
        max_length: int | None = None,
        **kwargs: Any,
    ) -> None:
        if report_as_string:
            self.data_type = ChannelType.STRING
        self.keep("report_as_string", report_as_string)
        super().__init__(value="" if value is None else value, max_length=max_length, **kwargs)

    @property
    def max_length(self) -> int:
        """The most characters that are announced; one string if it is reported as such."""
        return 1 if self.report_as_string else self._max_length

    @property
    def long_string_max_length(self) -> int:
        """Length as a long string."""
        return self._max_length

    @property
    def long_string(self) -> bytes:
        """The whole text, for clients that ask for it by ``$``."""
        return _encoded(self._value, self.string_encoding)

    def calculate_length(self, value: Any) -> int:
        """Return how many characters there are."""
        value = _sole_text(value)
        if isinstance(value, str):
            return len(_encoded(value, self.string_encoding))
        return len(value) if hasattr(value, "__len__") else 1

    def preprocess_value(self, value: Any) -> Any:
        """Bring text, bytes or character numbers into the form of `str`."""
        value = _sole_text(value)
        if isinstance(value, str):
            return value
        try:
            raw = _raw(value)
        except (TypeError, ValueError):
            raise CaprotoValueError(f"{value!r} is not text") from None
        return decode_string(raw.rstrip(b"\0"), self.string_encoding)

    def values_as(self, native: ChannelType) -> Any:
        """Return the characters, their numbers, or the text as one string."""
        raw = _encoded(self._value, self.string_encoding)
        if native is ChannelType.STRING:
            return [raw[:_LONGEST]]
        if native is ChannelType.CHAR:
            return raw  # all of it, even of what is reported as one string
        if self.report_as_string:
            return numbers_from_text([raw], native)
        return numbers_as(list(raw), native)

    def value_from_dbr(self, data: Any, native: ChannelType) -> Any:
        """Convert characters, their numbers, or one string."""
        if native is ChannelType.STRING:
            elements = as_elements(data)
            text = elements[0] if len(elements) else ""
            return decode_string(text, self.string_encoding) if isinstance(text, bytes) else text
        if native is not ChannelType.CHAR:
            if self.report_as_string:
                return _written_out(as_elements(data)[:1], native)[0]
            data = numbers_as(as_elements(data), ChannelType.CHAR)
        return decode_string(_until_nul(data), self.string_encoding)


def _written_out(numbers: Any, native: ChannelType) -> list[str]:
    """Return numbers as text."""
    if native in (ChannelType.FLOAT, ChannelType.DOUBLE):
        return [text_from_number(float(number), _PRECISION) for number in numbers]
    return [str(int(number)) for number in numbers]


def _until_nul(data: Any) -> bytes:
    """Return character numbers as bytes, up to the NUL."""
    return _raw(as_elements(data)).partition(b"\0")[0]


class ChannelByte(ChannelNumeric):
    """A PV of raw bytes (DBR_CHAR).

    Parameters
    ----------
    string_encoding : None
        Bytes are not text; use `ChannelChar` for that.
    strip_null_terminator : bool
        Drop zeros from the end of what is written.
    **kwargs
        As for `ChannelNumeric`; the value is `bytes`, or numbers from 0 to 255.
    """

    data_type = ChannelType.CHAR
    strip_null_terminator: bool = True

    def __init__(
        self, *, string_encoding: None = None, strip_null_terminator: bool = True, **kwargs: Any
    ) -> None:
        if string_encoding is not None:
            raise CaprotoValueError("bytes have no encoding; use ChannelChar for text")
        self.keep("strip_null_terminator", strip_null_terminator)
        super().__init__(**kwargs)

    def calculate_length(self, value: Any) -> int:
        """Return how many bytes there are."""
        return len(value) if hasattr(value, "__len__") else 1

    def preprocess_value(self, value: Any) -> Any:
        """Bring bytes or numbers into the form of `bytes`."""
        try:
            if not hasattr(value, "__len__"):
                raw = bytes([value])
            elif isinstance(value, str):
                raise TypeError
            else:
                raw = _raw(value)
        except (TypeError, ValueError):
            raise CaprotoValueError(f"{value!r} is not bytes") from None
        if self.strip_null_terminator and self.max_length > 1:
            raw = raw.rstrip(b"\0")
        self._check_length(len(raw))
        return raw

    def check_value(self, data: Any) -> None:
        """Accept any bytes."""

    def update_alarm(self, value: Any, *, forgive: bool = True) -> bool:
        """Leave the alarm alone, unless it tells of a refused write."""
        return ChannelData.update_alarm(self, value, forgive=forgive)

    def values_as(self, native: ChannelType) -> Any:
        """Return the bytes, or their numbers, or their numbers written out."""
        if native is ChannelType.CHAR:
            return self._value
        if native is ChannelType.STRING:
            return [str(byte) for byte in self._value]
        return numbers_as(list(self._value), native)

    def value_from_dbr(self, data: Any, native: ChannelType) -> Any:
        """Convert numbers of any type, or texts that spell numbers."""
        if native is ChannelType.STRING:
            return numbers_from_text(as_elements(data)[: self.max_length], ChannelType.CHAR)
        return numbers_as(as_elements(data)[: self.max_length], ChannelType.CHAR)
