"""PVs for programs with threads."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload
from weakref import WeakValueDictionary

from .._background.requests import post_unconfirmed_write, start_read, start_write
from .._protocol.channel import ClientChannel
from .._protocol.enums import AccessRights
from .._protocol.messages import ReadNotifyResponse, ReadResponse, WriteNotifyResponse
from ..asyncio._defaults import PV_DEFAULT_TIMEOUT, Timeout
from ..client.pv import DataType
from ._callbacks import CallbackHandler, CoreCallbackHandler
from ._circuit import VirtualCircuitManager, manager_of
from ._subscription import Subscription

if TYPE_CHECKING:
    from ._context import Context

__all__ = ["PV", "ensure_connected"]

_F = TypeVar("_F", bound=Callable[..., Any])


class PV:
    """Represents one PV, specified by name and priority.

    This object may exist prior to connection and persists across any subsequent re-connections. It may be used by many
    threads at the same time.

    These must be instantiated by a Context, never directly.

    Parameters
    ----------
    name : str
    priority : int
    context : Context
    timeout : float, None or CONTEXT_DEFAULT_TIMEOUT
    """

    def __init__(self, name: str, priority: int, context: Context, timeout: Timeout) -> None:
        self.name = name
        self.priority = priority
        self.context = context
        self._background = context._background
        self._core = context._core.pvs[(name, priority)]
        self._core._front = self
        self._core._timeout = timeout

    # What most PVs never need is made when it is used: it was a third of what it took to make ten thousand of them.
    # `setdefault` is not interrupted, so that many threads get the same one without a lock.
    _subscriptions: WeakValueDictionary[Any, Subscription] | None = None

    def _handler(self, name: str) -> CallbackHandler:
        """Return the one object that stands for the callbacks of that name."""
        known: CallbackHandler | None = self.__dict__.get("_" + name)
        return known or self.__dict__.setdefault("_" + name, CoreCallbackHandler(self, name))

    @property
    def connection_state_callback(self) -> CallbackHandler:
        """The callbacks for changes of the connection, ``f(pv, state)``."""
        return self._handler("connection_state_callback")

    @property
    def access_rights_callback(self) -> CallbackHandler:
        """The callbacks for changes of the access rights, ``f(pv, access_rights)``."""
        return self._handler("access_rights_callback")

    def __repr__(self) -> str:
        return repr(self._core)

    def _repr_html_(self) -> str:
        return self._core._repr_html_()

    # --- properties -------------------------------------------------------------------------------------------------

    @property
    def timeout(self) -> float | None:
        """Effective default timeout.

        Valid values are:

        * CONTEXT_DEFAULT_TIMEOUT (fall back to Context.timeout)
        * a floating-point number
        * None (never timeout)
        """
        return self._core.timeout

    @timeout.setter
    def timeout(self, value: Timeout) -> None:
        self._core.timeout = value

    @property
    def connected(self) -> bool:
        """Whether the channel is open."""
        return self._core.connected

    @property
    def circuit_manager(self) -> VirtualCircuitManager | None:
        """The circuit that serves the PV, or None while there is none."""
        core = self._core.circuit_manager
        return None if core is None else manager_of(core, self.context)

    @property
    def channel(self) -> ClientChannel | None:
        """The channel, with its native data type and count, or None while there is none."""
        return self._core.channel

    @property
    def access_rights(self) -> AccessRights | None:
        """What the server permits, or None while that is not known."""
        return self._core.access_rights

    @property
    def subscriptions(self) -> dict[Any, Subscription]:
        """The subscriptions that are in use, by what was asked for."""
        return dict(self._subscriptions or {})

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger ``caproto.ch``, with this PV's name."""
        return self._core.log

    # --- connecting -------------------------------------------------------------------------------------------------

    def access_rights_changed(self, rights: AccessRights) -> None:
        """Tell the access rights callbacks.

        Parameters
        ----------
        rights : AccessRights
        """
        self._background.call(self._core.access_rights_changed, rights)

    def connection_state_changed(self, state: str, channel: ClientChannel | None) -> None:
        """Tell the connection state callbacks.

        Parameters
        ----------
        state : {'connected', 'disconnected'}
        channel : ClientChannel or None
        """
        self._background.call(self._core.connection_state_changed, state, channel)

    def wait_for_search(self, *, timeout: Timeout = PV_DEFAULT_TIMEOUT) -> None:
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
        self._background.run(self._core.wait_for_search, timeout=timeout)

    def wait_for_connection(self, *, timeout: Timeout = PV_DEFAULT_TIMEOUT) -> None:
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
        if not self._core.connected:
            self._background.run(self._core.wait_for_connection, timeout=timeout)

    def go_idle(self) -> None:
        """Request to clear this Channel to reduce load on client and server.

        A new Channel will be automatically, silently created the next time any method requiring a connection is
        called. Thus, this saves some memory in exchange for making the next request a bit slower, as it has to redo
        the handshake with the server first.

        If there are any subscriptions with callbacks, this request will be ignored. If the PV is in the process of
        connecting, this request will be ignored. If there are any actions in progress (read, write) this request will
        be processed when they are complete.
        """
        self._background.run(self._core.go_idle)

    # --- reading and writing ----------------------------------------------------------------------------------------

    @overload
    def read(
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
    def read(
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
    def read(
        self,
        *,
        wait: bool,
        callback: Callable[[Any], Any] | None = None,
        timeout: Timeout = PV_DEFAULT_TIMEOUT,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool = True,
    ) -> ReadNotifyResponse | ReadResponse | None: ...

    def read(
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
            Called with the response as its argument when received, on a worker thread.
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
        CaprotoRuntimeError
            If it is called on the event loop of the clients, by a coroutine function given as a callback.
        ContextDisconnectedError
        """
        return self._background.request(  # type: ignore[no-any-return]
            start_read, self._core, wait, callback, timeout, data_type, data_count, notify
        )

    @overload
    def write(
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
    def write(
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

    def write(
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
            Called with the WriteNotifyResponse as its argument when received, on a worker thread.
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
        CaprotoRuntimeError
            If it is called on the event loop of the clients, by a coroutine function given as a callback.
        ContextDisconnectedError
        """
        core = self._core
        confirmed = core._wants_confirmation(wait or callback is not None, notify)
        body = None
        if core.connected:
            # Here, not on the loop, which has others to serve while a large array is converted.
            body = core.open_channel.write_body(data, data_type, data_count)
            if not confirmed and post_unconfirmed_write(self._background, core, body):
                return None
        options = {
            "wait": wait,
            "callback": callback,
            "timeout": timeout,
            "notify": confirmed,
            "data_type": data_type,
            "data_count": data_count,
        }
        return self._background.request(  # type: ignore[no-any-return]
            start_write, core, body, data, options
        )

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

        While one that asks for the same is in use, that is returned: its updates travel once.

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
        wish = (data_type, data_count, low, high, to, mask)
        subscriptions = self._subscriptions
        if subscriptions is None:
            subscriptions = self.__dict__.setdefault("_subscriptions", WeakValueDictionary())
        known = subscriptions.get(wish)
        if known is None:
            made = Subscription(self, *wish)
            known = subscriptions.setdefault(wish, made)
        return known

    def unsubscribe_all(self) -> None:
        """Clear all subscriptions: remove all user callbacks from them."""
        self._background.run(self._core.unsubscribe_all)

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
            Seconds to wait for the connection. Default is PV.timeout.

        Returns
        -------
        float

        Raises
        ------
        CaprotoTimeoutError
            If the PV is not connected in time.
        """
        self.wait_for_connection(timeout=timeout)
        return self._background.call(self._core.time_since_last_heard)


def ensure_connected(func: _F) -> _F:
    """Let a function that takes a PV first wait until that is connected.

    Parameters
    ----------
    func : callable
        ``func(pv, *args, timeout=..., **kwargs)``

    Returns
    -------
    callable
        It raises CaprotoTimeoutError if the PV is not connected within `timeout`.
    """

    @functools.wraps(func)
    def connected_first(
        pv: PV, *args: Any, timeout: Timeout = PV_DEFAULT_TIMEOUT, **kwargs: Any
    ) -> Any:
        pv.wait_for_connection(timeout=timeout)
        return func(pv, *args, timeout=timeout, **kwargs)

    return connected_first  # type: ignore[return-value]
