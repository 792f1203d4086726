"""Reads and confirmed writes that wait for their reply."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._errors import CaprotoError, CaprotoTimeoutError, CAStatusError, DisconnectedError
from .._protocol.arrays import Buffer
from .._protocol.enums import Command
from .._protocol.header import pack_head
from .._protocol.status import CAStatusCode, status_from_code
from .explain import describe_silence

if TYPE_CHECKING:
    from .host import Waiter
    from .pv import PVCore

__all__ = ["Request", "failure", "outcome_unknown", "reply_timeout"]

_READ = int(Command.READ)
_VERBS = {
    Command.READ: "read",
    Command.READ_NOTIFY: "read",
    Command.WRITE: "write to",
    Command.WRITE_NOTIFY: "write to",
}


class Request:
    """One read or confirmed write.

    It outlives its circuit: a read is sent again on the next one.
    """

    __slots__ = (
        "callback",
        "command",
        "data_count",
        "data_type",
        "deadline",
        "ioid",
        "payload",
        "pv",
        "sent",
        "timeout",
        "waiter",
    )

    def __init__(
        self,
        command: int,
        pv: PVCore,
        data_type: int,
        data_count: int,
        payload: Buffer,
        waiter: Waiter | None,
        callback: Callable[[Any], Any] | None,
        deadline: float,
        timeout: float | None,
    ) -> None:
        self.command: int = command
        self.pv: PVCore = pv
        self.data_type: int = data_type
        self.data_count: int = data_count
        self.payload: Buffer = payload
        self.waiter: Waiter | None = waiter
        self.callback: Callable[[Any], Any] | None = callback
        self.deadline: float = deadline
        self.timeout: float | None = timeout
        self.ioid: int = 0
        self.sent: bool = True

    @property
    def is_repeatable(self) -> bool:
        """Whether the request may be sent again on another circuit.

        A read may. A confirmed write may only if it never left this process: otherwise the server may have done it.
        """
        return self.is_read or not self.sent

    @property
    def is_read(self) -> bool:
        """Whether repeating the request changes nothing at the server."""
        return self.command in (Command.READ, Command.READ_NOTIFY)

    def encode(self, sid: int, ioid: int) -> bytes:
        """Return the message."""
        size = len(self.payload)
        head = pack_head(self.command, size, self.data_type, self.data_count, sid, ioid)
        return head + self.payload if size else head

    def pv_of(self, ioid: int) -> PVCore:
        """Return the PV that the request is for."""
        return self.pv

    def single(self, ioid: int) -> Request:
        """Return the request itself: it is for one PV already."""
        return self

    def complete(self, message: Any) -> None:
        """Take the reply."""
        waiter, pv = self.waiter, self.pv
        # The deprecated READ has no status, but the sid there; it fails by an ERROR message.
        status = message._head[4] if self.command != _READ else 1
        if waiter is not None and not waiter.done():
            if status & 1:
                waiter.set_result(message)
            else:
                waiter.set_exception(failure(self, status_from_code(status), "", message))
        if self.callback is not None:
            pv.engine.host.run_callback(pv, self.callback, message)
        if pv.engine.idle_wishes:
            pv.engine.request_done(pv)

    def fail(self, error: CaprotoError) -> None:
        """End without a reply."""
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(error)


def failure(request: Request, status: CAStatusCode, text: str, response: Any) -> CAStatusError:
    """Make the error for a reply whose status says that the request failed."""
    pv = request.pv
    what = f"The server could not {_VERBS[Command(request.command)]} {pv.name!r}"
    detail = f" The server says: {text}" if text else ""
    return CAStatusError(
        f"{what}: {status.name}, {status.description}.{detail}",
        pv_name=pv.name,
        address=pv.address,
        status=status,
        response=response,
    )


def reply_timeout(request: Request, now: float) -> CaprotoTimeoutError:
    """Make the error for a reply that did not come in time."""
    pv = request.pv
    if pv.circuit is None or not pv.connected:
        return pv.connection_timeout(request.timeout, now)
    host, port = pv.circuit.address
    return CaprotoTimeoutError(
        f"Server at {host}:{port} did not respond to attempt to {_VERBS[Command(request.command)]} channel "
        f"named {pv.name!r} within {float(request.timeout or 0)}-second timeout. The ioid of the expected "
        f"response is {request.ioid}. {describe_silence(pv.circuit, now)}",
        pv_name=pv.name,
        address=pv.circuit.address,
        stage="reply",
        timeout=request.timeout,
    )


def outcome_unknown(request: Request, reason: str) -> DisconnectedError:
    """Make the error for a write whose circuit was lost before the server confirmed it."""
    pv = request.pv
    return DisconnectedError(
        f"The connection to the server of {pv.name!r} was lost ({reason}) before it confirmed a write: whether the "
        "value was written is not known. Read the PV to find out before writing again.",
        pv_name=pv.name,
        address=pv.address,
    )
