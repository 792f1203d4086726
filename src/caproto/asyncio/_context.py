"""The Context: all connections of a client."""

from __future__ import annotations

import asyncio
import logging
import socket
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from itertools import repeat
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .._collector import NoCollection
from .._constants import MAX_PRIORITY
from .._env import ClientSettings
from .._errors import (
    CaprotoError,
    CaprotoValueError,
    ContextDisconnectedError,
)
from .._protocol.messages import ReadNotifyResponse, WriteNotifyResponse
from .._protocol.messages.base import check_names
from ..client.circuit import Circuit
from ..client.engine import ClientEngine
from ..client.pv import DataType, PVCore, PVState
from ..client.search import Address
from ._broadcaster import SharedBroadcaster
from ._bulk import bulk_read, bulk_write
from ._circuit import VirtualCircuitManager
from ._connections import wait_for_all
from ._current_loop import current_loop
from ._defaults import CONTEXT_DEFAULT_TIMEOUT, GLOBAL_DEFAULT_TIMEOUT, Default, Timeout
from ._events import events_of
from ._lifetime import keep_off_after_fork, user_name
from ._pv import PV
from ._replies import run_reply_callback
from ._tasks import start_task
from ._workers import WorkerPools

if TYPE_CHECKING:
    from ..client.stats import ContextStats
    from ._resolver import Resolver, ResolvingSearcher

__all__ = ["Context"]

logger = logging.getLogger("caproto.ctx")
_STOP_TIME = 2.0  # seconds that a disconnecting Context gives to callbacks that still run


class Context:
    """Encapsulates the state and connections of a client.

    It must be made within the event loop that uses it.

    Parameters
    ----------
    broadcaster : SharedBroadcaster, optional
        If None is specified, a fresh one is instantiated.
    timeout : number or None, optional
        Number of seconds before a CaprotoTimeoutError is raised. This default can be overridden at the PV level or for
        any given operation. If unset, the default is 2 seconds. If None, never timeout. A global timeout can be
        specified via an environment variable CAPROTO_DEFAULT_TIMEOUT.
    host_name : string, optional
        Uses value of ``socket.gethostname()`` by default.
    client_name : string, optional
        Uses value of ``getpass.getuser()`` by default.
    max_workers : integer, optional
        Number of worker threads per VirtualCircuit for executing user callbacks. Default is 1. For any number of
        workers, workers will receive updates in the order in which they are received from the server. That is, work on
        each update will begin in sequential order; with more than one worker it may not finish in that order. With 0
        (an extension) plain callbacks run on the event loop itself, which is fastest; they must not block then.
        Coroutine functions always run on the event loop.

    resolver : mapping or async callable, optional
        An extension, for sites that keep a directory of PVs: maps a name to ``(host, port)`` or ``'host:port'``; an
        async function returns one of these. What it does not know (None) is searched on the network.

    Raises
    ------
    CaprotoRuntimeError
        If no event loop is running.

    Examples
    --------
    >>> async with Context() as ctx:
    ...     (pv,) = await ctx.get_pvs("random_walk:x")
    ...     print((await pv.read()).value)
    """

    def __init__(
        self,
        broadcaster: SharedBroadcaster | None = None,
        *,
        timeout: float | None = GLOBAL_DEFAULT_TIMEOUT,
        host_name: str | None = None,
        client_name: str | None = None,
        max_workers: int = 1,
        resolver: Resolver | None = None,
    ) -> None:
        if max_workers < 0:
            raise CaprotoValueError(f"max_workers={max_workers} must be 0 or more")
        self.broadcaster: SharedBroadcaster = (
            SharedBroadcaster() if broadcaster is None else broadcaster
        )
        self._loop: asyncio.AbstractEventLoop = current_loop()
        settings = self._settings = ClientSettings.from_environ()
        if timeout is GLOBAL_DEFAULT_TIMEOUT:
            timeout = settings.default_timeout
        self.timeout = timeout
        self.host_name: str = socket.gethostname() if host_name is None else host_name
        self.client_name: str = user_name() if client_name is None else client_name
        self._resolver: ResolvingSearcher | None = None
        if resolver is not None:
            from ._resolver import ResolvingSearcher

            self._resolver = ResolvingSearcher(resolver, self.broadcaster, self._loop)
        self._engine = ClientEngine(
            self, self._resolver or self.broadcaster, settings, self.host_name, self.client_name
        )
        self._pools = WorkerPools(self._loop, max_workers)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._managers: set[VirtualCircuitManager] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.broadcaster.add_listener(self)
        self.broadcaster.engine.on_beacon.append(self._on_beacon)
        keep_off_after_fork(self)
        # A Context that nobody refers to any more takes its threads along.
        weakref.finalize(self, self._pools.abandon).atexit = False

    def __repr__(self) -> str:
        idle = sum(pv.state is PVState.IDLE for pv in self._engine.pvs.values())
        circuits = sum(circuit.connected for circuit in self._engine.circuits.values())
        return f"<Context circuits={circuits} pvs={len(self._engine.pvs)} idle={idle}>"

    async def __aenter__(self) -> Context:
        """Use the Context in a block, at whose end it is disconnected."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.disconnect()

    # --- PVs --------------------------------------------------------------------------------------------------------

    @property
    def pvs(self) -> dict[tuple[str, int], PV]:
        """All PVs by name and priority."""
        return self._engine.pvs  # type: ignore[return-value]

    @property
    def circuit_managers(self) -> dict[tuple[Address, int], VirtualCircuitManager]:
        """The circuits by address and priority."""
        return {key: circuit.manager for key, circuit in self._engine.circuits.items()}

    async def get_pvs(
        self,
        *names: str,
        priority: int = 0,
        connection_state_callback: Callable[..., Any] | None = None,
        access_rights_callback: Callable[..., Any] | None = None,
        timeout: Timeout = CONTEXT_DEFAULT_TIMEOUT,
    ) -> list[PV]:
        """Return a list of PV objects.

        These objects may not be connected at first. Channel creation occurs in the background.

        PVs are uniquely defined by their name and priority. If a PV with the same name and priority is requested
        twice, the same (cached) object is returned. Any callbacks included here are added alongside any existing ones.

        Parameters
        ----------
        *names : strings
            Any number of PV names.
        priority : integer
            Used by the server to triage subscription responses when under high load. 0 is lowest; 99 is highest.
        connection_state_callback : callable
            Expected signature: ``f(pv, state)`` where `pv` is the instance of `PV` whose state has changed and `state`
            is a string.
        access_rights_callback : callable
            Expected signature: ``f(pv, access_rights)`` where `pv` is the instance of `PV` whose state has changed and
            `access_rights` is a member of the caproto `AccessRights` enum.
        timeout : number or None, optional
            Number of seconds before a CaprotoTimeoutError is raised. This default can be overridden for any specific
            operation. By default, fall back to the default timeout set by the Context. If None, never timeout.

        Returns
        -------
        list of PV
            In the order of `names`.

        Raises
        ------
        CaprotoTypeError, CaprotoValueError
            If a name or the priority cannot be used; no PV is made then.
        ContextDisconnectedError
        """
        return self._make_pvs(
            names, priority, connection_state_callback, access_rights_callback, timeout
        )

    def _make_pvs(
        self,
        names: Sequence[str],
        priority: int,
        connection_state_callback: Callable[..., Any] | None,
        access_rights_callback: Callable[..., Any] | None,
        timeout: Timeout,
    ) -> list[PV]:
        """Do what `get_pvs` describes."""
        if self._engine.closed:
            raise ContextDisconnectedError(self._engine.why_closed)
        if priority not in range(MAX_PRIORITY + 1):
            raise CaprotoValueError(f"priority={priority!r} must be a whole number from 0 to 99")
        check_names(names)
        with NoCollection(len(names)):
            pvs = [
                self._get_pv(
                    name, priority, connection_state_callback, access_rights_callback, timeout
                )
                for name in names
            ]
        self._search_again()
        return pvs

    def _make_pv(self, name: str) -> PV:
        """Make one PV, of which the name is known to be one, for clients that make thousands one by one."""
        if self._engine.closed:
            raise ContextDisconnectedError(self._engine.why_closed)
        pv = self._get_pv(name, 0, None, None, CONTEXT_DEFAULT_TIMEOUT)
        self._search_again()
        return pv

    def _search_again(self) -> None:
        if self.broadcaster.results.pending:
            self.broadcaster.search_again()

    def _get_pv(
        self,
        name: str,
        priority: int,
        connection_state_callback: Callable[..., Any] | None,
        access_rights_callback: Callable[..., Any] | None,
        timeout: Timeout,
    ) -> PV:
        """Make a PV, or do for a known one what its repeated request asks for."""
        cache = self.pvs
        key = (name, priority)
        pv = cache.get(key)
        if pv is None:
            pv = cache[key] = PV(
                name, priority, self, connection_state_callback, access_rights_callback, timeout
            )
            self._engine.activate(pv)
            return pv
        if connection_state_callback is not None:
            pv.connection_state_callback.add_callback(connection_state_callback, run=True)
        if access_rights_callback is not None:
            pv.access_rights_callback.add_callback(access_rights_callback, run=True)
        if pv.cancelled:
            self._engine.activate(pv)
        return pv

    async def wait_for_connections(
        self,
        *pvs: PV | str,
        timeout: Timeout = CONTEXT_DEFAULT_TIMEOUT,
        on_progress: Callable[[int, int], Any] | None = None,
    ) -> dict[PV, CaprotoError | None]:
        """Wait until many PVs are connected, without failing at the first that is not.

        Parameters
        ----------
        *pvs : PV or str
        timeout : number or None, optional
            Seconds for all together. Default is the timeout of the Context. If None, wait for ever.
        on_progress : callable, optional
            Called as ``f(connected, total)`` while they connect, at most once per turn of the loop.

        Returns
        -------
        dict
            For each PV None if it is connected, or the `CaprotoTimeoutError` that says how far things went.

        Raises
        ------
        ContextDisconnectedError
        """
        names = [pv for pv in pvs if isinstance(pv, str)]
        made = {pv.name: pv for pv in await self.get_pvs(*names)} if names else {}
        wanted = [made[pv] if isinstance(pv, str) else pv for pv in pvs]
        return await wait_for_all(wanted, self._seconds(timeout), on_progress, self._loop)

    async def read_many(
        self,
        pvs: Iterable[PV],
        *,
        data_type: DataType = None,
        data_count: int | None = None,
        timeout: Timeout = CONTEXT_DEFAULT_TIMEOUT,
    ) -> list[ReadNotifyResponse | CaprotoError]:
        """Read many PVs in one call, which costs a fraction of as many calls of `PV.read`.

        Parameters
        ----------
        pvs : iterable of PV
        data_type, data_count
            As for `PV.read`, for all of them.
        timeout : number or None, optional
            Seconds for all together, connecting included. Default is the timeout of the Context.

        Returns
        -------
        list
            For each PV, in order, the response, or the error that `PV.read` would have raised: one that fails does
            not hide the others.

        Raises
        ------
        ContextDisconnectedError
        """
        wish = (data_type, data_count)
        return await bulk_read(self, list(pvs), repeat(wish), self._seconds(timeout))

    async def write_many(
        self,
        values: Mapping[PV, Any],
        *,
        timeout: Timeout = CONTEXT_DEFAULT_TIMEOUT,
    ) -> dict[PV, WriteNotifyResponse | CaprotoError]:
        """Write to many PVs in one call, and wait until the servers have confirmed it.

        Parameters
        ----------
        values : mapping of PV to value
        timeout : number or None, optional
            Seconds for all together, connecting included. Default is the timeout of the Context.

        Returns
        -------
        dict
            For each PV the response, or the error that `PV.write` would have raised.

        Raises
        ------
        ContextDisconnectedError
        """
        return await bulk_write(self, values, self._seconds(timeout))

    def _seconds(self, timeout: Timeout) -> float | None:
        return self.timeout if isinstance(timeout, Default) else timeout

    def stats(self) -> ContextStats:
        """Return a snapshot of PVs, searches, circuits and subscriptions."""
        from ..client.stats import snapshot

        return snapshot(self._engine, self.broadcaster.results, self._loop.time())

    def _repr_html_(self) -> str:
        from ._html import context_table

        return context_table(self.stats())

    async def search(self, *names: str) -> None:
        """Generate, process, transport a search request with the broadcaster.

        Parameters
        ----------
        *names : str
        """
        await self.broadcaster.search(_NoQueue(), *names)

    def get_circuit_manager(self, address: Address, priority: int) -> VirtualCircuitManager:
        """Return the circuit to a server.

        Parameters
        ----------
        address : (host, port)
        priority : int

        Raises
        ------
        KeyError
            If there is none.
        """
        return self.circuit_managers[(address, priority)]

    async def reconnect(self, keys: Iterable[tuple[str, int]]) -> None:
        """Give up the channels of some PVs, and search for them again.

        Parameters
        ----------
        keys : iterable of (name, priority)
        """
        for key in keys:
            self._engine.reconnect(self._engine.pvs[key], self._loop.time())

    def monitor(
        self, *pv_names: str, context: Context | None = None, data_type: DataType = "time"
    ) -> AsyncGenerator[tuple[str, Any, Any], None]:
        """Monitor PVs, yielding events as they happen.

        Parameters
        ----------
        *pv_names : str
        context : Context, optional
            Another Context to use.
        data_type : {'time', 'control', 'native'}
            Of the subscriptions.

        Yields
        ------
        event : {'subscription', 'connection'}
        source : Subscription or PV
        data : EventAddResponse or str
            For a 'connection' event, one of ``'connected'`` and ``'disconnected'``.
        """
        return events_of(self if context is None else context, pv_names, data_type)

    # --- what the engine asks for (caproto.client.host.Host) --------------------------------------------------------

    def open_circuit(self, circuit: Circuit) -> None:
        """Begin to connect."""
        circuit.manager = VirtualCircuitManager(self, circuit, self.timeout)
        self._managers.add(circuit.manager)

    def close_circuit(self, circuit: Circuit) -> None:
        """Close the socket."""
        manager: VirtualCircuitManager = circuit.manager
        self._managers.discard(manager)
        manager.close_transport()
        self._own(manager.wait_closed())

    def flush_soon(self, circuit: Circuit) -> None:
        """Send what was joined at the end of this turn."""
        self._loop.call_soon(circuit.flush)

    def wake_at(self, deadline: float) -> None:
        """Set the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._engine.on_timer(self._loop.time())

    def run_callback(self, pv: PVCore, callback: Callable[[Any], Any], message: Any) -> None:
        """Hand a reply to the callback of a read or a write."""
        run_reply_callback(pv, callback, message)  # type: ignore[arg-type]

    # --- what the broadcaster asks for ------------------------------------------------------------------------------

    def search_cancelled(self, name: str) -> None:
        """Take note that `name` is no longer looked for."""
        for pv in list(self._engine.pvs.values()):
            if pv.name == name:
                self._engine.cancel_search(pv)

    def last_heard(self) -> list[tuple[Address, float]]:
        """Return when each server was last heard on a circuit."""
        return [
            (circuit.address, circuit.health.last_bytes)
            for circuit in self._engine.circuits.values()
            if circuit.connected
        ]

    def _on_beacon(self, address: Address, anomaly: bool) -> None:
        self._engine.on_beacon(address, anomaly, self._loop.time())

    # --- threads and tasks ------------------------------------------------------------------------------------------

    def _forget_abandoned(self) -> None:
        """Give up the requests for which nobody waits any more."""
        self._engine.forget_abandoned(self._loop.time())

    def _own(self, coroutine: Any) -> None:
        """Run a coroutine as a task that `disconnect` waits for or cancels."""
        start_task(self._loop, coroutine, self._tasks)

    async def disconnect(self) -> None:
        """Disconnect everything, for good. It may be called from any state, and again."""
        managers = list(self._managers)
        self._engine.close(self._loop.time())
        if self._timer is not None:
            self._timer.cancel()
        for manager in managers:
            await manager.wait_closed()
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._resolver is not None:
            await self._resolver.close()
        await self._pools.stop(_STOP_TIME)
        if self._on_beacon in self.broadcaster.engine.on_beacon:
            self.broadcaster.engine.on_beacon.remove(self._on_beacon)
        await self.broadcaster.remove_listener(self)


class _NoQueue:
    """Takes answers that nobody asked for."""

    def put(self, item: Any) -> None:
        """Drop it."""
