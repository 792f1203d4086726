"""Captures: written here for a test, or recorded from the loopback interface."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterable
from typing import Any

import dpkt

from caproto import Message

CLIENT = ("10.0.0.5", 40000)
SERVER = ("10.0.0.9", 5064)
_GOING_OUT = 4
_MOST_LEFT = 10_000
SYN, ACK, FIN, RST = 0x02, 0x10, 0x01, 0x04


class Capture:
    """Writes packets into memory, each a millisecond after the one before."""

    def __init__(self, writer: Any = dpkt.pcap.Writer, link: int = dpkt.pcap.DLT_EN10MB) -> None:
        self._file = io.BytesIO()
        kwargs = {"linktype": link} if writer is dpkt.pcap.Writer else {}
        self._writer = writer(self._file, **kwargs)
        self._link = link
        self._time = 1_700_000_000.0
        self._sequence: dict[tuple[Any, Any], int] = {}

    def file(self, writer_closed: bool = False) -> io.BytesIO:
        return io.BytesIO(self._file.getvalue())

    @property
    def data(self) -> bytes:
        return self._file.getvalue()

    def udp(self, source: Any, destination: Any, *messages: Message | bytes) -> None:
        datagram = dpkt.udp.UDP(
            sport=source[1], dport=destination[1], data=b"".join(map(bytes, messages))
        )
        datagram.ulen = len(datagram)
        self._ip(source, destination, datagram, 17)

    def connect(self, client: Any = CLIENT, server: Any = SERVER) -> None:
        self._sequence[client, server] = 4_294_967_200  # the numbers begin again soon
        self._sequence[server, client] = 1000
        self.segment(client, server, b"", flags=SYN)
        self.segment(server, client, b"", flags=SYN | ACK)

    def send(self, source: Any, destination: Any, *messages: Message | bytes) -> None:
        self.segment(source, destination, b"".join(map(bytes, messages)))

    def close(self, client: Any = CLIENT, server: Any = SERVER) -> None:
        self.segment(client, server, b"", flags=FIN | ACK)
        self.segment(server, client, b"", flags=FIN | ACK)

    def segment(
        self,
        source: Any,
        destination: Any,
        data: bytes,
        *,
        flags: int = ACK,
        sequence: int | None = None,
    ) -> None:
        """Write a segment; `sequence` is set for one that is out of order."""
        known = self._sequence.get((source, destination), 5000)
        number = known if sequence is None else sequence % 2**32
        segment = dpkt.tcp.TCP(
            sport=source[1], dport=destination[1], seq=number, flags=flags, data=data
        )
        if sequence is None:
            step = len(data) + bool(flags & (SYN | FIN))
            self._sequence[source, destination] = (known + step) % 2**32
        self._ip(source, destination, segment, 6)

    def sequence(self, source: Any, destination: Any) -> int:
        return self._sequence[source, destination]

    def skip(self, source: Any, destination: Any, count: int) -> None:
        """Pretend that `count` bytes were sent and not captured."""
        known = self._sequence[source, destination]
        self._sequence[source, destination] = (known + count) % 2**32

    def _ip(self, source: Any, destination: Any, transport: Any, protocol: int) -> None:
        six = ":" in source[0]
        family = socket.AF_INET6 if six else socket.AF_INET
        src, dst = socket.inet_pton(family, source[0]), socket.inet_pton(family, destination[0])
        if six:
            packet: Any = dpkt.ip6.IP6(src=src, dst=dst, nxt=protocol, data=transport)
            packet.plen = len(transport)
            packet.extension_hdrs = {}
            packet.all_extension_headers = []
        else:
            packet = dpkt.ip.IP(src=src, dst=dst, p=protocol, data=transport)
            packet.len = len(packet)
        self.packet(bytes(packet), six=six)

    def packet(self, raw: bytes, *, six: bool = False) -> None:
        """Write an IP packet."""
        if self._link == dpkt.pcap.DLT_EN10MB:
            raw = bytes(12) + (b"\x86\xdd" if six else b"\x08\x00") + raw
        elif self._link == dpkt.pcap.DLT_NULL:
            raw = (30 if six else 2).to_bytes(4, "little") + raw
        elif self._link == dpkt.pcap.DLT_LINUX_SLL:
            raw = bytes(14) + (b"\x86\xdd" if six else b"\x08\x00") + raw
        self._time = round(self._time + 0.001, 6)
        self._writer.writepkt(raw, self._time)


class Recorder:
    """Records the loopback interface, as ``tcpdump -i lo`` does. Linux lets root do so."""

    def __init__(self, ports: Iterable[int]) -> None:
        self._ports = set(ports)
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._socket.bind(("lo", 0))
        self._socket.settimeout(0.2)
        self._packets: list[tuple[float, bytes]] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._take()
            except TimeoutError:
                continue
        self._socket.setblocking(False)
        for _ in range(_MOST_LEFT):  # others may never stop to send
            try:
                self._take()
            except BlockingIOError:
                return

    def _take(self) -> None:
        raw, (_, _, packet_type, *_) = self._socket.recvfrom(1 << 17)
        if packet_type != _GOING_OUT:  # each packet is seen twice: going out and coming in
            self._packets.append((time.time(), raw))

    def file(self) -> io.BytesIO:
        """Return a capture of what went to or came from the ports."""
        file = io.BytesIO()
        writer = dpkt.pcap.Writer(file, snaplen=1 << 18)
        for moment, raw in self._packets:
            transport = getattr(dpkt.ethernet.Ethernet(raw).data, "data", None)
            if {getattr(transport, "sport", 0), getattr(transport, "dport", 0)} & self._ports:
                writer.writepkt(raw, moment)
        return io.BytesIO(file.getvalue())
