"""A server that sends updates as fast as its socket takes them.

A C IOC drops updates when the socket is full, so the rate that a client can take shows only with a server that does
not. Run as a program it prints a line of JSON after each blast: what it sent, and how often it was held back.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass, field

from benchmarks.peers.hose_plan import ARRAY_LENGTH, HosePlan
from benchmarks.peers.hose_updates import Subscription, chunks
from caproto._protocol.arrays import Buffer
from caproto._protocol.dbr import NATIVE_TYPES
from caproto._protocol.enums import ChannelType, Command
from caproto._protocol.framing import COMMANDS, Handler, MessageStream, walk_datagram
from caproto._protocol.header import Head
from caproto._protocol.messages import (
    AccessRightsResponse,
    ClearChannelResponse,
    CreateChanResponse,
    CreateChFailResponse,
    EchoResponse,
    EventAddResponse,
    EventCancelResponse,
    Message,
    ReadNotifyResponse,
    SearchResponse,
    VersionResponse,
)
from caproto._protocol.status import CAStatus

__all__ = ["BlastReport", "Circuit", "Firehose", "main"]

HOST = "127.0.0.1"
VERSION = 13
READ_ONLY = 1
TICK = 0.001  # seconds between two updates of a paced PV


@dataclass
class BlastReport:
    """What became of one blast.

    Parameters
    ----------
    prefix : str
        Of the names of its PVs.
    sent : int
        Updates that the socket took; if the client went away, those of the last piece are not counted.
    seconds : float
        From the first to the last.
    held : int
        How often the client sent EVENTS_OFF.
    complete : bool
        Whether the client stayed to the end.
    """

    prefix: str
    sent: int = 0
    seconds: float = 0.0
    held: int = 0
    complete: bool = False


@dataclass
class _Blast:
    """The subscriptions of one blast, by the index of the PV."""

    plan: HosePlan
    subscriptions: dict[int, Subscription] = field(default_factory=dict)


class Circuit:
    """One client.

    Parameters
    ----------
    sock : socket.socket
        Blocking.
    heed_events_off : bool
        Stop while the client asks for it, and then go on where it was: nothing is skipped, as a real server would.
    """

    def __init__(self, sock: socket.socket, heed_events_off: bool = True) -> None:
        self._sock = sock
        self._heed = heed_events_off
        self._open = True
        self._held = 0
        self._suspended = False
        self._channels: dict[int, tuple[int, HosePlan, int]] = {}  # by sid: cid, plan, index
        self._blasts: dict[HosePlan, _Blast] = {}
        handlers: list[Handler] = [self._ignore] * COMMANDS
        handlers[Command.CREATE_CHAN] = self._on_create_chan
        handlers[Command.CLEAR_CHANNEL] = self._on_clear_channel
        handlers[Command.EVENT_ADD] = self._on_event_add
        handlers[Command.EVENT_CANCEL] = self._on_event_cancel
        handlers[Command.EVENTS_OFF] = self._on_events_off
        handlers[Command.EVENTS_ON] = self._on_events_on
        handlers[Command.READ_NOTIFY] = self._on_read_notify
        handlers[Command.ECHO] = self._on_echo
        self._stream = MessageStream(handlers)
        self._ready: list[HosePlan] = []

    def serve(self) -> None:
        """Answer until the client goes away."""
        try:
            self._send(VersionResponse(VERSION))
            while self._open:
                self._receive()
                while self._ready and self._open:
                    report = self._blast(self._ready.pop(0))
                    print(json.dumps(asdict(report)), flush=True)
        except OSError:
            pass
        finally:
            self._sock.close()

    def _receive(self) -> None:
        """Take what has come, waiting for it."""
        data = self._sock.recv(1 << 16)
        if data:
            self._stream.feed(data)
        else:
            self._open = False

    def _send(self, *messages: Message) -> None:
        self._sock.sendall(b"".join(bytes(message) for message in messages))

    # --- the blast --------------------------------------------------------------------------------------------------

    def _blast(self, plan: HosePlan) -> BlastReport:
        """Send everything; stop when the client unsubscribes or goes away."""
        report = BlastReport(plan.prefix)
        blast = self._blasts[plan]
        subscriptions = [blast.subscriptions[index] for index in range(plan.pvs)]
        data = [0.0] * ARRAY_LENGTH if plan.kind == "array" else [0.0]
        size = len(subscriptions[0].update(data))
        pieces = chunks(plan, subscriptions)
        piece = next(pieces, None)  # scalars are encoded now, before the clock starts
        start = tick = time.monotonic()
        sent, before = 0, self._held
        try:
            while piece is not None and self._may_go_on(plan):
                if plan.kind == "paced":
                    tick = _wait_for_tick(tick)
                self._sock.sendall(piece)
                sent += len(piece)
                piece = next(pieces, None)
        except OSError:
            self._open = False
        report.complete = piece is None
        report.sent = sent // size
        report.seconds = time.monotonic() - start
        report.held = self._held - before
        self._blasts.pop(plan, None)
        return report

    def _may_go_on(self, plan: HosePlan) -> bool:
        """Take what the client says meanwhile; wait while it wants no updates."""
        while True:
            while self._open and select.select([self._sock], (), (), 0)[0]:
                self._receive()
            if not self._open or plan not in self._blasts:
                return False
            if not (self._suspended and self._heed):
                return True
            self._receive()

    # --- requests ---------------------------------------------------------------------------------------------------

    def _ignore(self, head: Head, payload: Buffer) -> None:
        """Take a request that needs no answer."""

    def _on_create_chan(self, head: Head, payload: Buffer) -> None:
        cid = head[4]
        found = HosePlan.from_name(_name(payload))
        if found is None:
            self._send(CreateChFailResponse(cid))
            return
        plan, index = found
        sid = len(self._channels) + 1
        self._channels[sid] = (cid, plan, index)
        count = ARRAY_LENGTH if plan.kind == "array" else 1
        self._send(
            AccessRightsResponse(cid, READ_ONLY),
            CreateChanResponse(ChannelType.DOUBLE, count, cid, sid),
        )

    def _on_clear_channel(self, head: Head, payload: Buffer) -> None:
        sid, cid = head[4], head[5]
        if sid in self._channels:
            self._blasts.pop(self._channels[sid][1], None)
        self._send(ClearChannelResponse(sid, cid))

    def _on_event_add(self, head: Head, payload: Buffer) -> None:
        data_type, sid, subscriptionid = head[2], head[4], head[5]
        _, plan, index = self._channels[sid]
        if NATIVE_TYPES[data_type] != ChannelType.DOUBLE:
            status = CAStatus.ECA_BADTYPE
            self._send(EventAddResponse([], data_type, 0, status, subscriptionid, metadata=b""))
            return
        blast = self._blasts.setdefault(plan, _Blast(plan))
        blast.subscriptions[index] = Subscription(subscriptionid, data_type)
        if len(blast.subscriptions) == plan.pvs:
            self._ready.append(plan)

    def _on_event_cancel(self, head: Head, payload: Buffer) -> None:
        data_type, sid, subscriptionid = head[2], head[4], head[5]
        self._blasts.pop(self._channels[sid][1], None)
        self._send(EventCancelResponse(data_type, sid, subscriptionid, 0))

    def _on_events_off(self, head: Head, payload: Buffer) -> None:
        self._suspended = True
        self._held += 1

    def _on_events_on(self, head: Head, payload: Buffer) -> None:
        self._suspended = False

    def _on_read_notify(self, head: Head, payload: Buffer) -> None:
        """Answer with minus ones, which are no number of an update."""
        data_type, sid, ioid = head[2], head[4], head[5]
        plan = self._channels[sid][1]
        values = [-1.0] * (ARRAY_LENGTH if plan.kind == "array" else 1)
        self._send(ReadNotifyResponse(values, data_type, None, CAStatus.ECA_NORMAL, ioid))

    def _on_echo(self, head: Head, payload: Buffer) -> None:
        self._send(EchoResponse())


class Firehose:
    """Answers searches and accepts circuits, each of which gets a thread.

    Parameters
    ----------
    port : int
        For UDP and TCP.
    heed_events_off : bool
        As for `Circuit`.
    """

    def __init__(self, port: int, heed_events_off: bool = True) -> None:
        self._heed = heed_events_off
        self._port = port
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._udp.bind((HOST, port))
        self._tcp = socket.create_server((HOST, port))

    def serve_forever(self) -> None:
        """Serve until standard input ends."""
        while True:
            readable, _, _ = select.select([self._udp, self._tcp, sys.stdin], (), ())
            if self._udp in readable:
                self._answer(*self._udp.recvfrom(1 << 16))
            if self._tcp in readable:
                self._accept()
            if sys.stdin in readable and not sys.stdin.readline():
                return

    def _answer(self, datagram: bytes, sender: tuple[str, int]) -> None:
        """Reply to the searches in a datagram."""
        replies = [
            SearchResponse(self._port, None, head[5], VERSION)
            for head, payload in walk_datagram(datagram)
            if head[0] == Command.SEARCH and HosePlan.from_name(_name(payload)) is not None
        ]
        if replies:
            parts = (VersionResponse(VERSION), *replies)
            self._udp.sendto(b"".join(bytes(part) for part in parts), sender)

    def _accept(self) -> None:
        sock, _ = self._tcp.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        circuit = Circuit(sock, self._heed)
        threading.Thread(target=circuit.serve, daemon=True).start()


def _name(payload: Buffer) -> str:
    """Return the name in a search or in the creation of a channel."""
    return bytes(payload).partition(b"\0")[0].decode("latin-1")


def _wait_for_tick(last: float) -> float:
    """Wait until the next millisecond; a late one moves all that follow."""
    due = last + TICK
    now = time.monotonic()
    if now < due:
        time.sleep(due - now)
        return due
    return now


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--ignore-events-off",
        action="store_true",
        help="go on sending while the client asks to hold back",
    )
    arguments = parser.parse_args()
    Firehose(arguments.port, not arguments.ignore_events_off).serve_forever()


if __name__ == "__main__":
    main()
