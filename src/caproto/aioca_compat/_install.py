"""Programs that import aioca get this instead."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

from . import _constants, _datatypes, _nothing, _values
from ._channels import Timeout

__all__ = ["install"]


def install() -> None:
    """Let ``import aioca`` give `caproto.aioca_compat` from now on; call it before anything imports aioca.

    ``aioca.types`` is there, too, and, where epicscorelibs is not installed, an ``epicscorelibs.ca.dbr`` with the
    constants that ophyd-async takes from it. So neither aioca nor the C library is needed.

    Raises
    ------
    RuntimeError
        If the real aioca has been imported before: what has taken names from it would go on using it.
    """
    ours = sys.modules[__package__]
    known = sys.modules.get("aioca")
    if known is ours:
        return
    if known is not None:
        raise RuntimeError(
            "aioca has been imported already: call caproto.aioca_compat.install() first, at the top of the program"
        )
    sys.modules["aioca"] = ours
    sys.modules["aioca.types"] = _types()
    if "epicscorelibs" not in sys.modules and find_spec("epicscorelibs") is None:
        _install_constants()


def _types() -> ModuleType:
    """Return what aioca has in ``aioca.types``."""
    module = ModuleType("aioca.types", "The types of aioca's arguments and results.")
    for name in ("Dbe", "Dbr", "Format", "Datatype", "Count"):
        setattr(module, name, getattr(_datatypes, name))
    module.AugmentedValue = _values.AugmentedValue  # type: ignore[attr-defined]
    module.Timeout = Timeout  # type: ignore[attr-defined]
    return module


def _install_constants() -> None:
    """Stand in for the names of constants in ``epicscorelibs.ca.dbr``."""
    dbr = ModuleType("epicscorelibs.ca.dbr", "Constants of Channel Access.")
    for name in _constants.__all__:
        setattr(dbr, name, getattr(_constants, name))
    dbr.InvalidDatatype = _nothing.InvalidDatatype  # type: ignore[attr-defined]
    above = ModuleType("epicscorelibs")
    between = ModuleType("epicscorelibs.ca")
    above.ca, between.dbr = between, dbr  # type: ignore[attr-defined]
    above.__path__, between.__path__ = [], []
    for module in (above, between, dbr):
        sys.modules[module.__name__] = module
