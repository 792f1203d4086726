"""PVs for asyncio programs: reading, writing and subscribing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Literal, overload

from .._errors import CaprotoValueError, CAStatusError, DisconnectedError
from .._protocol.enums import AccessRights, Command
from .._protocol.header import pack_head
from .._protocol.messages import ReadNotifyResponse, ReadResponse, WriteNotifyResponse
from .._protocol.status import CAStatus
from ..client.host import Waiter
from ..client.pv import DataType, PVState
from ..client.requests import Request, reply_timeout
from ._defaults import PV_DEFAULT_TIMEOUT, Default, Timeout
from ._pv_connection import PVConnection
from ._replies import OnLoop, run_reply_callback
from ._slots import WriteSlots
from ._subscription import Subscription

__all__ = ["PV"]

_logger = logging.getLogger("caproto.ch")
_NEVER = float("inf")
_READ_NOTIFY = int(Command.READ_NOTIFY)
_READ = int(Command.READ)
_WRITE = int(Command.WRITE)
_WRITE_NOTIFY = int(Command.WRITE_NOTIFY)
_ALL_RIGHTS = AccessRights.READ | AccessRights.WRITE
_CONNECTED = PVState.CONNECTED


class PV(PVConnection):
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

    __slots__ = ()

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
        request = self._issue_read(
            waiter, callback, deadline, timeout, data_type, data_count, notify
        )
        if waiter is None:
            return None
        try:
            return await waiter  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            self.engine.forget(request)
            raise

    def _issue_read(
        self,
        waiter: Waiter | None,
        callback: Callable[[Any], Any] | None,
        deadline: float,
        timeout: float | None,
        data_type: DataType,
        data_count: int | None,
        notify: bool,
    ) -> Request:
        """Send a request to read a connected PV."""
        request = Request(
            _READ_NOTIFY if notify else _READ,
            self,
            self.open_channel.readable_type(data_type),
            self.open_channel.readable_count(data_count, notify),
            b"",
            waiter,
            callback,
            deadline if waiter is not None else _NEVER,
            timeout,
        )
        self.circuit.issue(request)  # type: ignore[union-attr]
        return request

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
        notify = self._wants_confirmation(wait or callback is not None, notify)
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
        request = self._write_request(
            (wire_type, count, payload), waiter, callback, deadline, timeout
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

    def _wants_confirmation(self, answered: bool, notify: bool | None) -> bool:
        """Return whether the server is to confirm a write to which somebody wants an answer or not."""
        if notify is None:
            return answered
        if answered and not notify:
            raise CaprotoValueError(
                f"notify=False for {self.name!r} asks the server not to answer: it needs wait=False and no callback",
                pv_name=self.name,
            )
        return notify

    def _write_request(
        self,
        body: tuple[int, int, Any],
        waiter: Waiter | None,
        callback: Callable[[Any], Any] | None,
        deadline: float,
        timeout: float | None,
    ) -> Request:
        """Make the request for a confirmed write of `body`: data type, count and payload."""
        return Request(
            _WRITE_NOTIFY,
            self,
            *body,
            waiter,
            callback,
            deadline if waiter is not None else _NEVER,
            timeout,
        )

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

    def _check_write_access(self) -> None:
        """Raise what nobody would tell about a write that is not confirmed."""
        rights = self.access_rights
        if rights is _ALL_RIGHTS:  # nearly always; `&` makes a member of the enum, and takes 0.5 us
            return
        if rights is not None and not rights & AccessRights.WRITE:
            status = CAStatus.ECA_NOWTACCESS.value
            raise CAStatusError(
                f"The server does not permit this client to write to {self.name!r}: {status.name}",
                pv_name=self.name,
                address=self.address,
                status=status,
            )

    def _write_unconfirmed(self, wire_type: int, count: int, payload: Any) -> None:
        """Send a write that nobody answers."""
        self._check_write_access()
        channel = self.channel
        assert channel is not None
        assert channel.sid is not None
        # Libca puts the cid where the ioid would be, and servers send it back with an error.
        head = pack_head(_WRITE, len(payload), wire_type, count, channel.sid, channel.cid)
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
