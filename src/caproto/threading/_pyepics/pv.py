"""A PV as pyepics has it, over the threading client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..._errors import CaprotoValueError
from .._context import Context
from .callbacks import Callbacks
from .contexts import default_context
from .fields import FORMS
from .monitor import Monitored

__all__ = ["PV"]

_CONNECTION_TIMEOUT = 2.0


class PV(Monitored):
    """A PV as pyepics has it.

    Parameters
    ----------
    pvname : str
    callback : callable or list of callables, optional
        ``f(pvname=..., value=..., char_value=..., **more)``, called on a worker thread for each change.
    form : {'time', 'ctrl', 'native'}
        What comes along with each value.
    verbose : bool
        Not used.
    auto_monitor : bool, int or None
        Whether to keep the value up to date: None for arrays of up to 65,536 elements; True, or a mask of ``DBE_…``.
    count : int, optional
        How many elements to ask for; None for as many as there are.
    connection_callback : callable, optional
        ``f(pvname=..., conn=..., pv=...)``
    connection_timeout : float, optional
        Seconds, 2 by default.
    access_callback : callable, optional
        ``f(read_access, write_access, pv=...)``
    monitor_delta : float, optional
        Smaller changes do not count: written to the record's ``MDEL`` where that is permitted, and minded here.
    context : caproto.threading.client.Context, optional
        One that the PVs of a process share is the default.
    """

    def __init__(
        self,
        pvname: str,
        callback: Any = None,
        form: str = "time",
        verbose: bool = False,
        auto_monitor: bool | int | None = None,
        count: int | None = None,
        connection_callback: Callable[..., Any] | None = None,
        connection_timeout: float | None = None,
        access_callback: Callable[..., Any] | None = None,
        monitor_delta: float | None = None,
        *,
        context: Context | None = None,
    ) -> None:
        if form not in FORMS:
            raise CaprotoValueError(
                f"{pvname}: form={form!r} must be 'time', 'ctrl' or 'native'", pv_name=pvname
            )
        super().__init__(
            pvname,
            default_context() if context is None else context,
            _CONNECTION_TIMEOUT if connection_timeout is None else connection_timeout,
            form,
            monitor_delta,
        )
        self.verbose = verbose
        if callback is not None:
            several = callback if isinstance(callback, list | tuple) else [callback]
            self.callbacks.update(enumerate((one, {}) for one in several if callable(one)))
        if connection_callback is not None:
            self.connection_callbacks.append(connection_callback)
        if access_callback is not None:
            self.access_callbacks.append(access_callback)
        if auto_monitor is not None:
            self._auto_monitor = auto_monitor
        if count:
            self._count = count
        self._begin()

    @classmethod
    def default_context(cls) -> Context:
        """Return the Context that PVs share which are made without one; the process ends it."""
        return default_context()

    def __repr__(self) -> str:
        if not self.connected:
            return f"<PV {self.pvname!r}: not connected>"
        args = self._args
        count = args["nelm"] if args["count"] is None else args["count"]
        shown = f"{count}" if args["nelm"] == 1 else f"{count}/{args['nelm']}"
        return f"<PV {self.pvname!r}, count={shown}, type={args['type']}, access={args['access']}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PV):
            return NotImplemented
        return (self.pvname, self.form) == (
            other.pvname,
            other.form,
        ) and self.context is other.context

    def __hash__(self) -> int:
        return hash((self.pvname, self.form))

    def disconnect(self, deepclean: bool = True) -> None:
        """Remove all callbacks and end the monitor; this object cannot be used any more.

        Parameters
        ----------
        deepclean : bool
            Not used: the channel is left to other PVs of that name.
        """
        # Subclasses, as that of ophyd, have a `clear_callbacks` with other parameters.
        Callbacks.clear_callbacks(self, with_access_callback=True, with_connect_callback=True)
        self._disconnected_for_good = True
        if self.context._background.why_ended is None:
            self.context._background.call(self._end)

    def _end(self) -> None:
        """Let go of the channel, on the loop."""
        self._auto_monitor = False
        self._adjust_monitor()
        self._forget()
