"""What the clients are asked to do: coroutine functions ``f(driver, **arguments) -> Measurement``.

They run in the environment of the client and import nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from benchmarks.peers.measurement import Measurement

from .arrays import memcpy, read_array
from .connecting import connect
from .memory import idle, memory_connected, memory_session, memory_subscribed
from .monitoring import blast
from .reading import gather, read, read_loaded, read_many
from .writing import send, write

__all__ = ["WORKLOADS", "Workload"]

Workload = Callable[..., Awaitable[Measurement]]

WORKLOADS: dict[str, Workload] = {
    function.__name__: function
    for function in (
        blast,
        connect,
        gather,
        idle,
        memcpy,
        memory_connected,
        memory_session,
        memory_subscribed,
        read,
        read_array,
        read_loaded,
        read_many,
        send,
        write,
    )
}
