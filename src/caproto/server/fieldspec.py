"""How handlers of record fields are declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from .._errors import CaprotoAttributeError
from .handlers import check_handler
from .scan import scan_wrapper
from .typing import Getter, Putter, Scan, Shutdown, Startup

if TYPE_CHECKING:
    from .pvproperty import pvproperty
    from .records import RecordFieldGroup

    AnyPv: TypeAlias = pvproperty[Any, Any]

__all__ = ["FieldProxy", "FieldSpec", "FieldSpecItems"]

FieldSpecItems: TypeAlias = tuple[tuple[tuple[str, str], Callable[..., Any]], ...]
"""Each as ``((attribute, kind), handler)``; the kind is ``'get'``, ``'put'``, ``'startup'``, ``'shutdown'`` or
``'scan'``."""


class FieldSpec:
    """The handlers of the record fields of one `pvproperty`: ``prop.fields``.

    Each field is an attribute, by either of its names: ``prop.fields.scan_rate`` and ``prop.fields.SCAN`` are a
    `FieldProxy`.

    Parameters
    ----------
    prop : pvproperty
    record_type : str or class, optional
        By default that of the `pvproperty`.

    Raises
    ------
    CaprotoAttributeError
        If there is no record type, or no such field.
    """

    def __init__(self, prop: AnyPv, *, record_type: Any = None) -> None:
        self._prop = prop
        self.record: Any = record_type if record_type is not None else prop.pvspec.record
        """Record type, as it was declared."""
        if self.record is None:
            raise CaprotoAttributeError(
                f"{prop.attr_name or 'the pvproperty'} has no fields without record='...'"
            )

    @property
    def record_class(self) -> type[RecordFieldGroup]:
        """The class that declares the fields."""
        from .records import record_class

        return record_class(self.record)

    @property
    def record_type(self) -> str:
        """Name of the record type."""
        return str(self.record_class._record_type)

    @property
    def fields(self) -> FieldSpecItems:
        """The handlers that were declared."""
        return tuple(self._prop.pvspec.fields or ())

    def __getattr__(self, name: str) -> FieldProxy:
        cls = self.record_class
        name = cls._attribute_of_.get(name, name)
        if name not in cls._pvs_:
            raise CaprotoAttributeError(f"{cls.__name__} has no field with the attribute {name!r}")
        return FieldProxy(self, name)

    def __repr__(self) -> str:
        return f"<FieldSpec record={self.record_class.__name__} fields={self.fields}>"

    def update(self, attribute: str, kind: str, handler: Callable[..., Any]) -> AnyPv:
        """Declare a handler; the last one of a kind holds."""
        check_handler(kind, handler)
        others = tuple(item for item in self.fields if item[0] != (attribute, kind))
        fields = (*others, ((attribute, kind), handler))
        return self._prop._change(pvspec=self._prop.pvspec._replace(fields=fields))


class FieldProxy:
    """One record field of a `pvproperty`, with decorators for its handlers.

    Parameters
    ----------
    field_spec : FieldSpec
    field_name : str
        The attribute: ``'scan_rate'``.
    """

    def __init__(self, field_spec: FieldSpec, field_name: str) -> None:
        self.field_spec = field_spec
        self.field_name = field_name
        self.record_class: type[RecordFieldGroup] = field_spec.record_class

    def __repr__(self) -> str:
        return f"<FieldProxy record={self.record_class.__name__} attr={self.field_name}>"

    def getter(self, getter: Getter) -> AnyPv:
        """Decorate ``async def getter(fields, instance)``."""
        return self.field_spec.update(self.field_name, "get", getter)

    def putter(self, putter: Putter) -> AnyPv:
        """Decorate ``async def putter(fields, instance, value)``."""
        return self.field_spec.update(self.field_name, "put", putter)

    def startup(self, startup: Startup) -> AnyPv:
        """Decorate ``async def startup(fields, instance, async_lib)``."""
        return self.field_spec.update(self.field_name, "startup", startup)

    def shutdown(self, shutdown: Shutdown) -> AnyPv:
        """Decorate ``async def shutdown(fields, instance, async_lib)``."""
        return self.field_spec.update(self.field_name, "shutdown", shutdown)

    @overload
    def scan(self, scan: Scan) -> AnyPv: ...
    @overload
    def scan(self, *, period: float, **kwargs: Any) -> Callable[[Scan], AnyPv]: ...
    def scan(self, scan: Scan | None = None, *, period: float | None = None, **kwargs: Any) -> Any:
        """Decorate ``async def scan(fields, instance, async_lib)``, which runs beside the server.

        Parameters
        ----------
        scan : coroutine function, optional
            Given directly it is run once, as a start-up hook is.
        period : float, optional
            With a period, in seconds, it is called again and again; ``@prop.fields.x.scan(period=1)``.
        **kwargs
            As for `scan_wrapper`.
        """
        if scan is not None:
            return self.field_spec.update(self.field_name, "scan", scan)
        if period is None:
            raise TypeError("scan needs a coroutine function or a period")

        def wrapper(scan_function: Scan) -> AnyPv:
            wrapped = scan_wrapper(scan_function, period, **kwargs)
            return self.field_spec.update(self.field_name, "scan", wrapped)

        return wrapper
