"""What is known about a pyepics-like PV, by pyepics' names."""

from __future__ import annotations

import threading
from typing import Any

from ..._protocol.channel import ClientChannel
from ..._protocol.dbr import NATIVE_TYPES
from ..._protocol.enums import AccessRights, ChannelType
from .._context import Context
from .connection import Connection
from .fields import FIELDS, access_fields, fields_of, form_type, type_name, update_fields
from .values import as_text, numpy_or_array

__all__ = ["Known"]

_SCALARS = frozenset({float, int, str})
_OF_TEXT = frozenset({"precision", "enum_strs"})


class Known(Connection):
    """A PV, and what its channel and its responses have told about it.

    An update of the monitor is only kept; what it says is found out when somebody asks. So one that nobody looks at
    takes 0.6 us instead of 2.8, and one for a callback that names value and time 2.4 instead of 5.9; where all is
    looked at, it is 6.6 instead of 5.9 (``bench_pyepics.py``, on a busy machine).

    Parameters
    ----------
    pvname, context, connection_timeout
        As for `Connection`.
    form : {'time', 'ctrl', 'native'}
    monitor_delta : float or None
    """

    _facts: dict[str, Any] | None = None
    _channel: ClientChannel | None = None
    """The channel that the facts are about."""
    _rights: AccessRights | None = None
    """The access rights that they tell."""
    _newest: Any = None
    """The last update of the monitor."""
    _settled: Any = None
    """The last one that the facts have."""

    def __init__(
        self,
        pvname: str,
        context: Context,
        connection_timeout: float,
        form: str,
        monitor_delta: float | None,
    ) -> None:
        super().__init__(pvname, context, connection_timeout)
        self.form: str = form
        self._monitor_delta = monitor_delta
        self._lock = threading.RLock()

    @property
    def _native(self) -> ChannelType | None:
        """The type of the channel, or None while there is none."""
        channel = None if self._front is None else self._front._core.channel
        if channel is None or channel.native_data_type is None:
            return None
        return ChannelType(channel.native_data_type)

    @property
    def _nelm(self) -> int | None:
        """How many elements the channel has, or had, without a look at anything else; None before there was one."""
        channel = None if self._front is None else self._front._core.channel
        if channel is not None and channel.native_data_count is not None:
            return channel.native_data_count
        return None if self._facts is None else self._facts["nelm"]

    @property
    def _args(self) -> dict[str, Any]:
        front, facts = self._front, self._facts
        if (
            facts is None
            or front is None
            or front._core.channel is not self._channel
            or front._core.access_rights is not self._rights
        ):
            facts = self._learn()
        if self._newest is not self._settled:
            self._settle(facts)
        return facts

    def _learn(self) -> dict[str, Any]:
        """Take note of the channel: it may be another one, of another server, which has another type."""
        with self._lock:
            facts = self._facts
            if facts is None:
                facts = self._facts = dict.fromkeys(FIELDS)
                facts.update(
                    pvname=self.pvname,
                    type="unknown",
                    typefull="unknown",
                    access="unknown",
                    monitor_delta=self._monitor_delta,
                )
            if self._front is None:
                return facts
            core = self._front._core
            channel, rights = core.channel, core.access_rights
            if (
                channel is not None
                and channel is not self._channel
                and channel.native_data_type is not None
                and core.address is not None
            ):
                kind = form_type(ChannelType(channel.native_data_type), self.form)
                facts.update(
                    chid=channel.cid,
                    host="{}:{}".format(*core.address),
                    nelm=channel.native_data_count,
                    ftype=int(kind),
                    type=type_name(kind),
                    typefull=type_name(kind),
                )
                self._channel = channel
            if rights is not None and rights is not self._rights:
                facts.update(access_fields(rights))
                self._rights = rights
            return facts

    def _settle(self, facts: dict[str, Any]) -> None:
        """Find out what the newest update says."""
        with self._lock:
            newest = self._newest
            if newest is not self._settled:
                try:
                    self._note(facts, newest)
                finally:  # not before: without the lock it must not look as if it had been done
                    self._settled = newest

    # --- responses --------------------------------------------------------------------------------------------------

    def _take_all(self, response: Any) -> Any:
        """Take note of a response that has all elements, and return its value."""
        self._newest = response
        scalar = response.stamped_scalar() if self._nelm == 1 else None
        return self._args["value"] if scalar is None else scalar[-1]

    def _take(self, response: Any, *, full: bool) -> tuple[Any, dict[str, Any]]:
        """Take note of a response, of which `full` tells that it has all elements; return the value, and what came along."""
        with self._lock:
            facts = self._args  # updates that came before have their turn before
            fields = fields_of(response)
            if full:
                return self._note_any(facts, response, fields), fields
            facts.update(fields)
            return self._value_of(facts, response), fields

    def _note(self, facts: dict[str, Any], response: Any) -> Any:
        scalar = response.stamped_scalar() if facts["nelm"] == 1 else None
        if scalar is None:
            return self._note_any(facts, response, fields_of(response))
        # Most are; this takes half of the time.
        fields = update_fields(*scalar)
        value = fields["value"]
        # Of its own type: an old update may be of another one than the channel is now.
        fields["char_value"] = as_text(value, NATIVE_TYPES[response._head[2]], facts)
        facts.update(fields)
        return value

    def _note_any(self, facts: dict[str, Any], response: Any, fields: dict[str, Any]) -> Any:
        value = self._value_of(facts, response)
        if fields.keys() & _OF_TEXT:
            facts.update(fields)  # the text is made by these
        # In one go, which is not interrupted by other threads: readers see what belongs together.
        facts.update(
            {
                **fields,
                "value": value,
                "count": response.data_count,
                "char_value": as_text(value, NATIVE_TYPES[response._head[2]], facts),
            }
        )
        return value

    @staticmethod
    def _value_of(facts: dict[str, Any], response: Any) -> Any:
        value = response.value
        if facts["nelm"] == 1 and type(value) in _SCALARS:
            return value
        return numpy_or_array(value, facts["nelm"] or 1, NATIVE_TYPES[response._head[2]])
