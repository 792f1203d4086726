"""PVs for asyncio programs: name, state, and the way to a connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._log import ComposableLogAdapter
from .._protocol.channel import ClientChannel
from .._protocol.enums import AccessRights, ChannelType
from ..client.pv import PVCore, PVState
from ..client.waits import AnyWait, Wait
from ._callbacks import CallbackHandler, await_result, callback_failed
from ._circuit import VirtualCircuitManager
from ._defaults import PV_DEFAULT_TIMEOUT, Default, Timeout

if TYPE_CHECKING:
    from ._context import Context
    from ._workers import WorkerPool

__all__ = ["PVConnection"]

_logger = logging.getLogger("caproto.ch")
_NEVER = float("inf")
_CONNECTED = PVState.CONNECTED


class PVConnection(PVCore):
    """What a PV is before it is read or written: see `caproto.asyncio.client.PV`."""

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_access_rights_callback",
        "_connection_state_callback",
        "_pool",
        "_timeout",
        "_waits",
        "context",
    )

    def __init__(
        self,
        name: str,
        priority: int,
        context: Context,
        connection_state_callback: Callable[..., Any] | None,
        access_rights_callback: Callable[..., Any] | None,
        timeout: Timeout,
    ) -> None:
        super().__init__(name, priority, context._engine)
        self.context: Context = context
        self._timeout = timeout
        self._pool: WorkerPool | None = None
        self._waits: tuple[AnyWait, ...] = ()
        self._connection_state_callback: CallbackHandler | None = None
        self._access_rights_callback: CallbackHandler | None = None
        if connection_state_callback is not None:
            self.connection_state_callback.add_callback(connection_state_callback, run=True)
        if access_rights_callback is not None:
            self.access_rights_callback.add_callback(access_rights_callback, run=True)

    # --- for other clients that are built on this one --------------------------------------------------------------

    _front: Any = None
    observers: tuple[Any, ...] = ()
    """What is told of events on the loop, before any callback: by ``on_state(state)`` and ``on_access(rights)``."""

    @property
    def front(self) -> Any:
        """What callbacks get to see: this object, or the one of a blocking client that stands in front of it."""
        return self if self._front is None else self._front

    # --- properties -------------------------------------------------------------------------------------------------

    @property
    def timeout(self) -> float | None:
        """Effective default timeout.

        Valid values are:

        * CONTEXT_DEFAULT_TIMEOUT (fall back to Context.timeout)
        * a floating-point number
        * None (never timeout)
        """
        own = self._timeout
        return self.context.timeout if isinstance(own, Default) else own

    @timeout.setter
    def timeout(self, value: Timeout) -> None:
        self._timeout = value

    @property
    def circuit_manager(self) -> VirtualCircuitManager | None:
        """The circuit that serves the PV, or None while there is none."""
        return None if self.circuit is None else self.circuit.manager

    @property
    def connection_state_callback(self) -> CallbackHandler:
        """The callbacks that are told ``f(pv, 'connected')`` and ``f(pv, 'disconnected')``."""
        if self._connection_state_callback is None:
            handler = self._connection_state_callback = CallbackHandler(self)
            if self.state is _CONNECTED:
                handler.remember(self.front, "connected")
        return self._connection_state_callback

    @property
    def access_rights_callback(self) -> CallbackHandler:
        """The callbacks that are told ``f(pv, access_rights)``."""
        if self._access_rights_callback is None:
            handler = self._access_rights_callback = CallbackHandler(self)
            if self.access_rights is not None:
                handler.remember(self.front, self.access_rights)
        return self._access_rights_callback

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger ``caproto.ch``, with this PV's name."""
        return ComposableLogAdapter(_logger, {"pv": self.name, "role": "CLIENT"})

    def _repr_html_(self) -> str:
        from .._html import fields_table

        channel = self.channel
        fields: list[tuple[str, object]] = [
            ("state", self.state.value),
            ("priority", self.priority),
            ("address", "" if self.address is None else "{}:{}".format(*self.address)),
        ]
        if channel is not None and self.state is _CONNECTED:
            native = ChannelType(channel.native_data_type or 0)
            fields += [
                ("type", native.name),
                ("count", channel.native_data_count),
                ("access", str(self.access_rights)),
            ]
        fields.append(("subscriptions", len(self.subscriptions or ())))
        return fields_table(f"PV {self.name}", fields)

    # --- what the engine tells --------------------------------------------------------------------------------------

    def on_found(self) -> None:
        """Choose the worker threads, and end the waits for an address."""
        circuit = self.circuit
        assert circuit is not None
        pool = self._pool
        if pool is None:
            pool = self._pool = self.context._pools.of_circuit(circuit)
        if pool is not None and pool not in circuit.runners:
            circuit.runners.append(pool)
        for wait in self._waits:
            if wait.for_search:
                self.forget_wait(wait)
                wait.fulfil(self)

    def on_connected(self) -> None:
        """Tell everybody who waits."""
        for sub in self.subscriptions or ():
            sub.channel_opened()  # type: ignore[attr-defined]
        waits = self._waits
        self._waits = ()
        for wait in waits:
            wait.fulfil(self)
        self.connection_state_changed("connected", self.channel)

    def on_disconnected(self) -> None:
        """Tell the callbacks."""
        self.connection_state_changed("disconnected", self.channel)

    def on_closed(self) -> None:
        """End the iterations: there will be no more updates."""
        for sub in list(self.subscriptions or ()):
            sub.closed()  # type: ignore[attr-defined]

    def access_rights_changed(self, rights: AccessRights) -> None:
        """Tell the access rights callbacks.

        Parameters
        ----------
        rights : AccessRights
        """
        for observer in self.observers:
            observer.on_access(rights)
        if self._access_rights_callback is not None:
            self._access_rights_callback.process(self.front, rights)

    on_access_rights = access_rights_changed

    def connection_state_changed(self, state: str, channel: ClientChannel | None) -> None:
        """Tell the connection state callbacks.

        Parameters
        ----------
        state : {'connected', 'disconnected'}
        channel : ClientChannel or None
        """
        for observer in self.observers:
            observer.on_state(state)
        if self._connection_state_callback is not None:
            self._connection_state_callback.process(self.front, state)

    def _run_plain(self, job: Callable[[Any], Any], argument: Any, named: Any) -> None:
        """Run a plain callback where those run: on a worker thread, or here if there are none."""

        def guarded(argument: Any) -> None:
            try:
                result = job(argument)
                if result is not None:
                    await_result(self, named, result)
            except BaseException as error:
                callback_failed(self, named, error)

        if self._pool is None:
            self._pool = self.context._pools.without_circuit()
        if self._pool is None:
            guarded(argument)
        else:
            self._pool.submit(guarded, argument)

    # --- connecting -------------------------------------------------------------------------------------------------

    def _effective(self, timeout: Timeout) -> float | None:
        return self.timeout if isinstance(timeout, Default) else timeout

    async def wait_for_search(self, *, timeout: Timeout = PV_DEFAULT_TIMEOUT) -> None:
        """Wait for this PV to be found.

        This does not wait for the PV's Channel to be created; it merely waits for an address (and a VirtualCircuit)
        to be assigned.

        Parameters
        ----------
        timeout : float or None, optional
            Seconds to wait before a CaprotoTimeoutError is raised. Default is PV.timeout, which falls back to
            Context.timeout if not set. If None, never timeout.

        Raises
        ------
        CaprotoTimeoutError
        ContextDisconnectedError
        """
        self.engine.activate(self)
        if self.circuit is None:
            await self._wait(True, self._effective(timeout))

    async def wait_for_connection(self, *, timeout: Timeout = PV_DEFAULT_TIMEOUT) -> None:
        """Wait for this PV to be connected.

        Parameters
        ----------
        timeout : float or None, optional
            Seconds to wait before a CaprotoTimeoutError is raised. Default is PV.timeout, which falls back to
            PV.context.timeout if not set. If None, never timeout.

        Raises
        ------
        CaprotoTimeoutError
            The message says how far things went: search, TCP connection or channel.
        ContextDisconnectedError
        """
        if self.state is not _CONNECTED:
            self.engine.activate(self)
            await self._wait(False, self._effective(timeout))

    async def _wait(self, for_search: bool, timeout: float | None) -> None:
        loop = self.context._loop
        future: asyncio.Future[None] = loop.create_future()
        deadline = _NEVER if timeout is None else loop.time() + timeout
        wait = Wait(self, for_search, future, deadline, timeout)
        self.add_wait(wait)
        try:
            await future
        finally:
            self.remove_wait(wait)

    def add_wait(self, wait: AnyWait) -> None:
        """End `wait` when this PV is found, or connected, or its time is over."""
        self.await_by(wait)
        self.engine.add_wait(wait)

    def await_by(self, wait: AnyWait) -> None:
        """Tell `wait`, whose time somebody else looks after, when this PV is found or connected."""
        self._waits += (wait,)

    def remove_wait(self, wait: AnyWait) -> None:
        """Forget `wait`."""
        self.engine.end_wait(wait)
        self.forget_wait(wait)

    def forget_wait(self, wait: AnyWait) -> None:
        """Tell `wait` no more."""
        self._waits = tuple(other for other in self._waits if other is not wait)

    async def _connect(self, timeout: float | None, deadline: float) -> None:
        """Wait for the connection, as part of something that has `timeout` seconds in all."""
        loop = self.context._loop
        while self.state is not _CONNECTED:
            self.engine.activate(self)
            left = None if timeout is None else max(0.0, deadline - loop.time())
            try:
                await self._wait(False, left)
            except TimeoutError:
                raise self.connection_timeout(timeout, loop.time()) from None

    async def go_idle(self) -> None:
        """Request to clear this Channel to reduce load on client and server.

        A new Channel will be automatically, silently created the next time any method requiring a connection is
        called. Thus, this saves some memory in exchange for making the next request a bit slower, as it has to redo
        the handshake with the server first.

        If there are any subscriptions with callbacks, this request will be ignored. If the PV is in the process of
        connecting, this request will be ignored. If there are any actions in progress (read, write) this request will
        be processed when they are complete.
        """
        self.engine.make_idle(self)
