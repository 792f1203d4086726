"""What all messages share: a header of raw integers and a payload, shown through named fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, overload

from ..._constants import MAX_RECORD_LENGTH
from ..._errors import CaprotoTypeError, CaprotoValueError
from ..arrays import Buffer, ensure_bytes
from ..dbr import DBR_TYPES
from ..enums import ChannelType
from ..header import EXTENDED, HEADER, SHORT_LIMIT, Head, pack_head, padded

if TYPE_CHECKING:
    from ..message_header import ExtendedMessageHeader, MessageHeader

__all__ = [
    "HeadField",
    "Message",
    "Text",
    "TypeField",
    "check_names",
    "checked_name",
    "data_type_of",
    "pack_named",
    "text_payload",
    "wire",
]

M = TypeVar("M", bound="Message")
_TYPES = tuple(ChannelType)


class Message:
    """One Channel Access message.

    Messages that are received hold the raw header and payload; everything else is made when it is looked at. Two
    messages are equal if their bytes are.
    """

    __slots__ = ("_head", "_payload", "_sender")
    ID: ClassVar[int]
    _fields: ClassVar[tuple[str, ...]] = ()
    _head: Head
    _payload: Buffer
    _sender: tuple[str, int] | None

    def _set(
        self, data_type: int = 0, count: int = 0, p1: int = 0, p2: int = 0, payload: Buffer = b""
    ) -> None:
        """Fill in the header of a message made here; the payload is padded to a multiple of 8."""
        size = padded(len(payload))
        if size != len(payload):
            payload = bytes(payload).ljust(size, b"\0")
        self._head = (self.ID, size, data_type, count, p1, p2)
        self._payload = payload

    def __init__(
        self,
        header: MessageHeader | ExtendedMessageHeader | Head,
        *buffers: Buffer,
        validate: bool = True,
        sender_address: tuple[str, int] | None = None,
    ) -> None:
        self._head = as_head(header)
        self._payload = b"".join(bytes(buffer) for buffer in buffers)
        self._sender = sender_address
        if validate:
            self.validate()

    @classmethod
    def from_wire(
        cls: type[M],
        header: MessageHeader | ExtendedMessageHeader | Head,
        payload_bytes: Buffer = b"",
        *,
        sender_address: tuple[str, int] | None = None,
        validate: bool = False,
    ) -> M:
        """Make one of a received header and payload.

        Parameters
        ----------
        header : MessageHeader, ExtendedMessageHeader or tuple of int
        payload_bytes : bytes-like
        sender_address : (host, port), optional
            Where the datagram came from.
        validate : bool
            Check that the payload is as long as the header says.

        Raises
        ------
        CaprotoValueError
            If `validate` is true and the lengths differ.
        """
        if isinstance(payload_bytes, memoryview):
            payload_bytes = payload_bytes.toreadonly()  # it is the caller's memory
        self = wire(cls, as_head(header), payload_bytes)
        self._sender = sender_address
        if validate:
            self.validate()
        return self

    @classmethod
    def from_components(
        cls: type[M],
        header: MessageHeader | ExtendedMessageHeader | Head,
        *buffers: Buffer,
        sender_address: tuple[str, int] | None = None,
        validate: bool = False,
    ) -> M:
        """Make one of a header and the pieces of a payload, joined in order."""
        payload = b"".join(bytes(buffer) for buffer in buffers)
        return cls.from_wire(header, payload, sender_address=sender_address, validate=validate)

    def validate(self) -> None:
        """Check that the payload is as long as the header says.

        Raises
        ------
        CaprotoValueError
        """
        if len(self._payload) != self._head[1]:
            raise CaprotoValueError(
                f"{type(self).__name__}: the header says {self._head[1]} bytes of payload, "
                f"there are {len(self._payload)}"
            )

    @property
    def header(self) -> MessageHeader | ExtendedMessageHeader:
        """The header as a ``ctypes.BigEndianStructure``."""
        from ..message_header import header_from_head

        return header_from_head(self._head)

    @property
    def buffers(self) -> tuple[Any, ...]:
        """The payload in one or more pieces."""
        return (memoryview(self._payload),) if self._payload else ()

    @property
    def payload_size(self) -> int:
        """Bytes of payload, padding included."""
        return self._head[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the whole message."""
        head = self._head
        long = len(head) > 6 or head[1] >= SHORT_LIMIT or head[3] >= SHORT_LIMIT
        return (EXTENDED.size if long else HEADER.size) + len(self._payload)

    @property
    def sender_address(self) -> tuple[str, int] | None:
        """Where the datagram came from, or None for messages of a circuit."""
        try:
            return self._sender
        except AttributeError:
            return None

    def _wire_payload(self) -> Buffer:
        """Return the payload as it travels."""
        return self._payload

    def __bytes__(self) -> bytes:
        try:
            # The seventh item, if there is one, asks for the extended form.
            return pack_head(*self._head) + self._wire_payload()  # type: ignore[arg-type]
        except StructError as error:
            raise CaprotoValueError(
                f"{type(self).__name__}: a number does not fit into its field of the header: "
                f"{self._head[:6]}"
            ) from error

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={self._shown(name)}" for name in self._fields)
        return f"{type(self).__name__}({fields})"

    def _repr_html_(self) -> str:
        from ..._html import fields_table

        return fields_table(
            type(self).__name__, ((name, self._shown(name)) for name in self._fields)
        )

    def _shown(self, name: str) -> str:
        """Return what `repr` prints for a field."""
        return repr(getattr(self, name))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return type(self) is type(other) and bytes(self) == bytes(other)

    def __hash__(self) -> int:
        return hash(bytes(self))


def as_head(header: MessageHeader | ExtendedMessageHeader | Head) -> Head:
    """Turn a header, in whatever form, into the tuple that messages keep."""
    if isinstance(header, tuple):
        return header
    head: Head = (
        header.command,
        header.payload_size,
        header.data_type,
        header.data_count,
        header.parameter1,
        header.parameter2,
    )
    # The long structure has more than the six fields.
    return (*head, True) if len(bytes(header)) == EXTENDED.size else head


_new = object.__new__


def wire(cls: type[M], head: Head, payload: Buffer) -> M:
    """Make a received message the short way: nothing is checked, nothing is decoded."""
    self = _new(cls)
    self._head = head
    self._payload = payload
    return self


class HeadField:
    """A descriptor: one integer of the header."""

    def __init__(self, index: int, doc: str) -> None:
        self._index = index
        self.__doc__ = doc

    @overload
    def __get__(self, obj: None, owner: type) -> HeadField: ...
    @overload
    def __get__(self, obj: Message, owner: type) -> int: ...
    def __get__(self, obj: Message | None, owner: type) -> HeadField | int:
        return self if obj is None else obj._head[self._index]


class TypeField:
    """A descriptor: the DBR type; a number that has no name is returned as it came."""

    def __init__(self) -> None:
        self.__doc__ = "DBR type."

    @overload
    def __get__(self, obj: None, owner: type) -> TypeField: ...
    @overload
    def __get__(self, obj: Message, owner: type) -> ChannelType: ...
    def __get__(self, obj: Message | None, owner: type) -> TypeField | ChannelType:
        if obj is None:
            return self
        number = obj._head[2]
        return _TYPES[number] if number < len(_TYPES) else number  # type: ignore[return-value]


class Text:
    """A descriptor: the payload as text up to its NUL."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    @overload
    def __get__(self, obj: None, owner: type) -> Text: ...
    @overload
    def __get__(self, obj: Message, owner: type) -> str: ...
    def __get__(self, obj: Message | None, owner: type) -> Text | str:
        if obj is None:
            return self
        return bytes(obj._payload).partition(b"\0")[0].decode("latin-1")


def text_payload(text: str | bytes) -> bytes:
    """Encode text with its NUL."""
    return ensure_bytes(text) + b"\0"


def checked_name(name: str) -> bytes:
    """Encode the name of a PV with its NUL; raise as `_raw_name` if it cannot be one."""
    return _raw_name(name) + b"\0"


def _raw_name(name: str) -> bytes:
    """Encode the name of a PV.

    Raises
    ------
    CaprotoTypeError
        If it is not a `str`.
    CaprotoValueError
        If it is empty, has a NUL in it, or is too long: with the headers of VERSION and SEARCH it must fit into
        one datagram of 1024 bytes, which is what libca and C servers take.
    """
    if not isinstance(name, str):
        raise CaprotoTypeError(f"the name of a PV must be a str, not {name!r}")
    try:
        raw = ensure_bytes(name)
    except UnicodeEncodeError:
        raise CaprotoValueError(
            f"{name!r} cannot be the name of a PV: it cannot be encoded", pv_name=name
        ) from None
    if not 0 < len(raw) <= MAX_RECORD_LENGTH or b"\0" in raw:
        shown = f"{name[:40]}..." if len(raw) > MAX_RECORD_LENGTH else name
        raise CaprotoValueError(
            f"{shown!r} cannot be the name of a PV: it must have 1 to {MAX_RECORD_LENGTH} bytes "
            f"(it has {len(raw)}), and no NUL",
            pv_name=name,
        )
    return raw


@cache
def _packer(size: int) -> Callable[..., bytes]:
    """Return what packs a header and `size` bytes of payload, filled up with NULs."""
    return Struct(f"{HEADER.format}{size}s").pack


def pack_named(command: int, data_type: int, data_count: int, p1: int, p2: int, name: str) -> bytes:
    """Return the bytes of a message whose payload is the name of a PV, without making the message.

    Raises
    ------
    CaprotoTypeError, CaprotoValueError
        If it cannot be the name of a PV.
    """
    raw = _raw_name(name)
    size = (len(raw) | 7) + 1  # with a NUL at least
    return _packer(size)(command, size, data_type, data_count, p1, p2, raw)


def check_names(names: Sequence[str]) -> None:
    """Make sure that all are names which PVs can have.

    Raises
    ------
    CaprotoTypeError, CaprotoValueError
        For the first that is not one, as `checked_name`.
    """
    # One look at all of them together instead of one at each: with waits that end at once, 6 % fewer instructions for
    # connecting (benchmarks/micro/bench_connect.py).
    try:
        together = "".join(names)
    except TypeError:
        together = "\0"
    usual = together.isascii() and "\0" not in together and all(names)
    if usual and (not names or max(map(len, names)) <= MAX_RECORD_LENGTH):
        return
    for name in names:
        checked_name(name)


def data_type_of(data_type: int) -> ChannelType:
    """Return the DBR type with that number.

    Raises
    ------
    CaprotoValueError
        If there is none.
    """
    try:
        known = data_type in DBR_TYPES
    except TypeError:  # a list, say, which cannot be looked up
        known = False
    if not known:
        raise CaprotoValueError(f"{data_type!r} is not a DBR type: they are 0 to 38")
    return _TYPES[data_type]
