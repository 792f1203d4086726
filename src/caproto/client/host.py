"""What the engine asks of the shell around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .circuit import Circuit
    from .pv import PVCore
    from .search import Seeker

__all__ = ["Host", "Searcher", "Waiter"]


class Waiter(Protocol):
    """Who waits for a reply; an ``asyncio.Future`` is one."""

    def done(self) -> bool:
        """Tell whether nobody waits any more."""
        ...

    def set_result(self, result: Any, /) -> None:
        """Hand over the reply."""
        ...

    def set_exception(self, exception: Any, /) -> None:
        """Hand over the reason why there is none."""
        ...


class Searcher(Protocol):
    """Who looks for names."""

    def start_search(self, name: str, seeker: Seeker, delay: float) -> None:
        """Look for `name`, beginning in `delay` seconds."""
        ...

    def leave_search(self, name: str, seeker: Seeker) -> None:
        """Look no more, as far as `seeker` is concerned."""
        ...

    def describe_search(self, name: str) -> str:
        """Say where and how often `name` was looked for."""
        ...


class Host(Protocol):
    """The shell: sockets, timer, threads."""

    def open_circuit(self, circuit: Circuit) -> None:
        """Begin to connect; call ``circuit.connected`` or ``circuit.close`` later."""
        ...

    def close_circuit(self, circuit: Circuit) -> None:
        """Close the socket, if there is one; what was written before may still go out."""
        ...

    def flush_soon(self, circuit: Circuit) -> None:
        """Call ``circuit.flush`` at the end of this turn."""
        ...

    def wake_at(self, deadline: float) -> None:
        """Call ``engine.on_timer`` at `deadline`, which is earlier than the one told before."""
        ...

    def run_callback(self, pv: PVCore, callback: Callable[[Any], Any], message: Any) -> None:
        """Hand a reply to the callback of a read or a write."""
        ...
