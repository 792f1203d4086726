"""`PVGroup`: PVs that belong together."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from .._errors import CaprotoRuntimeError
from .data import ChannelAlarm
from .data.overriding import plain
from .macros import expand_macros
from .properties import PvpropertyData
from .pvproperty import pvproperty
from .pvspec import DEFAULT_VALUES, TYPE_MAP, TYPE_MAP_READ_ONLY
from .subgroup import SubGroup

__all__ = ["PVGroup"]


class PVGroup:
    """Base class of groups of PVs, which are declared by `pvproperty` and `SubGroup` in its body.

    Parameters
    ----------
    prefix : str
        Of all names; may have macros.
    macros : dict of str to str, optional
        What ``{name}`` stands for in prefix and names.
    parent : PVGroup, optional
        The group that this one is part of.
    name : str, optional
        For people; by default that of the class.

    Attributes
    ----------
    pvdb : dict of str to PvpropertyData
        All PVs by their full name, in the order in which they are declared, those of subgroups included.
    attr_pvdb : dict of str to PvpropertyData
        The same by the name of the attribute; ``'subgroup.attribute'`` in subgroups.
    groups : dict of str to PVGroup
        The subgroups.
    alarms : dict of str to ChannelAlarm
        The shared alarms.
    states : dict of str to object
        For `update_state`.
    log : logging.Logger
    """

    type_map: ClassVar[dict[Any, type[PvpropertyData]]] = TYPE_MAP
    type_map_read_only: ClassVar[dict[Any, type[PvpropertyData]]] = TYPE_MAP_READ_ONLY
    default_values: ClassVar[dict[Any, Any]] = DEFAULT_VALUES
    _members_: ClassVar[dict[str, pvproperty[Any, Any] | SubGroup[Any]]] = {}
    _pvs_: ClassVar[dict[str, pvproperty[Any, Any]]] = {}
    _subgroups_: ClassVar[dict[str, SubGroup[Any]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        members: dict[str, pvproperty[Any, Any] | SubGroup[Any]] = {}
        for base in reversed(cls.__mro__):
            for name, item in vars(base).items():
                if isinstance(item, pvproperty | SubGroup):
                    # Not `name`: that of a decorated handler is only a second name of its PV.
                    members[item.attr_name or name] = item
                else:
                    # A subclass can take a PV away by setting its attribute to something else.
                    members.pop(name, None)
        # In the order of the base classes, then that of the body.
        first = [name for base in cls.__bases__ for name in getattr(base, "_members_", ())]
        cls._members_ = members = {
            name: members[name] for name in (*first, *members) if name in members
        }
        cls._pvs_ = {name: item for name, item in members.items() if isinstance(item, pvproperty)}
        cls._subgroups_ = {
            name: item for name, item in members.items() if isinstance(item, SubGroup)
        }

    def __init__(
        self,
        prefix: str,
        *,
        macros: dict[str, str] | None = None,
        parent: PVGroup | None = None,
        name: str | None = None,
    ) -> None:
        self.parent: Any = parent
        self.macros: dict[str, str] = dict(macros or {})
        self.prefix: str = expand_macros(prefix, self.macros)
        self.name: str = type(self).__name__ if name is None else name
        self.log: Any = logging.getLogger(f"{type(self).__module__}.{self.name}")
        self.alarms: defaultdict[str | None, ChannelAlarm] = defaultdict(ChannelAlarm)
        self.states: dict[str, Any] = {}
        self.pvdb: dict[str, PvpropertyData] = {}
        self.attr_pvdb: dict[str, PvpropertyData] = {}
        self.groups: dict[str, PVGroup] = {}
        self._create_pvdb()

    def _repr_html_(self) -> str:
        from .._html import rows_table, shortened

        rows = [
            (
                name,
                attr,
                shortened(data.value),
                getattr(data, "units", ""),
                data.data_type.name,
                data.severity.name if data.severity else "",
            )
            for (attr, data), name in zip(self.attr_pvdb.items(), self.pvdb, strict=True)
        ]
        head = ("PV", "attribute", "value", "units", "type", "alarm")
        return rows_table(head, rows, f"{self.name} {self.prefix}")

    @property
    def attr_to_pvname(self) -> dict[str, str]:
        """The full name of each PV by the name of its attribute."""
        return {attr: data.pvname for attr, data in self.attr_pvdb.items()}

    def _create_pvdb(self) -> None:
        """Make the data objects of all PVs."""
        for attr, member in type(self)._members_.items():
            if isinstance(member, SubGroup):
                group = self.groups[attr] = member.create(self)
                for inner, data in group.attr_pvdb.items():
                    self._enter(f"{attr}.{inner}", data)
            else:
                self._enter(attr, member.pvspec.new_names(attr=attr).create(self))

    def _enter(self, attr: str, data: PvpropertyData) -> None:
        """Enter one PV under its names."""
        if data.pvname in self.pvdb:
            other = next(name for name, pv in self.attr_to_pvname.items() if pv == data.pvname)
            raise CaprotoRuntimeError(
                f"{attr} and {other} of {self.name} have the same PV name {data.pvname}",
                pv_name=data.pvname,
            )
        self.pvdb[data.pvname] = data
        self.attr_pvdb[attr] = data

    @plain
    async def group_read(self, instance: PvpropertyData) -> Any:
        """Get the value of a PV that has no getter; override it for all PVs of the group."""

    @plain
    async def group_write(self, instance: PvpropertyData, value: Any) -> Any:
        """Take a value for a PV that has no putter; override it for all PVs of the group."""
        return value

    @asynccontextmanager
    async def update_state(self, state: str, value: Any) -> AsyncIterator[None]:
        """Set a state of the group, for ``async with group.update_state('moving', True): ...``.

        The hook `ChannelData.pre_state_change` of each PV is called before, `ChannelData.post_state_change` at the end
        of the block. Clients can ask for updates around such a change by the channel filter ``sync``.

        Parameters
        ----------
        state : str
        value : object
        """
        for data in self.attr_pvdb.values():
            data.pre_state_change(state, value)
        self.states[state] = value
        yield
        for data in self.attr_pvdb.values():
            data.post_state_change(state, value)
