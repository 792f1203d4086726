"""Macros in PV names."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["expand_macros"]


def expand_macros(pv: str, macros: Mapping[str, object]) -> str:
    """Replace ``{name}`` by the macro of that name.

    Parameters
    ----------
    pv : str
        ``{{`` and ``}}`` stand for single braces.
    macros : mapping of str to object

    Returns
    -------
    str

    Raises
    ------
    KeyError
        If there is no such macro.
    """
    return pv.format(**dict(macros))
