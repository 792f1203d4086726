"""Subscriptions whose callbacks run in the thread that waits for them."""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

from .._callback_signature import adapt_old_callback_signature, weak_reference
from .._errors import CaprotoError, CaprotoTypeError, ContextDisconnectedError
from .._protocol.messages import EventAddResponse
from ..asyncio._backlog import Backlog
from ..asyncio._defaults import GLOBAL_DEFAULT_TIMEOUT
from ..client.pv import DataType
from ..client.subscription import SubscriptionCore
from ._session import Session, monitored_type, session_for

__all__ = ["Subscription", "block", "interrupt"]

# On Windows a thread that waits for a queue does not notice Ctrl-C, so it looks up from time to time.
_ATTENTION = 0.1 if sys.platform == "win32" else float("inf")
_TOLD_OFTEN = 200  # updates after which the loop is told how far a callback is


class Subscription:
    """What to subscribe to, and who is told; see `subscribe`.

    Parameters
    ----------
    pv_name : str
    priority : int
    data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int, optional
        Default is the native one with time.
    data_count : int, optional
    low, high, to : float
    mask : SubscriptionType, optional
    """

    def __init__(
        self,
        pv_name: str,
        priority: int = 0,
        data_type: DataType = None,
        data_count: int | None = None,
        low: float = 0.0,
        high: float = 0.0,
        to: float = 0.0,
        mask: int | None = None,
    ) -> None:
        self.pv_name = pv_name
        self.priority = priority
        self.data_type = data_type
        self.data_count = data_count
        self.low: float = low
        self.high: float = high
        self.to: float = to
        self.mask = mask
        self.callbacks: dict[int, Callable[[], Callable[..., Any] | None]] = {}
        self._next_token = 0
        self._adapted: set[Any] = set()

    def __repr__(self) -> str:
        return f"<Subscription to {self.pv_name!r}>"

    def add_callback(self, func: Callable[..., Any]) -> int:
        """Add a callback, which `block` calls with each update.

        Parameters
        ----------
        func : callable
            Expected signature: ``func(sub, response)``. Only a weak reference is held, so that a function that nobody
            else refers to (a lambda, for example) is collected and removed.

            The signature ``func(response)`` is also supported for backward-compatibility but will issue warnings.

        Returns
        -------
        token : int
            Integer token that can be passed to `remove_callback`.

        Raises
        ------
        CaprotoTypeError
            If `func` cannot be called.
        """
        if not callable(func):
            raise CaprotoTypeError(
                f"{func!r} cannot be called: a callback of {self.pv_name!r} is f(sub, response)",
                pv_name=self.pv_name,
            )
        token, self._next_token = self._next_token, self._next_token + 1
        own = weakref.ref(self)

        def forget(dead: Any) -> None:
            sub = own()
            if sub is not None:
                sub.callbacks.pop(token, None)

        adapted = adapt_old_callback_signature(func, self._adapted)
        try:
            self.callbacks[token] = weak_reference(adapted, forget)
        except TypeError:  # some callables cannot be referred to weakly
            self.callbacks[token] = lambda: adapted
        return token

    def remove_callback(self, token: int) -> None:
        """Remove callback using token that was returned by `add_callback`.

        Parameters
        ----------
        token : int
        """
        self.callbacks.pop(token, None)

    def clear(self) -> None:
        """Remove all callbacks."""
        self.callbacks.clear()

    def process(self, command: EventAddResponse) -> None:
        """Give an update to all callbacks.

        Parameters
        ----------
        command : EventAddResponse
        """
        for reference in list(self.callbacks.values()):
            func = reference()
            if func is not None:
                func(self, command)

    def block(
        self,
        duration: float | None = None,
        timeout: float | None = GLOBAL_DEFAULT_TIMEOUT,
        force_int_enums: bool = False,
        repeater: bool = True,
    ) -> None:
        """Activate the subscription and process incoming responses; see the function `block`."""
        block(
            self,
            duration=duration,
            timeout=timeout,
            force_int_enums=force_int_enums,
            repeater=repeater,
        )

    @staticmethod
    def interrupt() -> None:
        """Signal to `block` to stop blocking. Idempotent."""
        interrupt()


class _Inflow:
    """The updates on their way from the loop to a thread that blocks."""

    def __init__(self, session: Session) -> None:
        self.queue: SimpleQueue[tuple[Subscription, EventAddResponse] | None] = SimpleQueue()
        self._session = session
        self._backlog = Backlog()
        self._cores: list[Any] = []
        self._finished: list[int] = []

    async def connect(self, subscriptions: Sequence[Subscription], timeout: float | None) -> None:
        """Wait until all PVs are connected; the first that is not is an error."""
        pvs = [self._session.pv(sub.pv_name, sub.priority) for sub in subscriptions]
        try:
            errors = await self._session.context.wait_for_connections(*pvs, timeout=timeout)
        finally:
            for pv in pvs:
                self._session.forget_unless_used(pv)
        for error in errors.values():
            if error is not None:
                raise error

    def subscribe(self, sub: Subscription, as_integers: bool) -> None:
        """Let the updates flow; this is for the loop."""
        pv = self._session.pv(sub.pv_name, sub.priority)
        kind = monitored_type(pv, sub.data_type, as_integers)
        core = pv.subscribe(kind, sub.data_count, sub.low, sub.high, sub.to, sub.mask)
        self._cores.append(core)
        if pv.connected:  # tell the caller, not the log, what cannot be had
            pv.open_channel.readable_type(kind)
            pv.open_channel.readable_count(sub.data_count)

        def take(core: SubscriptionCore, response: EventAddResponse) -> None:
            self._backlog.added(response.payload_size, core.circuit)
            self.queue.put((sub, response))

        core.add_callback(take, strong=True)

    def processed(self, nbytes: int, *, last: bool) -> None:
        """Tell the loop now and then how much of the backlog has gone."""
        self._finished.append(nbytes)
        if last or len(self._finished) >= _TOLD_OFTEN:
            finished, self._finished = self._finished, []
            self._session.background.post(self._taken, finished)

    def _taken(self, finished: list[int]) -> None:
        for nbytes in finished:
            self._backlog.taken(nbytes)

    def close(self) -> None:
        """Subscribe no longer; this is for the loop."""
        self._backlog.release()
        for core in self._cores:
            for token in core.callbacks:
                core._discard(token)
            self._session.forget_unless_used(core.pv)


_blocked: set[_Inflow] = set()


def interrupt() -> None:
    """Signal to `block` to stop blocking. Idempotent.

    This obviously cannot be called interactively while blocked; it is for another thread, a callback or a signal
    handler.
    """
    for inflow in list(_blocked):
        inflow.queue.put(None)


def block(
    *subscriptions: Subscription,
    duration: float | None = None,
    timeout: float | None = GLOBAL_DEFAULT_TIMEOUT,
    force_int_enums: bool = False,
    repeater: bool = True,
) -> None:
    """Activate one or more subscriptions and process incoming responses.

    The callbacks run in this thread. What they raise ends the blocking, and is raised here.

    Use Ctrl+C (SIGINT) to escape, or from another thread, call `interrupt`. When a server goes away meanwhile, its PVs
    are searched again, and the updates go on as soon as it is back.

    Parameters
    ----------
    *subscriptions : Subscriptions
        The list of subscriptions.
    duration : float, optional
        How many seconds to run for. Run forever (None) by default.
    timeout : float or None, optional
        Seconds within which all PVs have to be connected at the beginning. Default is 2. If None, wait for ever.
    force_int_enums : boolean, optional
        Retrieve enums as integers. (Default is strings.)
    repeater : boolean, optional
        Spawn a Channel Access Repeater process if the port is available. True default, as the Channel Access spec
        stipulates that well-behaved clients should do this.

    Raises
    ------
    CaprotoTimeoutError
        If a PV is not connected in time; it says how far things went.
    CaprotoValueError, CaprotoTypeError
        If a PV has no such type or count.

    Examples
    --------
    Activate subscription(s) and block while they process updates.

    >>> sub1 = subscribe("simple:A")
    >>> sub2 = subscribe("simple:B")
    >>> block(sub1, sub2, duration=0.5)  # without a duration, until Ctrl+C
    """
    session = session_for(repeater)
    session.users += 1
    inflow = _Inflow(session)
    _blocked.add(inflow)
    try:
        session.background.run(inflow.connect, subscriptions, session.seconds(timeout))
        for sub in subscriptions:
            session.background.call(inflow.subscribe, sub, force_int_enums)
        _process(inflow, None if duration is None else time.monotonic() + duration)
    except KeyboardInterrupt:
        pass  # that is how one gets out
    finally:
        _blocked.discard(inflow)
        session.users -= 1
        with suppress(ContextDisconnectedError):
            session.background.call(inflow.close)


def _process(inflow: _Inflow, deadline: float | None) -> None:
    """Hand updates to callbacks until the time is over or somebody interrupts."""
    take = inflow.queue.get
    while True:
        left = _ATTENTION if deadline is None else min(_ATTENTION, deadline - time.monotonic())
        if left <= 0:
            return
        try:
            item = take(True, None if left == float("inf") else left)
        except Empty:
            continue
        if item is None:
            return
        sub, response = item
        try:
            sub.process(response)
        finally:
            with suppress(CaprotoError):
                inflow.processed(response.payload_size, last=inflow.queue.empty())
        del item, sub, response  # or the last update would live until the next
