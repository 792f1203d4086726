"""The Context: all connections of a client, for programs with threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .._background import enter, leave
from .._errors import CaprotoError, CaprotoRuntimeError, ContextDisconnectedError
from .._protocol.messages import ReadNotifyResponse, WriteNotifyResponse
from ..asyncio._context import Context as AsyncContext
from ..asyncio._defaults import CONTEXT_DEFAULT_TIMEOUT, GLOBAL_DEFAULT_TIMEOUT, Timeout
from ..client.pv import DataType
from ..client.search import Address
from ._broadcaster import SharedBroadcaster
from ._circuit import VirtualCircuitManager, manager_of
from ._pv import PV

if TYPE_CHECKING:
    from ..asyncio._resolver import Resolver
    from ..client.stats import ContextStats

__all__ = ["Context"]


class Context:
    """Encapsulates the state and connections of a client.

    It may be used by many threads, by callbacks and by signal handlers. The work is done by the asyncio client, on an
    event loop in a thread that all Contexts of a process share; it ends when the last Context is disconnected.

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
        (an extension) callbacks run on the event loop itself, which is fastest; they must not block then, nor read or
        write with ``wait=True``.
    resolver : mapping or async callable, optional
        An extension, for sites that keep a directory of PVs; see `caproto.asyncio.client.Context`.

    Examples
    --------
    >>> with Context() as ctx:
    ...     (pv,) = ctx.get_pvs("random_walk:x")
    ...     print(pv.read().value)
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
        self._background = background = enter(self, self._close)
        own = None
        try:
            if broadcaster is None:
                broadcaster = own = SharedBroadcaster()
            elif broadcaster._background is not background or broadcaster._core.closed:
                raise CaprotoRuntimeError(
                    "This SharedBroadcaster was disconnected, or belongs to the parent process: make another one"
                )
            core_broadcaster = broadcaster._core
            self.broadcaster = broadcaster
            self._core = background.call(
                lambda: AsyncContext(
                    core_broadcaster,
                    timeout=timeout,
                    host_name=host_name,
                    client_name=client_name,
                    max_workers=max_workers,
                    resolver=resolver,
                )
            )
        except BaseException:
            if own is not None:
                own.disconnect()
            leave(background, self)
            raise

    def __repr__(self) -> str:
        if self._background.why_ended is not None:
            return repr(self._core)
        searching = self.broadcaster._core.results.pending
        return repr(self._core).replace("<Context", f"<Context searches_pending={searching}", 1)

    def _repr_html_(self) -> str:
        return self._background.call(self._core._repr_html_)

    def __enter__(self) -> Context:
        """Use the Context in a block, at whose end it is disconnected."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.disconnect()

    # --- properties -------------------------------------------------------------------------------------------------

    @property
    def timeout(self) -> float | None:
        """Seconds before a CaprotoTimeoutError is raised, or None for never."""
        return self._core.timeout

    @timeout.setter
    def timeout(self, value: float | None) -> None:
        self._core.timeout = value

    @property
    def host_name(self) -> str:
        """The host name that servers are told."""
        return self._core.host_name

    @property
    def client_name(self) -> str:
        """The user name that servers are told."""
        return self._core.client_name

    @property
    def max_workers(self) -> int:
        """Number of worker threads per circuit."""
        return self._core._pools.max_workers

    @property
    def pvs(self) -> dict[tuple[str, int], PV]:
        """All PVs by name and priority."""
        return {key: core.front for key, core in list(self._core.pvs.items())}

    @property
    def circuit_managers(self) -> dict[tuple[Address, int], VirtualCircuitManager]:
        """The circuits by address and priority."""
        cores = self._background.call(lambda: self._core.circuit_managers)
        return {key: manager_of(core, self) for key, core in cores.items()}

    # --- PVs --------------------------------------------------------------------------------------------------------

    def get_pvs(
        self,
        *names: str,
        priority: int = 0,
        connection_state_callback: Callable[..., Any] | None = None,
        access_rights_callback: Callable[..., Any] | None = None,
        timeout: Timeout = CONTEXT_DEFAULT_TIMEOUT,
    ) -> list[PV]:
        """Return a list of PV objects.

        These objects may not be connected at first. Channel creation occurs on a background thread.

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
        return self._background.call(
            self._make_pvs,
            names,
            priority,
            connection_state_callback,
            access_rights_callback,
            timeout,
        )

    def _make_pvs(
        self,
        names: tuple[str, ...],
        priority: int,
        connection_state_callback: Callable[..., Any] | None,
        access_rights_callback: Callable[..., Any] | None,
        timeout: Timeout,
    ) -> list[PV]:
        """Make PVs, on the loop, so that each has only one object in front of it."""
        cores = self._core._make_pvs(
            names, priority, connection_state_callback, access_rights_callback, timeout
        )
        return [core._front or PV(core.name, priority, self, core._timeout) for core in cores]

    def _make_pv(self, name: str) -> PV:
        """Make one PV, on the loop, for clients that make thousands one by one."""
        core = self._core._make_pv(name)
        return core._front or PV(name, 0, self, core._timeout)

    def wait_for_connections(
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
            Called as ``f(connected, total)`` on the event loop of the clients, where it must not block.

        Returns
        -------
        dict
            For each PV None if it is connected, or the `CaprotoTimeoutError` that says how far things went.

        Raises
        ------
        ContextDisconnectedError
        """
        names = [pv for pv in pvs if isinstance(pv, str)]
        made = {pv.name: pv for pv in self.get_pvs(*names)} if names else {}
        wanted = [made[pv] if isinstance(pv, str) else pv for pv in pvs]
        results = self._background.run(
            self._core.wait_for_connections,
            *[pv._core for pv in wanted],
            timeout=timeout,
            on_progress=on_progress,
        )
        return {core.front: error for core, error in results.items()}

    def read_many(
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
        cores = [pv._core for pv in pvs]
        return self._background.run(
            self._core.read_many, cores, data_type=data_type, data_count=data_count, timeout=timeout
        )

    def write_many(
        self, values: Mapping[PV, Any], *, timeout: Timeout = CONTEXT_DEFAULT_TIMEOUT
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
        by_core = {pv._core: value for pv, value in values.items()}
        results = self._background.run(self._core.write_many, by_core, timeout=timeout)
        return {core.front: result for core, result in results.items()}

    def stats(self) -> ContextStats:
        """Return a snapshot of PVs, searches, circuits and subscriptions."""
        return self._background.call(self._core.stats)

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
        core = self._background.call(self._core.get_circuit_manager, address, priority)
        return manager_of(core, self)

    def reconnect(self, keys: Iterable[tuple[str, int]]) -> None:
        """Give up the channels of some PVs, and search for them again.

        Parameters
        ----------
        keys : iterable of (name, priority)
        """
        self._background.run(self._core.reconnect, list(keys))

    # --- the end ----------------------------------------------------------------------------------------------------

    async def _close(self) -> None:
        await self._core.disconnect()

    def disconnect(self, *, wait: bool = True) -> None:
        """Disconnect everything, for good. It may be called from any state, and again.

        Parameters
        ----------
        wait : bool
            Whether to wait until sockets are closed and callbacks have ended. It is the default.
        """
        background = self._background
        if background.why_ended is not None:
            return
        if wait:
            self._core._pools.caller = threading.current_thread()
            try:
                background.run(self._core.disconnect)
            except ContextDisconnectedError:
                pass  # another thread did it at the same time
            self._left()
        else:
            background.call(self._start_to_disconnect)

    def _start_to_disconnect(self) -> None:
        task = asyncio.get_running_loop().create_task(self._core.disconnect())
        self._core._tasks.add(task)
        task.add_done_callback(lambda task: self._left(wait=False))

    def _left(self, *, wait: bool = True) -> None:
        self.broadcaster.leave_if_closed(wait=wait)
        leave(self._background, self, wait=wait)
