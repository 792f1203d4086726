"""Channel Access in captured network traffic.

>>> with open("capture.pcapng", "rb") as file:
...     for captured in shark(file):
...         print(captured.timestamp, captured.pv_name, captured.command)

`shark` follows the conversations in a capture, so that it knows who is the client and which PV a message is about. The
other functions look at one message, or at the bytes of one, and have to guess who sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from socket import inet_ntoa
from types import SimpleNamespace
from typing import Any, BinaryIO

from .._capture.conversations import CapturedMessage, Conversations
from .._capture.packets import read_packets
from .._protocol.enums import Command
from .._protocol.framing import walk_datagram
from .._protocol.header import EXTENDED, EXTENDED_SIZES, HEADER, Head
from .._protocol.messages import Message
from .._protocol.messages.base import as_head
from .._protocol.messages.channel import (
    ClearChannelRequest,
    CreateChanRequest,
    CreateChanResponse,
)
from .._protocol.messages.circuit import EchoRequest, VersionRequest, VersionResponse
from .._protocol.messages.datagram import SearchRequest, SearchResponse
from .._protocol.messages.registry import REQUESTS, RESPONSES
from .._protocol.messages.subscription import (
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
)
from .._protocol.messages.values import (
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
)
from .._protocol.states import NEED_DATA

__all__ = [
    "NEED_DATA",
    "ClearChannelRequestOrResponse",
    "EchoRequestOrResponse",
    "EventAddRequestOrResponse",
    "bytes_needed_for_command",
    "infer_command_class",
    "inet_ntoa",
    "one_way_commands",
    "read_datagram",
    "read_from_bytestream",
    "shark",
    "sniff_create_chan_header",
    "sniff_event_add_or_cancel_header",
    "sniff_read_header",
    "sniff_read_notify_header",
    "sniff_search_header",
    "sniff_version_header",
    "sniff_write_notify_header",
    "sniffers",
]


def shark(file: BinaryIO, *, ports: Collection[int] = ()) -> Iterator[SimpleNamespace]:
    """Yield the Channel Access messages of a capture.

    Parameters
    ----------
    file : binary file
        In the format pcap or pcapng; it need not be seekable. ``sudo tcpdump -w - | caproto-shark`` gives such a one.
    ports : collection of int, optional
        Where servers and repeaters listen, beside 5064, 5065 and what the capture tells.

    Yields
    ------
    types.SimpleNamespace
        ``timestamp`` (Unix time in seconds), ``src`` and ``dst`` (addresses as text), ``src_port`` and ``dst_port``,
        ``command`` (a message, such as `caproto.ReadNotifyRequest`), ``pv_name`` (or None where it cannot be known),
        ``from_client`` (bool), and ``ethernet``, ``ip`` and ``transport``, the packet that completed the message, as
        dpkt takes it apart.

    Raises
    ------
    CaprotoRuntimeError
        If dpkt is not installed (``pip install 'caproto[shark]'``).
    CaprotoValueError
        If the file is no capture.
    """
    conversations = Conversations(ports)
    for packet in read_packets(file):
        for captured in conversations.feed(packet):
            yield _context_of(captured)


def _context_of(captured: CapturedMessage) -> SimpleNamespace:
    packet = captured.packet
    return SimpleNamespace(
        timestamp=packet.timestamp,
        src=packet.source[0],
        src_port=packet.source[1],
        dst=packet.destination[0],
        dst_port=packet.destination[1],
        pv_name=captured.pv_name,
        from_client=captured.from_client,
        command=captured.message,
        ethernet=packet.link,
        ip=packet.internet,
        transport=packet.transport,
    )


# --- one message, without knowing who sent it -------------------------------------------------------------------------


class ClearChannelRequestOrResponse(ClearChannelRequest):
    """A CLEAR_CHANNEL: request and response look alike."""

    __slots__ = ()


class EchoRequestOrResponse(EchoRequest):
    """An ECHO: request and response look alike."""

    __slots__ = ()


class EventAddRequestOrResponse(EventAddRequest):
    """An EVENT_ADD that may be a request, or an update whose payload is as long as that of a request."""

    __slots__ = ()


def sniff_version_header(header: Any) -> type[Message]:
    """Tell whether a VERSION is a request or a response: a request has a priority where a response has 0."""
    return VersionRequest if as_head(header)[2] else VersionResponse


def sniff_search_header(header: Any) -> type[Message]:
    """Tell whether a SEARCH is a request, which has a version in its header, or a response."""
    return SearchRequest if as_head(header)[3] else SearchResponse


def sniff_create_chan_header(header: Any) -> type[Message]:
    """Tell whether a CREATE_CHAN is a request, which carries a name, or a response."""
    return CreateChanRequest if as_head(header)[1] else CreateChanResponse


def sniff_read_notify_header(header: Any) -> type[Message]:
    """Tell whether a READ_NOTIFY is a request or a response, which carries a value."""
    return ReadNotifyResponse if as_head(header)[1] else ReadNotifyRequest


def sniff_read_header(header: Any) -> type[Message]:
    """Tell whether a READ is a request or a response, which carries a value."""
    return ReadResponse if as_head(header)[1] else ReadRequest


def sniff_write_notify_header(header: Any) -> type[Message]:
    """Tell whether a WRITE_NOTIFY is a request, which carries a value, or a response."""
    return WriteNotifyRequest if as_head(header)[1] else WriteNotifyResponse


def sniff_event_add_or_cancel_header(header: Any) -> type[Message]:
    """Tell what an EVENT_ADD or EVENT_CANCEL is, by its length."""
    head = as_head(header)
    if head[0] == Command.EVENT_CANCEL:
        return EventCancelRequest
    if head[1] == 0:
        return EventCancelResponse
    return EventAddRequestOrResponse if head[1] == 16 else EventAddResponse


sniffers: dict[int, Callable[[Any], type[Message]]] = {
    Command.VERSION: sniff_version_header,
    Command.SEARCH: sniff_search_header,
    Command.CREATE_CHAN: sniff_create_chan_header,
    Command.READ_NOTIFY: sniff_read_notify_header,
    Command.READ: sniff_read_header,
    Command.WRITE_NOTIFY: sniff_write_notify_header,
    Command.EVENT_ADD: sniff_event_add_or_cancel_header,
    Command.EVENT_CANCEL: sniff_event_add_or_cancel_header,
    Command.CLEAR_CHANNEL: lambda header: ClearChannelRequestOrResponse,
    Command.ECHO: lambda header: EchoRequestOrResponse,
}
"""By command number, what tells the class of a message from its header."""

one_way_commands: dict[int, type[Message]] = {
    number: cls
    for number, cls in {**RESPONSES, **REQUESTS}.items()
    if number not in sniffers and ((number in REQUESTS) != (number in RESPONSES))
}
"""By command number, the class of those that only one side sends."""


def infer_command_class(header: Any) -> type[Message]:
    """Return the class of a message, judging by its header alone.

    Parameters
    ----------
    header : MessageHeader, ExtendedMessageHeader or tuple of int

    Raises
    ------
    KeyError
        If there is no such command.
    """
    number = as_head(header)[0]
    if number in sniffers:
        return sniffers[number](header)
    return one_way_commands.get(number) or RESPONSES.get(number) or REQUESTS[number]


def bytes_needed_for_command(data: bytes) -> tuple[Head | None, int]:
    """Return the header at the beginning of `data`, and how many bytes are missing of its message.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    (header, bytes_needed)
        The header is None if it is not complete.
    """
    if len(data) < HEADER.size:
        return None, HEADER.size - len(data)
    head: Head = HEADER.unpack_from(data)
    size, start = head[1], HEADER.size
    if size == 0xFFFF:
        if len(data) < EXTENDED.size:
            return None, EXTENDED.size - len(data)
        size, count = EXTENDED_SIZES.unpack_from(data, HEADER.size)
        head = (head[0], size, head[2], count, head[4], head[5], True)
        start = EXTENDED.size
    return head, max(0, start + size - len(data))


def read_from_bytestream(data: bytes) -> tuple[bytes, Any, int]:
    """Take the first message off a stream.

    Parameters
    ----------
    data : bytes

    Returns
    -------
    (remaining_data, command, bytes_needed)
        The command is `NEED_DATA` as long as bytes are missing.
    """
    head, missing = bytes_needed_for_command(data)
    if head is None or missing:
        return data, NEED_DATA, missing
    start = EXTENDED.size if len(head) > 6 else HEADER.size
    stop = start + head[1]
    message = infer_command_class(head).from_wire(head, data[start:stop])
    return data[stop:], message, 0


def read_datagram(data: bytes, address: tuple[str, int]) -> list[Message]:
    """Return the messages in a datagram.

    Parameters
    ----------
    data : bytes
    address : (host, port)
        Of its sender.

    Raises
    ------
    RemoteProtocolError
        If it is no datagram of Channel Access.
    """
    return [
        infer_command_class(head).from_wire(head, payload, sender_address=address)
        for head, payload in walk_datagram(data)
    ]
