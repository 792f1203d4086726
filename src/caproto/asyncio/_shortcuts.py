"""The first lines of a script: `caget`, `caput`, `camonitor` and `cainfo`, without a Context of one's own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, Literal, TypeAlias, overload

from .._errors import CaprotoError, CaprotoTypeError, CaprotoValueError, CAStatusError
from .._protocol.arrays import decode_string
from .._protocol.enums import ChannelType, SubscriptionType
from ..client.augmented import augment
from ..client.channel_info import ChannelInfo, channel_info
from ._backlog import BACKLOG_HIGH
from ._bulk import bulk_read
from ._context import Context
from ._default_context import default_context
from ._pv import PV

__all__ = ["caget", "cainfo", "camonitor", "caput"]

_logger = logging.getLogger("caproto.ch")
_TIMEOUT = 5.0

Wanted: TypeAlias = "type | ChannelType | None"
"""`str`, `int`, `float`, a plain `ChannelType`, or None for what the PV is."""
_TIME_TYPES: dict[Any, ChannelType | str] = {
    str: "text",
    int: ChannelType.TIME_LONG,
    float: ChannelType.TIME_DOUBLE,
}


def _time_type(datatype: Wanted) -> ChannelType | str:
    """Return what to ask for so that a time comes along."""
    if datatype is None:
        return "time"
    wanted = _TIME_TYPES.get(datatype)
    if wanted is None and isinstance(datatype, ChannelType) and datatype <= ChannelType.DOUBLE:
        wanted = ChannelType(datatype + ChannelType.TIME_STRING)
    if wanted is None:
        raise CaprotoTypeError(
            f"datatype={datatype!r} must be str, int, float, or a plain ChannelType such as ChannelType.DOUBLE"
        )
    return wanted


async def _pvs_of(names: str | Iterable[str]) -> list[PV]:
    context = await default_context()
    return await context.get_pvs(*([names] if isinstance(names, str) else names))


def _results(names: str | Iterable[str], results: list[Any], throw: bool) -> Any:
    """Return one result or a list of them, or raise the first error."""
    if throw:
        for result in results:
            if isinstance(result, CaprotoError):
                raise result
    return results[0] if isinstance(names, str) else results


@overload
async def caget(
    names: str,
    *,
    datatype: Wanted = None,
    count: int | None = None,
    control: bool = True,
    timeout: float | None = _TIMEOUT,
    throw: bool = True,
) -> Any: ...


@overload
async def caget(
    names: Iterable[str],
    *,
    datatype: Wanted = None,
    count: int | None = None,
    control: bool = True,
    timeout: float | None = _TIMEOUT,
    throw: bool = True,
) -> list[Any]: ...


async def caget(
    names: str | Iterable[str],
    *,
    datatype: Wanted = None,
    count: int | None = None,
    control: bool = True,
    timeout: float | None = _TIMEOUT,
    throw: bool = True,
) -> Any:
    """Read one PV, or many at once.

    Parameters
    ----------
    names : str or iterable of str
    datatype : str, int, float or ChannelType, optional
        In which type the server is to send the value. Default is the PV's own; of an enum that is the number, which
        has the label as ``.label``. With `str` an enum comes as its label, a number as the server prints it, and an
        array of characters as text.
    count : int, optional
        How many elements of an array. Default is all.
    control : bool
        Ask for units, limits, precision and labels, too.
    timeout : float or None, optional
        Seconds for all together, connecting included. If None, wait for ever.
    throw : bool
        If False, an error becomes the result of the PV that it belongs to, so that it does not hide the others.

    Returns
    -------
    AugmentedFloat, AugmentedInt, AugmentedStr, AugmentedList or AugmentedArray, or a list of these
        For one name the value, for many a list in their order. It is a number, a text or an array, and carries
        ``.name``, ``.timestamp``, ``.datetime``, ``.severity``, ``.status``, ``.units``, ``.precision``,
        ``.upper_disp_limit`` and the other limits, ``.enum_strings`` and ``.label``.

    Raises
    ------
    CaprotoTimeoutError
        If a PV cannot be found, or does not answer in time; it says which, and what to check.
    CAStatusError
        If the server says that a read failed.

    Examples
    --------
    >>> x = await caget("random_walk:x")
    >>> x + 1, x.timestamp, x.units
    >>> x, dt = await caget(["random_walk:x", "random_walk:dt"])
    """
    wanted = _time_type(datatype)
    pvs = await _pvs_of(names)
    wish = (wanted, count)
    wishes: list[Any] = [wish] * len(pvs)
    if control:
        wishes += [("control", 1)] * len(pvs)
    asked = [*pvs, *pvs] if control else pvs
    answers = await bulk_read(await default_context(), asked, wishes, timeout)
    controls = answers[len(pvs) :] or [None] * len(pvs)
    values = [
        answer
        if isinstance(answer, CaprotoError)
        else augment(pv.name, answer, getattr(extra, "metadata", None), as_text=datatype is str)
        for pv, answer, extra in zip(pvs, answers[: len(pvs)], controls, strict=True)
    ]
    return _results(names, values, throw)


async def caput(
    names: str | Iterable[str] | Mapping[str, Any],
    values: Any = None,
    *,
    wait: bool = True,
    timeout: float | None = _TIMEOUT,
    throw: bool = True,
) -> Any:
    """Write to one PV, or to many at once.

    Parameters
    ----------
    names : str, iterable of str, or mapping of str to value
    values : scalar, str or sequence
        For one name its value. For many, a list, tuple or array with a value for each, or one value for all of them.
        Must be left out with a mapping.
    wait : bool
        Wait until the server has confirmed that the write is done.
    timeout : float or None, optional
        Seconds for all together, connecting included. If None, wait for ever.
    throw : bool
        If False, errors are returned instead.

    Returns
    -------
    None, or with ``throw=False`` a CaprotoError or None; for many names a list of these

    Raises
    ------
    CaprotoTimeoutError
        If a PV cannot be found, or does not confirm in time.
    CAStatusError
        If the server says that a write failed.
    CaprotoValueError, CaprotoTypeError
        If a value cannot be written to its PV.

    Examples
    --------
    >>> await caput("random_walk:dt", 0.5)
    >>> await caput({"random_walk:dt": 0.5, "simple:A": 1})
    """
    pairs = _pairs(names, values)
    pvs = await _pvs_of([name for name, _ in pairs])
    context = await default_context()
    written: dict[PV, Any] = {}
    for pv, (_, value) in zip(pvs, pairs, strict=True):
        if pv in written:
            raise CaprotoValueError(
                f"{pv.name!r} stands twice among the PVs to write", pv_name=pv.name
            )
        written[pv] = value
    if wait:
        answers = await context.write_many(written, timeout=timeout)
        results = [_error_of(answers[pv]) for pv in pvs]
        await _name_labels(context, written, results)
    else:
        results = await _write_unconfirmed(context, written, timeout)
    return _results(names if isinstance(names, str) else list(names), results, throw)


def _pairs(names: str | Iterable[str] | Mapping[str, Any], values: Any) -> list[tuple[str, Any]]:
    """Return each name with its value."""
    if isinstance(names, Mapping):
        if values is not None:
            raise CaprotoTypeError("caput takes either a mapping, or names and values")
        return list(names.items())
    if values is None:
        raise CaprotoTypeError(f"caput needs a value for {names!r}")
    if isinstance(names, str):
        return [(names, values)]
    listed = list(names)
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        return [(name, values) for name in listed]
    if len(values) != len(listed):
        raise CaprotoValueError(
            f"{len(listed)} PVs and {len(values)} values: give a value for each, or one value for all; "
            "to write an array to each of several PVs give a mapping"
        )
    return list(zip(listed, values, strict=True))


def _error_of(answer: Any) -> CaprotoError | None:
    return answer if isinstance(answer, CaprotoError) else None


async def _name_labels(
    context: Context, written: Mapping[PV, Any], errors: Sequence[CaprotoError | None]
) -> None:
    """Add the labels that there are to what says that a label could not be written."""
    failed = {
        pv: error
        for (pv, value), error in zip(written.items(), errors, strict=True)
        if isinstance(error, CAStatusError)
        and error.status.name == "ECA_PUTFAIL"
        and isinstance(value, str)
        and pv.connected
        and pv.open_channel.native_data_type == ChannelType.ENUM
    }
    if not failed:
        return
    wish = (ChannelType.GR_ENUM, 1)
    answers = await bulk_read(context, list(failed), repeat(wish), _TIMEOUT)
    for error, answer in zip(failed.values(), answers, strict=True):
        if not isinstance(answer, CaprotoError):
            labels = [decode_string(label, "utf-8") for label in answer.metadata.enum_strings]
            known = ", ".join(map(repr, labels)) or "none"
            error.args = (f"{error} Its labels are {known}.", *error.args[1:])


async def _write_unconfirmed(
    context: Context, values: Mapping[PV, Any], timeout: float | None
) -> list[CaprotoError | None]:
    """Write without asking for confirmation; the errors are those that can be known here."""
    errors: dict[PV, CaprotoError | None] = await context.wait_for_connections(
        *values, timeout=timeout
    )
    for pv, value in values.items():
        if errors[pv] is None:
            try:
                await pv.write(value, wait=False)
            except CaprotoError as error:
                errors[pv] = error
    return [errors[pv] for pv in values]


async def camonitor(
    *names: str,
    datatype: Wanted = None,
    count: int | None = None,
    control: bool = True,
    mask: SubscriptionType | int | None = None,
) -> AsyncGenerator[Any, None]:
    """Monitor PVs: an asynchronous iteration over their values as they change, first the present ones.

    It goes on when a server has gone and come back. A PV that is not found yet is waited for, which is logged after
    5 seconds. Nothing is dropped: with a slow loop body the server is asked to hold back, and continues with the newest
    value.

    Parameters
    ----------
    *names : str
    datatype, count
        As for `caget`.
    control : bool
        Ask for units, limits, precision and labels, too, and follow their changes.
    mask : SubscriptionType, optional
        Which changes are of interest. Default is those of value and alarm.

    Yields
    ------
    AugmentedFloat, AugmentedInt, AugmentedStr, AugmentedList or AugmentedArray
        See `caget`; the PV is its ``.name``.

    Examples
    --------
    >>> async for value in camonitor("random_walk:x"):
    ...     print(value.name, value, value.datetime)
    """
    wanted = _time_type(datatype)
    if not names or not all(isinstance(name, str) for name in names):
        raise CaprotoTypeError(f"camonitor takes one or more names, each a str, not {names!r}")
    queue: asyncio.Queue[Any] = asyncio.Queue(BACKLOG_HIGH)
    controls: dict[str, Any] = {}

    async def on_control(sub: Any, response: Any) -> None:
        if response.succeeded:
            controls[sub.pv.name] = response.metadata

    async def on_value(sub: Any, response: Any) -> None:
        if not response.succeeded:
            return
        name = sub.pv.name
        await queue.put(augment(name, response, controls.get(name), as_text=datatype is str))

    default_mask = SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM
    pvs = await _pvs_of(names)
    subs = []
    try:
        for pv in pvs:
            if control:
                subs.append(pv.subscribe("control", 1, mask=SubscriptionType.DBE_PROPERTY))
                subs[-1].add_callback(on_control)
            subs.append(pv.subscribe(wanted, count, mask=default_mask if mask is None else mask))
            subs[-1].add_callback(on_value)
        late = asyncio.ensure_future(_tell_who_is_late(pvs))
        try:
            while True:
                yield await queue.get()
        finally:
            late.cancel()
    finally:
        for sub in subs:
            await sub.clear()


async def _tell_who_is_late(pvs: Sequence[PV]) -> None:
    """Log what could not be found, so that a wrong name does not look like a PV that never changes."""
    context = pvs[0].context
    for error in (await context.wait_for_connections(*pvs, timeout=_TIMEOUT)).values():
        if error is not None:
            _logger.warning("%s The search goes on.", error)


@overload
async def cainfo(  # type: ignore[overload-overlap]  # a str is no list of names here
    names: str, *, timeout: float | None = _TIMEOUT, throw: Literal[True] = True
) -> ChannelInfo: ...


@overload
async def cainfo(
    names: Iterable[str], *, timeout: float | None = _TIMEOUT, throw: Literal[True] = True
) -> list[ChannelInfo]: ...


@overload
async def cainfo(
    names: str | Iterable[str], *, timeout: float | None = _TIMEOUT, throw: bool
) -> Any: ...


async def cainfo(
    names: str | Iterable[str], *, timeout: float | None = _TIMEOUT, throw: bool = True
) -> Any:
    """Tell where PVs are served, and what they are.

    Parameters
    ----------
    names : str or iterable of str
    timeout : float or None, optional
        Seconds for all together. If None, wait for ever.
    throw : bool
        If False, an error becomes the result of the PV that it belongs to.

    Returns
    -------
    ChannelInfo, or a list of these
        With ``address``, ``data_type``, ``data_count``, ``access_rights``, …; ``print`` shows it as EPICS's ``cainfo``.

    Raises
    ------
    CaprotoTimeoutError
        If a PV cannot be found in time.
    """
    pvs = await _pvs_of(names)
    errors = await (await default_context()).wait_for_connections(*pvs, timeout=timeout)
    infos = [errors[pv] or channel_info(pv) for pv in pvs]
    return _results(names, infos, throw)
