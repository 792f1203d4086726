"""PVs as ``$`` and channel filters show them: long strings, parts of arrays, other times."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from ..._constants import EPICS2UNIX_EPOCH, MAX_STRING_SIZE
from ..._errors import CaprotoValueError
from ..._protocol.arrays import Buffer, decode_data, encode_values
from ..._protocol.dbr import DBR_TYPES, ELEMENT_SIZES, METADATA_SIZES, NATIVE_TYPES
from ..._protocol.enums import AccessRights, ChannelType
from ..._protocol.filter_chain import Filter, TimestampFilter, parse_filter_chain
from ..._protocol.filters import ArrayFilter, FilterValidationError, apply_arr_filter
from ..._protocol.timestamps import TimeStamp
from .._engine.filters import FilteredSource, gates
from .._engine.source import Source
from .._engine.timed_numbers import SECOND
from .conversion import as_elements, numbers_as, numbers_from_text, text_from_number
from .encoding import now, pack_stamp, resized

__all__ = ["modified"]

_NUMBERS = (
    ChannelType.INT,
    ChannelType.FLOAT,
    ChannelType.CHAR,
    ChannelType.LONG,
    ChannelType.DOUBLE,
)
_PRECISION = 6


def modified(pv: Any, long_string: bool, filters: str) -> Any:
    """Return a PV as the end of its name asks for.

    Parameters
    ----------
    pv : ChannelData
    long_string : bool
        Whether the name has a ``$``: a text as an array of characters.
    filters : str
        ``[range]`` and ``{JSON}``, if any.

    Returns
    -------
    Served

    Raises
    ------
    CaprotoValueError
        If the PV is no text, a filter is not known or its arguments make no sense.
    """
    if long_string:
        pv = _as_long_string(pv)
    chain = parse_filter_chain(filters)
    return FilteredPV(pv, chain) if chain else pv


def _as_long_string(pv: Any) -> Any:
    if not hasattr(pv, "long_string"):
        raise CaprotoValueError(f"{type(pv).__name__} is not a text that $ could make long")
    if pv.data_type is ChannelType.CHAR:
        return pv  # it is one already
    return LongString(pv)


class _View:
    """What a PV is in any case, however it is shown."""

    source: Source | None

    def __init__(self, pv: Any) -> None:
        self.pv = pv

    @property
    def data_type(self) -> ChannelType:
        """The plain type."""
        return self.pv.data_type  # type: ignore[no-any-return]

    @property
    def max_length(self) -> int:
        """The most elements there can be."""
        return self.pv.max_length  # type: ignore[no-any-return]

    @property
    def reads_at_once(self) -> bool:
        """Whether nothing has to be awaited to read it."""
        return self.pv.reads_at_once  # type: ignore[no-any-return]

    @property
    def writes_at_once(self) -> bool:
        """Whether nothing has to be awaited to write it."""
        return self.pv.writes_at_once  # type: ignore[no-any-return]

    @property
    def string_encoding(self) -> str:
        """How text travels."""
        return self.pv.string_encoding  # type: ignore[no-any-return]

    @property
    def access_is_fixed(self) -> bool:
        """Whether `check_access` answers a client the same every time."""
        return self.pv.access_is_fixed  # type: ignore[no-any-return]

    def check_access(self, hostname: str, username: str) -> AccessRights:
        """Tell what a user on a host may do."""
        return self.pv.check_access(hostname, username)  # type: ignore[no-any-return]

    def write_now(self, data: Any, data_type: ChannelType, metadata: Any) -> None:
        """Write the PV; filters are for what comes out."""
        self.pv.write_now(data, data_type, metadata)

    def take_number(self, value: Any) -> bool:
        """Write the PV, if that is all there is to it."""
        return self.pv.take_number(value)  # type: ignore[no-any-return]

    async def auth_write(self, *args: Any, **kwargs: Any) -> Any:
        """Write the PV; filters are for what comes out."""
        return await self.pv.auth_write(*args, **kwargs)

    def decoded(self, data_type: ChannelType) -> tuple[Any, Any]:
        """Return metadata and values as a read of the PV would."""
        payload, count = self.encode(data_type, 0)
        size = METADATA_SIZES[data_type]
        metadata: Any = b""
        if size:
            metadata = DBR_TYPES[data_type].from_buffer(bytes(payload[:size]))
        return metadata, decode_data(payload, data_type, count)

    def encode(self, data_type: int, data_count: int) -> tuple[Buffer, int]:
        """Return metadata and values in wire form; as `ChannelData.encode`."""
        raise NotImplementedError


class LongString(_View):
    """A text as an array of characters (``$``).

    Parameters
    ----------
    pv : ChannelString or ChannelChar
    """

    def __init__(self, pv: Any) -> None:
        super().__init__(pv)
        self.source: Source | None = FilteredSource(self, pv)

    @property
    def data_type(self) -> ChannelType:
        """Characters."""
        return ChannelType.CHAR

    @property
    def max_length(self) -> int:
        """The most characters there can be, with the NUL at the end."""
        return self.pv.long_string_max_length  # type: ignore[no-any-return]

    def encode(self, data_type: int, data_count: int) -> tuple[Buffer, int]:
        """Return metadata and characters in wire form."""
        if data_type >= ChannelType.PUT_ACKT:
            return self.pv.encode(data_type, data_count)  # type: ignore[no-any-return]
        head, values, count = self.encode_all(data_type)
        return _fitted(self, data_type, data_count, head, values, count)

    def encode_all(self, data_type: int) -> tuple[bytes, bytes, int]:
        """Return metadata, and all characters with the NULs behind them."""
        native = NATIVE_TYPES[data_type]
        longest = self.max_length
        raw = self.pv.long_string[: longest - 1].ljust(longest, b"\0")
        if native is ChannelType.CHAR:
            values = raw
        elif native is ChannelType.STRING:
            values = b"".join(str(byte).encode().ljust(MAX_STRING_SIZE, b"\0") for byte in raw)
        else:
            values = bytes(encode_values(native, numbers_as(list(raw), native))[0])
        return self.pv.encode_metadata(data_type), values, longest

    async def auth_read(
        self, hostname: str, username: str, data_type: ChannelType, *, user_address: Any = None
    ) -> tuple[Any, Any]:
        """Let the PV get its value, and return all of it."""
        await self.pv.auth_read(hostname, username, ChannelType.STRING, user_address=user_address)
        return self.decoded(data_type)


class FilteredPV(_View):
    """A PV with channel filters.

    Parameters
    ----------
    pv : ChannelData or LongString
    filters : tuple of Filter
    """

    def __init__(self, pv: Any, filters: tuple[Filter, ...]) -> None:
        super().__init__(pv)
        plain = pv.pv if isinstance(pv, LongString) else pv
        self._plain = plain
        self._arrays = [each for each in filters if isinstance(each, ArrayFilter)]
        times = [each for each in filters if isinstance(each, TimestampFilter)]
        self._shows_time = next((each for each in reversed(times) if each.shown), None)
        self._stamps = any(not each.shown for each in times)
        self._is_array = pv.max_length > 1
        is_number = plain.data_type in _NUMBERS and not self._is_array
        self.source: Source | None = FilteredSource(
            self,
            plain,
            gates(filters, lambda name: _state_of(plain, name)),
            self._number if is_number else lambda: None,
        )

    def _number(self) -> float | None:
        values = as_elements(self._plain.value)
        return float(values[0]) if len(values) else None

    @property
    def data_type(self) -> ChannelType:
        """The plain type."""
        if self._shows_time is None:
            return self.pv.data_type  # type: ignore[no-any-return]
        return ChannelType.STRING if _is_text(self._shows_time) else ChannelType.DOUBLE

    @property
    def max_length(self) -> int:
        """The most elements that come through."""
        if self._shows_time is not None:
            return 2 if self._shows_time.shown == "ts" else 1
        length: int = self.pv.max_length
        if self._is_array:
            for each in self._arrays:
                length = len(apply_arr_filter(each, range(length)))
        return length

    def encode(self, data_type: int, data_count: int) -> tuple[Buffer, int]:
        """Return metadata and values in wire form."""
        if data_type >= ChannelType.PUT_ACKT:
            return self.pv.encode(data_type, data_count)  # type: ignore[no-any-return]
        head, values, count = self._unfiltered(data_type)
        if self._shows_time is not None:
            values, count = self._time_as(NATIVE_TYPES[data_type], self._shows_time)
        elif self._is_array:
            values, count = self._cut(values, count, ELEMENT_SIZES[NATIVE_TYPES[data_type]])
        if self._stamps and ChannelType.TIME_STRING <= data_type < ChannelType.GR_STRING:
            head = head[:4] + pack_stamp(*divmod(now(), SECOND)) + head[12:]
        return _fitted(self.pv, data_type, data_count, head, values, count)

    def _unfiltered(self, data_type: int) -> tuple[bytes, bytes, int]:
        """Return metadata, values and their number before any filter."""
        if isinstance(self.pv, LongString):
            return self.pv.encode_all(data_type)
        if self._shows_time is not None:
            return self.pv.encode_metadata(data_type), b"", 0
        payload, count = self.pv.encode(data_type, 0)
        raw, size = bytes(payload), METADATA_SIZES[data_type]
        return raw[:size], raw[size:], count

    def _cut(self, values: bytes, count: int, size: int) -> tuple[bytes, int]:
        """Apply the array filters to values in wire form."""
        indices = range(count)
        for each in self._arrays:
            indices = apply_arr_filter(each, indices)
        if indices.step == 1 and indices:
            return values[size * indices[0] : size * (indices[-1] + 1)], len(indices)
        return b"".join(values[size * i : size * (i + 1)] for i in indices), len(indices)

    def _time_as(self, native: ChannelType, filter_: TimestampFilter) -> tuple[bytes, int]:
        """Return the time of the value in its place."""
        seconds, nanoseconds = self._plain.stamp
        if _is_text(filter_):
            text = _time_text(seconds, nanoseconds, filter_.shown)
            is_string = native is ChannelType.STRING
            found: Any = [text] if is_string else numbers_from_text([text], native)
        else:
            if filter_.epoch == "unix":
                seconds += int(EPICS2UNIX_EPOCH)
            found = {
                "dbl": [seconds + nanoseconds * 1e-9],
                "sec": [seconds],
                "nsec": [nanoseconds],
                "ts": [seconds, nanoseconds],
            }[filter_.shown]
            if native is ChannelType.STRING:
                digits = getattr(self._plain, "precision", _PRECISION)
                found = [
                    str(each) if isinstance(each, int) else text_from_number(each, digits)
                    for each in found
                ]
            else:
                found = numbers_as(found, native)
        values, count = encode_values(native, found)
        return bytes(values).ljust(count * ELEMENT_SIZES[native], b"\0"), count

    async def auth_read(
        self, hostname: str, username: str, data_type: ChannelType, *, user_address: Any = None
    ) -> tuple[Any, Any]:
        """Let the PV get its value, and return what comes through."""
        metadata, values = await self.pv.auth_read(
            hostname, username, data_type, user_address=user_address
        )
        if self._shows_time is not None or isinstance(self.pv, LongString):
            return self.decoded(data_type)
        if self._is_array and data_type < ChannelType.PUT_ACKT:
            values = as_elements(values)
            for each in self._arrays:
                values = apply_arr_filter(each, values)
        if self._stamps and hasattr(metadata, "timestamp"):
            metadata.timestamp = TimeStamp(*divmod(now(), SECOND))
        return metadata, values


def _fitted(
    shown: Any, data_type: int, data_count: int, head: bytes, values: bytes, count: int
) -> tuple[bytes, int]:
    """Bring values to the length that was asked for; characters are a text and end with a NUL."""
    native = NATIVE_TYPES[data_type]
    if isinstance(shown, LongString) and native is ChannelType.CHAR and count:
        if not data_count:
            end = values.find(b"\0")
            count = count if end < 0 else end + 1
        elif data_count < count:
            count = data_count
        values = values[: count - 1] + b"\0"
    values, count = resized(values, count, data_count, ELEMENT_SIZES[native], shown.max_length)
    return head + values, count


def _is_text(filter_: TimestampFilter) -> bool:
    return filter_.shown in ("epics", "iso")


def _time_text(seconds: int, nanoseconds: int, style: str) -> str:
    """Write a time out as the C IOC does: local, to the microsecond."""
    utc = datetime.datetime.fromtimestamp(seconds + int(EPICS2UNIX_EPOCH), datetime.timezone.utc)
    time = utc.replace(microsecond=nanoseconds // 1000).astimezone()
    return time.strftime("%Y-%m-%d %H:%M:%S.%f" if style == "epics" else "%Y-%m-%dT%H:%M:%S.%f%z")


def _state_of(pv: Any, name: str) -> Callable[[], bool]:
    """Return what tells the state of that name, of the PV's group or one around it.

    Raises
    ------
    FilterValidationError
        If there is no such state.
    """
    group = getattr(pv, "group", None)
    while group is not None:
        states = getattr(group, "states", None)
        if isinstance(states, dict) and name in states:
            return lambda: bool(states.get(name))
        group = getattr(group, "parent", None)
    raise FilterValidationError(f"there is no state {name!r} to synchronise with")
