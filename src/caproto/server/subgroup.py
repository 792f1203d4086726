"""`SubGroup`: a group of PVs within a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from .._errors import CaprotoTypeError
from .pvproperty import pvproperty
from .pvspec import PVSpec

if TYPE_CHECKING:
    from .group import PVGroup

__all__ = ["SubGroup"]


class SubGroup:
    """Declares a group of PVs in the body of another one.

    It has three forms::

        motor = SubGroup(MotorGroup, prefix="m1:", axis=1)


        @SubGroup(prefix="m2:")
        class motor2(PVGroup): ...


        plain = SubGroup({"a": pvproperty(value=1)}, prefix="p:")

    Parameters
    ----------
    group : type or dict, optional
        A `PVGroup` class, or PVs by the name of their attribute (`pvproperty` or `PVSpec`).
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
        self.macros = macros if macros is not None else {}
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
            body = {
                name: pvproperty.from_pvspec(item) if isinstance(item, PVSpec) else item
                for name, item in group.items()
            }
            self.group_cls = type("SubGroup", self.base or (PVGroup,), body)
        elif isinstance(group, type) and issubclass(group, PVGroup):
            self.group_cls = group
        else:
            raise CaprotoTypeError(f"a SubGroup takes a PVGroup class or a dict, not {group!r}")
        if self.__doc__ is None:
            self.__doc__ = self.group_cls.__doc__

    def __call__(self, group: Any) -> SubGroup:
        """Decorate a group class."""
        self._take(group)
        return self

    def __set_name__(self, owner: type, name: str) -> None:
        if self.attr_name is None:
            self.attr_name = name
        if self.group_dict is not None and self.group_cls is not None:
            self.group_cls.__name__ = name

    @overload
    def __get__(self, instance: None, owner: type) -> SubGroup: ...
    @overload
    def __get__(self, instance: PVGroup, owner: type) -> Any: ...
    def __get__(self, instance: PVGroup | None, owner: type) -> Any:
        if instance is None:
            return self
        assert self.attr_name is not None
        return instance.groups[self.attr_name]

    def __set__(self, instance: PVGroup, value: Any) -> None:
        raise AttributeError(f"{self.attr_name} is a SubGroup and cannot be replaced")

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
