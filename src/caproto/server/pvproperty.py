"""`pvproperty`: how a group declares a PV."""

# ruff: noqa: N801 -- a class that is used like the built-in `property` is written like it

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    TypeAlias,
    TypeVar,
    get_args,
    get_origin,
    overload,
)

from .._protocol.enums import AlarmSeverity, ChannelType
from .declaration import Declaration
from .fieldspec import FieldSpec, FieldSpecItems
from .handlers import check_handler
from .properties import (
    PvpropertyBoolEnum,
    PvpropertyBoolEnumRO,
    PvpropertyByte,
    PvpropertyByteRO,
    PvpropertyChar,
    PvpropertyCharRO,
    PvpropertyData,
    PvpropertyDouble,
    PvpropertyDoubleRO,
    PvpropertyEnum,
    PvpropertyEnumRO,
    PvpropertyFloat,
    PvpropertyFloatRO,
    PvpropertyInteger,
    PvpropertyIntegerRO,
    PvpropertyShort,
    PvpropertyShortRO,
    PvpropertyString,
    PvpropertyStringRO,
)
from .pvspec import PVSpec
from .scan import scan_wrapper
from .typing import Getter, Putter, Scan, Shutdown, Startup

if TYPE_CHECKING:
    from .group import PVGroup

__all__ = ["pvproperty"]

T_Data = TypeVar("T_Data", bound=PvpropertyData)
T_RecordFields = TypeVar("T_RecordFields")
P = TypeVar("P", bound="pvproperty[Any, Any]")
_Handler: TypeAlias = Callable[..., Awaitable[Any]] | None
_Writable: TypeAlias = Literal[False] | None


class pvproperty(Declaration, Generic[T_Data, T_RecordFields]):
    """Declares a PV in the body of a `PVGroup`.

    On an object of the group the attribute is the data object of the PV: ``await group.x.write(3)``, ``group.x.value``.

    In ``pvproperty[Data, Fields]`` the first is the class of the data object, which type checkers find out by themselves
    from `dtype`, `value` and `read_only`; the second that of its record fields.

    Parameters
    ----------
    get : coroutine function, optional
        ``async def getter(group, instance)``, called when a client reads. What it returns becomes the value, unless it
        is None. So ``@pvproperty(value=3)`` decorates a getter.
    put : coroutine function, optional
        ``async def putter(group, instance, value)``, called before a new value is stored, whether a client or the IOC
        itself writes it. What it returns is stored instead, unless it is None. `SkipWrite` stores nothing; any other
        exception refuses the write, and puts the PV into MAJOR alarm until a write succeeds. It may be called again while
        it waits for something: clients need not wait for each other, nor for themselves.
    startup, shutdown : coroutine function, optional
        ``async def hook(group, instance, async_lib)``, run when the server starts, and when it ends.
    scan : coroutine function, optional
        Run beside the server, as `startup`; see the decorator `pvproperty.scan`.
    name : str, optional
        Of the PV, without the prefix of the group; may have macros. By default the name of the attribute.
    dtype : type, ChannelType or data class, optional
        `str` (a long string), `bytes`, `int`, `float`, `bool`, an `enum.IntEnum`, a plain `ChannelType`, or a
        ``Pvproperty...`` class. By default the type of `value`.
    value : object, optional
        Initial value: one element, or a sequence for an array. By default what is zero or empty for the type.
    max_length : int, optional
        Of an array; by default the length of `value`.
    alarm_group : str, optional
        PVs of a group that name the same one share their alarm; so do those that name none.
    doc : str, optional
    read_only : bool, optional
        Whether clients may not write.
    field_spec : FieldSpec, optional
        Take over the record type and the handlers of fields of another PV: its ``fields``.
    fields : sequence, optional
        Handlers of record fields, each as ``((attribute, kind), handler)``; see `fields` for a shorter way.
    record : str or class, optional
        Record type: ``'ai'``, ``'motor'``, or one of a program's own; see `caproto.server.records`.
    **cls_kwargs
        Further arguments of the data class: ``units``, ``precision``, the limits, ``enum_strings``,
        ``string_encoding``, ``report_as_string``, ...
    """

    # What the type checker makes of `dtype` and `value`; at run time `PVSpec.get_data_class` looks.
    @overload
    def __init__(
        self: pvproperty[T_Data, Any], *handlers: _Handler, dtype: type[T_Data], **options: Any
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyBoolEnum, Any],
        *handlers: _Handler,
        dtype: type[bool],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyBoolEnumRO, Any],
        *handlers: _Handler,
        dtype: type[bool],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyEnum, Any],
        *handlers: _Handler,
        dtype: type[enum.IntEnum] | Literal[ChannelType.ENUM],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyEnumRO, Any],
        *handlers: _Handler,
        dtype: type[enum.IntEnum] | Literal[ChannelType.ENUM],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyInteger, Any],
        *handlers: _Handler,
        dtype: type[int] | Literal[ChannelType.LONG],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyIntegerRO, Any],
        *handlers: _Handler,
        dtype: type[int] | Literal[ChannelType.LONG],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyDouble, Any],
        *handlers: _Handler,
        dtype: type[float] | Literal[ChannelType.DOUBLE],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyDoubleRO, Any],
        *handlers: _Handler,
        dtype: type[float] | Literal[ChannelType.DOUBLE],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyChar, Any],
        *handlers: _Handler,
        dtype: type[str] | Literal[ChannelType.CHAR],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyCharRO, Any],
        *handlers: _Handler,
        dtype: type[str] | Literal[ChannelType.CHAR],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyByte, Any],
        *handlers: _Handler,
        dtype: type[bytes],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyByteRO, Any],
        *handlers: _Handler,
        dtype: type[bytes],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyString, Any],
        *handlers: _Handler,
        dtype: Literal[ChannelType.STRING],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyStringRO, Any],
        *handlers: _Handler,
        dtype: Literal[ChannelType.STRING],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyShort, Any],
        *handlers: _Handler,
        dtype: Literal[ChannelType.INT],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyShortRO, Any],
        *handlers: _Handler,
        dtype: Literal[ChannelType.INT],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyFloat, Any],
        *handlers: _Handler,
        dtype: Literal[ChannelType.FLOAT],
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyFloatRO, Any],
        *handlers: _Handler,
        dtype: Literal[ChannelType.FLOAT],
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyBoolEnum, Any],
        *handlers: _Handler,
        value: bool | Sequence[bool],
        dtype: None = None,
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyBoolEnumRO, Any],
        *handlers: _Handler,
        value: bool | Sequence[bool],
        dtype: None = None,
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyEnum, Any],
        *handlers: _Handler,
        value: enum.IntEnum | Sequence[enum.IntEnum],
        dtype: None = None,
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyEnumRO, Any],
        *handlers: _Handler,
        value: enum.IntEnum | Sequence[enum.IntEnum],
        dtype: None = None,
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyByte, Any],
        *handlers: _Handler,
        value: bytes,
        dtype: None = None,
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyByteRO, Any],
        *handlers: _Handler,
        value: bytes,
        dtype: None = None,
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyInteger, Any],
        *handlers: _Handler,
        value: int | Sequence[int],
        dtype: None = None,
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyIntegerRO, Any],
        *handlers: _Handler,
        value: int | Sequence[int],
        dtype: None = None,
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyDouble, Any],
        *handlers: _Handler,
        value: float | Sequence[float],
        dtype: None = None,
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyDoubleRO, Any],
        *handlers: _Handler,
        value: float | Sequence[float],
        dtype: None = None,
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyChar, Any],
        *handlers: _Handler,
        value: str,
        dtype: None = None,
        read_only: _Writable = None,
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: pvproperty[PvpropertyCharRO, Any],
        *handlers: _Handler,
        value: str,
        dtype: None = None,
        read_only: Literal[True],
        **options: Any,
    ) -> None: ...
    @overload
    def __init__(self: pvproperty[Any, Any], *handlers: _Handler, **options: Any) -> None: ...
    def __init__(  # type: ignore[misc]  # the overloads leave the number of handlers open
        self,
        get: Getter | None = None,
        put: Putter | None = None,
        startup: Startup | None = None,
        shutdown: Shutdown | None = None,
        *,
        scan: Scan | None = None,
        name: str | None = None,
        dtype: Any = None,
        value: Any = None,
        max_length: int | None = None,
        alarm_group: str | None = None,
        doc: str | None = None,
        read_only: bool | None = None,
        field_spec: FieldSpec | None = None,
        fields: FieldSpecItems | None = None,
        record: Any = None,
        **cls_kwargs: Any,
    ) -> None:
        for kind, handler in _kinds(get, put, startup, shutdown).items():
            check_handler(kind, handler)
        dtype, record = _split_generic(dtype, record)
        self.attr_name: str | None = None
        if field_spec is not None:
            record = field_spec.record if record is None else record
            fields = (*field_spec.fields, *(fields or ()))
        if record is not None:
            from .records import check_record

            check_record(record)
        self.pvspec: PVSpec = PVSpec(
            get=get,
            put=put,
            startup=startup,
            shutdown=shutdown,
            name=name,
            dtype=dtype,
            value=value,
            max_length=max_length,
            alarm_group=alarm_group,
            read_only=read_only,
            doc=doc,
            fields=fields,
            scan=scan,
            record=record,
            cls_kwargs=cls_kwargs,
        )
        self._take_doc(get)

    @classmethod
    def from_pvspec(cls: type[P], pvspec: PVSpec, **kwargs: Any) -> P:
        """Make one of a declaration that exists already."""
        self = cls(**kwargs)
        self.pvspec = pvspec
        return self

    @property
    def record_type(self) -> Any:
        """Record type."""
        return self.pvspec.record

    @property
    def fields(self) -> FieldSpec:
        """Decorators for the handlers of record fields.

        They are used like this::

            @motor.fields.user_readback_value.startup
            async def motor(fields, instance, async_lib): ...

        The first argument of a handler is the group of all fields of the record, a `RecordFieldGroup`.

        Raises
        ------
        CaprotoAttributeError
            If no record type is declared.
        """
        return FieldSpec(self)

    @property
    def field_spec(self) -> FieldSpec | None:
        """The same, to be given to another `pvproperty`; None without a record type."""
        return None if self.pvspec.record is None else FieldSpec(self)

    def _take_doc(self, handler: Any) -> None:
        """Document the PV by its getter if by nothing else."""
        doc = self.pvspec.doc or (None if handler is None else handler.__doc__)
        if doc is not None:
            self.pvspec = self.pvspec._replace(doc=doc)
            self.__doc__ = doc

    def _named(self, name: str) -> None:
        self.pvspec = self.pvspec.new_names(
            attr=name, name=name if self.pvspec.name is None else None
        )

    def _with(self: P, **handlers: Any) -> P:
        """Set handlers."""
        for kind, handler in handlers.items():
            check_handler(kind, handler)
        return self._change(pvspec=self.pvspec._replace(**handlers))

    @overload
    def __get__(self: P, instance: None, owner: type) -> P: ...
    @overload
    def __get__(self, instance: PVGroup, owner: type) -> T_Data: ...
    def __get__(self, instance: PVGroup | None, owner: type) -> Any:
        if instance is None:
            return self
        assert self.attr_name is not None
        return instance.attr_pvdb[self.attr_name]

    def __set__(self, instance: PVGroup, value: Any) -> None:
        raise AttributeError(
            f"{self.attr_name} is a PV: write to it with `await group.{self.attr_name}.write(...)`"
        )

    def __call__(
        self: P,
        get: Getter | None = None,
        put: Putter | None = None,
        startup: Startup | None = None,
        shutdown: Shutdown | None = None,
        scan: Scan | None = None,
    ) -> P:
        """Set handlers; ``@pvproperty(...)`` above a function makes it the getter."""
        given = _kinds(get, put, startup, shutdown, scan)
        self._with(**{kind: handler for kind, handler in given.items() if handler is not None})
        self._take_doc(get)
        return self

    def getter(self: P, get: Getter) -> P:
        """Decorate the getter: ``async def getter(self, instance)``."""
        return self._with(get=get)

    def putter(self: P, put: Putter) -> P:
        """Decorate the putter: ``async def putter(self, instance, value)``."""
        return self._with(put=put)

    def startup(self: P, startup: Startup) -> P:
        """Decorate the start-up hook: ``async def startup(self, instance, async_lib)``."""
        return self._with(startup=startup)

    def shutdown(self: P, shutdown: Shutdown) -> P:
        """Decorate the shutdown hook: ``async def shutdown(self, instance, async_lib)``."""
        return self._with(shutdown=shutdown)

    def scan(
        self: P,
        period: float,
        *,
        subtract_elapsed: bool = True,
        stop_on_error: bool = False,
        failure_severity: AlarmSeverity = AlarmSeverity.MAJOR_ALARM,
        use_scan_field: bool = False,
    ) -> Callable[[Scan], P]:
        """Decorate ``async def scan(self, instance, async_lib)``, called again and again.

        Parameters are those of `scan_wrapper`.
        """

        def wrapper(scan_function: Scan) -> P:
            check_handler("scan", scan_function)
            scan = scan_wrapper(
                scan_function,
                period,
                subtract_elapsed=subtract_elapsed,
                stop_on_error=stop_on_error,
                failure_severity=failure_severity,
                use_scan_field=use_scan_field,
            )
            return self._change(pvspec=self.pvspec._replace(scan=scan))

        return wrapper


def _kinds(*handlers: Any) -> dict[str, Any]:
    """Name handlers that are given in this order."""
    return dict(zip(("get", "put", "startup", "shutdown", "scan"), handlers, strict=False))


def _split_generic(dtype: Any, record: Any) -> tuple[Any, Any]:
    """Take ``PvpropertyDouble[AiFields]`` for the data class and the record type that it is."""
    origin = get_origin(dtype)
    if not (isinstance(origin, type) and issubclass(origin, PvpropertyData)):
        return dtype, record
    (fields,) = get_args(dtype)
    return origin, fields if record is None and isinstance(fields, type) else record
