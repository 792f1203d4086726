"""One TCP connection between a circuit of the client engine and a fake server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from caproto._protocol.framing import COMMANDS, MessageStream
from caproto._protocol.header import Head
from caproto._protocol.messages import EventAddRequest, Message, message_from_wire

if TYPE_CHECKING:
    from caproto.client.circuit import Circuit

    from .network import FakeNetwork
    from .server import FakeServer

__all__ = ["FakeConnection", "Reply"]

M = TypeVar("M", bound=Message)
Reply: TypeAlias = "Message | bytes | Iterable[Message | bytes] | None"
"""What a server answers: messages, or bytes that are none."""


class FakeConnection:
    """
    The server's end of a connection.

    Attributes
    ----------
    received : list of Message
        All requests, in order.
    writes : list of bytes
        What the client gave to its socket at a time.
    open : bool
        Whether neither end has closed it.
    stalled : bool
        The server reads nothing more: it was stopped, or hangs.
    held : dict of int to Message
        The newest update of each subscription, while events are off.
    """

    def __init__(self, network: FakeNetwork, server: FakeServer, circuit: Circuit) -> None:
        self.network = network
        self.server = server
        self.circuit = circuit
        self.received: list[Message] = []
        self.writes: list[bytes] = []
        self.open = True
        self.stalled = False
        self.channels: dict[int, Any] = {}
        self.subscriptions: dict[int, EventAddRequest] = {}
        self.events_off = False
        self.held: dict[int, Message] = {}
        self._stream = MessageStream([self._take] * COMMANDS)

    # --- from the client ----------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Take what the client writes into its socket."""
        assert self.open, "the client writes into a closed socket"
        self.writes.append(data)
        self.network.clock.call_later(self.network.delay, lambda: self._arrive(data))

    def _arrive(self, data: bytes) -> None:
        if self.open and not self.stalled and not self._cut_off:
            self._stream.feed(data)

    def _take(self, head: Head, payload: Any) -> None:
        message = message_from_wire(head, payload, from_client=True)
        self.received.append(message)
        self.server.handle(self, message)

    def closed_by_client(self) -> None:
        """Take note that the client closed its socket."""
        self.open = False

    def of(self, cls: type[M]) -> list[M]:
        """Return what was received of one class."""
        return [message for message in self.received if isinstance(message, cls)]

    @property
    def commands(self) -> list[str]:
        """The names of the classes of what was received."""
        return [type(message).__name__ for message in self.received]

    # --- to the client ------------------------------------------------------------------------------------------------

    @property
    def _cut_off(self) -> bool:
        return self.server.address in self.network.cut_off

    def send(self, *replies: Message | bytes) -> None:
        """Send messages, or any other bytes."""
        data = b"".join(bytes(reply) for reply in replies)
        if not data or not self.open or self._cut_off:
            return
        size = self.network.chunk or len(data)
        for start in range(0, len(data), size):
            self._send_chunk(data[start : start + size])

    def send_update(self, subscriptionid: int, message: Message) -> None:
        """Send an update, or hold it back while events are off: only the newest one is kept."""
        if self.events_off:
            self.held[subscriptionid] = message
        else:
            self.send(message)

    def _send_chunk(self, chunk: bytes) -> None:
        self._later(lambda: self.circuit.feed(chunk, self.network.clock.now))

    def close(self, reason: str = "the server closed it") -> None:
        """Close the connection from the server's side, after what was sent."""
        self._later(lambda: self._lost(reason))

    def _lost(self, reason: str) -> None:
        if self.open:
            self.open = False
            self.circuit.close(reason, self.network.clock.now)

    def _later(self, action: Callable[[], object]) -> None:
        def arrive() -> None:
            if self.open and not self._cut_off:
                action()

        self.network.clock.call_later(self.network.delay, arrive)
