"""The channel behind a pyepics-like PV: how it is opened, waited for, and watched."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..._background import stay_if_program_ends
from ..._errors import CaprotoTimeoutError, CaprotoValueError, ContextDisconnectedError
from ..._protocol.enums import AccessRights
from ..._protocol.messages.base import checked_name
from ...client.pv import PVState
from .. import _pv
from .._context import Context
from .fields import access_fields

__all__ = ["Connection", "logger"]

logger = logging.getLogger("caproto.ch")
_CONNECTED = PVState.CONNECTED


class Connection:
    """A PV, as far as it is connected or not.

    Programs make PVs by the thousand, one after the other. So making one waits for nothing: the loop opens the channel
    when it comes to that. And the loop itself takes note of changes; a worker thread is only woken where a callback of
    the program has to be called (``bench_pyepics.py``).

    Parameters
    ----------
    pvname : str
    context : Context
    connection_timeout : float
        Seconds.

    Raises
    ------
    CaprotoValueError
        If there is no such name, or if the Context has no worker threads.
    ContextDisconnectedError
    """

    # What most PVs never change is here and not in each of them.
    _front: _pv.PV | None = None
    """The PV of the threading client, or None until the loop has come to it."""
    _failure: Exception | None = None
    _disconnected_for_good = False

    def __init__(self, pvname: str, context: Context, connection_timeout: float) -> None:
        self.pvname: str = pvname.strip()
        checked_name(self.pvname)
        self.context: Context = context
        self.connection_timeout: float = connection_timeout
        self.callbacks: dict[int, tuple[Callable[..., Any], dict[str, Any]]] = {}
        """Those for changes of the value, each with what it is given beside pyepics' keywords."""
        self.connection_callbacks: list[Callable[..., Any]] = []
        self.access_callbacks: list[Callable[..., Any]] = []
        if not context.max_workers:
            raise CaprotoValueError(
                f"{pvname}: a PV like those of pyepics needs a Context with worker threads, not max_workers=0",
                pv_name=pvname,
            )
        if context._core._engine.closed:
            raise ContextDisconnectedError("This Context is no longer usable.")

    # --- on the loop ------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Let the loop open the channel: callbacks may be called from now on."""
        self.context._background.post_unless_crowded(self._open)

    def _open(self) -> None:
        try:
            self._front = front = self.context._make_pv(self.pvname)
        except Exception as error:
            self._failure = error
            return
        core = front._core
        core.observers = (*core.observers, self)
        if core.access_rights is not None:
            self.on_access(core.access_rights)
        if core.state is _CONNECTED:
            self.on_state("connected")

    def on_state(self, state: str) -> None:
        """Take note that the channel opened or closed."""
        if self.connection_callbacks:
            self._hand_over(self._tell_state, state == "connected")

    def on_access(self, rights: AccessRights) -> None:
        """Take note of what is permitted."""
        if self.access_callbacks:
            self._hand_over(self._tell_access, rights)

    def _hand_over(self, job: Callable[[Any], Any], argument: Any) -> None:
        """Let a worker thread do something, behind the updates that came before."""
        assert self._front is not None
        self._front._core._run_plain(job, argument, job)

    def _forget(self) -> None:
        """Watch the channel no longer."""
        if self._front is not None:
            core = self._front._core
            core.observers = tuple(one for one in core.observers if one is not self)

    # --- on a worker thread -----------------------------------------------------------------------------------------

    def _tell_state(self, connected: bool) -> None:
        for callback in list(self.connection_callbacks):
            self._call(callback, pvname=self.pvname, conn=connected, pv=self)

    def _tell_access(self, rights: AccessRights) -> None:
        permitted = access_fields(rights)
        for callback in list(self.access_callbacks):
            self._call(callback, permitted["read_access"], permitted["write_access"], pv=self)

    def _call(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        try:
            callback(*args, **kwargs)
        except BaseException:  # also `sys.exit()`, which is nothing for a thread that others need
            self._log_failure(callback)

    def _log_failure(self, callback: Callable[..., Any]) -> None:
        logger.exception(  # noqa: LOG004 - called from exception handlers only
            "The callback %r of %r failed", callback, self.pvname
        )

    # --- for programs -----------------------------------------------------------------------------------------------

    @property
    def _caproto_pv(self) -> _pv.PV:
        """The PV of the threading client, for which the loop is waited for if need be.

        Raises
        ------
        ContextDisconnectedError
            If the Context was disconnected meanwhile.
        CaprotoRuntimeError
            On the loop itself.
        """
        if self._front is None and self._failure is None:
            self.context._background.call(int)  # what was handed over before it is done then
        if self._front is None:
            raise self._failure or ContextDisconnectedError("This Context is no longer usable.")
        return self._front

    @property
    def connected(self) -> bool:
        """Whether there is a server for it now."""
        front = self._front
        return (
            front is not None
            and front._core.state is _CONNECTED
            and not self._disconnected_for_good
            and self.context._background.why_ended is None
        )

    @property
    def chid(self) -> int | None:
        """The number of the channel on its circuit, or None before there was one."""
        return self._args["chid"]  # type: ignore[no-any-return]

    def wait_for_connection(self, timeout: float | None = None) -> bool:
        """Wait until it is connected.

        Parameters
        ----------
        timeout : float, optional
            Seconds; by default the `connection_timeout` of the PV.

        Returns
        -------
        bool
            Whether it is; that it is not in time raises nothing.

        Raises
        ------
        ContextDisconnectedError
            If it never will be: its Context was disconnected, or belongs to the parent of this process.
        """
        if not self.connected:
            if self._disconnected_for_good:
                return False
            if self.context._background.why_ended is not None:
                stay_if_program_ends()
                raise ContextDisconnectedError(self.context._background.why_ended)
            seconds = self.connection_timeout if timeout is None else timeout
            try:
                self._caproto_pv.wait_for_connection(timeout=seconds)
            except CaprotoTimeoutError:
                return False
        self._ready()
        return True

    def connect(self, timeout: float | None = None) -> bool:
        """Do the same as `wait_for_connection`."""
        return self.wait_for_connection(timeout)

    def reconnect(self) -> bool:
        """Give up the channel and search again.

        Returns
        -------
        bool
            Whether it is connected now.
        """
        self.context.reconnect([(self.pvname, self._caproto_pv.priority)])
        return self.wait_for_connection()

    def force_connect(
        self, pvname: str | None = None, chid: Any = None, conn: bool = True, **kws: Any
    ) -> None:
        """Take note of a change of the connection; there is nothing to force."""
        if conn:
            self.wait_for_connection()

    def force_read_access_rights(self) -> None:
        """Look again at what is permitted; that is done whenever somebody asks."""

    def poll(self, evt: float = 1e-4, iot: float = 1.0) -> None:
        """Do nothing: changes arrive without being asked for."""

    # --- what is built on it ----------------------------------------------------------------------------------------

    def _ready(self) -> None:
        """Make sure, in a thread that has seen the connection, of what the loop may only be about to do."""

    @property
    def _args(self) -> dict[str, Any]:
        """Everything that is known, by pyepics' names."""
        raise NotImplementedError
