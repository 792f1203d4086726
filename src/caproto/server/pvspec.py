"""What is declared about one PV, and how its data object is made from that."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .._errors import CaprotoRuntimeError, CaprotoTypeError
from .._protocol.enums import ChannelType
from .data import ChannelEnum
from .macros import expand_macros
from .properties import (
    PvpropertyBoolEnum,
    PvpropertyByte,
    PvpropertyChar,
    PvpropertyData,
    PvpropertyDouble,
    PvpropertyEnum,
    PvpropertyFloat,
    PvpropertyInteger,
    PvpropertyShort,
    PvpropertyString,
    read_only_class,
)
from .typing import Getter, Putter, Scan, Shutdown, Startup

if TYPE_CHECKING:
    from .group import PVGroup

__all__ = [
    "DEFAULT_VALUES",
    "TYPE_MAP",
    "TYPE_MAP_READ_ONLY",
    "PVSpec",
    "channeldata_from_pvspec",
    "data_class_from_pvspec",
]

TYPE_MAP: dict[Any, type[PvpropertyData]] = {
    str: PvpropertyChar,
    bytes: PvpropertyByte,
    int: PvpropertyInteger,
    float: PvpropertyDouble,
    bool: PvpropertyBoolEnum,
    enum.IntEnum: PvpropertyEnum,
    ChannelType.STRING: PvpropertyString,
    ChannelType.INT: PvpropertyShort,
    ChannelType.LONG: PvpropertyInteger,
    ChannelType.DOUBLE: PvpropertyDouble,
    ChannelType.FLOAT: PvpropertyFloat,
    ChannelType.ENUM: PvpropertyEnum,
    ChannelType.CHAR: PvpropertyChar,
}
"""The data class for each `dtype` that can be declared."""
TYPE_MAP_READ_ONLY = {dtype: read_only_class(cls) for dtype, cls in TYPE_MAP.items()}
DEFAULT_VALUES: dict[Any, Any] = {
    str: "",
    bytes: b"",
    int: 0,
    float: 0.0,
    bool: False,
    ChannelType.STRING: "",
    ChannelType.INT: 0,
    ChannelType.LONG: 0,
    ChannelType.DOUBLE: 0.0,
    ChannelType.FLOAT: 0.0,
    ChannelType.ENUM: 0,
    ChannelType.CHAR: "",
}
"""The initial value for each `dtype` that is declared without one."""


class PVSpec(NamedTuple):
    """What is declared about one PV.

    Attributes
    ----------
    get, put, startup, shutdown, scan : coroutine function, optional
        See `pvproperty`.
    attr : str
        Name of the attribute of the group.
    name : str
        Of the PV, without the prefix of the group; may have macros. By default that of the attribute.
    dtype : type, ChannelType or data class, optional
        By default the type of the value, or of its first element.
    value : object
        Initial value.
    max_length : int, optional
    alarm_group : str, optional
        PVs of a group that name the same one share their alarm; so do those that name none.
    read_only : bool, optional
        Whether clients may not write.
    doc : str, optional
    fields : sequence, optional
        Handlers of record fields, each as ``((attribute, kind), handler)``.
    record : str or class, optional
        Record type.
    cls_kwargs : dict, optional
        Further arguments of the data class.
    """

    get: Getter | None = None
    put: Putter | None = None
    startup: Startup | None = None
    shutdown: Shutdown | None = None
    attr: str | None = None
    name: str | None = None
    dtype: Any = None
    value: Any = None
    max_length: int | None = None
    alarm_group: str | None = None
    read_only: bool | None = None
    doc: str | None = None
    fields: Any = None
    scan: Scan | None = None
    record: Any = None
    cls_kwargs: dict[str, Any] | None = None

    def new_names(self, attr: str | None = None, name: str | None = None) -> PVSpec:
        """Return the same declaration under other names; what is None stays."""
        attr = self.attr if attr is None else attr
        name = self.name if name is None else name
        if (attr, name) == (self.attr, self.name):
            return self
        return self._replace(attr=attr, name=name)

    def get_data_class(self, group: PVGroup | None = None) -> type[PvpropertyData]:
        """Return the class that holds the data of this PV.

        Raises
        ------
        CaprotoTypeError
            If there is none for that type.
        """
        return _data_class(self, group)

    def get_instantiation_info(
        self, group: PVGroup | None = None
    ) -> tuple[type[PvpropertyData], dict[str, Any]]:
        """Return the data class, and the arguments to make an object of it."""
        cls = self.get_data_class(group)
        kwargs: dict[str, Any] = {
            "group": group,
            "pvspec": self,
            "pvname": _pv_name(self, group),
            "value": _initial_value(self, group),
            "max_length": self.max_length,
            "doc": self.doc,
            "record": self.record,
        }
        if group is not None:
            kwargs["alarm"] = group.alarms[self.alarm_group]
        labels = _labels(self)
        if labels and issubclass(cls, ChannelEnum):
            kwargs["enum_strings"] = labels
        kwargs.update(self.cls_kwargs or {})
        return cls, kwargs

    def create(self, group: PVGroup | None = None) -> PvpropertyData:
        """Make the data object of this PV.

        Raises
        ------
        CaprotoRuntimeError
            If the declaration makes no sense.
        """
        cls, kwargs = self.get_instantiation_info(group)
        try:
            return cls(**kwargs)
        except Exception as error:
            raise CaprotoRuntimeError(
                f"cannot make {cls.__name__} for the PV {kwargs['pvname']}: {error}",
                pv_name=kwargs["pvname"],
            ) from error


def _pv_name(spec: PVSpec, group: PVGroup | None) -> str:
    """Return the full name of a PV."""
    name = spec.name if spec.name is not None else spec.attr or ""
    if group is None:
        return name
    return group.prefix + expand_macros(name, group.macros)


def _first_element(value: Any) -> Any:
    """Return the element that tells the type of an initial value."""
    if isinstance(value, str | bytes) or not hasattr(value, "__len__"):
        return value
    if len(value) == 0:
        return None
    first = value[0]
    return first.item() if hasattr(first, "item") else first


def _dtype(spec: PVSpec) -> Any:
    """Return the type that was declared, or that of the value."""
    if spec.dtype is not None:
        return spec.dtype
    if spec.record is not None and spec.value is None:
        from .records import value_class

        return value_class(spec.record) or int
    first = _first_element(spec.value)
    return int if first is None else type(first)


def _data_class(spec: PVSpec, group: PVGroup | None) -> type[PvpropertyData]:
    """Find the data class of a declaration."""
    dtype = _dtype(spec)
    if isinstance(dtype, type) and issubclass(dtype, PvpropertyData):
        return read_only_class(dtype) if spec.read_only else dtype
    type_map: dict[Any, type[PvpropertyData]] = TYPE_MAP if group is None else group.type_map
    if spec.read_only:
        type_map = TYPE_MAP_READ_ONLY if group is None else group.type_map_read_only
    if dtype in type_map:
        return type_map[dtype]
    if isinstance(dtype, type):
        for base in dtype.__mro__:  # an IntEnum of the program, a subclass of float
            if base in type_map:
                return type_map[base]
    raise CaprotoTypeError(f"the PV {_pv_name(spec, group)} cannot have the dtype {dtype!r}")


def _initial_value(spec: PVSpec, group: PVGroup | None) -> Any:
    """Return the value that was declared, or the one that goes with the type."""
    if spec.value is not None:
        return spec.value
    defaults = DEFAULT_VALUES if group is None else group.default_values
    return defaults.get(_dtype(spec), _default_of_class(_data_class(spec, group)))


def _default_of_class(cls: type[PvpropertyData]) -> Any:
    """Return the initial value for a data class that was declared itself."""
    for dtype, mapped in (*TYPE_MAP.items(), *TYPE_MAP_READ_ONLY.items()):
        if issubclass(cls, mapped):
            return DEFAULT_VALUES.get(dtype, 0)
    return 0


def _labels(spec: PVSpec) -> Sequence[str]:
    """Return the labels that an `enum.IntEnum` of the program implies."""
    dtype = _dtype(spec)
    if not (isinstance(dtype, type) and issubclass(dtype, enum.IntEnum)):
        return ()
    names = {int(member): name for name, member in dtype.__members__.items()}
    return [names.get(number, f"unset_{number}") for number in range(max(names, default=-1) + 1)]


def channeldata_from_pvspec(group: PVGroup, pvspec: PVSpec) -> tuple[str, PvpropertyData]:
    """Make the data object of a PV.

    Returns
    -------
    pvname : str
    channeldata : PvpropertyData
    """
    channeldata = pvspec.create(group)
    return channeldata.pvname, channeldata


def data_class_from_pvspec(group: PVGroup, pvspec: PVSpec) -> type[PvpropertyData]:
    """Return the class that holds the data of a PV."""
    return pvspec.get_data_class(group)
