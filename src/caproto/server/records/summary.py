"""A list of all record types and fields, for people."""

from __future__ import annotations

import sys
from typing import Any

from .registry import records

__all__ = ["summarize"]


def summarize(file: Any = None) -> None:
    """Print all record types with their fields.

    Parameters
    ----------
    file : file object, optional
        Standard output by default.
    """
    out = sys.stdout if file is None else file
    for record_type, cls in records.items():
        print(f"{record_type} ({cls.__name__})", file=out)
        for attribute, item in sorted(cls._pvs_.items(), key=lambda pair: str(pair[1].pvspec.name)):
            spec = item.pvspec
            dtype = getattr(spec.dtype, "__name__", spec.dtype)
            mark = " read-only" if spec.read_only else ""
            print(f"    {spec.name:8} {attribute:36} {dtype}{mark}", file=out)
