"""Subscriptions for asyncio programs."""

from __future__ import annotations

import itertools
import logging
import warnings
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from .._callback_signature import (
    Reference,
    accepts_two_arguments,
    weak_reference,
    with_old_signature,
)
from .._errors import CaprotoTypeError, CaprotoValueError
from .._log import ComposableLogAdapter
from .._protocol.arrays import Buffer
from .._protocol.header import Head
from .._protocol.messages import EventAddRequest, EventAddResponse
from ..client.subscription import Sink, SubscriptionCore
from ._backlog import BACKLOG_HIGH
from ._callbacks import CoroutineQueue, is_coroutine_callback
from ._defaults import PV_DEFAULT_TIMEOUT, Timeout
from ._recipients import Recipients
from ._updates import Mailbox, Updates

if TYPE_CHECKING:
    from ..client.pv import DataType
    from ._pv import PV

__all__ = ["Subscription"]

_logger = logging.getLogger("caproto.ch")


class Subscription(SubscriptionCore):
    """Represents one subscription, specified by a PV and configurational parameters.

    It may fan out to zero, one, or multiple user-registered callback functions.

    This object should never be instantiated directly by user code; rather it should be made by calling the
    ``subscribe()`` method on a PV object.

    Parameters
    ----------
    pv : PV
    data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int, optional
    data_count : int, optional
    low, high, to : float
    mask : SubscriptionType, optional
    """

    __slots__ = (
        "__dict__",
        "__weakref__",
        "_coroutines",
        "_iterators",
        "_plain",
        "_recipients",
        "_tokens",
    )
    pv: PV
    sinks: tuple[Sink, ...]
    work: Callable[[Head, Buffer], Any] | None
    recent: EventAddResponse | None

    def __init__(
        self,
        pv: PV,
        data_type: DataType,
        data_count: int | None,
        low: float,
        high: float,
        to: float,
        mask: int | None,
    ) -> None:
        super().__init__(pv, data_type, data_count, low, high, to, mask)
        self._plain: dict[int, Reference] = {}
        self._recipients: Recipients | None = None
        self._coroutines: dict[int, CoroutineQueue] = {}
        self._iterators: dict[int, Mailbox] = {}
        self._tokens = itertools.count()  # threads may ask for one at the same time

    _front: Any = None

    @property
    def front(self) -> Any:
        """What callbacks get to see: this object, or the one of a blocking client that stands in front of it."""
        return self if self._front is None else self._front

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger ``caproto.ch``, with the PV's name."""
        return ComposableLogAdapter(_logger, {"pv": self.pv.name, "role": "CLIENT"})

    @property
    def callbacks(self) -> dict[int, Any]:
        """What was added and is still alive, by token."""
        return {**self._plain, **self._coroutines, **self._iterators}

    def __repr__(self) -> str:
        return f"<Subscription to {self.pv.name!r}, id={self.subscriptionid}>"

    def _repr_html_(self) -> str:
        from .._html import fields_table, shortened

        recent = self.most_recent_response
        fields: list[tuple[str, object]] = [
            ("id", self.subscriptionid),
            ("type", self.data_type or "native"),
            ("mask", repr(self.mask)),
            ("callbacks", len(self.callbacks)),
            ("dropped", self.dropped),
            ("most recent", "" if recent is None else shortened(recent.value)),
        ]
        return fields_table(f"Subscription to {self.pv.name}", fields)

    # --- adding and removing ----------------------------------------------------------------------------------------

    def add_callback(self, func: Callable[..., Any], *, strong: bool = False) -> int:
        """Add a callback to receive responses.

        The first callback subscribes at the server, and is guaranteed to receive the first response. A later one is
        given the most recent response at once.

        Parameters
        ----------
        func : callable
            Expected signature: ``func(sub, response)``. Coroutine functions are supported: they run on the event loop
            in the order of the updates, while plain functions run on a worker thread of the circuit. If a plain
            function returns something to await, that is awaited on the event loop.

            The signature ``func(response)`` is also supported for backward-compatibility but will issue warnings.
        strong : bool
            Keep `func` alive. By default only a weak reference is held, so that a function that nobody else refers to
            (a lambda, for example) is collected and removed.

        Returns
        -------
        token : int
            Integer token that can be passed to `remove_callback`.

        Raises
        ------
        CaprotoTypeError
            If `func` cannot be called.
        ContextDisconnectedError
        """
        token, reference = self._prepare_callback(func, strong)
        return self._install_callback(func, token, reference)

    def _prepare_callback(
        self, func: Callable[..., Any], strong: bool, stacklevel: int = 4
    ) -> tuple[int, Reference]:
        """Check a callback, in the thread that adds it; return its token and what refers to it."""
        if not callable(func):
            raise CaprotoTypeError(
                f"{func!r} cannot be called: a callback of {self.pv.name!r} is f(sub, response)",
                pv_name=self.pv.name,
            )
        token = self._new_token()
        return token, self._reference(func, token, strong, stacklevel)

    def _install_callback(self, func: Callable[..., Any], token: int, reference: Reference) -> int:
        """Bring a prepared callback into play, on the loop."""
        if is_coroutine_callback(func):
            self._coroutines[token] = CoroutineQueue(
                self.pv.name,
                self._coroutine_call(token, reference),
                reference,
                self.pv.context._tasks,
            )
        else:
            self._plain[token] = reference
        self._added(token)
        return token

    def _add_own(self, func: Callable[[Any, Any], Any]) -> int:
        """Add a plain callback ``f(sub, response)`` of another client, on the loop: its signature is known."""
        token = self._new_token()
        self._plain[token] = lambda: func
        self._added(token)
        return token

    def _new_token(self) -> int:
        return next(self._tokens)

    def _reference(
        self, func: Callable[..., Any], token: int, strong: bool, stacklevel: int
    ) -> Reference:
        """Return what gives the callback as ``f(sub, response)``, or None when it is gone."""
        own = weakref.ref(self)
        loop = self.pv.context._loop

        def on_death(_: Any) -> None:
            # This may run in any thread, at any time, even while the interpreter ends.
            sub = own()
            if sub is not None and not loop.is_closed():
                try:
                    loop.call_soon_threadsafe(sub._discard, token)
                except RuntimeError:
                    pass

        try:
            reference: Reference = (lambda: func) if strong else weak_reference(func, on_death)
        except TypeError:  # some callables cannot be referred to weakly
            reference = lambda: func  # noqa: E731
        if accepts_two_arguments(func):
            return reference
        warnings.warn(
            f"The callback {func!r} takes one argument; since caproto 0.5.0 a callback of a subscription takes two, "
            "(sub, response). The old form will not be supported for ever.",
            DeprecationWarning,
            stacklevel=stacklevel,
        )
        return with_old_signature(reference)

    def _coroutine_call(self, token: int, reference: Reference) -> Callable[[Any], Any]:
        def call(message: Any) -> Any:
            func = reference() if token in self._coroutines else None  # removed meanwhile
            return None if func is None else func(self.front, message)

        return call

    def _added(self, token: int) -> None:
        """Bring a new callback into play."""
        recent = self.most_recent_response
        pv = self.pv
        if pv.subscriptions is None:
            pv.subscriptions = []
        if self not in pv.subscriptions:
            pv.subscriptions.append(self)
        self._build_sinks()
        if self.circuit is not None:
            if recent is not None:
                self._deliver_to(token, recent)
            return
        try:
            pv.engine.activate(pv)
        except Exception:
            self._discard(token)
            raise
        pv.engine.subscribe(self)

    def _discard(self, token: int) -> None:
        """Remove a callback, and the subscription with the last one."""
        for table in (self._plain, self._coroutines, self._iterators):
            table.pop(token, None)
        self._build_sinks()
        if not self.sinks:
            if self.circuit is not None:
                self.circuit.unsubscribe(self)
            self.most_recent_response = None
            if self.pv.subscriptions and self in self.pv.subscriptions:
                self.pv.subscriptions.remove(self)

    async def remove_callback(self, token: int) -> None:
        """Remove callback using token that was returned by `add_callback`.

        With the last callback the subscription ends at the server, too.

        Parameters
        ----------
        token : int
            Token returned by `add_callback`.
        """
        self._discard(token)

    async def clear(self) -> None:
        """Remove all callbacks; iterations over the subscription end."""
        self.closed()
        for token in self.callbacks:
            self._discard(token)

    async def __aenter__(self) -> Subscription:
        """Use the subscription in a block, at whose end all callbacks are removed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.clear()

    # --- delivering -------------------------------------------------------------------------------------------------

    def channel_opened(self) -> None:
        """Get ready for updates: now it is known on which threads callbacks run."""
        self._build_sinks()

    def closed(self) -> None:
        """End the iterations."""
        for mailbox in self._iterators.values():
            mailbox.close()

    def _build_sinks(self) -> None:
        """Make the functions that the engine calls for each update."""
        sinks: list[Sink] = []
        if self._recipients is not None:
            self._recipients.retire()
        recipients = self._recipients = Recipients(self) if self._plain else None
        if recipients is not None:
            sinks.append(self._plain_sink(recipients))
        sinks += [self._queue_sink(queue) for queue in self._coroutines.values()]
        sinks += [mailbox.put for mailbox in self._iterators.values()]
        self.sinks = tuple(sinks)
        recent, pool = self.most_recent_response, self.pv._pool
        if pool is not None and recipients is not None and len(sinks) == 1:
            self.work, self.later = recipients.make_and_process, pool.push
        else:
            self.work = self.later = None
            self.most_recent_response = recent

    def _plain_sink(self, recipients: Recipients) -> Sink:
        pool, process = self.pv._pool, recipients.process
        if pool is None:
            return process
        push = pool.push
        return lambda sub, message: push((process, sub, message))

    def _queue_sink(self, queue: CoroutineQueue) -> Sink:
        def sink(sub: Any, message: EventAddResponse) -> None:
            if queue.push(message, sub.circuit, message.payload_size):
                sub.dropped += 1

        return sink

    def _deliver_to(self, token: int, message: EventAddResponse) -> None:
        """Give `message` to one callback only."""
        if token in self._coroutines:
            self._coroutines[token].push(message)
        elif token in self._iterators:
            self._iterators[token].put(self, message)
        else:
            reference = self._plain[token]

            def job(message: Any) -> Any:
                func = reference() if token in self._plain else None  # removed meanwhile
                return None if func is None else func(self.front, message)

            self.pv._run_plain(job, message, reference)

    def process(self, command: EventAddResponse) -> None:
        """Give an update to all plain callbacks.

        Parameters
        ----------
        command : EventAddResponse
        """
        recipients = self._recipients
        if recipients is not None:
            recipients.process(self, command)

    async def compose_command(self, timeout: Timeout = PV_DEFAULT_TIMEOUT) -> EventAddRequest:
        """Return the request that this subscription sends, once the PV is connected.

        Parameters
        ----------
        timeout : float or None, optional
            Seconds to wait for the connection.
        """
        await self.pv.wait_for_connection(timeout=timeout)
        channel, circuit = self.pv.channel, self.pv.circuit
        assert channel is not None
        assert channel.sid is not None
        assert circuit is not None
        known = self.subscriptionid
        return self.request(
            channel.sid, circuit.protocol.new_subscriptionid() if known is None else known
        )

    # --- iterating --------------------------------------------------------------------------------------------------

    def updates(
        self, *, maxsize: int = BACKLOG_HIGH, policy: Literal["all", "latest"] = "all"
    ) -> Updates:
        """Return an asynchronous iterator over the updates.

        Parameters
        ----------
        maxsize : int
            How many updates may wait for a slow loop body. Beyond that, with the policy ``'all'``, the server is asked
            to hold back (EVENTS_OFF) until they are worked off; it then continues with the newest value.
        policy : {'all', 'latest'}
            ``'latest'`` keeps only the newest update for a slow loop body; `dropped` counts the others.

        Returns
        -------
        Updates
        """
        if policy not in ("all", "latest"):
            raise CaprotoValueError(f"policy={policy!r} must be 'all' or 'latest'")
        if maxsize < 1:
            raise CaprotoValueError(f"maxsize={maxsize} must be at least 1")
        return Updates(self, maxsize, policy == "latest")

    def __aiter__(self) -> Updates:
        """Iterate over the updates; the first one is the most recent value."""
        return self.updates()
