"""`RecordFieldGroup`: the fields of one record, each made when somebody asks for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..._protocol.enums import AlarmStatus
from ..data import ChannelAlarm
from ..group import PVGroup
from ..properties import PvpropertyData
from ..pvproperty import pvproperty
from ..pvspec import PVSpec
from .data import LinkedField, field_class, linked_class, refuse_write
from .links import link_for
from .properties import FieldProperty, own_properties
from .table import COMMON

__all__ = ["FieldDict", "RecordFieldGroup"]

_HOOKS = ("startup", "shutdown", "scan")


class FieldDict(Mapping[str, PvpropertyData]):
    """The fields of a record by one of their names.

    A record has up to 230 fields, of which clients use a handful; each is made when it is looked up.

    Parameters
    ----------
    attributes : mapping of str to str
        The attribute of each field by the name that is looked up.
    make : callable
        ``make(attribute)`` returns the data of the field.
    """

    def __init__(
        self, attributes: Mapping[str, str], make: Callable[[str], PvpropertyData]
    ) -> None:
        self._attributes = attributes
        self._make = make

    def __getitem__(self, name: str) -> PvpropertyData:
        return self._make(self._attributes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)

    def __contains__(self, name: object) -> bool:
        return name in self._attributes

    def __repr__(self) -> str:
        return f"<FieldDict {' '.join(self)}>"


class _FieldsType(type):
    """Says what is missing when a record has no such field."""

    def __getattr__(cls, name: str) -> pvproperty[Any, Any]:
        raise AttributeError(f"{cls.__name__} has no field with the attribute {name!r}")


class RecordFieldGroup(PVGroup, metaclass=_FieldsType):
    """The fields of one record; base class of those of each record type.

    A program can make record types of its own::

        @register_record
        class MyFields(AiFields):
            _record_type = "mine"

            @AiFields.current_raw_value.putter
            async def current_raw_value(self, instance, value): ...

    Parameters
    ----------
    prefix : str
        Not used; the fields belong to the PV of `parent`.
    **kwargs
        As for `PVGroup`.

    Attributes
    ----------
    parent : PvpropertyData
        The PV of the record, which is also its field VAL.
    pvdb : Mapping of str to PvpropertyData
        The fields by their names: ``'SCAN'``.
    attr_pvdb : Mapping of str to PvpropertyData
        The fields by their attributes: ``'scan_rate'``.
    scan_rate_sec : float or None
        Period that SCAN stands for, in seconds; 0 if it stands for none, None if it was never set.
    """

    _record_type: ClassVar[str | None] = None
    _table_type: ClassVar[str | None] = None
    _dtype: ClassVar[Any] = None
    _attributes_: ClassVar[dict[str, str]] = {}
    _attribute_of_: ClassVar[dict[str, str]] = {}
    """The attribute of each field, by its attribute and by its name."""
    has_val_field: ClassVar[bool] = True
    parent: Any

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        for name, item in list(vars(cls).items()):
            # A decorated handler may have a name of its own; what it is for is the field.
            if isinstance(item, FieldProperty) and item.attr_name not in (None, name):
                delattr(cls, name)
                setattr(cls, str(item.attr_name), item)
        for name, item in own_properties(cls).items():
            setattr(cls, name, item)
            item.__set_name__(cls, name)
        super().__init_subclass__(**kwargs)
        cls._attributes_ = {attribute: attribute for attribute in cls._pvs_}
        cls._attribute_of_ = {
            str(item.pvspec.name): attribute for attribute, item in cls._pvs_.items()
        }

    def __init__(self, prefix: str = "", **kwargs: Any) -> None:
        self.scan_rate_sec: float | None = None
        self.scan_choice: int = 0
        self.puts_disabled: bool = False
        self._made: dict[str, PvpropertyData] = {}
        self._followers: list[LinkedField] = []
        self._scan_changed: Callable[[], None] | None = None
        super().__init__(prefix, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "value_write_hook":  # programs also set it on the fields of one record
            self.parent.tell_fields_of_values()

    def _create_pvdb(self) -> None:
        """Prepare for making the data of the fields."""
        self.alarms: defaultdict[str | None, ChannelAlarm] = defaultdict(lambda: self.parent.alarm)
        self.log: Any = self.parent.log
        self.attr_pvdb: dict[str, PvpropertyData] = FieldDict(  # type: ignore[assignment]
            type(self)._attributes_, self._field
        )
        self.pvdb: dict[str, PvpropertyData] = FieldDict(  # type: ignore[assignment]
            type(self)._attribute_of_, self._field
        )
        self._handlers: dict[str, dict[str, Any]] = {}
        for (attribute, kind), handler in self.parent.pvspec.fields or ():
            self._handlers.setdefault(attribute, {})[kind] = handler

    def _field(self, attribute: str) -> PvpropertyData:
        """Return the data of a field; make it at the first use."""
        data = self._made.get(attribute)
        if data is None:
            data = self._made[attribute] = self._make(attribute)
        return data

    def _spec(self, attribute: str) -> PVSpec:
        """Return what is declared about a field, with the handlers that this one record has."""
        spec = type(self)._pvs_[attribute].pvspec.new_names(attr=attribute)
        return spec._replace(**self._handlers.get(attribute, {}))

    def _make(self, attribute: str) -> PvpropertyData:
        """Make the data of a field."""
        spec = self._spec(attribute)
        item = type(self)._pvs_[attribute]
        link = link_for(attribute, self.parent) if isinstance(item, FieldProperty) else None
        if isinstance(item, FieldProperty):
            make_class = field_class if link is None else linked_class
            spec = spec._replace(dtype=make_class(spec.dtype))
        data = spec.create(self)
        data.pvname = f"{self.parent.pvname}.{spec.name}"
        if isinstance(data, LinkedField) and link is not None:
            data.take_link(link)
            if link.of_value:
                self.parent.follow(self._publish_with_fields)
            if not link.of_alarm:
                self._followers.append(data)
        return data

    @property
    def hooked_fields(self) -> list[PvpropertyData]:
        """The fields that have something to be run beside the server."""
        return [
            self._field(attribute)
            for attribute in type(self)._pvs_
            if any(getattr(self._spec(attribute), hook) is not None for hook in _HOOKS)
        ]

    # --- what the PV of the record tells ---

    def refresh(self) -> None:
        """Tell the subscribers of fields about what has changed in the PV of the record."""
        for field in self._followers:
            field.refresh()

    def _publish_with_fields(self, flags: int) -> None:
        """Publish the value of the record, then the fields that follow it."""
        type(self.parent).publish_now(self.parent, flags)
        self.refresh()

    async def value_write_hook(self, instance: Any, value: Any) -> None:
        """Do something with a new value of the record, before it is stored; for subclasses.

        Parameters
        ----------
        instance : PvpropertyData
            The PV of the record.
        value : object
        """

    # --- what fields do ---

    async def process(self) -> None:
        """Do what a client asks for by PROC: get the value, put it, and tell the subscribers.

        While DISA equals DISV nothing is done but to raise the alarm DISABLE with the severity DISS.
        """
        parent = self.parent
        if self.disable.value == self.disable_value.value:
            severity = int(self.disable_alarm_severity.raw_value)
            await parent.alarm.write(status=AlarmStatus.DISABLE, severity=severity)
            return
        if self.trace_processing.value.strip(b"\0"):
            self.log.info("%s: process", parent.pvname)
        value = None if parent.getter is None else await parent.getter(parent)
        # What was just read is not to be refused for being beyond the limits.
        verify_value = parent.putter is not None or value is None
        await parent.write(parent.value if value is None else value, verify_value=verify_value)

    def disable_puts(self, disabled: bool) -> None:
        """Let clients write the record and its fields no more, or again (DISP)."""
        self.puts_disabled = disabled
        self.parent.disable_puts(refuse_write if disabled else None)

    def choose_scan(self, choice: Any) -> None:
        """Take a new value of SCAN."""
        self.scan_choice = int(choice)
        amount, _, unit = str(self.scan_rate.choices[self.scan_choice]).partition(" ")
        self.scan_rate_sec = float(amount) if unit == "second" else 0.0
        if self._scan_changed is not None:
            self._scan_changed()

    def begin_scan(self, period: float, changed: Callable[[], None]) -> None:
        """Set SCAN to what stands for a period, if there is one, unless it was set already.

        Parameters
        ----------
        period : float
            In seconds.
        changed : callable
            Called whenever SCAN changes.
        """
        if self.scan_rate_sec is None:
            for index, choice in enumerate(self.scan_rate.choices):
                amount, _, unit = choice.partition(" ")
                if unit == "second" and float(amount) == period:
                    self.scan_choice = index
            self.scan_rate_sec = period
            self.refresh()
        self._scan_changed = changed


def _take_common_fields() -> None:
    """Give the base class the fields that every record has."""
    RecordFieldGroup._table_type = COMMON
    RecordFieldGroup.__init_subclass__.__func__(RecordFieldGroup)  # type: ignore[attr-defined]


_take_common_fields()
