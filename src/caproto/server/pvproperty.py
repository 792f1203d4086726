"""`pvproperty`: how a group declares a PV."""

# ruff: noqa: N801 -- a class that is used like the built-in `property` is written like it

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from .._protocol.enums import AlarmSeverity
from .pvspec import PVSpec
from .scan import scan_wrapper
from .typing import Getter, Putter, Scan, Shutdown, Startup

if TYPE_CHECKING:
    from .group import PVGroup

__all__ = ["pvproperty"]


class pvproperty:
    """Declares a PV in the body of a `PVGroup`.

    On an object of the group the attribute is the data object of the PV: ``await group.x.write(3)``, ``group.x.value``.

    Parameters
    ----------
    get : coroutine function, optional
        ``async def getter(group, instance)``, called when a client reads. What it returns becomes the value, unless it
        is None. So ``@pvproperty(value=3)`` decorates a getter.
    put : coroutine function, optional
        ``async def putter(group, instance, value)``, called before a new value is stored, whether a client or the IOC
        itself writes it. What it returns is stored instead, unless it is None. `SkipWrite` stores nothing; any other
        exception refuses the write.
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
    field_spec, fields : optional
        Handlers of record fields.
    record : str, optional
        Record type.
    **cls_kwargs
        Further arguments of the data class: ``units``, ``precision``, the limits, ``enum_strings``,
        ``string_encoding``, ``report_as_string``, ...
    """

    def __init__(
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
        field_spec: Any = None,
        fields: Any = None,
        record: Any = None,
        **cls_kwargs: Any,
    ) -> None:
        self.attr_name: str | None = None
        self.field_spec = field_spec
        self.pvspec = PVSpec(
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
    def from_pvspec(cls, pvspec: PVSpec, **kwargs: Any) -> pvproperty:
        """Make one of a declaration that exists already."""
        self = cls(**kwargs)
        self.pvspec = pvspec
        return self

    @property
    def record_type(self) -> str | None:
        """Record type."""
        return self.pvspec.record

    def _take_doc(self, handler: Any) -> None:
        """Document the PV by its getter if by nothing else."""
        doc = self.pvspec.doc or (None if handler is None else handler.__doc__)
        self.pvspec = self.pvspec._replace(doc=doc)
        if doc is not None:
            self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        if self.attr_name is None:  # a decorated handler may give it a second one
            self.attr_name = name
            self.pvspec = self.pvspec.new_names(
                attr=name, name=name if self.pvspec.name is None else None
            )

    @overload
    def __get__(self, instance: None, owner: type) -> pvproperty: ...
    @overload
    def __get__(self, instance: PVGroup, owner: type) -> Any: ...
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
        self,
        get: Getter | None = None,
        put: Putter | None = None,
        startup: Startup | None = None,
        shutdown: Shutdown | None = None,
        scan: Scan | None = None,
    ) -> pvproperty:
        """Set handlers; ``@pvproperty(...)`` above a function makes it the getter."""
        given: dict[str, Any] = {
            "get": get,
            "put": put,
            "startup": startup,
            "shutdown": shutdown,
            "scan": scan,
        }
        self.pvspec = self.pvspec._replace(
            **{name: handler for name, handler in given.items() if handler is not None}
        )
        self._take_doc(get)
        return self

    def getter(self, get: Getter) -> pvproperty:
        """Decorate the getter: ``async def getter(self, instance)``."""
        self.pvspec = self.pvspec._replace(get=get)
        return self

    def putter(self, put: Putter) -> pvproperty:
        """Decorate the putter: ``async def putter(self, instance, value)``."""
        self.pvspec = self.pvspec._replace(put=put)
        return self

    def startup(self, startup: Startup) -> pvproperty:
        """Decorate the start-up hook: ``async def startup(self, instance, async_lib)``."""
        self.pvspec = self.pvspec._replace(startup=startup)
        return self

    def shutdown(self, shutdown: Shutdown) -> pvproperty:
        """Decorate the shutdown hook: ``async def shutdown(self, instance, async_lib)``."""
        self.pvspec = self.pvspec._replace(shutdown=shutdown)
        return self

    def scan(
        self,
        period: float,
        *,
        subtract_elapsed: bool = True,
        stop_on_error: bool = False,
        failure_severity: AlarmSeverity = AlarmSeverity.MAJOR_ALARM,
        use_scan_field: bool = False,
    ) -> Callable[[Scan], pvproperty]:
        """Decorate ``async def scan(self, instance, async_lib)``, called again and again.

        Parameters are those of `scan_wrapper`.
        """

        def wrapper(scan_function: Scan) -> pvproperty:
            scan = scan_wrapper(
                scan_function,
                period,
                subtract_elapsed=subtract_elapsed,
                stop_on_error=stop_on_error,
                failure_severity=failure_severity,
                use_scan_field=use_scan_field,
            )
            self.pvspec = self.pvspec._replace(scan=scan)
            return self

        return wrapper
