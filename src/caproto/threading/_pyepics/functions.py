"""pyepics' functions, for programs that need no PV objects."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from ..._errors import CaprotoError, CaprotoValueError
from .._context import Context
from .pv import PV
from .values import as_list

__all__ = [
    "caget",
    "caget_many",
    "cainfo",
    "camonitor",
    "camonitor_clear",
    "caput",
    "caput_many",
    "get_pv",
]

_lock = threading.RLock()  # a signal handler may come here while its thread is here
_cache: dict[tuple[str, str, Context], PV] = {}
_contexts: set[Context] = set()  # of the PVs in the cache
_monitored: dict[str, tuple[PV, int]] = {}


def get_pv(
    pvname: str,
    form: str = "time",
    connect: bool = False,
    context: Context | None = None,
    timeout: float = 5.0,
    connection_callback: Callable[..., Any] | None = None,
    access_callback: Callable[..., Any] | None = None,
    callback: Callable[..., Any] | None = None,
    verbose: bool = False,
    count: int | None = None,
    auto_monitor: bool | int | None = None,
    monitor_delta: float | None = None,
    **more: Any,
) -> PV:
    """Return the PV of that name and form; the same object each time.

    Parameters
    ----------
    pvname : str
    form : {'time', 'ctrl', 'native'}
    connect : bool
        Wait until it is connected.
    context : Context, optional
    timeout : float
        Seconds to wait.
    connection_callback, access_callback, callback
        As for `PV`; of a PV that is known they are added.
    verbose, count, auto_monitor, monitor_delta
        As for `PV`; of a PV that is known they are not changed.

    Returns
    -------
    PV
    """
    made_in = PV.default_context() if context is None else context
    key = (pvname, form, made_in)
    with _lock:
        pv = _cache.get(key)
        known = pv is not None and not pv._disconnected_for_good
        if pv is None or not known:
            if made_in not in _contexts:
                _forget_ended_contexts()
                _contexts.add(made_in)
            pv = _cache[key] = PV(
                pvname,
                callback=callback,
                form=form,
                verbose=verbose,
                auto_monitor=auto_monitor,
                count=count,
                connection_callback=connection_callback,
                access_callback=access_callback,
                monitor_delta=monitor_delta,
                context=made_in,
                **more,
            )
    if known and (connection_callback or access_callback or callback):
        _add_callbacks(pv, connection_callback, access_callback, callback)
    if connect:
        pv.wait_for_connection(timeout=timeout)
    return pv


def _forget_ended_contexts() -> None:
    """Drop the PVs of Contexts that were disconnected; looked for only when there is a new Context."""
    for ended in [context for context in _contexts if context._background.why_ended]:
        _contexts.discard(ended)
        for stale in [key for key in _cache if key[2] is ended]:
            del _cache[stale]


def _add_callbacks(
    pv: PV,
    connection_callback: Callable[..., Any] | None,
    access_callback: Callable[..., Any] | None,
    callback: Callable[..., Any] | None,
) -> None:
    """Add callbacks to a PV that others use, too; they are told what it is now."""
    if connection_callback is not None:
        pv.connection_callbacks.append(connection_callback)
        if pv.connected:
            connection_callback(pvname=pv.pvname, conn=True, pv=pv)
    if access_callback is not None:
        pv.access_callbacks.append(access_callback)
        if pv.connected:
            access_callback(pv.read_access, pv.write_access, pv=pv)
    if callback is not None:
        pv.add_callback(callback, run_now=True)


def _connected(pvname: str, timeout: float, context: Context | None) -> PV | None:
    pv = get_pv(pvname, context=context)
    if pv.wait_for_connection(timeout=timeout):
        return pv
    print(f"cannot connect to {pvname}", file=sys.stderr)
    return None


def caget(
    pvname: str,
    as_string: bool = False,
    count: int | None = None,
    as_numpy: bool = True,
    use_monitor: bool = True,
    timeout: float = 5.0,
    connection_timeout: float = 5.0,
    context: Context | None = None,
) -> Any:
    """Return the value of a PV.

    Parameters
    ----------
    pvname : str
    as_string, count, as_numpy, use_monitor, timeout
        As for `PV.get`.
    connection_timeout : float
        Seconds to wait for the connection.
    context : Context, optional

    Returns
    -------
    int, float, str, numpy.ndarray, list or None
        None if the PV is not connected, or does not answer in time.
    """
    pv = _connected(pvname, connection_timeout, context)
    if pv is None:
        return None
    return pv.get(count, as_string, as_numpy, timeout, use_monitor=use_monitor)


def caput(
    pvname: str,
    value: Any,
    wait: bool = False,
    timeout: float = 60.0,
    connection_timeout: float = 5.0,
    context: Context | None = None,
) -> int | None:
    """Write to a PV.

    Parameters
    ----------
    pvname : str
    value : int, float, str or sequence of these
    wait : bool
        Wait until the server has confirmed that it is done.
    timeout, connection_timeout : float
        Seconds.
    context : Context, optional

    Returns
    -------
    int or None
        As of `PV.put`.
    """
    pv = _connected(pvname, connection_timeout, context)
    return None if pv is None else pv.put(value, wait=wait, timeout=timeout)


def camonitor(
    pvname: str,
    writer: Callable[[str], Any] | None = None,
    callback: Callable[..., Any] | None = None,
    connection_timeout: float = 5.0,
    monitor_delta: float | None = None,
) -> None:
    """Print the value of a PV each time it changes, or call back.

    Parameters
    ----------
    pvname : str
    writer : callable, optional
        What is given the lines; they are printed by default.
    callback : callable, optional
        ``f(pvname=..., value=..., **more)``, called instead.
    connection_timeout : float
        Seconds to wait for the connection.
    monitor_delta : float, optional
        As for `PV`.
    """
    pv = _connected(pvname, connection_timeout, None)
    if pv is None:
        return
    if monitor_delta is not None:
        pv.monitor_delta = monitor_delta
    camonitor_clear(pvname)
    write = _print if writer is None else writer

    def show(
        pvname: str = "", char_value: Any = None, timestamp: float | None = None, **more: Any
    ) -> None:
        moment = datetime.fromtimestamp(timestamp or time.time()).astimezone()
        write(f"{pvname:<32} {moment:%Y-%m-%d %H:%M:%S.%f} {char_value}")

    index = pv.add_callback(show if callback is None else callback, run_now=True)
    if index is not None:
        _monitored[pvname] = (pv, index)


def _print(line: str) -> None:
    print(line)


def camonitor_clear(pvname: str) -> None:
    """End what `camonitor` began.

    Parameters
    ----------
    pvname : str
    """
    pv, index = _monitored.pop(pvname, (None, 0))
    if pv is not None:
        pv.remove_callback(index)


def cainfo(
    pvname: str, print_out: bool = True, timeout: float = 5.0, connection_timeout: float = 5.0
) -> str | None:
    """Print everything that is known about a PV.

    Parameters
    ----------
    pvname : str
    print_out : bool
        Print it; otherwise return it.
    timeout, connection_timeout : float
        Seconds.

    Returns
    -------
    str or None
    """
    pv = _connected(pvname, connection_timeout, None)
    if pv is None:
        return None
    pv.get(timeout=timeout)
    text = pv.info
    if not print_out:
        return text
    if text is not None:
        _print(text)
    return None


def caget_many(
    pvlist: Sequence[str],
    as_string: bool = False,
    as_numpy: bool = True,
    count: int | None = None,
    timeout: float | None = 1.0,
    connection_timeout: float = 5.0,
    conn_timeout: float | None = None,
    context: Context | None = None,
) -> list[Any]:
    """Return the values of many PVs, in one go.

    Parameters
    ----------
    pvlist : sequence of str
    as_string, as_numpy, count
        As for `PV.get`.
    timeout : float
        Seconds for all together, once connected.
    connection_timeout : float
        Seconds for all to connect.
    conn_timeout : float, optional
        Another name of it.
    context : Context, optional

    Returns
    -------
    list
        None for each that is not connected, or does not answer in time.
    """
    patience = connection_timeout if conn_timeout is None else conn_timeout
    pvs = _many(pvlist, patience, context)
    there = [pv for pv in pvs if pv.connected]
    if not there:
        return [None] * len(pvs)
    if as_string:  # labels and precision are asked for one by one
        return [pv.get(count, True, timeout=timeout) if pv.connected else None for pv in pvs]
    core = there[0].context
    answers = core.read_many([pv._caproto_pv for pv in there], data_type="time", timeout=timeout)
    values = {}
    for pv, answer in zip(there, answers, strict=True):
        if not isinstance(answer, CaprotoError):
            value = pv._take_all(answer)
            if count is not None and hasattr(value, "__len__") and not isinstance(value, str):
                value = value[:count]
            values[pv.pvname] = value if as_numpy else as_list(value)
    return [values.get(pv.pvname) for pv in pvs]


def _many(names: Sequence[str], timeout: float, context: Context | None) -> list[PV]:
    """Return the PVs when all are connected, or the time is over."""
    if context is None:
        context = PV.default_context()
    pvs = [get_pv(name, auto_monitor=False, context=context) for name in names]
    missing = [pv._caproto_pv for pv in pvs if not pv.connected]
    if missing:
        context.wait_for_connections(*missing, timeout=timeout)
    return pvs


def caput_many(
    pvlist: Sequence[str],
    values: Sequence[Any],
    wait: bool | str = False,
    connection_timeout: float = 5.0,
    put_timeout: float = 60,
    context: Context | None = None,
) -> list[int | None]:
    """Write to many PVs.

    Parameters
    ----------
    pvlist : sequence of str
    values : sequence
        One for each.
    wait : {False, 'each', 'all'}
        Wait for each before the next is written, or for all together.
    connection_timeout, put_timeout : float
        Seconds.
    context : Context, optional

    Returns
    -------
    list of int or None
        1 for each that went well, -1 for each that failed, None for each that is not connected.

    Raises
    ------
    CaprotoValueError
        If there is not one value for each PV.
    """
    if len(pvlist) != len(values):
        raise CaprotoValueError(
            f"{len(pvlist)} PVs and {len(values)} values: give one value for each"
        )
    pvs = _many(pvlist, connection_timeout, context)
    if wait == "all":
        return _put_all(pvs, values, put_timeout)
    return [
        _put_one(pv, value, wait == "each", put_timeout)
        for pv, value in zip(pvs, values, strict=True)
    ]


def _put_one(pv: PV, value: Any, wait: bool, timeout: float) -> int | None:
    if not pv.connected:
        return None
    try:
        return pv.put(value, wait=wait, timeout=timeout)
    except CaprotoError as error:
        print(f"caput_many: {error}", file=sys.stderr)
        return -1


def _put_all(pvs: Sequence[PV], values: Sequence[Any], timeout: float) -> list[int | None]:
    """Write to all at once, and wait for all together."""
    outcomes: dict[PV, Any] = {}
    bodies = {}
    for pv, value in zip(pvs, values, strict=True):
        try:
            if pv.connected:
                bodies[pv._caproto_pv] = pv._to_write(value)
        except CaprotoError as error:
            outcomes[pv] = error
    if bodies:
        answers = pvs[0].context.write_many(bodies, timeout=timeout)
        outcomes.update((pv, answers.get(pv._caproto_pv)) for pv in pvs if pv not in outcomes)
    for outcome in outcomes.values():
        if isinstance(outcome, CaprotoError):
            print(f"caput_many: {outcome}", file=sys.stderr)
    return [
        None if outcomes.get(pv) is None else -1 if isinstance(outcomes[pv], CaprotoError) else 1
        for pv in pvs
    ]


def _after_fork_in_child() -> None:
    """Let the child make its own PVs: another thread may have held the lock."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
