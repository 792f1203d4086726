"""The connections that one-shot calls share, so that only the first one has to search."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from .._background import BackgroundLoop, enter, leave
from .._background.requests import start_read, start_write
from .._errors import CaprotoTimeoutError, ContextDisconnectedError
from .._protocol.enums import ChannelType
from ..asyncio._broadcaster import SharedBroadcaster
from ..asyncio._context import Context
from ..asyncio._defaults import GLOBAL_DEFAULT_TIMEOUT
from ..asyncio._pv import PV
from ..client.pv import DataType, PVState

__all__ = ["Session", "close_sessions", "monitored_type", "session_for"]

# What decides which servers are found. A program that changes these gets new connections.
_PLACES = (
    "EPICS_CA_ADDR_LIST",
    "EPICS_CA_AUTO_ADDR_LIST",
    "EPICS_CA_NAME_SERVERS",
    "EPICS_CA_SERVER_PORT",
    "EPICS_CA_REPEATER_PORT",
)


class Session:
    """A Context of the asyncio client on the background loop.

    A PV stays connected after it was used. One that is not connected, and that nobody waits for, is forgotten, so that
    nothing is searched on behalf of a call that has returned.

    Parameters
    ----------
    repeater : bool
        Whether a repeater may be started.
    """

    def __init__(self, repeater: bool) -> None:
        self.background: BackgroundLoop = enter(self, self._close)
        self.users = 0
        try:
            self.context = self.background.call(self._make, repeater)
        except BaseException:
            leave(self.background, self)
            raise

    def _make(self, repeater: bool) -> Context:
        broadcaster = SharedBroadcaster()
        if not repeater:
            broadcaster.settings = broadcaster.settings._replace(spawn_repeater=False)
        # Updates go to a queue, replies to who waits for them: there is nothing for worker threads to do.
        return Context(broadcaster, max_workers=0)

    @property
    def usable(self) -> bool:
        """Whether this is still the process that made it, and nobody has disconnected it."""
        return self.background.why_ended is None and not self.context._engine.closed

    async def _close(self) -> None:
        await self.context.disconnect()

    def disconnect(self) -> None:
        """Close everything."""
        if self.background.why_ended is not None:
            return
        try:
            self.background.run(self._close)
        except ContextDisconnectedError:
            pass  # another thread was faster
        leave(self.background, self)

    # --- PVs --------------------------------------------------------------------------------------------------------

    def pv(self, name: str, priority: int) -> PV:
        """Return the PV with that name, making it if need be; this is for the loop."""
        known = self.context.pvs.get((name, priority))
        if known is not None:
            return known
        return self.context._make_pvs((name,), priority, self._on_state, None, None)[0]

    def _on_state(self, pv: PV, state: str) -> None:
        """Forget a PV whose server has gone, unless somebody still wants it."""
        if state == "disconnected":
            self.context._loop.call_soon(self.forget_unless_used, pv)

    def forget_unless_used(self, pv: PV) -> None:
        """Stop to look for a PV that is not connected and that nobody waits for."""
        if pv.state is PVState.SEARCHING and not (pv.subscribed or pv.busy or pv._waits):
            self.context._engine.cancel_search(pv)
            self.context.pvs.pop((pv.name, pv.priority), None)

    # --- requests ---------------------------------------------------------------------------------------------------

    def seconds(self, timeout: float | None) -> float | None:
        """Return a timeout, for which the environment may have another default."""
        return self.context.timeout if timeout is GLOBAL_DEFAULT_TIMEOUT else timeout

    def _request(self, pv: PV, start: Callable[..., None], *args: Any) -> Any:
        """Wait for a reply; forget the PV if its server has gone meanwhile and did not come back in time."""
        try:
            return self.background.request(start, *args)
        except CaprotoTimeoutError:
            self.background.call(self.forget_unless_used, pv)
            raise

    def read(
        self,
        name: str,
        priority: int,
        data_type: DataType,
        data_count: int | None,
        timeout: float | None,
        notify: bool,
        as_integers: bool,
    ) -> Any:
        """Read, with one hand-over if the PV is connected."""
        timeout = self.seconds(timeout)
        pv = self.context.pvs.get((name, priority))
        if pv is not None and pv.state is PVState.CONNECTED:
            kind = shown_type(pv, data_type, as_integers)
            return self._request(pv, start_read, pv, True, None, timeout, kind, data_count, notify)

        async def connect_and_read() -> Any:
            async with self.connected(name, priority, timeout) as (pv, left):
                return await pv.read(
                    timeout=left(),
                    data_type=shown_type(pv, data_type, as_integers),
                    data_count=data_count,
                    notify=notify,
                )

        return self.background.run(connect_and_read)

    def write(
        self,
        name: str,
        priority: int,
        data: Any,
        notify: bool,
        data_type: DataType,
        metadata: Any,
        timeout: float | None,
    ) -> Any:
        """Write; with `notify`, wait until that is confirmed."""
        timeout = self.seconds(timeout)

        async def connect() -> tuple[PV, float | None]:
            async with self.connected(name, priority, timeout) as (pv, left):
                return pv, left()

        pv = self.context.pvs.get((name, priority))
        if pv is None or pv.state is not PVState.CONNECTED:
            pv, timeout = self.background.run(connect)
        # Here, not on the loop, which has others to serve while a large array is converted.
        body = pv.open_channel.write_body(data, data_type, metadata=metadata)
        options = {
            "wait": notify,
            "callback": None,
            "timeout": timeout,
            "notify": notify,
            "data_type": data_type,
            "data_count": None,
        }
        if notify or metadata is None:
            return self._request(pv, start_write, pv, body, data, options)
        pv._check_write_access()
        return self.background.call(pv._write_unconfirmed, *body)

    def connected(self, name: str, priority: int, timeout: float | None) -> _Connected:
        """Return an asynchronous context manager that gives a connected PV and what is left of the time."""
        return _Connected(self, name, priority, timeout)


class _Connected:
    """Waits for a PV, and forgets it if it does not come."""

    def __init__(self, session: Session, name: str, priority: int, timeout: float | None) -> None:
        self._session = session
        self._wanted = name, priority
        self._timeout = timeout
        self._pv: PV | None = None

    async def __aenter__(self) -> tuple[PV, Callable[[], float | None]]:
        clock, timeout = self._session.context._loop.time, self._timeout
        begin = clock()
        pv = self._pv = self._session.pv(*self._wanted)
        try:
            await pv.wait_for_connection(timeout=timeout)
        except BaseException:
            self._session.forget_unless_used(pv)
            raise

        def left() -> float | None:
            return None if timeout is None else max(0.0, timeout - (clock() - begin))

        return pv, left

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._pv is not None and isinstance(error, CaprotoTimeoutError):
            self._session.forget_unless_used(self._pv)


def shown_type(pv: PV, data_type: DataType, as_integers: bool) -> DataType:
    """Return what to ask for: the label of an enum rather than its number, unless a type is wanted."""
    if data_type is None and not as_integers and _is_enum(pv):
        return ChannelType.STRING
    return data_type


def monitored_type(pv: PV, data_type: DataType, as_integers: bool) -> DataType:
    """Return what to subscribe to: values with time, and labels of enums, unless a type is wanted."""
    if data_type is None:
        return ChannelType.TIME_STRING if not as_integers and _is_enum(pv) else "time"
    return data_type


def _is_enum(pv: PV) -> bool:
    channel = pv.channel
    return channel is not None and channel.native_data_type == ChannelType.ENUM


# --- those of this process --------------------------------------------------------------------------------------------

_lock = threading.RLock()  # re-entrant for signal handlers
_sessions: dict[tuple[str | None, ...], Session] = {}


def _places() -> tuple[str | None, ...]:
    find = os.environ.get
    return tuple(find(name) for name in _PLACES)


def session_for(repeater: bool) -> Session:
    """Return the connections that suit the environment as it is now."""
    key = ("" if repeater else None, *_places())
    session = _sessions.get(key)
    if session is not None and session.usable:
        return session
    with _lock:
        session = _sessions.get(key)
        if session is None or not session.usable:
            unused = [old for old, each in _sessions.items() if not each.users]
            for old in unused:
                if old[1:] != key[1:] or not _sessions[old].usable:
                    _sessions.pop(old).disconnect()
            session = _sessions[key] = Session(repeater)
        return session


def close_sessions(*, of_this_environment: bool = False) -> None:
    """Close all connections, or those that suit the environment as it is now; the next call makes new ones."""
    with _lock:
        places = _places()
        for key in list(_sessions):
            if not of_this_environment or key[1:] == places:
                _sessions.pop(key).disconnect()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    _sessions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
