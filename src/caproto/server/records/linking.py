"""Links of fields that a program adds to a record type of its own."""

from __future__ import annotations

from typing import Any

from ..pvproperty import pvproperty
from .links import label_link

__all__ = ["link_enum_strings", "link_parent_attribute"]


def link_parent_attribute(
    pvprop: pvproperty[Any, Any],
    parent_attr_name: str,
    *,
    read_only: bool = False,
    use_setattr: bool = False,
    default: Any = 0,
) -> None:
    """Let a field show, and change, an attribute of the PV of its record.

    Parameters
    ----------
    pvprop : pvproperty
        Of a subclass of `RecordFieldGroup`.
    parent_attr_name : str
        ``'precision'``, for example.
    read_only : bool
        Whether the field only shows it.
    use_setattr : bool
        Set it as an attribute; by default it is written as metadata, of which clients of the PV hear.
    default : object
        What the field shows for a PV that has no such attribute.
    """

    async def getter(fields: Any, instance: Any) -> Any:
        return getattr(fields.parent, parent_attr_name, default)

    async def putter(fields: Any, instance: Any, value: Any) -> None:
        if use_setattr:
            setattr(fields.parent, parent_attr_name, value)
        elif hasattr(fields.parent, parent_attr_name):
            await fields.parent.write_metadata(**{parent_attr_name: value})

    pvprop.getter(getter)
    if not read_only:
        pvprop.putter(putter)


def link_enum_strings(pvprop: pvproperty[Any, Any], index: int) -> None:
    """Let a field show, and change, one label of the PV of its record.

    Parameters
    ----------
    pvprop : pvproperty
        Of a subclass of `RecordFieldGroup`.
    index : int
        Number of the state.
    """
    link = label_link(index)

    async def getter(fields: Any, instance: Any) -> Any:
        return link.get(fields.parent)

    async def putter(fields: Any, instance: Any, value: Any) -> None:
        assert link.set is not None
        link.set(fields.parent, value)

    pvprop.getter(getter)
    pvprop.putter(putter)
