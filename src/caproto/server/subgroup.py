"""`SubGroup`: a group of PVs within a group, and its PVs as they are seen in the class body."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .._errors import CaprotoAttributeError, CaprotoTypeError
from .declaration import Declaration
from .pvproperty import pvproperty
from .pvspec import PVSpec
from .typing import Getter, Putter, Scan, Shutdown, Startup

if TYPE_CHECKING:
    from .group import PVGroup

__all__ = ["NestedPvproperty", "SubGroup"]

T_PVGroup = TypeVar("T_PVGroup", bound="PVGroup")
S = TypeVar("S", bound="SubGroup[Any]")


class SubGroup(Declaration, Generic[T_PVGroup]):
    """Declares a group of PVs in the body of another one.

    It has three forms::

        motor = SubGroup(MotorGroup, prefix="m1:", axis=1)


        @SubGroup(prefix="m2:")
        class motor2(PVGroup): ...


        plain = SubGroup({"a": pvproperty(value=1)}, prefix="p:")

    In the rest of the body its PVs can be given handlers, without a change to the group class itself::

        @motor.position.putter
        async def motor(group, instance, value): ...

    Parameters
    ----------
    group : type or dict, optional
        A `PVGroup` class, or PVs by the name of their attribute: `pvproperty`, `PVSpec`, or a dict of the arguments of
        the latter.
    prefix : str, optional
        Put between the prefix of the outer group and the names of the PVs; may have macros. By default the name of the
        attribute and `attr_separator`.
    macros : dict, optional
        Beside those of the outer group.
    attr_separator : str, optional
        By default that of the group class, or ``':'``.
    doc : str, optional
    base : tuple of type, optional
        Base classes of the group that is made of a dict.
    **init_kwargs
        Further arguments of the group class.
    """

    @overload
    def __init__(
        self,
        group: type[T_PVGroup],
        *,
        prefix: str | None = None,
        macros: dict[str, str] | None = None,
        attr_separator: str | None = None,
        doc: str | None = None,
        base: tuple[type, ...] | None = None,
        **init_kwargs: Any,
    ) -> None: ...
    @overload
    def __init__(
        self: SubGroup[Any],
        group: dict[str, Any] | None = None,
        *,
        prefix: str | None = None,
        macros: dict[str, str] | None = None,
        attr_separator: str | None = None,
        doc: str | None = None,
        base: tuple[type, ...] | None = None,
        **init_kwargs: Any,
    ) -> None: ...
    def __init__(
        self,
        group: Any = None,
        *,
        prefix: str | None = None,
        macros: dict[str, str] | None = None,
        attr_separator: str | None = None,
        doc: str | None = None,
        base: tuple[type, ...] | None = None,
        **init_kwargs: Any,
    ) -> None:
        self.attr_name: str | None = None
        self.prefix = prefix
        self.macros: dict[str, str] = macros if macros is not None else {}
        self.attr_separator = attr_separator
        self.base = base
        self.init_kwargs = init_kwargs
        self.group_dict: dict[str, Any] | None = None
        self.group_cls: type[PVGroup] | None = None
        self.__doc__ = doc
        if group is not None:
            self._take(group)

    @property
    def group(self) -> type[PVGroup] | None:
        """The group class."""
        return self.group_cls

    def _take(self, group: Any) -> None:
        """Take the group class, or make one of a dict."""
        from .group import PVGroup

        if isinstance(group, dict):
            self.group_dict = group
            body = {name: _declared(item) for name, item in group.items()}
            self.group_cls = type("SubGroup", self.base or (PVGroup,), body)
        elif isinstance(group, type) and issubclass(group, PVGroup):
            self.group_cls = group
        else:
            raise CaprotoTypeError(f"a SubGroup takes a PVGroup class or a dict, not {group!r}")
        if self.__doc__ is None:
            self.__doc__ = self.group_cls.__doc__

    def __call__(self, group: Any) -> Any:
        """Decorate a group class."""
        self._take(group)
        return self

    def _named(self, name: str) -> None:
        if self.group_dict is not None and self.group_cls is not None:
            self.group_cls.__name__ = name

    @overload
    def __get__(self: S, instance: None, owner: type) -> S: ...
    @overload
    def __get__(self, instance: PVGroup, owner: type) -> T_PVGroup: ...
    def __get__(self, instance: PVGroup | None, owner: type) -> Any:
        if instance is None:
            return self
        assert self.attr_name is not None
        return instance.groups[self.attr_name]

    def __set__(self, instance: PVGroup, value: Any) -> None:
        raise AttributeError(f"{self.attr_name} is a SubGroup and cannot be replaced")

    def __getattr__(self, name: str) -> NestedPvproperty:
        """Return a PV of the group, to be given handlers here."""
        group = None if name.startswith("__") else self.__dict__.get("group_cls")
        if group is None or name not in group._pvs_:
            raise CaprotoAttributeError(f"the SubGroup {self.attr_name or ''} has no {name!r}")
        return NestedPvproperty.from_pvspec(group._pvs_[name].pvspec, parent=self)

    def redeclare(self: S, name: str, pvspec: PVSpec) -> S:
        """Declare one PV of the group otherwise; the group class that was given stays as it is."""
        assert self.group_cls is not None
        body: dict[str, Any] = {
            name: pvproperty.from_pvspec(pvspec),
            "__doc__": self.group_cls.__doc__,
        }
        group = type(self.group_cls.__name__, (self.group_cls,), body)
        group.__module__ = self.group_cls.__module__
        return self._change(group_cls=group)

    def create(self, parent: PVGroup) -> PVGroup:
        """Make the group for an object of the outer one.

        Raises
        ------
        CaprotoTypeError
            If no group was declared.
        """
        if self.group_cls is None or self.attr_name is None:
            raise CaprotoTypeError(f"the SubGroup {self.attr_name} of {parent.name} has no group")
        separator = self.attr_separator
        if separator is None:
            separator = getattr(self.group_cls, "attr_separator", ":")
        prefix = self.prefix if self.prefix is not None else self.attr_name + separator
        return self.group_cls(
            parent.prefix + prefix,
            macros={**parent.macros, **self.macros},
            parent=parent,
            name=f"{parent.name}.{self.attr_name}",
            **self.init_kwargs,
        )


def _declared(item: Any) -> Any:
    """Return an item of a dict as what may stand in the body of a group."""
    if isinstance(item, dict):
        item = PVSpec(**item)
    if isinstance(item, PVSpec):
        return pvproperty.from_pvspec(item)
    if isinstance(item, Declaration):
        return item
    raise CaprotoTypeError(f"a SubGroup is made of pvproperty and PVSpec, not of {item!r}")


class NestedPvproperty(pvproperty[Any, Any]):
    """A PV of a subgroup, as it is seen in the body of the outer group.

    Its decorators give the subgroup, so that the decorated function may have the name of that::

        pair = pvproperty_with_rbv(dtype=int)


        @pair.readback.getter
        async def pair(group, instance): ...

    Attributes
    ----------
    parent : SubGroup
    """

    parent: Any

    @classmethod
    def from_pvspec(cls, pvspec: PVSpec, parent: Any = None, **kwargs: Any) -> NestedPvproperty:
        """Make one of a declaration that exists already."""
        self = super().from_pvspec(pvspec, **kwargs)
        assert isinstance(self, NestedPvproperty)
        self.parent = parent
        self.attr_name = pvspec.attr
        return self

    def _done(self) -> Any:
        """Let the subgroup have the handler."""
        assert self.attr_name is not None
        return self.parent.redeclare(self.attr_name, self.pvspec)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Set handlers."""
        super().__call__(*args, **kwargs)
        return self._done()

    def getter(self, get: Getter) -> Any:
        """Decorate the getter: ``async def getter(self, instance)``, where `self` is the subgroup."""
        super().getter(get)
        return self._done()

    def putter(self, put: Putter) -> Any:
        """Decorate the putter: ``async def putter(self, instance, value)``."""
        super().putter(put)
        return self._done()

    def startup(self, startup: Startup) -> Any:
        """Decorate the start-up hook: ``async def startup(self, instance, async_lib)``."""
        super().startup(startup)
        return self._done()

    def shutdown(self, shutdown: Shutdown) -> Any:
        """Decorate the shutdown hook: ``async def shutdown(self, instance, async_lib)``."""
        super().shutdown(shutdown)
        return self._done()

    def scan(self, *args: Any, **kwargs: Any) -> Callable[[Scan], Any]:
        """Decorate ``async def scan(self, instance, async_lib)``, called again and again."""
        decorate = super().scan(*args, **kwargs)

        def wrapper(scan_function: Scan) -> Any:
            decorate(scan_function)
            return self._done()

        return wrapper
