"""PVs for asyncio programs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, overload

from .._errors import CaprotoValueError, CAStatusError, DisconnectedError
from .._log import ComposableLogAdapter
from .._protocol.channel import ClientChannel
from .._protocol.enums import AccessRights, ChannelType, Command
from .._protocol.header import pack_head
from .._protocol.messages import ReadNotifyResponse, ReadResponse, WriteNotifyResponse
from .._protocol.status import CAStatus
from ..client.pv import DataType, PVCore, PVState
from ..client.requests import Request, Wait, reply_timeout
from ._callbacks import (
    CallbackHandler,
    WorkerPool,
    await_result,
    is_coroutine_callback,
    log_failure,
)
from ._circuit import VirtualCircuitManager
from ._defaults import PV_DEFAULT_TIMEOUT, Default, Timeout
from ._slots import WriteSlots
from ._subscription import Subscription
from ._tasks import start_task

if TYPE_CHECKING:
    from ._context import Context

__all__ = ["PV"]

_logger = logging.getLogger("caproto.ch")
_NEVER = float("inf")
_READ_NOTIFY = int(Command.READ_NOTIFY)
_READ = int(Command.READ)
_WRITE_NOTIFY = int(Command.WRITE_NOTIFY)
_CONNECTED = PVState.CONNECTED


class PV(PVCore):
    """Represents one PV, specified by name and priority.

    These must be instantiated by a Context, never directly.

    Parameters
    ----------
    name : str
    priority : int
    context : Context
    connection_state_callback : callable or None
        Expected signature: ``f(pv, state)`` where `state` is ``'connected'`` or ``'disconnected'``.
    access_rights_callback : callable or None
        Expected signature: ``f(pv, access_rights)``.
    timeout : float, None or CONTEXT_DEFAULT_TIMEOUT
    """

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
        self.context = context
        self._timeout = timeout
        self._pool: WorkerPool | None = None
        self._waits: list[Wait] | None = None
        self._connection_state_callback: CallbackHandler | None = None
        self._access_rights_callback: CallbackHandler | None = None
        if connection_state_callback is not None:
            self.connection_state_callback.add_callback(connection_state_callback, run=True)
        if access_rights_callback is not None:
            self.access_rights_callback.add_callback(access_rights_callback, run=True)

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
                handler.remember(self, "connected")
        return self._connection_state_callback

    @property
    def access_rights_callback(self) -> CallbackHandler:
        """The callbacks that are told ``f(pv, access_rights)``."""
        if self._access_rights_callback is None:
            handler = self._access_rights_callback = CallbackHandler(self)
            if self.access_rights is not None:
                handler.remember(self, self.access_rights)
        return self._access_rights_callback

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger ``caproto.ch``, with this PV's name."""
        return ComposableLogAdapter(_logger, {"pv": self.name, "role": "CLIENT"})

    def _repr_html_(self) -> str:
        from ._html import fields_table

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
        if self._pool is None:
            self._pool = self.context._pool_for(circuit)
        pool = self._pool
        if pool is not None and pool not in circuit.runners:
            circuit.runners.append(pool)
        if self._waits and any(wait.for_search for wait in self._waits):
            self._end_waits([wait for wait in self._waits if wait.for_search])

    def on_connected(self) -> None:
        """Tell everybody who waits."""
        for sub in self.subscriptions or ():
            sub.channel_opened()  # type: ignore[attr-defined]
        if self._waits:
            self._end_waits(list(self._waits))
        self.connection_state_changed("connected", self.channel)

    def on_disconnected(self) -> None:
        """Tell the callbacks."""
        self.connection_state_changed("disconnected", self.channel)

    def on_access_rights(self, rights: AccessRights) -> None:
        """Tell the callbacks."""
        self.access_rights_changed(rights)

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
        if self._access_rights_callback is not None:
            self._access_rights_callback.process(self, rights)

    def connection_state_changed(self, state: str, channel: ClientChannel | None) -> None:
        """Tell the connection state callbacks.

        Parameters
        ----------
        state : {'connected', 'disconnected'}
        channel : ClientChannel or None
        """
        if self._connection_state_callback is not None:
            self._connection_state_callback.process(self, state)

    def _end_waits(self, waits: list[Wait]) -> None:
        assert self._waits is not None
        for wait in waits:
            self._waits.remove(wait)
            self.engine.end_wait(wait)
            if not wait.waiter.done():
                wait.waiter.set_result(None)

    def _run_plain(self, job: Callable[[Any], Any], argument: Any, named: Any) -> None:
        """Run a plain callback where those run: on a worker thread, or here if there are none."""

        def guarded(argument: Any) -> None:
            try:
                result = job(argument)
                if result is not None:
                    await_result(self, named, result)
            except Exception:
                log_failure(self.name, named)

        if self._pool is None and self.context._max_workers:
            self._pool = self.context._common_pool()
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

    def add_wait(self, wait: Wait) -> None:
        """End `wait` when this PV is found, or connected, or its time is over."""
        if self._waits is None:
            self._waits = []
        self._waits.append(wait)
        self.engine.add_wait(wait)

    def remove_wait(self, wait: Wait) -> None:
        """Forget `wait`."""
        self.engine.end_wait(wait)
        if self._waits and wait in self._waits:
            self._waits.remove(wait)

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

    # --- reading and writing ----------------------------------------------------------------------------------------

    @overload
    async def read(
        self,
        *,
        wait: Literal[True] = True,
        callback: Callable[[Any], Any] | None = None,
        timeout: Timeout = PV_DEFAULT_TIMEOUT,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: Literal[True] = True,
    ) -> ReadNotifyResponse: ...

    @overload
    async def read(
        self,
        *,
        wait: Literal[True] = True,
        callback: Callable[[Any], Any] | None = None,
        timeout: Timeout = PV_DEFAULT_TIMEOUT,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool,
    ) -> ReadNotifyResponse | ReadResponse: ...

    @overload
    async def read(
        self,
        *,
        wait: bool,
        callback: Callable[[Any], Any] | None = None,
        timeout: Timeout = PV_DEFAULT_TIMEOUT,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool = True,
    ) -> ReadNotifyResponse | ReadResponse | None: ...

    async def read(
        self,
        *,
        wait: bool = True,
        callback: Callable[[Any], Any] | None = None,
        timeout: Timeout = PV_DEFAULT_TIMEOUT,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool = True,
    ) -> ReadNotifyResponse | ReadResponse | None:
        """Request a fresh reading.

        Can do one or both of:

        - Block while waiting for the response, and return it.
        - Pass the response to callback, with or without blocking.

        Parameters
        ----------
        wait : bool
            If True (default) block until a matching response is received from the server. Raises CaprotoTimeoutError
            if that response is not received within the time specified by the `timeout` parameter.
        callback : callable or None
            Called with the response as its argument when received.
        timeout : float or None, optional
            Seconds to wait before a CaprotoTimeoutError is raised. Default is PV.timeout, which falls back to
            PV.context.timeout if not set. If None, never timeout.
        data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
            Request specific data type or a class of data types, matched to the channel's native data type. Default is
            Channel's native data type.
        data_count : int, optional
            Requested number of values. Default is the channel's native data count.
        notify : bool
            Send a `ReadNotifyRequest` instead of a `ReadRequest`. True by default.

        Returns
        -------
        ReadNotifyResponse, ReadResponse or None
            None if `wait` is false.

        Raises
        ------
        CaprotoTimeoutError
        CAStatusError
            If `wait` is true and the server says that the read failed; it carries the response.
        CaprotoValueError, CaprotoTypeError
            If the channel has no such type or count; nothing is sent then.
        """
        if isinstance(timeout, Default):
            timeout = self.timeout
        loop = self.context._loop
        deadline = _NEVER if timeout is None else loop.time() + timeout
        if self.state is not _CONNECTED:
            await self._connect(timeout, deadline)
        waiter: asyncio.Future[Any] | None = loop.create_future() if wait else None
        request = Request(
            _READ_NOTIFY if notify else _READ,
            self,
            self.open_channel.readable_type(data_type),
            self.open_channel.readable_count(data_count, notify),
            b"",
            waiter,
            callback,
            deadline if wait else _NEVER,
            timeout,
        )
        self.circuit.issue(request)  # type: ignore[union-attr]
        if waiter is None:
            return None
        try:
            return await waiter  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            self.engine.forget(request)
            raise

    @overload
    async def write(
        self,
        data: Any,
        *,
        wait: Literal[True] = True,
        callback: Callable[[Any], Any] | None = None,
        timeout: Timeout = PV_DEFAULT_TIMEOUT,
        notify: bool | None = None,
        data_type: DataType = None,
        data_count: int | None = None,
    ) -> WriteNotifyResponse: ...

    @overload
    async def write(
        self,
        data: Any,
        *,
        wait: bool,
        callback: Callable[[Any], Any] | None = None,
        timeout: Timeout = PV_DEFAULT_TIMEOUT,
        notify: bool | None = None,
        data_type: DataType = None,
        data_count: int | None = None,
    ) -> WriteNotifyResponse | None: ...

    async def write(
        self,
        data: Any,
        *,
        wait: bool = True,
        callback: Callable[[Any], Any] | None = None,
        timeout: Timeout = PV_DEFAULT_TIMEOUT,
        notify: bool | None = None,
        data_type: DataType = None,
        data_count: int | None = None,
    ) -> WriteNotifyResponse | None:
        """Write a new value. Optionally, request confirmation from the server.

        Can do one or both of:

        - Block while waiting for the response, and return it.
        - Pass the response to callback, with or without blocking.

        Parameters
        ----------
        data : str, bytes, int, or float or any Iterable of these
            Value(s) to write. The label of an enum, and text for an array of characters, are welcome.
        wait : bool
            If True (default) block until a matching WriteNotifyResponse is received from the server. Raises
            CaprotoTimeoutError if that response is not received within the time specified by the `timeout` parameter.
        callback : callable or None
            Called with the WriteNotifyResponse as its argument when received.
        timeout : float or None, optional
            Seconds to wait before a CaprotoTimeoutError is raised. Default is PV.timeout, which falls back to
            PV.context.timeout if not set. If None, never timeout.
        notify : bool or None
            If None (default), set to True if wait=True or callback is set. Can be manually set to True or False. Will
            raise ValueError if set to False while wait=True or callback is set.
        data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
            Write specific data type or a class of data types, matched to the channel's native data type. Default is
            Channel's native data type.
        data_count : int, optional
            Requested number of values. Default is the number of values given.

        Returns
        -------
        WriteNotifyResponse or None
            None if `wait` is false.

        Raises
        ------
        CaprotoTimeoutError
        CAStatusError
            If `wait` is true and the server says that the write failed; it carries the response. Also if no
            confirmation is asked for and the server has said beforehand that writing is not permitted.
        CaprotoValueError, CaprotoTypeError
            If the data cannot be written to this channel, or the arguments contradict each other; nothing is sent
            then.
        DisconnectedError
            If the connection was lost before the server confirmed the write.
        """
        answered = wait or callback is not None
        if notify is None:
            notify = answered
        elif answered and not notify:
            raise CaprotoValueError(
                f"notify=False for {self.name!r} asks the server not to answer: it needs wait=False and no callback",
                pv_name=self.name,
            )
        if isinstance(timeout, Default):
            timeout = self.timeout
        loop = self.context._loop
        deadline = _NEVER if timeout is None else loop.time() + timeout
        if self.state is not _CONNECTED:
            await self._connect(timeout, deadline)
        wire_type, count, payload = self.open_channel.write_body(data, data_type, data_count)
        if not notify:
            self._write_unconfirmed(wire_type, count, payload)
            await self._let_drain()
            return None
        waiter: asyncio.Future[Any] | None = loop.create_future() if wait else None
        request = Request(
            _WRITE_NOTIFY,
            self,
            wire_type,
            count,
            payload,
            waiter,
            callback,
            deadline if wait else _NEVER,
            timeout,
        )
        slots: WriteSlots = self.circuit.manager.write_slots  # type: ignore[union-attr]
        if slots.crowded:
            slots = await self._wait_for_slot(request)
        else:
            slots.free -= 1
        circuit = self.circuit
        if waiter is None:
            request.callback = self._releasing(callback, slots)
            circuit.issue(request)  # type: ignore[union-attr]
            await self._let_drain()
            return None
        circuit.issue(request)  # type: ignore[union-attr]
        try:
            return await waiter  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            self.engine.forget(request)
            raise
        finally:
            slots.release()

    async def _wait_for_slot(self, request: Request) -> WriteSlots:
        """Wait until the circuit, which may change meanwhile, can take one more confirmed write."""
        while True:
            circuit = self.circuit
            assert circuit is not None
            slots: WriteSlots = circuit.manager.write_slots
            try:
                await slots.acquire(1, request.deadline)
            except TimeoutError:
                raise reply_timeout(request, self.context._loop.time()) from None
            if self.circuit is circuit and self.state is _CONNECTED:
                return slots
            slots.release()
            await self._connect(request.timeout, request.deadline)

    def _releasing(
        self, callback: Callable[[Any], Any] | None, slots: WriteSlots
    ) -> Callable[[Any], Any]:
        """Return a callback that gives the slot back first; it is called on the loop."""

        def release_and_call(response: Any) -> None:
            slots.release()
            if callback is not None:
                run_reply_callback(self, callback, response)

        return OnLoop(release_and_call)

    async def _let_drain(self) -> None:
        """Wait while the socket takes no more."""
        manager = self.circuit_manager
        if manager is not None and manager.paused:
            await manager.drain()

    def _write_unconfirmed(self, wire_type: int, count: int, payload: Any) -> None:
        """Send a write that nobody answers."""
        rights = self.access_rights
        if rights is not None and not rights & AccessRights.WRITE:
            status = CAStatus.ECA_NOWTACCESS.value
            raise CAStatusError(
                f"The server does not permit this client to write to {self.name!r}: {status.name}",
                pv_name=self.name,
                address=self.address,
                status=status,
            )
        channel = self.channel
        assert channel is not None
        assert channel.sid is not None
        # Libca puts the cid where the ioid would be, and servers send it back with an error.
        head = pack_head(Command.WRITE, len(payload), wire_type, count, channel.sid, channel.cid)
        self.circuit.send(head + payload)  # type: ignore[union-attr]

    # --- subscriptions ----------------------------------------------------------------------------------------------

    def subscribe(
        self,
        data_type: DataType = None,
        data_count: int | None = None,
        low: float = 0.0,
        high: float = 0.0,
        to: float = 0.0,
        mask: int | None = None,
    ) -> Subscription:
        """Start a new subscription to which user callback may be added.

        Parameters
        ----------
        data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
            Request specific data type or a class of data types, matched to the channel's native data type. Default is
            Channel's native data type.
        data_count : int, optional
            Requested number of values. Default is the channel's native data count.
        low, high, to : float, optional
            Deprecated by Channel Access: they travel, but servers ignore them.
        mask : SubscriptionType, optional
            Subscribe to selective updates. Default is changes of value, alarm and properties.

        Returns
        -------
        subscription : Subscription

        Examples
        --------
        Define a subscription.

        >>> sub = pv.subscribe()

        Add a user callback. The subscription will be transparently activated (i.e. an `EventAddRequest` will be sent)
        when the first user callback is added.

        >>> sub.add_callback(my_func)

        Multiple callbacks may be added to the same subscription.

        >>> sub.add_callback(another_func)

        See the docstring for `Subscription` for more.
        """
        return Subscription(self, data_type, data_count, low, high, to, mask)

    async def unsubscribe_all(self) -> None:
        """Clear all subscriptions: remove all user callbacks from them."""
        for sub in list(self.subscriptions or ()):
            await sub.clear()  # type: ignore[attr-defined]

    def time_since_last_heard(self, timeout: Timeout = PV_DEFAULT_TIMEOUT) -> float:
        """Seconds since last message from the server that provides this channel.

        The time is reset to 0 whenever we receive a TCP message or a Beacon. Servers are expected to send Beacons at
        regular intervals. If we do not receive either a Beacon or TCP message, we initiate an Echo over TCP, to which
        the server is expected to promptly respond. Therefore, the time reported here should not much exceed
        EPICS_CA_CONN_TMO (default 30 seconds unless overridden by that environment variable) if the server is
        healthy.

        Parameters
        ----------
        timeout : float or None, optional
            Accepted for compatibility; nothing is waited for.

        Returns
        -------
        float

        Raises
        ------
        DisconnectedError
            If the PV is not connected.
        """
        address = self.address
        heard = self.context.broadcaster.time_since_last_heard() if address else {}
        if address not in heard:  # no server, or one that has not said anything yet
            raise DisconnectedError(
                f"{self!r} has no server at the moment: wait for the connection first",
                pv_name=self.name,
            )
        return heard[address]


class OnLoop:
    """A callback of the library itself, which is called at once, on the loop."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self.call = call

    def __call__(self, response: Any) -> None:
        self.call(response)


def run_reply_callback(pv: PV, callback: Callable[[Any], Any], message: Any) -> None:
    """Hand a reply to the callback of a read or a write, where such callbacks run."""
    if isinstance(callback, OnLoop):
        callback(message)
        return
    if is_coroutine_callback(callback):

        async def run() -> None:
            try:
                await callback(message)
            except Exception:
                log_failure(pv.name, callback)

        start_task(pv.context._loop, run(), pv.context._tasks)
    else:
        pv._run_plain(callback, message, callback)
