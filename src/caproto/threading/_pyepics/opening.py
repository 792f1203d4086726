"""The channel behind a pyepics-like PV, which is opened without waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._errors import ContextDisconnectedError
from ..._protocol.enums import AccessRights
from ..._protocol.messages.base import checked_name
from ...asyncio._defaults import CONTEXT_DEFAULT_TIMEOUT
from .. import _pv
from .._context import Context

__all__ = ["Opening"]


class Opening:
    """Makes a PV of the threading client, without waiting until the loop has come to that.

    Programs make PVs by the thousand, one after the other: waiting five times for the loop, for the PV and both
    callbacks, took 0.26 ms for each; this takes 0.02.

    Parameters
    ----------
    context : Context
    name : str
    on_state : callable
        ``f(pv, state)``, on a worker thread.
    on_access : callable
        ``f(pv, rights)``, on a worker thread.

    Raises
    ------
    CaprotoValueError
        If there is no such name.
    ContextDisconnectedError
    """

    def __init__(
        self,
        context: Context,
        name: str,
        on_state: Callable[[Any, str], None],
        on_access: Callable[[Any, AccessRights], None],
    ) -> None:
        checked_name(name)
        if context._core._engine.closed:
            raise ContextDisconnectedError("This Context is no longer usable.")
        self._context = context
        self._callbacks = on_state, on_access
        self._tokens = (-1, -1)
        self._failure: Exception | None = None
        self.pv: _pv.PV | None = None
        """The PV, or None until the loop has come to it."""
        self._name = name

    def begin(self) -> None:
        """Let the loop do it: the callbacks may be called from now on."""
        self._context._background.post_unless_crowded(self._open)

    def _open(self) -> None:
        """Do it, on the loop."""
        on_state, on_access = self._callbacks
        try:
            (pv,) = self._context._make_pvs((self._name,), 0, None, None, CONTEXT_DEFAULT_TIMEOUT)
        except Exception as error:
            self._failure = error
            return
        core = pv._core
        self._tokens = (
            core.connection_state_callback.add_callback(on_state, run=True),
            core.access_rights_callback.add_callback(on_access, run=True),
        )
        self.pv = pv

    def wait(self) -> _pv.PV:
        """Return the PV, waiting for the loop if need be.

        Raises
        ------
        ContextDisconnectedError
            If the Context was disconnected meanwhile.
        CaprotoRuntimeError
            On the loop itself.
        """
        if self.pv is None and self._failure is None:
            self._context._background.call(int)  # what was handed over before it is done then
        if self.pv is None:
            raise self._failure or ContextDisconnectedError("This Context is no longer usable.")
        return self.pv

    def forget(self) -> None:
        """Call back no longer."""
        pv, (state, access) = self.wait(), self._tokens
        pv.connection_state_callback.remove_callback(state)
        pv.access_rights_callback.remove_callback(access)
