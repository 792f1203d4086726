"""Pairs of a setpoint and its readback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .pvproperty import pvproperty
from .subgroup import SubGroup

__all__ = ["get_pv_pair_wrapper"]


def get_pv_pair_wrapper(
    setpoint_suffix: str = "", readback_suffix: str = "_RBV"
) -> Callable[..., SubGroup[Any]]:
    """Make a function that declares a setpoint and its readback at once.

    Parameters
    ----------
    setpoint_suffix, readback_suffix : str
        Appended to the name of the attribute, or to ``name``.

    Returns
    -------
    callable
        Takes the arguments of `pvproperty`, and ``setpoint_kw`` and ``readback_kw`` for those that only one of the two
        is to have. The attribute is a subgroup with the PVs ``setpoint`` and ``readback``. What is written to the
        setpoint is copied to the readback, unless ``put`` says otherwise. The other handlers are the readback's.
        ``@pair.setpoint.putter`` and the like decorate handlers of either.
    """

    def pair(
        *,
        get: Any = None,
        put: Any = None,
        startup: Any = None,
        shutdown: Any = None,
        scan: Any = None,
        name: str | None = None,
        setpoint_kw: dict[str, Any] | None = None,
        readback_kw: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> SubGroup[Any]:
        async def copy_to_readback(group: Any, instance: Any, value: Any) -> None:
            await group.readback.write(value)

        setpoint = {
            "put": put or copy_to_readback,
            "name": setpoint_suffix,
            **kwargs,
            **(setpoint_kw or {}),
        }
        readback = {
            "get": get,
            "startup": startup,
            "shutdown": shutdown,
            "scan": scan,
            "name": readback_suffix,
            "read_only": True,
            **kwargs,
            **(readback_kw or {}),
        }
        body = {"setpoint": pvproperty(**setpoint), "readback": pvproperty(**readback)}
        return SubGroup(body, prefix=name, attr_separator="", doc=kwargs.get("doc"))

    return pair
