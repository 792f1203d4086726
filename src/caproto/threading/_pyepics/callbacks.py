"""The callbacks for changes of the value of a pyepics-like PV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .attributes import Attributes
from .fields import Maker, maker_of
from .named import named_keywords

__all__ = ["Callbacks"]

Entry = tuple[Callable[..., Any], dict[str, Any]]
"""A callback, and what it is given beside pyepics' keywords."""


class _Plan(NamedTuple):
    """What one callback is given."""

    entry: Entry
    names: tuple[str, ...] | None
    """The keywords that it can tell from all of them; None for all."""
    make: Maker | None
    """Makes these of an update of a number, if that has all of them."""


class Callbacks(Attributes):
    """A PV whose updates are told to functions."""

    _plans: dict[int, _Plan] | None = None

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
                index = max(self.callbacks, default=0) + 1  # as in pyepics
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
        entry = self.callbacks.get(index)
        if entry is not None:
            self._run(index, entry, None)

    def _run_all(self, response: Any) -> None:
        """Call all callbacks with the update that has just come, on a worker thread."""
        callbacks = self.callbacks
        for index in tuple(callbacks) if len(callbacks) < 2 else sorted(callbacks):
            entry = callbacks.get(index)
            if entry is not None:
                try:
                    self._run(index, entry, response)
                except BaseException:  # also `sys.exit()`: others need this thread
                    self._log_failure(entry[0])

    def _run(self, index: int, entry: Entry, response: Any) -> None:
        """Call one callback."""
        callback, more = entry
        plans = self._plans
        plan = None if plans is None else plans.get(index)
        if plan is None or plan.entry is not entry:
            plan = self._make_plan(index, entry)
        try:
            make, scalar = plan.make, None
            if make is not None and response is not None:
                scalar = response.stamped_scalar() if self._nelm == 1 else None
            if make is not None and scalar is not None:
                callback(**make(*scalar))
            elif plan.names is None and not more:
                callback(**self._args, cb_info=(index, self))
            else:
                keywords = {**self._args, **more, "cb_info": (index, self)}
                if plan.names is not None:
                    keywords = {name: keywords[name] for name in plan.names if name in keywords}
                callback(**keywords)
        except Exception:
            self._log_failure(callback)

    def _make_plan(self, index: int, entry: Entry) -> _Plan:
        callback, more = entry
        names = named_keywords(callback)
        make = None if names is None or more else maker_of(names)
        if self._plans is None:
            self._plans = {}
        plan = self._plans[index] = _Plan(entry, names, make)
        return plan
