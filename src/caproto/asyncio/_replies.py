"""The callbacks of reads and writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._callbacks import is_coroutine_callback, log_failure
from ._tasks import start_task

if TYPE_CHECKING:
    from ._pv_connection import PVConnection

__all__ = ["OnLoop", "run_reply_callback"]


class OnLoop:
    """A callback of the library itself, which is called at once, on the loop."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self.call = call

    def __call__(self, response: Any) -> None:
        self.call(response)


def run_reply_callback(pv: PVConnection, callback: Callable[[Any], Any], message: Any) -> None:
    """Hand a reply to the callback of a read or a write, where such callbacks run."""
    if isinstance(callback, OnLoop):
        callback(message)
        return
    if is_coroutine_callback(callback):

        async def run() -> None:
            try:
                await callback(message)
            except Exception:
                log_failure(pv.name, callback)

        start_task(pv.context._loop, run(), pv.context._tasks)
    else:
        pv._run_plain(callback, message, callback)
