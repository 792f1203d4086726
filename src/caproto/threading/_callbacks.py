"""The callbacks for one kind of event of a PV."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..asyncio._callbacks import CallbackHandler as AsyncCallbackHandler
    from ._pv import PV

__all__ = ["CallbackHandler"]


class CallbackHandler:
    """The callbacks for one kind of event of a PV.

    Parameters
    ----------
    pv : PV
    """

    def __init__(self, pv: PV) -> None:
        self.pv = pv
        self._core: AsyncCallbackHandler | None = None

    def _handler(self) -> AsyncCallbackHandler:
        """Return the handler of the client that does the work."""
        if self._core is None:
            from ..asyncio._callbacks import CallbackHandler as AsyncCallbackHandler

            self._core = AsyncCallbackHandler(self.pv._core)
        return self._core

    @property
    def callbacks(self) -> dict[int, Any]:
        """What was added, by token."""
        return dict(self._handler().callbacks)

    def add_callback(self, func: Callable[..., Any], run: bool = False) -> int:
        """Add a callback.

        Parameters
        ----------
        func : callable
            Plain functions run on a worker thread; coroutine functions on the event loop of the clients, where
            nothing may block.
        run : bool
            Call it at once with the last event, if there was one.

        Returns
        -------
        token : int
            For `remove_callback`.
        """
        return self.pv._background.call(self._handler().add_callback, func, run)

    def remove_callback(self, token: int) -> None:
        """Remove the callback with that token, if it is there.

        Parameters
        ----------
        token : int
        """
        self.pv._background.call(self._handler().remove_callback, token)

    def process(self, *args: Any, **kwargs: Any) -> None:
        """Tell all callbacks."""
        self.pv._background.call(self._handler().process, *args)


class CoreCallbackHandler(CallbackHandler):
    """The callbacks that the client itself calls.

    Parameters
    ----------
    pv : PV
    name : str
        Of the attribute of the PV of the asyncio client.
    """

    def __init__(self, pv: PV, name: str) -> None:
        super().__init__(pv)
        self._name = name

    def _handler(self) -> AsyncCallbackHandler:
        if self._core is None:
            self._core = self.pv._background.call(getattr, self.pv._core, self._name)
        return self._core
