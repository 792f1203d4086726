"""One connection to a server, as a program with threads sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._protocol.circuit import VirtualCircuit
from .._protocol.messages import Message
from ..asyncio._circuit import VirtualCircuitManager as AsyncVirtualCircuitManager

if TYPE_CHECKING:
    from ._context import Context

__all__ = ["VirtualCircuitManager", "manager_of"]


class VirtualCircuitManager:
    """Encapsulates a VirtualCircuit, a TCP socket, and additional state.

    This object should never be instantiated directly by user code. It is used internally by the Context. Its methods
    may be touched by user code, but this is rarely necessary.

    Parameters
    ----------
    context : Context
    circuit : caproto.asyncio.client.VirtualCircuitManager
        Which owns the socket.
    selector : object
        Accepted for compatibility; the event loop of the clients watches the socket.
    timeout : float or None
    """

    def __init__(
        self,
        context: Context,
        circuit: AsyncVirtualCircuitManager,
        selector: Any,
        timeout: float | None = 2.0,
    ) -> None:
        self.context = context
        self.selector = selector
        self.timeout = timeout
        self._core = circuit
        self._background = context._background

    @property
    def circuit(self) -> VirtualCircuit:
        """The protocol's side of the circuit."""
        return self._core.circuit

    @property
    def pvs(self) -> dict[int, Any]:
        """The PVs of the circuit, by the cid of their channel."""
        cores = self._background.call(lambda: self._core.pvs)
        return {cid: core.front for cid, core in cores.items()}

    @property
    def connected(self) -> bool:
        """Whether the circuit stands."""
        return self._core.connected

    @property
    def server_protocol_version(self) -> int:
        """Minor protocol version of the server."""
        return self._core.server_protocol_version

    def __repr__(self) -> str:
        return repr(self._core)

    def send(self, *commands: Message, extra: dict[str, Any] | None = None) -> None:
        """Send messages on the circuit.

        Parameters
        ----------
        *commands : Message
        extra : dict, optional
            For the log.
        """
        self._background.run(self._core.send, *commands, extra=extra)

    def received(self, bytes_recv: bytes, address: Any) -> None:
        """Take bytes as if the server had sent them.

        Parameters
        ----------
        bytes_recv : bytes
        address : (host, port)
            Not used: a circuit has one peer.
        """
        core = self._core
        self._background.call(lambda: core.core.feed(bytes(bytes_recv), core._loop.time()))

    def events_off(self) -> None:
        """Suspend updates to all subscriptions on this circuit.

        This may be useful if the server produces updates faster than the client can process them.
        """
        self._background.run(self._core.events_off)

    def events_on(self) -> None:
        """Reactivate updates to all subscriptions on this circuit."""
        self._background.run(self._core.events_on)

    def disconnect(self) -> None:
        """Close the circuit; its PVs are searched and connected again."""
        self._background.run(self._core.disconnect)


def manager_of(core: AsyncVirtualCircuitManager, context: Context) -> VirtualCircuitManager:
    """Return the one and only object that stands in front of `core`."""
    known = vars(core).get("_front")
    if known is None:
        made = VirtualCircuitManager(context, core, None, core.timeout)
        known = vars(core).setdefault("_front", made)
    return known  # type: ignore[no-any-return]
