"""TCP segments and UDP datagrams in a capture file."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from .._errors import CaprotoRuntimeError, CaprotoValueError

__all__ = ["Endpoint", "Packet", "read_packets"]

Endpoint: TypeAlias = "tuple[str, int]"
"""Address and port."""
_PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"


class Packet(NamedTuple):
    """One TCP segment or UDP datagram.

    Parameters
    ----------
    timestamp : float
        Unix time in seconds.
    source, destination : (address, port)
    payload : bytes
    link, internet, transport : dpkt objects
        The packet as dpkt takes it apart; `transport` is a ``dpkt.tcp.TCP`` or a ``dpkt.udp.UDP``.
    """

    timestamp: float
    source: Endpoint
    destination: Endpoint
    payload: bytes
    link: Any
    internet: Any
    transport: Any

    @property
    def is_tcp(self) -> bool:
        """Whether it is a TCP segment."""
        return type(self.transport).__name__ == "TCP"


def read_packets(file: BinaryIO) -> Iterator[Packet]:
    """Yield what is TCP or UDP in a capture; other packets, and those that were cut off, are passed over.

    Parameters
    ----------
    file : binary file
        pcap or pcapng; it need not be seekable, and is read as it arrives.

    Raises
    ------
    CaprotoRuntimeError
        If dpkt is not installed.
    CaprotoValueError
        If the file is no capture, or of a kind of link that is not known.
    """
    try:
        import dpkt
    except ImportError:
        raise CaprotoRuntimeError(
            "Reading captures needs dpkt: pip install 'caproto[shark]'"
        ) from None
    reader = _open(file, dpkt)
    take_apart = _link_layer(reader.datalink(), dpkt)
    try:
        for timestamp, raw in reader:
            try:
                packet = _packet(float(timestamp), take_apart(raw), dpkt)
            except (dpkt.dpkt.UnpackError, ValueError, IndexError):
                continue
            if packet is not None:
                yield packet
    except (dpkt.dpkt.UnpackError, ValueError) as error:
        raise CaprotoValueError(f"The capture is damaged: {error}") from error


def _open(file: BinaryIO, dpkt: Any) -> Any:
    """Return dpkt's reader for the kind of file that it is."""
    peekable = file if hasattr(file, "peek") else io.BufferedReader(_Raw(file))
    magic = peekable.peek(4)[:4]
    try:
        if magic == _PCAPNG_MAGIC:
            return dpkt.pcapng.Reader(peekable)
        return dpkt.pcap.Reader(peekable)
    except (ValueError, dpkt.dpkt.UnpackError) as error:
        reason = "it is empty" if not magic else f"it begins with {magic!r}"
        raise CaprotoValueError(
            f"This is no capture in the format pcap or pcapng ({reason}): give the output of 'tcpdump -w -' or a file "
            "that Wireshark has saved"
        ) from error


class _Raw(io.RawIOBase):
    """Any object with ``read``, for a `BufferedReader` around it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _link_layer(kind: int, dpkt: Any) -> Any:
    """Return what takes the packets of that kind of link apart."""
    pcap = dpkt.pcap
    known = {
        pcap.DLT_EN10MB: dpkt.ethernet.Ethernet,
        pcap.DLT_NULL: dpkt.loopback.Loopback,
        pcap.DLT_LOOP: dpkt.loopback.Loopback,
        pcap.DLT_LINUX_SLL: dpkt.sll.SLL,
        pcap.DLT_LINUX_SLL2: dpkt.sll2.SLL2,
    }
    if kind in known:
        return known[kind]
    if kind in (pcap.DLT_RAW, 101, 228, 229):  # raw IP under its various numbers
        return lambda raw: _RawLink(
            dpkt.ip6.IP6(raw) if raw[:1] and raw[0] >> 4 == 6 else dpkt.ip.IP(raw)
        )
    raise CaprotoValueError(f"Captures of links of kind {kind} are not known")


class _RawLink:
    """Stands where there is no link layer."""

    def __init__(self, data: Any) -> None:
        self.data = data


def _packet(timestamp: float, link: Any, dpkt: Any) -> Packet | None:
    internet = link.data
    if not isinstance(internet, dpkt.ip.IP | dpkt.ip6.IP6):
        return None
    transport = internet.data
    if not isinstance(transport, dpkt.tcp.TCP | dpkt.udp.UDP):
        return None
    family = socket.AF_INET if isinstance(internet, dpkt.ip.IP) else socket.AF_INET6
    source = socket.inet_ntop(family, internet.src)
    destination = socket.inet_ntop(family, internet.dst)
    return Packet(
        timestamp,
        (source, transport.sport),
        (destination, transport.dport),
        bytes(transport.data),
        link,
        internet,
        transport,
    )
