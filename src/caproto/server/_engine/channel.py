"""One client's use of one PV, and the order in which its slow requests are done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from ..._protocol.enums import AccessRights, Command
from ..._protocol.header import HEADER, Head
from ..._protocol.status import CAStatus
from .served import Served
from .source import Source, Subscription, source_of

if TYPE_CHECKING:
    from .circuit import ServerCircuit

__all__ = ["Channel", "Operations", "Start"]

Start: TypeAlias = Callable[[], Callable[[], Coroutine[Any, Any, None]] | None]
"""Does a request at once and returns None, or returns the coroutine function that does it."""


_READ, _WRITE = int(AccessRights.READ), int(AccessRights.WRITE)
_ALLOCMEM = int(CAStatus.ECA_ALLOCMEM)
_ACCESS_RIGHTS = int(Command.ACCESS_RIGHTS)


class Channel:
    """One channel of one circuit."""

    __slots__ = (
        "cid",
        "circuit",
        "name",
        "operations",
        "readable",
        "reads_at_once",
        "rights",
        "served",
        "sid",
        "source",
        "subscriptions",
        "writable",
        "writes_at_once",
    )

    def __init__(
        self,
        circuit: ServerCircuit,
        served: Served,
        name: str,
        cid: int,
        sid: int,
    ) -> None:
        self.circuit: ServerCircuit = circuit
        self.served: Served = served
        self.source: Source = source_of(served)
        self.name: str = name
        self.cid: int = cid
        self.sid: int = sid
        self.rights: AccessRights
        self.readable: bool
        self.writable: bool
        self.reads_at_once: bool
        self.writes_at_once: bool
        self.subscriptions: tuple[Subscription, ...] = ()  # one as a rule: see `Source`
        self.operations: Operations | None = None
        """The slow requests that are being done; None, nearly always, if there are none."""
        self._take_rights(self._current_rights())

    def _current_rights(self) -> AccessRights:
        """Return what the PV and the rules of the server allow."""
        circuit = self.circuit
        rights = self.served.check_access(circuit.host_name, circuit.client_name)
        if circuit.rights is not None:
            rights &= circuit.rights(
                self.name, circuit.client_name, circuit.host_name, circuit.address[0]
            )
        return rights

    def _take_rights(self, rights: AccessRights) -> None:
        self.rights = rights
        code = int(rights)  # an operation on flags of an enum takes 0.5 us
        self.readable = bool(code & _READ)
        self.writable = bool(code & _WRITE)
        # Rights that may change are asked for at every request, which is not the quick way.
        fixed = self.served.access_is_fixed
        self.reads_at_once = fixed and self.readable and self.served.reads_at_once
        self.writes_at_once = fixed and self.writable and self.served.writes_at_once

    def rights_message(self) -> bytes:
        """Return what tells the client its rights."""
        return HEADER.pack(_ACCESS_RIGHTS, 0, 0, 0, self.cid, self.rights)

    def refresh_rights(self) -> None:
        """Ask for the client's rights again, and tell it if they have changed."""
        rights = self._current_rights()
        if rights == self.rights:
            return
        was_readable = self.readable
        self._take_rights(rights)
        self.circuit.send(self.rights_message())
        if self.readable != was_readable:
            self.circuit.renew_subscriptions(self)

    def take_subscription(self, id_: int) -> Subscription | None:
        """Remove and return the subscription with that id; None if there is none."""
        for subscription in self.subscriptions:
            if subscription.head[5] == id_:
                self.subscriptions = tuple(
                    other for other in self.subscriptions if other is not subscription
                )
                return subscription
        return None

    def submit(self, is_write: bool, head: Head, start: Start, size: int = 0) -> bool:
        """Do a request after those that it must not overtake.

        Return False, having told the client, if too much waits already.
        """
        reason = self.circuit.backlog.enter(size)
        if reason:
            self.circuit.send_error(head, self.cid, _ALLOCMEM, f"{self.name}: {reason}")
            return False
        if self.operations is None:
            self.operations = Operations(self)
        self.operations.submit(is_write, start, size)
        return True

    def close(self) -> None:
        """Forget subscriptions and what has not been started; what has been is left to end."""
        for subscription in self.subscriptions:
            self.source.remove(subscription)
            if self.circuit.held:
                self.circuit.held.discard(subscription)
        self.circuit.subscriptions -= len(self.subscriptions)
        self.subscriptions = ()
        if self.operations is not None:
            self.operations.drop_waiting()


class Operations:
    """The requests to one channel that have to wait for something.

    They are started in the order in which they came, each once the one before has ended or waits for something. So a
    write that takes long (a motor that moves) keeps the client neither from reading nor from writing something else
    meanwhile (where it should go instead). But a write waits for the end of the reads before it, which must not see it.
    """

    __slots__ = ("_advancing", "_channel", "_reading", "_running", "_starting", "_waiting")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._waiting: deque[tuple[bool, Start, int]] = deque()
        self._running = 0
        self._reading = 0
        self._starting = False
        self._advancing = False

    def submit(self, is_write: bool, start: Start, size: int) -> None:
        """Enter a request, and start it if nothing is in its way."""
        self._waiting.append((is_write, start, size))
        self._advance()

    def drop_waiting(self) -> None:
        """Forget what has not been started."""
        for _, _, size in self._waiting:
            self._channel.circuit.backlog.leave(size)
        self._waiting.clear()

    def _advance(self) -> None:
        """Start what can be started."""
        if self._advancing:
            return  # the loop below is running, further up the stack
        self._advancing = True
        while self._waiting and not self._starting:
            is_write, start, size = self._waiting[0]
            if is_write and self._reading:
                break
            self._waiting.popleft()
            work = start()
            if work is None:
                self._channel.circuit.backlog.leave(size)
            else:
                self._starting = True
                self._running += 1
                self._reading += not is_write
                self._channel.circuit.shell.spawn(self._run(is_write, work, size), self._stepped)
        self._advancing = False
        if not (self._waiting or self._starting or self._running):
            self._channel.operations = None

    async def _run(
        self, is_write: bool, work: Callable[[], Coroutine[Any, Any, None]], size: int
    ) -> None:
        """Do one request, then let the next one start."""
        try:
            await work()
        finally:
            self._channel.circuit.backlog.leave(size)
            self._running -= 1
            self._reading -= not is_write
            self._advance()

    def _stepped(self) -> None:
        """Take note that the request started last has ended, or waits for something."""
        self._starting = False
        self._advance()
