"""Subscriptions."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, overload

from .._errors import CaprotoError, CaprotoTimeoutError
from ._calls import readable_count
from ._channels import Timeout, get_pv, open_subscriptions, seconds
from ._constants import DBE_ALARM, DBE_PROPERTY, DBE_VALUE, FORMAT_CTRL, FORMAT_RAW
from ._datatypes import Count, Datatype, Dbe, Format, readable_type
from ._nothing import CANothing, nothing_for
from ._values import augmented

if TYPE_CHECKING:
    from ..asyncio._pv import PV
    from ..asyncio._subscription import Subscription as Monitor

__all__ = ["Subscription", "camonitor"]

_logger = logging.getLogger("caproto.ch")
_MOST_PENDING = 1000  # beyond that the server is asked to hold back
_DISCONNECTED = 192
_closing: set[asyncio.Task[Any]] = set()


class Subscription:
    """One subscription, made by `camonitor`.

    Attributes
    ----------
    name : str
    state : int
        `OPENING`, `OPEN` or `CLOSED`.
    callback : callable
    all_updates, notify_disconnect : bool
    dropped_callbacks : int
        How many updates were replaced by newer ones while the callback was running; 0 with `all_updates`.
    """

    OPENING, OPEN, CLOSED = 0, 1, 2

    def __init__(
        self,
        name: str,
        callback: Callable[[Any], Awaitable[Any] | None],
        events: Dbe,
        datatype: Datatype,
        format: Format,
        count: Count,
        all_updates: bool,
        notify_disconnect: bool,
        connect_timeout: Timeout,
    ) -> None:
        readable_type(datatype, format, 0)  # type: ignore[arg-type]  # raises what is wrong now
        self.name = name
        self.callback = callback
        self.state: int = self.OPENING
        self.all_updates = all_updates
        self.notify_disconnect = notify_disconnect
        self.dropped_callbacks: int = 0
        self._wanted = (datatype, format, count)
        properties = DBE_PROPERTY if format == FORMAT_CTRL else 0
        self._events = DBE_VALUE | DBE_ALARM | properties if events is None else events
        self._pending: deque[Any] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._element_count = 1
        open_subscriptions.add(self)
        self._task = asyncio.ensure_future(self._run(seconds(connect_timeout)))

    def close(self) -> None:
        """End the subscription; no callback starts after that. It may be called again."""
        if self.state == self.CLOSED:
            return
        self.state = self.CLOSED
        open_subscriptions.discard(self)
        self._pending.clear()
        self._room.set()
        try:
            current = asyncio.current_task()
        except RuntimeError:  # the loop has ended
            return
        if self._task is not current:  # else it is the callback that closes: it may end
            self._task.cancel()
            _closing.add(self._task)
            self._task.add_done_callback(_closing.discard)

    async def _run(self, connect_timeout: float | None) -> None:
        """Connect, subscribe, and hand what comes to the callback, until closed."""
        pv, token, monitor = None, None, None
        try:
            pv = await get_pv(self.name)
            if self.notify_disconnect:
                token = pv.connection_state_callback.add_callback(self._on_state)
            calls = asyncio.ensure_future(self._call())
            try:
                await self._connect(pv, connect_timeout)
                monitor = self._subscribe(pv)
                await calls
            finally:
                calls.cancel()
        except CaprotoError:
            if self.state != self.CLOSED:
                _logger.exception("The subscription to %r failed", self.name)
        finally:
            self.close()
            if pv is not None and token is not None:
                pv.connection_state_callback.remove_callback(token)
            if monitor is not None:
                await monitor.clear()

    async def _connect(self, pv: PV, timeout: float | None) -> None:
        """Wait for the connection; a timeout is told to the callback, and the waiting goes on."""
        try:
            await pv.wait_for_connection(timeout=timeout)
        except CaprotoTimeoutError as error:
            self._put(nothing_for(self.name, error))
            await pv.wait_for_connection(timeout=None)

    def _subscribe(self, pv: PV) -> Monitor:
        datatype, format_, count = self._wanted
        channel = pv.open_channel
        native, most = channel.native_data_type, channel.native_data_count
        assert native is not None
        assert most is not None
        self._element_count = most
        monitor = pv.subscribe(
            readable_type(datatype, format_, native), readable_count(count, most), mask=self._events
        )
        monitor.add_callback(self._on_update)
        self.state = self.OPEN
        return monitor

    async def _on_update(self, monitor: Any, response: Any) -> None:
        if not response.succeeded:
            return
        value = augmented(self.name, self._element_count, response, self._wanted[0])
        if self.all_updates:
            while len(self._pending) >= _MOST_PENDING and self.state != self.CLOSED:
                self._room.clear()
                await self._room.wait()
        elif self._pending and not isinstance(self._pending[-1], CANothing):
            self._pending.pop()
            self.dropped_callbacks += 1
        self._put(value)

    async def _on_state(self, pv: PV, state: str) -> None:
        if state == "disconnected":
            self._put(CANothing(self.name, _DISCONNECTED))

    def _put(self, value: Any) -> None:
        if self.state != self.CLOSED:
            self._pending.append(value)
            self._arrived.set()

    async def _call(self) -> None:
        """Call back, one at a time; a callback that fails ends the subscription."""
        while self.state != self.CLOSED:
            while not self._pending:
                self._arrived.clear()
                await self._arrived.wait()
            value = self._pending.popleft()
            self._room.set()
            try:
                result = self.callback(value)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                _logger.exception("The callback of the subscription to %r failed", self.name)
                return


@overload
def camonitor(
    pv: str,
    callback: Callable[[Any], Awaitable[Any] | None],
    events: Dbe = None,
    datatype: Datatype = None,
    format: Format = FORMAT_RAW,
    count: Count = 0,
    all_updates: bool = False,
    notify_disconnect: bool = False,
    connect_timeout: Timeout = None,
) -> Subscription: ...


@overload
def camonitor(
    pv: Iterable[str],
    callback: Callable[[Any, int], Awaitable[Any] | None],
    events: Dbe = None,
    datatype: Datatype = None,
    format: Format = FORMAT_RAW,
    count: Count = 0,
    all_updates: bool = False,
    notify_disconnect: bool = False,
    connect_timeout: Timeout = None,
) -> list[Subscription]: ...


def camonitor(
    pv: str | Iterable[str],
    callback: Callable[..., Any],
    events: Dbe = None,
    datatype: Datatype = None,
    format: Format = FORMAT_RAW,
    count: Count = 0,
    all_updates: bool = False,
    notify_disconnect: bool = False,
    connect_timeout: Timeout = None,
) -> Any:
    """Subscribe to one PV or to many, within a running event loop.

    Parameters
    ----------
    pv : str or iterable of str
    callback : callable
        ``f(value)`` for one name, ``f(value, index)`` for many; a plain or a coroutine function. It runs on the event
        loop. If it raises, that is logged, and the subscription ends.
    events : int, optional
        Which changes are of interest, of ``DBE_…``; by default those of value and alarm, with ``FORMAT_CTRL`` those of
        the properties, too.
    datatype, format, count
        As for `caget`.
    all_updates : bool
        Call back for each update. Otherwise what comes while the callback is running is merged into the newest value,
        and counted in `Subscription.dropped_callbacks`.
    notify_disconnect : bool
        Call back with a `CANothing` when the PV gets disconnected.
    connect_timeout : float, (float,) or None
        Call back with a `CANothing` if the PV is not connected in so many seconds. It goes on waiting.

    Returns
    -------
    Subscription or list of Subscription

    Raises
    ------
    InvalidDatatype
    RuntimeError
        If no event loop is running.
    """
    asyncio.get_running_loop()

    def one(name: str, called: Callable[[Any], Any]) -> Subscription:
        return Subscription(
            name,
            called,
            events,
            datatype,
            format,
            count,
            all_updates,
            notify_disconnect,
            connect_timeout,
        )

    if isinstance(pv, str):
        return one(pv, callback)

    def with_index(index: int) -> Callable[[Any], Any]:
        return lambda value: callback(value, index)

    return [one(name, with_index(index)) for index, name in enumerate(pv)]
