"""What the engine needs from a PV, and from the shell that owns the sockets."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from ..._protocol.arrays import Buffer
from ..._protocol.enums import AccessRights, ChannelType

if TYPE_CHECKING:
    from .circuit import ServerCircuit
    from .source import Source

__all__ = ["CircuitShell", "Served"]


class Served(Protocol):
    """A PV that can be served; `caproto.ChannelData` is one."""

    source: Source | None
    """The engine's own record of this PV, made when the first channel is opened."""

    @property
    def data_type(self) -> ChannelType:
        """The plain type."""
        ...

    @property
    def max_length(self) -> int:
        """The most elements that the PV can hold."""
        ...

    @property
    def reads_at_once(self) -> bool:
        """Whether `encode` is all there is to a read: nothing has to be awaited."""
        ...

    @property
    def writes_at_once(self) -> bool:
        """Whether `write_now` is all there is to a write."""
        ...

    @property
    def string_encoding(self) -> str:
        """How text travels."""
        ...

    def encode(self, data_type: int, data_count: int) -> tuple[Buffer, int]:
        """Return metadata and values in wire form, and the number of elements."""
        ...

    @property
    def access_is_fixed(self) -> bool:
        """Whether `check_access` answers a client the same every time."""
        ...

    def check_access(self, hostname: str, username: str) -> AccessRights:
        """Tell what a user on a host may do."""
        ...

    def write_now(self, data: Any, data_type: ChannelType, metadata: Any) -> None:
        """Store and publish a value that a client sent."""
        ...

    def take_number(self, value: Any) -> bool:
        """Store and publish a number, if that is all there is to it; return False and do nothing otherwise."""
        ...

    async def auth_read(
        self, hostname: str, username: str, data_type: ChannelType, *, user_address: Any = None
    ) -> tuple[Any, Any]:
        """Return metadata and values, after whatever the PV does to get them."""
        ...

    async def auth_write(
        self,
        hostname: str,
        username: str,
        data: Any,
        data_type: ChannelType,
        metadata: Any,
        *,
        flags: int = 0,
        user_address: Any = None,
    ) -> Any:
        """Do whatever the PV does with a value that a client sent, and store it."""
        ...


class CircuitShell(Protocol):
    """What a circuit needs from the one who owns its socket."""

    def write(self, data: Buffer) -> None:
        """Send bytes; never blocks."""
        ...

    def want_flush(self, circuit: ServerCircuit) -> None:
        """Call ``circuit.flush()`` before the end of this turn of the event loop."""
        ...

    def spawn(self, coroutine: Coroutine[Any, Any, None], stepped: Callable[[], None]) -> None:
        """Run a coroutine, and call `stepped` once it has suspended for the first time or ended."""
        ...

    def close(self) -> None:
        """Close the connection after what has been written."""
        ...
