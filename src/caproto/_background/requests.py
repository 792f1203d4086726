"""Reads and writes that a thread waits for, started on the loop."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..asyncio._defaults import Default, Timeout
from ..client.pv import DataType, PVState
from .loop import BackgroundLoop, run_task
from .waiter import ThreadWaiter

if TYPE_CHECKING:
    from ..asyncio._pv import PV

__all__ = ["post_unconfirmed_write", "start_read", "start_write"]

logger = logging.getLogger("caproto.ch")
_NEVER = float("inf")
_CONNECTED = PVState.CONNECTED

Body = tuple[int, int, Any]


def _deadline(core: PV, timeout: Timeout) -> tuple[float, float | None]:
    """Return when the time is over, and how much it was in all."""
    seconds = core.timeout if isinstance(timeout, Default) else timeout
    return (_NEVER if seconds is None else core.context._loop.time() + seconds), seconds


def start_read(
    waiter: ThreadWaiter,
    core: PV,
    wait: bool,
    callback: Callable[[Any], Any] | None,
    timeout: Timeout,
    data_type: DataType,
    data_count: int | None,
    notify: bool,
) -> None:
    """Read: at once if the PV is connected, as a task if not."""
    if waiter.done():
        return
    if core.state is not _CONNECTED or not wait:
        options = {
            "wait": wait,
            "callback": callback,
            "timeout": timeout,
            "data_type": data_type,
            "data_count": data_count,
            "notify": notify,
        }
        run_task(waiter, core.read, (), options)
        return
    try:
        deadline, seconds = _deadline(core, timeout)
        core._issue_read(waiter, callback, deadline, seconds, data_type, data_count, notify)
        waiter.on_abandon = core.context._forget_abandoned
    except Exception as error:
        waiter.set_exception(error)


def start_write(
    waiter: ThreadWaiter, core: PV, body: Body | None, data: Any, options: dict[str, Any]
) -> None:
    """Write: at once if the PV is connected, and `body` is what goes out; as a task if not."""
    if waiter.done():
        return
    manager = core.circuit_manager
    if (
        core.state is not _CONNECTED
        or not options["wait"]
        or body is None
        or manager is None
        or manager.write_slots.crowded
    ):
        run_task(waiter, core.write, (data,), options)
        return
    try:
        deadline, seconds = _deadline(core, options["timeout"])
        request = core._write_request(body, waiter, options["callback"], deadline, seconds)
        manager.write_slots.free -= 1
        waiter.call_when_done(manager.write_slots.release)
        manager.core.issue(request)
        waiter.on_abandon = core.context._forget_abandoned
    except Exception as error:
        waiter.set_exception(error)


def post_unconfirmed_write(background: BackgroundLoop, core: PV, body: Body) -> bool:
    """Send a write that nobody answers without waiting for the loop; return False if that has to be waited for."""
    manager = core.circuit_manager
    if manager is None or manager.paused:
        return False
    core._check_write_access()
    background.post_unless_crowded(_write_unconfirmed, core, body)
    return True


def _write_unconfirmed(core: PV, body: Body) -> None:
    if core.state is _CONNECTED:
        core._write_unconfirmed(*body)
    else:
        logger.warning(
            "The connection to the server of %r was lost before a value was sent that was written without waiting",
            core.name,
            extra={"pv": core.name},
        )
