"""The data objects behind `pvproperty`: `ChannelData` with the handlers of a group."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .._errors import CaprotoAttributeError
from .._protocol.enums import AccessRights
from .data import (
    ChannelByte,
    ChannelChar,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelFloat,
    ChannelInteger,
    ChannelShort,
    ChannelString,
)
from .data.overriding import plain

if TYPE_CHECKING:
    from .group import PVGroup
    from .pvspec import PVSpec

__all__ = [
    "PvpropertyBoolEnum",
    "PvpropertyBoolEnumRO",
    "PvpropertyByte",
    "PvpropertyByteRO",
    "PvpropertyChar",
    "PvpropertyCharRO",
    "PvpropertyData",
    "PvpropertyDouble",
    "PvpropertyDoubleRO",
    "PvpropertyEnum",
    "PvpropertyEnumRO",
    "PvpropertyFloat",
    "PvpropertyFloatRO",
    "PvpropertyInteger",
    "PvpropertyIntegerRO",
    "PvpropertyReadOnlyData",
    "PvpropertyShort",
    "PvpropertyShortRO",
    "PvpropertyString",
    "PvpropertyStringRO",
    "read_only_class",
]

_ioc_logger = logging.getLogger("caproto.ioc")


class PvpropertyData(ChannelData):
    """The data of a PV that belongs to a group.

    ``PvpropertyDouble[AiFields]`` as the `dtype` of a `pvproperty` stands for that class with that record.

    Parameters
    ----------
    pvname : str
        Full name.
    group : PVGroup
    pvspec : PVSpec
        What was declared.
    doc : str, optional
    record : str or type, optional
        Record type.
    logger : logging.Logger, optional
        That of the group by default.
    **kwargs
        As for the other base class.

    Attributes
    ----------
    getter, putter : callable or None
        The handlers, bound to the group.
    server_startup, server_shutdown, server_scan : callable
        Those that were declared; called with the ``async_lib``.
    """

    getter: Any = None
    _putter: Any = None
    _group_reads: bool = False
    _group_writes: bool = False
    """Whether the group has a handler of its own for all its PVs."""
    server_startup: Any
    server_shutdown: Any
    server_scan: Any
    _record: Any = None
    """The record type, if it is not the one that was declared."""
    _record_hook: bool = False
    """Whether the fields have a hook for new values."""
    _field_inst: Any = None
    _followed: bool = False
    """Whether fields have to be told of each new value."""
    _puts_disabled: bool = False
    """Whether the field DISP forbids clients to write."""
    _logger: logging.Logger | None = None

    def __class_getitem__(cls, fields: Any) -> GenericAlias:
        return GenericAlias(cls, fields)

    def __init__(
        self,
        *,
        pvname: str,
        group: PVGroup | None,
        pvspec: PVSpec,
        doc: str | None = None,
        record: Any = None,
        logger: logging.Logger | None = None,
        **kwargs: Any,
    ) -> None:
        self.pvname = pvname
        self.group: Any = group
        self.pvspec = pvspec
        self.keep("_logger", logger)
        if record is not None:
            from .records import record_hook, record_name

            if record != pvspec.record:
                self._record = record
            self.keep("_record_hook", record_hook(record))
            kwargs.setdefault("reported_record_type", record_name(record))
        if doc is not None:
            self.__doc__ = doc
        self.keep("getter", self._bound(pvspec.get))
        self.keep("_putter", self._bound(pvspec.put))
        self.keep("_group_reads", self._group_has("group_read"))
        self.keep("_group_writes", self._group_has("group_write"))
        for kind in ("startup", "shutdown", "scan"):
            hook = getattr(pvspec, kind)
            if hook is not None:
                setattr(self, f"server_{kind}", partial(self._bound(hook), self))
        super().__init__(**kwargs)

    @property
    def name(self) -> str:
        """Name of the attribute, after that of the group; without either, that of the PV."""
        attr = self.pvspec.attr
        if self.group is None:
            return attr or self.pvname
        return f"{self.group.name}.{attr}"

    @property
    def record_type(self) -> Any:
        """The record type, as it was declared: its name, or a class of fields; None if there is none."""
        return self._record or self.pvspec.record

    @property
    def limits_as_records(self) -> bool:
        """Whether clients see unused limits as those of a record on a C IOC."""
        return self.record_type is not None

    @property
    def log(self) -> Any:
        """The logger of the group, unless another one was given."""
        if self._logger is not None:
            return self._logger
        return _ioc_logger if self.group is None else self.group.log

    def _bound(self, handler: Any) -> Any:
        """Return a handler that does not need the group any more."""
        if handler is None or self.group is None:
            return handler
        return partial(handler, self.group)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.pvname!r} value={self.value!r}>"

    @property
    def reads_at_once(self) -> bool:
        """Whether nothing has to be awaited to read this PV."""
        return self._reads_plainly and self.getter is None and not self._group_reads

    @property
    def writes_at_once(self) -> bool:
        """Whether nothing has to be awaited to write this PV."""
        return (
            self._writes_plainly
            and self._putter is None
            and not self._group_writes
            and not self._record_hook
        )

    @property
    def putter(self) -> Any:
        """The handler of new values, bound to the group; None if there is none."""
        return self._putter

    @putter.setter
    def putter(self, putter: Any) -> None:
        self._putter = putter
        self.find_usual()

    def find_usual(self) -> None:
        """Find out for which values `take_number` is all there is to a write."""
        super().find_usual()
        if self._followed or self._puts_disabled:
            self._usual = (None, self._usual[1])

    def _group_has(self, name: str) -> bool:
        """Tell whether the group has a handler of its own for all its PVs."""
        if self.group is None:
            return False
        return not getattr(getattr(type(self.group), name), "plain", False)

    @plain
    async def read(self, data_type: int) -> tuple[Any, Any]:
        """Let the getter set the value, if there is one; then as `ChannelData.read`."""
        if self.getter is not None:
            value = await self.getter(self)
        elif self._group_reads:
            value = await self.group.group_read(self)
        else:
            value = None
        if value is not None:
            await self.write(value, verify_value=False)
        return await super().read(data_type)

    @plain
    async def verify_value(self, data: Any) -> Any:
        """Check the limits, then let the putter have the value, if there is one."""
        data = await super().verify_value(data)
        if self._putter is not None:
            modified = await self._putter(self, data)
        elif self._group_writes:
            modified = await self.group.group_write(self, data)
        else:
            modified = None
        return data if modified is None else modified

    @plain
    async def update_fields(self, value: Any) -> None:
        """Let the fields of the record know of a new value."""
        if self._record_hook:
            await self.field_inst.value_write_hook(self, value)

    def store_metadata(self, metadata: dict[str, Any]) -> int:
        """Take new metadata, let the fields of the record know, and return whom it concerns."""
        flags = super().store_metadata(metadata)
        if self._field_inst is not None:
            self._field_inst.refresh()
        return flags

    def follow(self, publish: Callable[[int], None]) -> None:
        """Have each new value published by `publish`, which tells fields too; only this PV pays for that."""
        vars(self)["publish_now"] = publish
        self._followed = True
        self.find_usual()

    def disable_puts(self, refuse: Callable[..., Any] | None) -> None:
        """Let `refuse` have what clients write, or with None take it again; only this PV pays for that."""
        for method in ("write_now", "auth_write"):
            if refuse is None:
                vars(self).pop(method, None)
            else:
                vars(self)[method] = refuse
        self._puts_disabled = refuse is not None
        self.find_usual()

    def tell_fields_of_values(self) -> None:
        """Let the fields know of each new value: a program has given them a hook for that."""
        self._record_hook = True
        self.find_usual()

    @property
    def field_inst(self) -> Any:
        """The fields of the record, as the group that declares them; None without a record type."""
        if self._field_inst is None and self.record_type is not None:
            from .records import record_class

            self._field_inst = record_class(self.record_type)(
                "", parent=self, name=f"{self.name}.fields"
            )
        return self._field_inst

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the record by their names (``'SCAN'``); empty without a record type."""
        return {} if self.record_type is None else self.field_inst.pvdb

    @property
    def hooked_fields(self) -> Sequence[PvpropertyData]:
        """The fields that have something to be run beside the server."""
        if self.record_type is None:
            return ()
        return self.field_inst.hooked_fields  # type: ignore[no-any-return]

    def get_field(self, field: str) -> ChannelData:
        """Return the data of a record field.

        Parameters
        ----------
        field : str
            ``'SCAN'``. The field VAL is the PV itself, with or without a record type.

        Raises
        ------
        CaprotoAttributeError
            If there is no such field.
        """
        if field in ("", "VAL"):
            return self
        found: ChannelData | None = self.fields.get(field)
        if found is None:
            hint = "" if self.record_type else "; declare it with record='ai', for example"
            raise CaprotoAttributeError(
                f"{self.pvname} has no field {field}{hint}", pv_name=self.pvname
            )
        return found


class PvpropertyReadOnlyData(PvpropertyData):
    """The same for a PV that clients may not write. The IOC itself may."""

    @plain
    def check_access(self, hostname: str, username: str) -> AccessRights:
        """Let everybody read."""
        return AccessRights.READ


class PvpropertyByte(PvpropertyData, ChannelByte):
    """Raw bytes."""


class PvpropertyChar(PvpropertyData, ChannelChar):
    """Text as an array of characters."""


class PvpropertyDouble(PvpropertyData, ChannelDouble):
    """64-bit floating-point numbers."""


class PvpropertyFloat(PvpropertyData, ChannelFloat):
    """32-bit floating-point numbers."""


class PvpropertyInteger(PvpropertyData, ChannelInteger):
    """32-bit integers."""


class PvpropertyShort(PvpropertyData, ChannelShort):
    """16-bit integers."""


class PvpropertyString(PvpropertyData, ChannelString):
    """Strings of up to 39 bytes."""


class PvpropertyEnum(PvpropertyData, ChannelEnum):
    """One of several named states."""


class PvpropertyBoolEnum(PvpropertyData, ChannelEnum):
    """One of two named states, ``'Off'`` and ``'On'`` unless declared otherwise."""

    def __init__(self, *, enum_strings: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(enum_strings=enum_strings or ("Off", "On"), **kwargs)


class PvpropertyByteRO(PvpropertyReadOnlyData, ChannelByte):
    """Raw bytes, not to be written by clients."""


class PvpropertyCharRO(PvpropertyReadOnlyData, ChannelChar):
    """Text as an array of characters, not to be written by clients."""


class PvpropertyDoubleRO(PvpropertyReadOnlyData, ChannelDouble):
    """64-bit floating-point numbers, not to be written by clients."""


class PvpropertyFloatRO(PvpropertyReadOnlyData, ChannelFloat):
    """32-bit floating-point numbers, not to be written by clients."""


class PvpropertyIntegerRO(PvpropertyReadOnlyData, ChannelInteger):
    """32-bit integers, not to be written by clients."""


class PvpropertyShortRO(PvpropertyReadOnlyData, ChannelShort):
    """16-bit integers, not to be written by clients."""


class PvpropertyStringRO(PvpropertyReadOnlyData, ChannelString):
    """Strings of up to 39 bytes, not to be written by clients."""


class PvpropertyEnumRO(PvpropertyReadOnlyData, ChannelEnum):
    """One of several named states, not to be set by clients."""


class PvpropertyBoolEnumRO(PvpropertyReadOnlyData, ChannelEnum):
    """One of two named states, not to be set by clients."""

    def __init__(self, *, enum_strings: Sequence[str] | None = None, **kwargs: Any) -> None:
        super().__init__(enum_strings=enum_strings or ("Off", "On"), **kwargs)


_READ_ONLY: dict[type[PvpropertyData], type[PvpropertyData]] = {
    PvpropertyByte: PvpropertyByteRO,
    PvpropertyChar: PvpropertyCharRO,
    PvpropertyDouble: PvpropertyDoubleRO,
    PvpropertyFloat: PvpropertyFloatRO,
    PvpropertyInteger: PvpropertyIntegerRO,
    PvpropertyShort: PvpropertyShortRO,
    PvpropertyString: PvpropertyStringRO,
    PvpropertyEnum: PvpropertyEnumRO,
    PvpropertyBoolEnum: PvpropertyBoolEnumRO,
}


def read_only_class(cls: type[PvpropertyData]) -> type[PvpropertyData]:
    """Return the read-only form of a data class; for one of a program's own, it is made here."""
    if issubclass(cls, PvpropertyReadOnlyData):
        return cls
    if cls not in _READ_ONLY:
        body = {"check_access": PvpropertyReadOnlyData.check_access, "__doc__": cls.__doc__}
        _READ_ONLY[cls] = type(f"{cls.__name__}RO", (cls,), body)
    return _READ_ONLY[cls]
