"""Subscriptions for programs with threads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .._protocol.messages import EventAddRequest, EventAddResponse
from ..asyncio._defaults import PV_DEFAULT_TIMEOUT, Timeout
from ._callbacks import CallbackHandler

if TYPE_CHECKING:
    from ..client.pv import DataType
    from ._pv import PV

__all__ = ["Subscription"]


class Subscription(CallbackHandler):
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
        super().__init__(pv)
        self._sub = pv._core.subscribe(data_type, data_count, low, high, to, mask)
        self._sub._front = self

    def __repr__(self) -> str:
        return repr(self._sub)

    def _repr_html_(self) -> str:
        return self._sub._repr_html_()

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """The logger ``caproto.ch``, with the PV's name."""
        return self._sub.log

    @property
    def callbacks(self) -> dict[int, Any]:
        """What was added and is still alive, by token."""
        return self._sub.callbacks

    @property
    def data_type(self) -> DataType:
        """The data type that was asked for."""
        return self._sub.data_type

    @property
    def data_count(self) -> int | None:
        """The number of values that was asked for."""
        return self._sub.data_count

    @property
    def low(self) -> float:
        """Travels, but servers ignore it."""
        return self._sub.low

    @property
    def high(self) -> float:
        """Travels, but servers ignore it."""
        return self._sub.high

    @property
    def to(self) -> float:
        """Travels, but servers ignore it."""
        return self._sub.to

    @property
    def mask(self) -> int:
        """Which changes are of interest."""
        return self._sub.mask

    @property
    def subscriptionid(self) -> int | None:
        """The number of the subscription on its circuit, while there is one."""
        return self._sub.subscriptionid

    @property
    def most_recent_response(self) -> EventAddResponse | None:
        """The last update, which a callback that is added later is given at once."""
        return self._sub.most_recent_response

    def add_callback(  # type: ignore[override]  # as the documentation has it
        self, func: Callable[..., Any], *, strong: bool = False
    ) -> int:
        """Add a callback to receive responses.

        The first callback subscribes at the server, and is guaranteed to receive the first response. A later one is
        given the most recent response at once.

        Parameters
        ----------
        func : callable
            Expected signature: ``func(sub, response)``. It runs on a worker thread, in the order of the updates, and
            may itself read and write.

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
        token, reference = self._sub._prepare_callback(func, strong)
        return self.pv._background.call(self._sub._install_callback, func, token, reference)

    def remove_callback(self, token: int) -> None:
        """Remove callback using token that was returned by `add_callback`.

        With the last callback the subscription ends at the server, too.

        Parameters
        ----------
        token : int
            Token returned by `add_callback`.
        """
        self.pv._background.run(self._sub.remove_callback, token)

    def clear(self) -> None:
        """Remove all callbacks."""
        self.pv._background.run(self._sub.clear)

    def __enter__(self) -> Subscription:
        """Use the subscription in a block, at whose end all callbacks are removed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.clear()

    def process(self, command: EventAddResponse) -> None:
        """Give an update to all callbacks, in this thread.

        Parameters
        ----------
        command : EventAddResponse
        """
        self._sub.process(command)

    def compose_command(self, timeout: Timeout = PV_DEFAULT_TIMEOUT) -> EventAddRequest:
        """Return the request that this subscription sends, once the PV is connected.

        Parameters
        ----------
        timeout : float or None, optional
            Seconds to wait for the connection.
        """
        return self.pv._background.run(self._sub.compose_command, timeout)
