"""Which keywords a callback can tell from all of those that pyepics hands over."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable
from functools import lru_cache
from types import CodeType, FunctionType, MethodType
from typing import Any

__all__ = ["named_keywords"]

_VARIADIC = inspect.CO_VARKEYWORDS
_LOOKS_AROUND = frozenset(
    {"_getframe", "currentframe", "dir", "eval", "exec", "locals", "stack", "vars"}
)
"""Functions that see variables which the code does not name."""


def named_keywords(callback: Callable[..., Any]) -> tuple[str, ...] | None:
    """Return the only keywords that `callback` notices; None if that may be all.

    pyepics calls with 31 keywords, and nearly all callbacks are of the form ``f(pvname, value, **kws)``, with `kws`
    for all that they are not interested in. Python fills it with 29 of them, at each call. If the code of the function
    never looks at it, nobody notices that they were left away, and an update takes 2.4 instead of 6.6 us
    (``bench_pyepics.py``).

    A function without ``**kws`` gets them all, and fails, as with pyepics.
    """
    function = callback.__func__ if type(callback) is MethodType else callback
    if type(function) is not FunctionType:
        return None
    names = _of_code(function.__code__)
    if names and type(callback) is MethodType:
        return names[1:]
    return names


@lru_cache(maxsize=1024)
def _of_code(code: CodeType) -> tuple[str, ...] | None:
    if not code.co_flags & _VARIADIC or code.co_posonlyargcount:
        return None
    if _LOOKS_AROUND.intersection(code.co_names):
        return None
    named = code.co_argcount + code.co_kwonlyargcount
    rest = code.co_varnames[named + bool(code.co_flags & inspect.CO_VARARGS)]
    for instruction in dis.get_instructions(code):
        mentioned = instruction.argval
        if mentioned == rest or (isinstance(mentioned, tuple) and rest in mentioned):
            return None
    return code.co_varnames[:named]
