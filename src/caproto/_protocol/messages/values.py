"""Messages that carry values: reads and writes."""

from __future__ import annotations

from _thread import allocate_lock
from typing import Any, ClassVar

from ..arrays import (
    SCALAR_READERS,
    STAMPED_SCALAR_READERS,
    Buffer,
    decode_data,
    decode_value,
    encode_values,
)
from ..dbr import DBR_TYPES, ELEMENT_SIZES, METADATA_SIZES, NATIVE_TYPES, DbrMetadata
from ..enums import ChannelType, Command
from ..status import CAStatus, CAStatusCode, status_from_code
from .base import HeadField, Message, TypeField, data_type_of
from .circuit import status_code

__all__ = [
    "DataMessage",
    "ReadNotifyRequest",
    "ReadNotifyResponse",
    "ReadRequest",
    "ReadResponse",
    "WriteNotifyRequest",
    "WriteNotifyResponse",
    "WriteRequest",
    "metadata_bytes",
    "value_payload",
]


def value_payload(
    data: Any,
    data_type: int,
    data_count: int | None,
    metadata: Any = None,
    *,
    request: bool = False,
) -> tuple[Buffer, int]:
    """Return the payload (not yet padded) of metadata and values, and the number of elements.

    A response has the number of elements that was asked for, zeros where there are fewer (``rsrv/camessage.c`` of EPICS
    base), and every string takes 40 bytes. A request must have the elements that it sends, and a single string
    travels as short as it is (``ca/comQueSend.cpp``).
    """
    if request:
        values, count = encode_values(data_type, data, data_count)
    else:
        values, count = encode_values(data_type, data, None)
        count = count if data_count is None else data_count
        size = ELEMENT_SIZES[NATIVE_TYPES[data_type]] * count
        if len(values) != size:
            values = bytes(values)[:size].ljust(size, b"\0")
    if not METADATA_SIZES[data_type]:
        return values, count
    return metadata_bytes(metadata, data_type) + values, count


def metadata_bytes(metadata: Any, data_type: int) -> bytes:
    """Return the metadata as `data_type` has them; of another type's, the fields that both have are taken."""
    size = METADATA_SIZES[data_type]
    if metadata is None:
        return bytes(size)
    cls = DBR_TYPES[data_type_of(data_type)]
    if isinstance(metadata, DbrMetadata) and type(metadata) is not cls:
        fields = ("stamp" if name == "timestamp" else name for name in cls.info_fields)
        metadata = {name: getattr(metadata, name) for name in fields if hasattr(metadata, name)}
    if isinstance(metadata, dict):
        metadata = cls(**metadata)
    return bytes(metadata).ljust(size, b"\0")[:size]


_new = object.__new__
_METADATA: dict[int, type[DbrMetadata]] = {
    int(code): cls for code, cls in DBR_TYPES.items() if METADATA_SIZES[code]
}
# Size and method of each reader; looked up at the Struct itself they take a fifth of the time of `value`, 0.04 us.
_SCALARS = {code: (reader.size, reader.unpack_from) for code, reader in SCALAR_READERS.items()}
# Large values may be turned in place, and several threads may look at one message at a time.
_large_values = allocate_lock()


class DataMessage(Message):
    """A message with values; they are decoded when they are looked at."""

    __slots__ = ("_data", "_value")
    data_type: TypeField = TypeField()
    data_count: HeadField = HeadField(3, "Number of elements.")

    def _set_data(
        self,
        data: Any,
        data_type: int,
        data_count: int | None,
        p1: int,
        p2: int,
        metadata: Any,
        request: bool = False,
    ) -> None:
        """Fill in header and payload of a message made here."""
        data_type = data_type_of(data_type)
        payload, count = value_payload(data, data_type, data_count, metadata, request=request)
        self._set(data_type, count, p1, p2, payload)

    @property
    def data(self) -> Any:
        """The values as they were received.

        A ``numpy.ndarray`` that views the received memory, hence big-endian and read-only; an ``array.array`` in
        machine order where there is no numpy; for strings a list of `bytes`. An unknown type is shown as `bytes`.
        (After `value` of a large array has been looked at, it is a copy.)
        """
        try:
            return self._data
        except AttributeError:
            head = self._head
            if head[2] >= len(METADATA_SIZES):
                return bytes(self._payload)
            if isinstance(self._payload, memoryview):
                with _large_values:
                    return self._large_data(self._payload)
            self._data: Any = decode_data(self._payload, head[2], head[3])
            return self._data

    @property
    def value(self) -> Any:
        """The values to calculate with: one `float`, `int` or `str`; or a list of `str` or a native array.

        A large array is turned into machine order in the memory that it was received into, unless `data` or `buffers`
        have been looked at before: those keep the order of the wire.
        """
        head = self._head
        if head[3] == 1:
            reader = _SCALARS.get(head[2])
            if reader is not None and head[1] >= reader[0]:
                return reader[1](self._payload)[0]
        if head[2] >= len(METADATA_SIZES):
            return bytes(self._payload)
        if isinstance(self._payload, memoryview):
            with _large_values:
                return self._large_value(self._payload)
        return decode_value(self._payload, head[2], head[3])

    def stamped_scalar(self) -> tuple[Any, ...] | None:
        """Return status, severity, seconds and nanoseconds of the EPICS time, and the value, all as numbers.

        None if this is not one number with its time.
        """
        head = self._head
        reader = STAMPED_SCALAR_READERS.get(head[2])
        if reader is None or head[3] != 1 or head[1] < reader.size:
            return None
        return reader.unpack_from(self._payload)

    def _large_data(self, payload: memoryview) -> Any:
        """Return `data` of a payload that has memory of its own."""
        if not hasattr(self, "_data"):
            data_type, count = self._head[2:4]
            if hasattr(self, "_value"):
                from ..numpy_arrays import turned_back

                self._data = turned_back(self._value, NATIVE_TYPES[data_type])
            else:
                self._data = decode_data(payload, data_type, count)
        return self._data

    def _large_value(self, payload: memoryview) -> Any:
        """Return `value` of a payload that has memory of its own."""
        data_type, count = self._head[2:4]
        native, offset = NATIVE_TYPES[data_type], METADATA_SIZES[data_type]
        if not hasattr(self, "_value"):
            if hasattr(self, "_data") or native is ChannelType.STRING or payload.readonly:
                return decode_value(payload, data_type, count)
            from ..numpy_arrays import turned_in_place

            held = (len(payload) - offset) // ELEMENT_SIZES[native]
            self._value: Any = turned_in_place(payload[offset:], native, min(count, held))
        return self._value

    def _wire_payload(self) -> Buffer:
        """Return the payload in the order of the wire, and keep it so."""
        payload = self._payload
        if isinstance(payload, memoryview) and self._head[2] < len(METADATA_SIZES):
            with _large_values:
                data = self._large_data(payload)
                if hasattr(self, "_value"):
                    offset = METADATA_SIZES[self._head[2]]
                    values = data.tobytes()
                    return b"".join((payload[:offset], values, payload[offset + len(values) :]))
        return payload

    @property
    def metadata(self) -> Any:
        """What the type carries beside the values (a `DbrMetadata`), or None for the plain types."""
        head = self._head
        cls = _METADATA.get(head[2])
        if cls is None or head[1] < cls.SIZE:
            return None
        # As `from_buffer`, without the call: for the time of an update 0.1 us of 0.6 (benchmarks/micro/bench_monitor.py).
        metadata = _new(cls)
        metadata._buffer = self._payload
        return metadata

    @property
    def buffers(self) -> tuple[Any, ...]:
        """Metadata and values, each a buffer."""
        size = METADATA_SIZES[self._head[2]] if self._head[2] < len(METADATA_SIZES) else 0
        view = memoryview(self._wire_payload())
        return (view[:size] if size else b"", view[size:])

    def _shown(self, name: str) -> str:
        if name != "data":
            return super()._shown(name)
        data = self.data
        if hasattr(data, "dtype"):  # the byte order of the wire is noise to a reader
            data = data.astype(data.dtype.newbyteorder("="), copy=False)
        return repr(data)


class _StatusMixin(Message):
    """A reply whose first parameter is an ECA status."""

    __slots__ = ()

    @property
    def status(self) -> CAStatusCode:
        """The ECA status."""
        return status_from_code(self._head[4])

    @property
    def succeeded(self) -> bool:
        """Whether the status tells success.

        An update that does not has no value: reading is not permitted any more, for example.
        """
        return bool(self._head[4] & 1)  # as `CAStatusCode.success`


class _ReadRequestBase(Message):
    __slots__ = ()
    _fields = ("data_type", "data_count", "sid", "ioid")
    data_type: TypeField = TypeField()
    data_count: HeadField = HeadField(3, "Number of elements wanted; 0 for as many as there are.")
    sid: HeadField = HeadField(4, "Server's id of the channel.")
    ioid: HeadField = HeadField(5, "Id that the answer will carry.")

    def __init__(self, data_type: int, data_count: int, sid: int, ioid: int) -> None:
        self._set(data_type_of(data_type), data_count, sid, ioid)


class ReadNotifyRequest(_ReadRequestBase):
    """Asks for the value.

    Parameters
    ----------
    data_type : ChannelType or int
    data_count : int
        0 for as many elements as there are (servers since minor version 13).
    sid : int
        Server's id of the channel.
    ioid : int
        Id that the answer will carry.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.READ_NOTIFY


class ReadRequest(_ReadRequestBase):
    """Asks for the value, the deprecated way; a failure comes as an `ErrorResponse`.

    Parameters
    ----------
    data_type : ChannelType or int
    data_count : int
    sid : int
        Server's id of the channel.
    ioid : int
        Id that the answer will carry.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.READ


class ReadNotifyResponse(DataMessage, _StatusMixin):
    """Brings the value.

    Parameters
    ----------
    data : iterable or scalar
    data_type : ChannelType or int
    data_count : int
    status : int, CAStatus or CAStatusCode
    ioid : int
        As in the request.
    metadata : DbrMetadata, dict or bytes, optional
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.READ_NOTIFY
    _fields = ("data", "data_type", "data_count", "status", "ioid", "metadata")
    ioid: HeadField = HeadField(5, "Id of the request.")

    def __init__(
        self,
        data: Any,
        data_type: int,
        data_count: int | None,
        status: int | CAStatusCode | CAStatus,
        ioid: int,
        *,
        metadata: DbrMetadata | dict[str, Any] | bytes | None = None,
    ) -> None:
        self._set_data(data, data_type, data_count, status_code(status), ioid, metadata)


class ReadResponse(DataMessage):
    """Brings the value, the deprecated way.

    Parameters
    ----------
    data : iterable or scalar
    data_type : ChannelType or int
    data_count : int
    sid : int
        Server's id of the channel (some servers send the client's).
    ioid : int
        As in the request.
    metadata : DbrMetadata, dict or bytes, optional
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.READ
    _fields = ("data", "data_type", "data_count", "sid", "ioid", "metadata")
    sid: HeadField = HeadField(4, "Server's id of the channel.")
    ioid: HeadField = HeadField(5, "Id of the request.")

    def __init__(
        self,
        data: Any,
        data_type: int,
        data_count: int | None,
        sid: int,
        ioid: int,
        *,
        metadata: DbrMetadata | dict[str, Any] | bytes | None = None,
    ) -> None:
        self._set_data(data, data_type, data_count, sid, ioid, metadata)


class _WriteRequestBase(DataMessage):
    __slots__ = ()
    _fields = ("data", "data_type", "data_count", "sid", "ioid", "metadata")
    sid: HeadField = HeadField(4, "Server's id of the channel.")
    ioid: HeadField = HeadField(5, "Id of the request.")

    def __init__(
        self,
        data: Any,
        data_type: int,
        data_count: int | None,
        sid: int,
        ioid: int,
        *,
        metadata: DbrMetadata | dict[str, Any] | bytes | None = None,
    ) -> None:
        self._set_data(data, data_type, data_count, sid, ioid, metadata, request=True)


class WriteRequest(_WriteRequestBase):
    """Writes a value and asks for no answer.

    Parameters
    ----------
    data : iterable or scalar
    data_type : ChannelType or int
    data_count : int
    sid : int
        Server's id of the channel.
    ioid : int
        Libca puts the channel's cid here: a failure comes back with it.
    metadata : DbrMetadata, dict or bytes, optional
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.WRITE


class WriteNotifyRequest(_WriteRequestBase):
    """Writes a value and asks to be told when that is done.

    Parameters
    ----------
    data : iterable or scalar
    data_type : ChannelType or int
    data_count : int
    sid : int
        Server's id of the channel.
    ioid : int
        Id that the answer will carry.
    metadata : DbrMetadata, dict or bytes, optional
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.WRITE_NOTIFY


class WriteNotifyResponse(_StatusMixin):
    """Tells that a write is done, or failed.

    Parameters
    ----------
    data_type : ChannelType or int
    data_count : int
    status : int, CAStatus or CAStatusCode
    ioid : int
        As in the request.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.WRITE_NOTIFY
    _fields = ("data_type", "data_count", "status", "ioid")
    data_type: TypeField = TypeField()
    data_count: HeadField = HeadField(3, "Number of elements written.")
    ioid: HeadField = HeadField(5, "Id of the request.")

    def __init__(
        self,
        data_type: int,
        data_count: int,
        status: int | CAStatusCode | CAStatus,
        ioid: int,
    ) -> None:
        self._set(data_type_of(data_type), data_count, status_code(status), ioid)
