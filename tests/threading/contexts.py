"""Tests with a Context that ends before the check for leaks: a fixture would be torn down after it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from caproto.threading.client import Context


def with_context(test: Callable[..., None]) -> Callable[..., None]:
    """Give a test, as its argument `ctx`, a Context that finds the C IOC; its other arguments are fixtures."""
    parameters = list(inspect.signature(test).parameters)
    wants_ioc = "c_ioc_env" in parameters

    def run(**fixtures: Any) -> None:
        if not wants_ioc:
            del fixtures["c_ioc_env"]
        with Context(timeout=20) as ctx:
            test(ctx=ctx, **fixtures)

    names = ["c_ioc_env", *(name for name in parameters if name not in ("ctx", "c_ioc_env"))]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    )
    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run
