"""Reading from and writing to a pyepics-like PV."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ..._errors import CaprotoTimeoutError, CaprotoValueError
from ..._protocol.enums import ChannelType
from .connection import logger
from .fields import FORMS, fields_of, form_type
from .known import Known
from .values import as_list, as_text, value_to_write

__all__ = ["Requests"]

_READ_TIMEOUT = 5.0
_TIMES = ("timestamp", "posixseconds", "nanoseconds")
_TEXT_NEEDS = {
    ChannelType.ENUM: "enum_strs",
    ChannelType.FLOAT: "precision",
    ChannelType.DOUBLE: "precision",
}


class Requests(Known):
    """A PV that is read and written."""

    _count: int | None = None
    """How many elements to ask for; None for as many as there are."""
    _auto_monitor_sub: Any = None
    """The monitor that brings updates, if there is one."""
    _put_complete: bool | None = None

    # --- reading ----------------------------------------------------------------------------------------------------

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
        if as_string or with_ctrlvars or count is not None:
            data = self.get_with_metadata(
                count, as_string, as_numpy, timeout, with_ctrlvars, use_monitor=use_monitor
            )
            return None if data is None else data["value"]
        # What most want needs no dictionary of all that came along.
        if not self.wait_for_connection(timeout):
            return None
        value = None
        if use_monitor and self._auto_monitor_sub is not None:
            value = self._args["value"]
        if value is None:
            response = self._request(self.form, None, timeout)
            value = None if response is None else self._take_all(response)
        return value if as_numpy else as_list(value)

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
            response = self._request(wanted, count, timeout)
            if response is None:
                return None
            value, fields = self._take(response, full=count is None)
        if count is not None and hasattr(value, "__len__") and not isinstance(value, str):
            value = value[:count]
        if as_string:
            value = self._text_with_labels(value, timeout)
        elif not as_numpy:
            value = as_list(value)
        fields["value"] = value
        return SimpleNamespace(**fields) if as_namespace else fields

    def _request(self, form: str, count: int | None, timeout: float | None) -> Any:
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
            return self._caproto_pv.read(
                data_type=form_type(native, form),
                data_count=wanted or None,
                timeout=_READ_TIMEOUT if timeout is None else timeout,
            )
        except CaprotoTimeoutError as error:
            logger.warning("%s", error)
            return None

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

    def _text_with_labels(self, value: Any, timeout: float | None) -> Any:
        """Return `value` as text, after labels and precision have been asked for."""
        native = self._native or ChannelType.STRING
        needed = _TEXT_NEEDS.get(native)
        if needed and self._args[needed] is None:
            self.get_ctrlvars(timeout=timeout or _READ_TIMEOUT, warn=False)
        return as_text(value, native, self._args)

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
            self._text_with_labels(None, None)
        args = self._args
        return value_to_write(self.pvname, value, native, args["nelm"], args["enum_strs"])
