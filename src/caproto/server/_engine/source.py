"""One PV as it is served: its value in wire form, made once for all who ask, and its subscribers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ..._errors import CaprotoError
from ..._protocol.arrays import Buffer
from ..._protocol.dbr import ELEMENT_SIZES, METADATA_SIZES, NATIVE_TYPES
from ..._protocol.enums import Command
from ..._protocol.header import EXTENDED_SIZES, HEADER, SHORT_LIMIT, padded
from ..._protocol.status import CAStatus
from .served import Served
from .timed_numbers import SECOND, UpdatePacker, update_packer

if TYPE_CHECKING:
    from .circuit import ServerCircuit

__all__ = [
    "LARGE_BODY",
    "PENDING_LIMIT",
    "Reply",
    "Source",
    "Subscription",
    "Topic",
    "failure_reply",
    "make_reply",
    "pack_id",
    "reply_key",
    "source_of",
    "type_and_count",
]

pack_id = Struct(">I").pack

LARGE_BODY = 8192
"""Bodies from here on are not copied behind their headers but sent on their own."""

PENDING_LIMIT = 512
"""Messages that may gather before they are sent without waiting for more."""

_NORMAL = int(CAStatus.ECA_NORMAL)
_GETFAIL = int(CAStatus.ECA_GETFAIL)
_FAILURE_LIMIT = 1 << 20
_NO_REPLIES: Mapping[int, Reply] = MappingProxyType({})


class Reply(NamedTuple):
    """A value in wire form, lacking only the id of who asked for it.

    The message is ``read_head + id + tail`` followed by `body`, or the same with `event_head`.

    Attributes
    ----------
    read_head, event_head : bytes
        The first 12 bytes of the header, of READ_NOTIFY and of EVENT_ADD.
    tail : bytes
        The rest of an extended header, and the payload unless it is large.
    body : bytes-like
        A large payload; shared, never copied.
    """

    read_head: bytes
    event_head: bytes
    tail: bytes
    body: Buffer


def reply_key(data_type: int, data_count: int) -> int:
    """Return what a reply is kept under: type and count as they stand in a header, a larger count in front of them."""
    return data_count >> 16 << 32 | data_type << 16 | data_count & 0xFFFF


def type_and_count(key: int) -> tuple[int, int]:
    """Return what `reply_key` was given."""
    return key >> 16 & 0xFFFF, key >> 32 << 16 | key & 0xFFFF


def make_reply(data_type: int, data_count: int, payload: Buffer, status: int = _NORMAL) -> Reply:
    """Build a reply around a payload, which is padded here."""
    size = padded(len(payload))
    if size != len(payload):
        payload = bytes(payload).ljust(size, b"\0")
    read_head, event_head, tail = _reply_heads(data_type, data_count, size, status)
    if size >= LARGE_BODY:
        return Reply(read_head, event_head, tail, payload)
    return Reply(read_head, event_head, tail + payload, b"")


@lru_cache(maxsize=256)
def _reply_heads(
    data_type: int, data_count: int, size: int, status: int
) -> tuple[bytes, bytes, bytes]:
    """Return what stands before the payload of a reply; kept, since most replies are of few kinds."""
    if size >= SHORT_LIMIT or data_count >= SHORT_LIMIT:
        short_size, short_count, tail = 0xFFFF, 0, EXTENDED_SIZES.pack(size, data_count)
    else:
        short_size, short_count, tail = size, data_count, b""
    read_head = HEADER.pack(Command.READ_NOTIFY, short_size, data_type, short_count, status, 0)[:12]
    return read_head, b"\0\1" + read_head[2:], tail


def failure_reply(data_type: int, data_count: int, status: int) -> Reply:
    """Build the reply to a read that failed: zeros, in the length that was asked for.

    An unreasonable length is answered with metadata alone.
    """
    if data_type >= len(METADATA_SIZES):
        return make_reply(data_type, 0, b"", status)
    size = METADATA_SIZES[data_type]
    values = ELEMENT_SIZES[NATIVE_TYPES[data_type]] * data_count
    if values > _FAILURE_LIMIT:
        values = data_count = 0
    return make_reply(data_type, data_count, bytes(size + values), status)


class Subscription:
    """One EVENT_ADD of one client."""

    __slots__ = ("circuit", "head", "id_bytes", "mask", "number_header", "pack_number", "topic")

    def __init__(self, circuit: ServerCircuit, head: tuple[int, ...], mask: int) -> None:
        self.circuit: ServerCircuit = circuit
        self.head: tuple[int, ...] = head
        """Of the request."""
        self.id_bytes: bytes = pack_id(head[5])
        self.mask: int = mask
        self.topic: Topic
        """How its updates are made; set by the source that sends them."""
        self.number_header: bytes
        """Header of an update with one number of the PV's own type."""
        self.pack_number: UpdatePacker | None
        """Puts the number behind it; None if the topic is about other forms."""

    @property
    def key(self) -> int:
        """What it asks for."""
        return reply_key(self.head[2], self.head[3])


class Topic(NamedTuple):
    """What subscriptions to PVs of one type ask for: those to one PV share the bytes.

    Attributes
    ----------
    key : int
        As `reply_key` returns it.
    event_head : bytes
        First 12 bytes of an update with one number of the PV's own type.
    pack : callable or None
        Packs such an update; None if this topic is about other forms.
    """

    key: int
    event_head: bytes
    pack: UpdatePacker | None


@lru_cache(maxsize=256)
def _topic(key: int, native: int) -> Topic:
    """Return the topic of subscriptions to PVs of the type `native`; kept, since there are few."""
    data_type, data_count = type_and_count(key)
    pack = update_packer(data_type, data_count, native)
    if pack is None:
        return Topic(key, b"", None)
    size = len(pack(b"", 0, 0, 0)) - HEADER.size
    return Topic(key, _reply_heads(data_type, 1, size, _NORMAL)[1], pack)


class Source:
    """One PV as the engine sees it.

    Parameters
    ----------
    served : Served
    """

    __slots__ = ("replies", "served", "subscriptions", "views")

    def __init__(self, served: Served) -> None:
        self.served: Served = served
        # What few PVs have is not set aside for all of them, and where most have one it is a tuple of one: an empty
        # dictionary takes 64 bytes, one with an entry 230, such a tuple 48.
        self.replies: Mapping[int, Reply] = _NO_REPLIES
        """The current value in each form that was read; exchanged as a whole when anything changes."""
        self.subscriptions: tuple[Subscription, ...] = ()
        """Those that get updates; of those to the same topic one stands behind the other."""
        self.views: dict[Source, None] | None = None
        """The same PV with filters, as far as anybody is subscribed to that; see `FilteredSource`."""

    def encode(self, key: int, keep: bool = True) -> Reply:
        """Encode the current value, and keep the result until it changes.

        Parameters
        ----------
        key : int
        keep : bool
            False not to keep it unless it is large.

        Raises
        ------
        CaprotoError
            If the value cannot be had in that type, or not as so many elements.
        """
        data_type, data_count = type_and_count(key)
        payload, data_count = self.served.encode(data_type, data_count)
        reply = make_reply(data_type, data_count, payload)
        if keep or reply.body:
            self.replies = {**self.replies, key: reply}
        return reply

    def forget(self) -> None:
        """Drop what is kept of a value that has changed."""
        self.replies = _NO_REPLIES

    def encode_or_fail(self, key: int) -> Reply:
        """Encode the current value, or its absence."""
        try:
            return self.replies.get(key) or self.encode(key)
        except CaprotoError:
            return failure_reply(*type_and_count(key), _GETFAIL)

    def publish(self, flags: int, number: float | None = None, nanoseconds: int = 0) -> None:
        """Send the current value to every subscription that asks for any of `flags`.

        Each form is encoded once. What is left per subscriber is to put its id between two pieces of bytes: 0.2 us, of
        which a new header would take 0.5 us more. A number is packed for each, together with the header: 0.1 us, where
        to pack it and to put that behind the header takes 0.2.

        Parameters
        ----------
        flags : int
        number : float or int, optional
            The new value, if it is one number of the PV's own type and in no alarm. The PV is not asked for it, which
            would take 1.3 us.
        nanoseconds : int
            Time of the value since the EPICS epoch; with a number.
        """
        if number is not None:
            self.replies = _NO_REPLIES
            if not self.subscriptions:
                return
            seconds, rest = divmod(nanoseconds, SECOND)
        topic = None
        for subscription in self.subscriptions:
            if not subscription.mask & flags:
                continue
            circuit = subscription.circuit
            pack = subscription.pack_number
            if number is not None and pack is not None:
                message = pack(subscription.number_header, seconds, rest, number)
            else:
                if subscription.topic is not topic:
                    topic = subscription.topic
                    reply = self.encode_or_fail(topic.key)
                    _, head, tail, body = reply
                if body:
                    circuit.send_update(subscription, reply)
                    continue
                message = head + subscription.id_bytes + tail
            if circuit.held is not None:
                circuit.held[subscription] = (message[:12], message[16:], b"")
                continue
            out = circuit.out
            out.append(message)
            if not circuit.flushing:
                circuit.flushing = True
                circuit.shell.want_flush(circuit)
            elif len(out) > PENDING_LIMIT:
                circuit.flush_some()

    def first_update(self, subscription: Subscription, reply: Reply) -> Reply | None:
        """Return what a new subscription gets at once; a filter may let nothing through."""
        return reply

    def add(self, subscription: Subscription) -> None:
        """Let a subscription get updates from now on."""
        key, members = subscription.key, self.subscriptions
        subscription.topic = topic = _topic(key, self.served.data_type)
        subscription.number_header = topic.event_head + subscription.id_bytes
        subscription.pack_number = topic.pack
        place = len(members)
        while place and members[place - 1].topic.key != key:
            place -= 1
        place = place or len(members)
        self.subscriptions = (*members[:place], subscription, *members[place:])

    def remove(self, subscription: Subscription) -> None:
        """Let a subscription get no more updates; harmless if it gets none."""
        members = self.subscriptions
        if subscription in members:
            place = members.index(subscription)
            self.subscriptions = (*members[:place], *members[place + 1 :])


def source_of(served: Served) -> Source:
    """Return the engine's record of a PV, and make it if this is the first use."""
    source = served.source
    if source is None:
        source = served.source = Source(served)
    return source
