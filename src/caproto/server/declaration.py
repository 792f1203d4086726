"""What stands in the body of a `PVGroup`, and may be declared further by subclasses."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

__all__ = ["Declaration"]

D = TypeVar("D", bound="Declaration")


class Declaration:
    """Base class of `pvproperty` and `SubGroup`.

    A decorator such as ``@x.putter`` changes the declaration that it is taken from. In a subclass,
    ``@Base.x.putter`` is to leave the base class as it is: the subclass then gets a declaration of its own, once
    Python says in whose body the changed one stands.
    """

    attr_name: str | None = None
    _owner: type | None = None
    _before: dict[str, Any] | None = None
    """What the owner declared, as long as it is not known whether a change is meant for a subclass."""

    def _change(self: D, **state: Any) -> D:
        """Set attributes, which a subclass may turn out to have asked for."""
        if self._owner is not None and self._before is None:
            self._before = {name: getattr(self, name) for name in state}
        for name, value in state.items():
            setattr(self, name, value)
        return self

    def __set_name__(self, owner: type, name: str) -> None:
        if self.attr_name is None:  # a decorated handler may give it a second one
            self.attr_name = name
            self._named(name)
        if self._owner is None:
            self._owner = owner
        elif owner is not self._owner:
            own = copy.copy(self)
            own._owner, own._before = owner, None
            setattr(owner, name, own)
            if self._before is not None:
                for attribute, value in self._before.items():
                    setattr(self, attribute, value)
                self._before = None

    def _named(self, name: str) -> None:
        """Take the name of the attribute; for subclasses."""
