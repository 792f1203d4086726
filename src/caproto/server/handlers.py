"""The functions that an IOC gives to its PVs: what they must look like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .._errors import CaprotoRuntimeError

__all__ = ["check_handler"]

_ARGUMENTS = {
    "get": ("group", "instance"),
    "put": ("group", "instance", "value"),
    "startup": ("group", "instance", "async_lib"),
    "shutdown": ("group", "instance", "async_lib"),
    "scan": ("group", "instance", "async_lib"),
}


def check_handler(kind: str, handler: Callable[..., Any] | None) -> None:
    """Make sure that a handler can be called and awaited, when it is declared rather than when it is needed.

    Parameters
    ----------
    kind : {'get', 'put', 'startup', 'shutdown', 'scan'}
    handler : coroutine function, optional

    Raises
    ------
    CaprotoRuntimeError
        If it takes other arguments, or is an ordinary function.
    """
    if handler is None:
        return
    arguments = _ARGUMENTS[kind]
    name = getattr(handler, "__name__", repr(handler))
    try:
        inspect.signature(handler).bind(*arguments)
        fits = True
    except TypeError:
        fits = False
    except ValueError:  # a callable that does not tell its signature
        fits = callable(handler)
    if not fits or (
        inspect.isfunction(handler)
        and not inspect.iscoroutinefunction(inspect.unwrap(handler))
        and not inspect.iscoroutinefunction(handler)
    ):
        raise CaprotoRuntimeError(
            f"the {kind} handler {name} must be declared as "
            f"`async def {name}({', '.join(arguments)})`{_where(handler)}"
        )


def _where(handler: Any) -> str:
    """Say where a function stands."""
    code = getattr(inspect.unwrap(handler), "__code__", None)
    return f" ({code.co_filename}, line {code.co_firstlineno})" if code is not None else ""
