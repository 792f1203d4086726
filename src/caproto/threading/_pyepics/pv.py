"""A PV as pyepics has it, over the threading client."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, ClassVar

from ..._errors import (
    CaprotoError,
    CaprotoTimeoutError,
    CaprotoValueError,
    ContextDisconnectedError,
)
from ..._protocol.enums import AccessRights, ChannelType
from .. import _pv
from .._context import Context
from .attributes import Attributes
from .fields import FIELDS, FORMS, fields_of, form_type, time_fields, type_name
from .monitor import AUTOMONITOR_MAXLENGTH, DEFAULT_SUBSCRIPTION_MASK, Monitor
from .opening import Opening
from .values import as_list, as_text, numpy_or_array, value_to_write

__all__ = ["PV"]

logger = logging.getLogger("caproto.ch")
_CONNECTION_TIMEOUT = 2.0
_READ_TIMEOUT = 5.0
_READ, _WRITE = int(AccessRights.READ), int(AccessRights.WRITE)
_ACCESS = ("no access", "read-only", "write-only", "read/write")


class PV(Attributes):
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

    _context: ClassVar[Context | None] = None
    # Re-entrant, because a signal handler may make PVs while its thread does.
    _context_lock: ClassVar[Any] = threading.RLock()

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
        self.pvname: str = pvname.strip()
        self.form = form
        self.verbose = verbose
        self.connection_timeout: float = (
            _CONNECTION_TIMEOUT if connection_timeout is None else connection_timeout
        )
        self.context: Context = PV.default_context() if context is None else context
        if not self.context.max_workers:
            raise CaprotoValueError(
                f"{pvname}: a PV like those of pyepics needs a Context with worker threads, not max_workers=0",
                pv_name=pvname,
            )
        self.callbacks: dict[int, tuple[Callable[..., Any], dict[str, Any]]] = {}
        self.connection_callbacks: list[Callable[..., Any]] = []
        self.access_callbacks: list[Callable[..., Any]] = []
        self._args: dict[str, Any] = dict.fromkeys(FIELDS)
        self._args.update(pvname=self.pvname, type="unknown", typefull="unknown", access="unknown")
        self._args["monitor_delta"] = monitor_delta
        self._count = count or None
        self._lock = threading.RLock()
        self._native: ChannelType | None = None
        self._auto_monitor = auto_monitor
        self._auto_monitor_sub: Any = None
        self._put_complete: bool | None = None
        self._disconnected_for_good = False
        for one in callback if isinstance(callback, list | tuple) else [callback]:
            if callable(one):
                self.callbacks[len(self.callbacks)] = (one, {})
        if connection_callback is not None:
            self.connection_callbacks.append(connection_callback)
        if access_callback is not None:
            self.access_callbacks.append(access_callback)
        self._opening = Opening(self.context, self.pvname, self._on_state, self._on_access)
        self._opening.begin()

    @property
    def _caproto_pv(self) -> _pv.PV:
        """The PV of the threading client."""
        return self._opening.pv or self._opening.wait()

    @classmethod
    def default_context(cls) -> Context:
        """Return the Context that PVs share which are made without one; the process ends it."""
        with PV._context_lock:
            if PV._context is None or PV._context._background.why_ended is not None:
                made = Context()
                if PV._context is None or PV._context._background.why_ended is not None:
                    PV._context = made
                else:  # a signal handler was here meanwhile
                    made.disconnect()
            return PV._context

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

    # --- connecting -------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether there is a server for it now."""
        pv = self._opening.pv
        return (
            pv is not None
            and pv.connected
            and not self._disconnected_for_good
            and self.context._background.why_ended is None
        )

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
        if self._disconnected_for_good:
            return False
        if self.context._background.why_ended is not None:
            raise ContextDisconnectedError(self.context._background.why_ended)
        if not self._caproto_pv.connected:
            seconds = self.connection_timeout if timeout is None else timeout
            try:
                self._caproto_pv.wait_for_connection(timeout=seconds)
            except CaprotoTimeoutError:
                return False
        if self._native is None:
            self._learn()
        elif self._auto_monitor_sub is None and self.auto_monitor:
            self._check_auto_monitor()  # a worker thread may be about to
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
        self._native = None
        self.context.reconnect([(self.pvname, self._caproto_pv.priority)])
        return self.wait_for_connection()

    def force_connect(
        self, pvname: str | None = None, chid: Any = None, conn: bool = True, **kws: Any
    ) -> None:
        """Take note of a change of the connection; there is nothing to force."""
        if conn:
            self.wait_for_connection()

    def poll(self, evt: float = 1e-4, iot: float = 1.0) -> None:
        """Do nothing: changes arrive without being asked for."""

    def _learn(self) -> None:
        """Take note of what is known about a channel that has just opened."""
        channel, core = self._caproto_pv.channel, self._caproto_pv._core
        if channel is None or channel.native_data_type is None or core.address is None:
            return
        with self._lock:
            native = ChannelType(channel.native_data_type)
            kind = form_type(native, self.form)
            self._args.update(
                chid=channel.cid,
                host="{}:{}".format(*core.address),
                nelm=channel.native_data_count,
                ftype=int(kind),
                type=type_name(kind),
                typefull=type_name(kind),
            )
            self._note_access(self._caproto_pv.access_rights)
            self._native = native  # last: who sees it relies on the rest
        self._check_auto_monitor()

    def _on_state(self, pv: Any, state: str) -> None:
        """Take note that the channel opened or closed, on a worker thread."""
        connected = state == "connected"
        if connected:
            self._learn()  # it may be another server, which has another type
            self._set_monitor_delta()
        for callback in list(self.connection_callbacks):
            self._call(callback, pvname=self.pvname, conn=connected, pv=self)

    def _on_access(self, pv: Any, rights: AccessRights) -> None:
        """Take note of what is permitted, on a worker thread."""
        self._note_access(rights)
        for callback in list(self.access_callbacks):
            self._call(callback, self.read_access, self.write_access, pv=self)

    def _note_access(self, rights: AccessRights | None) -> None:
        if rights is None:
            return
        bits = int(rights)  # the operators of enums take ten times as long
        self._args["read_access"] = bool(bits & _READ)
        self._args["write_access"] = bool(bits & _WRITE)
        self._args["access"] = _ACCESS[bits & 3]

    def force_read_access_rights(self) -> None:
        """Look again at what is permitted."""
        self._note_access(self._caproto_pv.access_rights)

    def _call(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        try:
            callback(*args, **kwargs)
        except Exception:
            self._log_failure(callback)

    def _log_failure(self, callback: Callable[..., Any]) -> None:
        logger.exception(  # noqa: LOG004 - called from exception handlers only
            "The callback %r of %r failed", callback, self.pvname
        )

    # --- the monitor ------------------------------------------------------------------------------------------------

    @property
    def auto_monitor(self) -> bool | int | None:
        """Whether the value is kept up to date; may be set, also to a mask of ``DBE_…``."""
        if self._auto_monitor is None and self._args["nelm"] is not None:
            return bool(self._args["nelm"] <= AUTOMONITOR_MAXLENGTH)
        return self._auto_monitor

    @auto_monitor.setter
    def auto_monitor(self, value: bool | int | None) -> None:
        self._auto_monitor = value
        if self._native is not None:
            self._check_auto_monitor()

    @property
    def auto_monitor_mask(self) -> int:
        """Which changes are of interest, of ``DBE_…``."""
        wanted = self._auto_monitor
        if wanted is None or wanted is True or wanted is False:
            return DEFAULT_SUBSCRIPTION_MASK
        return wanted

    def clear_auto_monitor(self) -> None:
        """Keep the value up to date no longer."""
        self.auto_monitor = False

    def _check_auto_monitor(self) -> None:
        """Begin or end the monitor as it is wanted."""
        ended = None
        with self._lock:
            if not self.auto_monitor:
                ended, self._auto_monitor_sub = self._auto_monitor_sub, None
            elif self._auto_monitor_sub is None:
                self._auto_monitor_sub = Monitor(
                    self._caproto_pv,
                    self.form,
                    self._count,
                    self.auto_monitor_mask,
                    self._on_changes,
                )
        if ended is not None:
            ended.clear()

    def _on_changes(self, subscription: Any, response: Any) -> None:
        """Take an update, on a worker thread."""
        if self._native is None:
            self._learn()
        before, delta = self._args["value"], self._args["monitor_delta"]
        value = self._take_all(response)
        if delta is None or not _is_close(before, value, delta):
            callbacks = self.callbacks
            for index in tuple(callbacks) if len(callbacks) < 2 else sorted(callbacks):
                self.run_callback(index)

    @property
    def monitor_delta(self) -> float | None:
        """Smaller changes do not count."""
        return self._args["monitor_delta"]  # type: ignore[no-any-return]

    @monitor_delta.setter
    def monitor_delta(self, value: float | None) -> None:
        self._args["monitor_delta"] = value
        self._set_monitor_delta()

    def _set_monitor_delta(self) -> None:
        """Tell the record; where that is not possible, the changes are left out here."""
        delta = self._args["monitor_delta"]
        if delta is None:
            return
        (field,) = self.context.get_pvs(self.pvname.partition(".")[0] + ".MDEL")
        try:
            field.write(delta, timeout=_PATIENCE)
        except CaprotoError as error:
            logger.debug("MDEL of %r cannot be set: %s", self.pvname, error)

    # --- values -----------------------------------------------------------------------------------------------------

    def _take_all(self, response: Any) -> Any:
        """Take note of a response that has all elements, and return its value."""
        args = self._args
        scalar = response.stamped_scalar() if args["nelm"] == 1 else None
        if scalar is None:
            return self._take(response, full=True)[0]
        # Most are; this takes half of the time.
        status, severity, seconds, nanoseconds, value = scalar
        fields = time_fields(status, severity, seconds, nanoseconds)
        fields["value"] = value
        fields["count"] = 1
        native = self._native or ChannelType.STRING
        fields["char_value"] = as_text(
            value, native, args["type"], args["enum_strs"], args["precision"]
        )
        args.update(fields)
        return value

    def _take(self, response: Any, *, full: bool) -> tuple[Any, dict[str, Any]]:
        """Take note of a response; `full` tells that it has all elements."""
        args = self._args
        value = response.value
        if args["nelm"] != 1 or type(value) not in _SCALARS:
            native = self._native or ChannelType.STRING
            value = numpy_or_array(value, args["nelm"] or 1, native)
        fields = fields_of(response)
        if full:
            more = {"value": value, "count": response.data_count}
            if fields.keys() & _OF_TEXT:
                with self._lock:
                    args.update(fields)  # the text is made by these
            more["char_value"] = self._as_text(value)
            # In one go, which is not interrupted by other threads: no lock is needed, and readers see what belongs
            # together.
            args.update({**fields, **more})
        else:
            args.update(fields)
        return value, fields

    def _as_text(self, value: Any) -> Any:
        args = self._args
        native = self._native or ChannelType.STRING
        return as_text(value, native, args["type"], args["enum_strs"], args["precision"])

    def _text_with_labels(self, value: Any, timeout: float | None) -> Any:
        """Return `value` as text, after labels and precision have been asked for."""
        needed = {
            ChannelType.ENUM: "enum_strs",
            ChannelType.FLOAT: "precision",
            ChannelType.DOUBLE: "precision",
        }.get(self._native or ChannelType.STRING)
        if needed and self._args[needed] is None:
            self.get_ctrlvars(timeout=timeout or _READ_TIMEOUT, warn=False)
        return self._as_text(value)

    def get(
        self,
        count: int | None = None,
        as_string: bool = False,
        as_numpy: bool = True,
        timeout: float | None = None,
        with_ctrlvars: bool = False,
        use_monitor: bool = True,
    ) -> Any:
        """Return the value.

        Parameters
        ----------
        count : int, optional
            At most so many elements.
        as_string : bool
            As a person would read it: the label of an enum, a number as precise as the PV says.
        as_numpy : bool
            An array as a `numpy.ndarray`; otherwise as a list.
        timeout : float, optional
            Seconds; 5 by default.
        with_ctrlvars : bool
            Ask for units, limits and labels, too.
        use_monitor : bool
            Take the value that the monitor brought, if there is one.

        Returns
        -------
        int, float, str, numpy.ndarray, list or None
            None if the PV is not connected, or does not answer in time.
        """
        data = self.get_with_metadata(
            count, as_string, as_numpy, timeout, with_ctrlvars, use_monitor=use_monitor
        )
        return None if data is None else data["value"]

    def get_with_metadata(
        self,
        count: int | None = None,
        as_string: bool = False,
        as_numpy: bool = True,
        timeout: float | None = None,
        with_ctrlvars: bool = False,
        form: str | None = None,
        use_monitor: bool = True,
        as_namespace: bool = False,
    ) -> Any:
        """Return the value, and what came along, in a dictionary.

        Parameters
        ----------
        count, as_string, as_numpy, timeout, with_ctrlvars, use_monitor
            As for `get`.
        form : {'time', 'ctrl', 'native'}, optional
            What is to come along; that of the PV by default. Another one is asked for at the server.
        as_namespace : bool
            Return a `types.SimpleNamespace` instead.

        Returns
        -------
        dict, SimpleNamespace or None
        """
        if not self.wait_for_connection(timeout):
            return None
        wanted = self.form if form is None else form
        if with_ctrlvars:
            self.get_ctrlvars(timeout=timeout or _READ_TIMEOUT, warn=False)
        if self._auto_monitor_sub is None or self._args["value"] is None:
            use_monitor = False
        if use_monitor and wanted == self.form:
            fields = self._args.copy()
            value = fields["value"]
        else:
            answer = self._read(wanted, count, timeout)
            if answer is None:
                return None
            value, fields = answer
        if count is not None and hasattr(value, "__len__") and not isinstance(value, str):
            value = value[:count]
        if as_string:
            value = self._text_with_labels(value, timeout)
        elif not as_numpy:
            value = as_list(value)
        fields["value"] = value
        return SimpleNamespace(**fields) if as_namespace else fields

    def _read(
        self, form: str, count: int | None, timeout: float | None
    ) -> tuple[Any, dict[str, Any]] | None:
        """Ask the server for the value; None if it does not answer in time."""
        if form not in FORMS:
            raise CaprotoValueError(
                f"{self.pvname}: form={form!r} must be 'time', 'ctrl' or 'native'",
                pv_name=self.pvname,
            )
        native = self._native
        if native is None:
            return None
        wanted = self._count if count is None else min(count, self._args["nelm"])
        try:
            response = self._caproto_pv.read(
                data_type=form_type(native, form),
                data_count=wanted or None,
                timeout=_READ_TIMEOUT if timeout is None else timeout,
            )
        except CaprotoTimeoutError as error:
            logger.warning("%s", error)
            return None
        return self._take(response, full=count is None)

    @property
    def value(self) -> Any:
        """The value; setting it writes without waiting."""
        return self.get()

    @value.setter
    def value(self, value: Any) -> None:
        self.put(value)

    @property
    def char_value(self) -> Any:
        """The value as a person would read it."""
        return self.get(as_string=True)

    def get_ctrlvars(self, timeout: float = 5, warn: bool = True) -> dict[str, Any] | None:
        """Return units, limits, precision or labels, and alarm, by name.

        Parameters
        ----------
        timeout : float
            Seconds.
        warn : bool
            Log a warning if the server does not answer in time.

        Returns
        -------
        dict or None
        """
        return self._vars("ctrl", timeout, warn)

    def get_timevars(self, timeout: float = 5, warn: bool = True) -> dict[str, Any] | None:
        """Return time and alarm, by name; the parameters are those of `get_ctrlvars`."""
        return self._vars("time", timeout, warn)

    def _vars(self, form: str, timeout: float, warn: bool) -> dict[str, Any] | None:
        if not self.wait_for_connection() or self._native is None:
            return None
        try:
            response = self._caproto_pv.read(
                data_type=form_type(self._native, form), data_count=1, timeout=timeout
            )
        except CaprotoTimeoutError as error:
            if warn:
                logger.warning("%s", error)
            return None
        fields = fields_of(response)
        if form == "ctrl":  # a string has its time instead
            fields = {name: item for name, item in fields.items() if name not in _TIMES}
        with self._lock:
            self._args.update(fields)
        return fields

    # --- writing ----------------------------------------------------------------------------------------------------

    @property
    def put_complete(self) -> bool | None:
        """Whether the last write with `use_complete` has been confirmed; None if there was none."""
        return self._put_complete

    def put(
        self,
        value: Any,
        wait: bool = False,
        timeout: float | None = 30.0,
        use_complete: bool = False,
        callback: Callable[..., Any] | None = None,
        callback_data: Any = None,
    ) -> int | None:
        """Write a value.

        Parameters
        ----------
        value : int, float, str or sequence of these
            Of an enum the number or the label; text for an array of characters.
        wait : bool
            Wait until the server has confirmed that it is done.
        timeout : float or None
            Seconds to wait.
        use_complete : bool
            Let `put_complete` tell when it is done.
        callback : callable, optional
            ``f(pvname=..., data=callback_data)``, called when it is done.
        callback_data : object

        Returns
        -------
        int or None
            1 if all went well, -1 if it was not confirmed in time, None if the PV is not connected.

        Raises
        ------
        CaprotoValueError, CaprotoTypeError
            If the PV cannot have that value.
        CAStatusError
            If the server refuses it.
        """
        if not self.wait_for_connection() or self._native is None:
            return None
        data = self._to_write(value)

        def done(response: Any) -> None:
            self._put_complete = True
            if callback is not None:
                self._call(callback, pvname=self.pvname, data=callback_data)

        confirmed = use_complete or callback is not None
        if confirmed:
            self._put_complete = False
        try:
            self._caproto_pv.write(
                data, wait=wait, callback=done if confirmed else None, timeout=timeout
            )
        except CaprotoTimeoutError as error:
            logger.warning("%s", error)
            return -1
        return 1

    def _to_write(self, value: Any) -> Any:
        """Return what to send for `value`, of a connected PV."""
        native = self._native or ChannelType.STRING
        if native is ChannelType.ENUM and isinstance(value, str | bytes):
            self._getarg("enum_strs")
        return value_to_write(
            self.pvname, value, native, self._args["nelm"], self._args["enum_strs"]
        )

    # --- callbacks --------------------------------------------------------------------------------------------------

    def add_callback(
        self,
        callback: Callable[..., Any] | None = None,
        index: int | None = None,
        run_now: bool = False,
        with_ctrlvars: bool = True,
        **kw: Any,
    ) -> int | None:
        """Add a callback for changes of the value.

        Parameters
        ----------
        callback : callable
            ``f(pvname=..., value=..., char_value=..., cb_info=(index, pv), **more)``, called on a worker thread.
        index : int, optional
            By which it can be removed; a new one by default.
        run_now : bool
            Call it now, in this thread, too.
        with_ctrlvars : bool
            Ask for units, limits and labels first.
        **kw
            Handed to the callback.

        Returns
        -------
        int or None
            The index; None if `callback` cannot be called.
        """
        if not callable(callback):
            return None
        with self._lock:
            if index is None:
                index = max(self.callbacks, default=-1) + 1
            self.callbacks[index] = (callback, kw)
        if with_ctrlvars and self.connected:
            self.get_ctrlvars(warn=False)
        if run_now:
            self.get(as_string=True)
            if self.connected:
                self.run_callback(index)
        return index

    def remove_callback(self, index: int | None = None) -> None:
        """Remove the callback with that index, or the only one there is."""
        with self._lock:
            if index is None and len(self.callbacks) == 1:
                index = next(iter(self.callbacks))
            self.callbacks.pop(index, None)  # type: ignore[arg-type]

    def clear_callbacks(
        self, with_access_callback: bool = False, with_connect_callback: bool = False
    ) -> None:
        """Remove all callbacks for changes of the value, and of other events if asked to."""
        with self._lock:
            self.callbacks.clear()
        if with_access_callback:
            self.access_callbacks.clear()
        if with_connect_callback:
            self.connection_callbacks.clear()

    def run_callbacks(self) -> None:
        """Call all callbacks with the present value, in this thread."""
        for index in sorted(self.callbacks):
            self.run_callback(index)

    def run_callback(self, index: int) -> None:
        """Call one callback with the present value, in this thread."""
        found = self.callbacks.get(index)
        if found is None:
            return
        callback, more = found
        keywords = self._args.copy()
        if more:
            keywords.update(more)
        keywords["cb_info"] = (index, self)
        try:
            callback(**keywords)
        except Exception:
            self._log_failure(callback)

    # --- the end ----------------------------------------------------------------------------------------------------

    def disconnect(self, deepclean: bool = True) -> None:
        """Remove all callbacks and end the monitor; this object cannot be used any more.

        Parameters
        ----------
        deepclean : bool
            Not used: the channel is left to other PVs of that name.
        """
        self.clear_callbacks(with_access_callback=True, with_connect_callback=True)
        if self.context._background.why_ended is None:
            self.clear_auto_monitor()
            self._opening.forget()
        self._disconnected_for_good = True


_PATIENCE = 1.0
_SCALARS = frozenset({float, int, str})
_OF_TEXT = frozenset({"precision", "enum_strs"})
_TIMES = ("timestamp", "posixseconds", "nanoseconds")


def _is_close(before: Any, now: Any, delta: float) -> bool:
    """Whether a number has changed by less than `delta`."""
    if not isinstance(before, int | float) or not isinstance(now, int | float):
        return False
    return abs(now - before) < delta


def _after_fork_in_child() -> None:
    """Let the child make its own Context: another thread may have held the lock."""
    PV._context_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
