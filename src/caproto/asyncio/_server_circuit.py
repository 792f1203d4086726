"""The TCP end of one client's circuit."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, cast

from .._errors import CaprotoError, RemoteProtocolError
from .._protocol.arrays import Buffer
from .._protocol.status import CAStatus
from ..server._engine.circuit import ServerCircuit

if TYPE_CHECKING:
    from .server import Context

__all__ = ["CircuitProtocol", "VirtualCircuit"]

logger = logging.getLogger("caproto.circ")

_HIGH_WATER = 1 << 18
"""Bytes that may wait for a client before its updates are held back."""
_ALLOCMEM = int(CAStatus.ECA_ALLOCMEM)
_EAGER = sys.version_info >= (3, 12)


class VirtualCircuit:
    """A client of this server.

    Parameters
    ----------
    context : Context
    transport : asyncio.Transport
    """

    def __init__(self, context: Context, transport: asyncio.Transport) -> None:
        self.context = context
        self.address: tuple[str, int] = transport.get_extra_info("peername")[:2]
        self._transport = transport
        self.write: Callable[[Buffer], None] = transport.write
        self.want_flush: Callable[[ServerCircuit], None] = context.want_flush
        self.circuit: ServerCircuit = ServerCircuit(
            self,
            context.names.find,
            context.responder.answer_tcp,
            self.address,
            context.limits,
            None if context.access is None else context.rights,
        )

    def __repr__(self) -> str:
        host, port = self.address
        return f"<VirtualCircuit of {host}:{port}, channels={len(self.circuit.channels)}>"

    def spawn(self, coroutine: Coroutine[Any, Any, None], stepped: Callable[[], None]) -> None:
        """Run a coroutine, and call `stepped` once it has suspended for the first time or ended."""
        tasks = self.context.request_tasks
        if _EAGER:
            task = asyncio.Task(  # type: ignore[call-arg]  # since Python 3.12
                coroutine, loop=self.context.loop, eager_start=True
            )
            stepped()
            if task.done():
                return
        else:
            task = self.context.loop.create_task(coroutine)
            # The loop calls what it is given in order: the first step of the task, then this.
            self.context.loop.call_soon(stepped)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def close(self) -> None:
        """Close the connection after what has been written."""
        self.circuit.close()
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once, whatever still waits to be sent."""
        self.circuit.close()
        self._transport.abort()


class CircuitProtocol(asyncio.BufferedProtocol):
    """Connects the transport of one client with its circuit.

    It receives into a buffer that is used again and again: a plain ``asyncio.Protocol`` gets a new one of 256 KiB for
    each chunk, which takes half as long as all the rest of a round trip. All clients have the same one, since event
    loops ask for it, fill it and have it emptied in one go: a thousand of them would take 250 MB otherwise.

    Parameters
    ----------
    context : Context
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client: VirtualCircuit | None = None
        self._buffer = context.receive_buffer
        self._catching_up = False
        self._circuit: ServerCircuit

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet a new client."""
        transport = cast("asyncio.Transport", transport)  # uvloop's is none, but behaves like one
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._transport = transport
        self._client = VirtualCircuit(self._context, transport)
        self._circuit = self._client.circuit
        self._context.circuits.add(self._client)
        self._count_host()
        logger.debug("A client has connected", extra=self._log_extra())

    def _count_host(self) -> None:
        """Take note of one more client from a host; drop it if that is one too many."""
        assert self._client is not None
        context, host = self._context, self._client.address[0]
        context.circuits_of_host[host] += 1
        limit = context.limits.max_circuits_per_host
        if limit is not None and context.circuits_of_host[host] > limit:
            text = f"a host may have {limit} connections, no more"
            self._circuit.send_error((0, 0, 0, 0, 0, 0), 0xFFFFFFFF, _ALLOCMEM, text)
            # Not now: asyncio has not begun to read yet.
            context.loop.call_soon(self._drop, RemoteProtocolError(text))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to put what comes next."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what a client sent; a client that breaks the protocol is dropped, alone."""
        try:
            self._circuit.feed(bytes(self._buffer[:nbytes]))
        except Exception as error:
            self._drop(error)

    def _drop(self, error: Exception) -> None:
        """Disconnect the client because of an error of its own, or of ours."""
        assert self._client is not None
        extra = self._log_extra()
        if isinstance(error, CaprotoError):
            logger.warning("The client is disconnected: %s", error, extra=extra)
        else:
            logger.error("The client is disconnected", exc_info=error, extra=extra)
        self._client.close()

    def pause_writing(self) -> None:
        """Hold updates and answers back, and take no more requests, until the client has caught up."""
        self._catching_up = False
        self._circuit.pause()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Take requests again, and go on to send when those that have arrived meanwhile are read.

        Large updates that never end would otherwise stop the reading each time before it has begun, and nobody would
        hear that the client has asked to hold back (EVENTS_OFF), for example.
        """
        if self._transport.is_closing():
            return
        self._catching_up = True
        self._transport.resume_reading()
        # The first turn of the loop finds out what has arrived, and the second has read it.
        call_soon = self._context.loop.call_soon
        call_soon(call_soon, self._resume)

    def _resume(self) -> None:
        """Send on, unless that has to wait again."""
        if not self._catching_up or self._transport.is_closing():
            return
        self._catching_up = False
        try:
            self._circuit.resume()
        except Exception as error:
            # Not now: asyncio's transport does not expect to be closed by its own callback.
            self._context.loop.call_soon(self._drop, error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a client."""
        assert self._client is not None
        self._circuit.close(lost=True)
        self._context.circuits.discard(self._client)
        counter, host = self._context.circuits_of_host, self._client.address[0]
        counter[host] -= 1
        if not counter[host]:
            del counter[host]
        logger.debug("A client has disconnected", extra=self._log_extra())

    def _log_extra(self) -> dict[str, object]:
        assert self._client is not None
        return {"their_address": self._client.address, "role": "SERVER"}
