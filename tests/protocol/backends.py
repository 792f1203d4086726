"""Both ways to keep arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from caproto import select_backend
from caproto._protocol.arrays import current_backend

BACKENDS = ("numpy", "array")


@contextmanager
def using_backend(name: str) -> Iterator[None]:
    """Use a back end, then the one from before."""
    before = current_backend().name
    select_backend(name)
    try:
        yield
    finally:
        select_backend(before)
