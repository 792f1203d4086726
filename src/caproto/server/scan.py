"""Handlers that are called again and again."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any

from .._protocol.enums import AlarmSeverity, AlarmStatus
from .typing import Scan

__all__ = ["scan_wrapper"]


def scan_wrapper(
    scan_function: Scan,
    period: float,
    *,
    subtract_elapsed: bool = True,
    stop_on_error: bool = False,
    failure_severity: AlarmSeverity = AlarmSeverity.MAJOR_ALARM,
    use_scan_field: bool = False,
) -> Scan:
    """Make a start-up hook that calls a handler periodically.

    Parameters
    ----------
    scan_function : coroutine function
        ``async def scan(group, instance, async_lib)``
    period : float
        In seconds.
    subtract_elapsed : bool
        Whether the time that the handler takes is part of the period.
    stop_on_error : bool
        Whether an exception ends the scan. It is logged in either case, and puts the PV into alarm.
    failure_severity : AlarmSeverity
        Of that alarm, which goes when the handler succeeds again.
    use_scan_field : bool
        Whether the SCAN field of the record sets the period; while it stands for none (``'Passive'``) there are no
        calls. `period` holds until somebody sets SCAN. Without a record it always holds.

    Returns
    -------
    coroutine function
        Never returns unless an error stops it.
    """

    @functools.wraps(scan_function)
    async def scanned(group: Any, instance: Any, async_lib: Any) -> None:
        failed = False
        pause = _pause(instance, async_lib, period, use_scan_field)
        while True:
            started = time.monotonic()
            try:
                await scan_function(group, instance, async_lib)
            except Exception:
                group.log.exception("The scan of %s failed", instance.pvname)
                failed = True
                await instance.alarm.write(status=AlarmStatus.SCAN, severity=failure_severity)
                if stop_on_error:
                    raise
            else:
                if failed:
                    failed = False
                    await instance.alarm.write(
                        status=AlarmStatus.NO_ALARM, severity=AlarmSeverity.NO_ALARM
                    )
            await pause(time.monotonic() - started if subtract_elapsed else 0.0)

    return scanned


def _pause(
    instance: Any, async_lib: Any, period: float, use_scan_field: bool
) -> Callable[[float], Awaitable[None]]:
    """Return what waits for the rest of a period, of which some time has passed."""
    fields = getattr(instance, "field_inst", None) if use_scan_field else None

    async def sleep(elapsed: float) -> None:
        await async_lib.library.sleep(max(0.0, period - elapsed))

    if fields is None:
        return sleep
    changed = async_lib.Event()
    fields.begin_scan(period, changed.set)

    async def wait_for_scan(elapsed: float) -> None:
        started = time.monotonic() - elapsed
        while True:
            changed.clear()
            rate = fields.scan_rate_sec
            left = max(0.0, started + rate - time.monotonic()) if rate else None
            if not await changed.wait(left):
                return

    return wait_for_scan
