"""Handlers that are called again and again."""

from __future__ import annotations

import functools
import time
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
        Whether the SCAN field of the record sets the period. Without a record `period` holds.

    Returns
    -------
    coroutine function
        Never returns unless an error stops it.
    """

    @functools.wraps(scan_function)
    async def scanned(group: Any, instance: Any, async_lib: Any) -> None:
        failed = False
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
            elapsed = time.monotonic() - started if subtract_elapsed else 0.0
            await async_lib.library.sleep(max(0.0, period - elapsed))

    return scanned
