"""Callbacks of subscriptions that were written for an older signature."""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["adapt_old_callback_signature"]


def adapt_old_callback_signature(
    func: Callable[..., Any], weakref_set: set[Any]
) -> Callable[..., Any]:
    """Make a callback that takes only a response take the subscription as well.

    Parameters
    ----------
    func : callable
        ``f(sub, response)``, or in the old way ``f(response)``.
    weakref_set : set
        Keeps what is returned alive, for as long as `func` lives.

    Returns
    -------
    callable
        `func` itself if it takes both; otherwise a function that calls it, and that holds it weakly.

    Warns
    -----
    UserWarning
        If `func` takes only a response.
    """
    try:
        inspect.signature(func).bind(None, None)
    except TypeError:
        pass
    except ValueError:  # cannot be inspected, as some written in C
        return func
    else:
        return func
    warnings.warn(
        f"{func!r} takes only a response. Callbacks of subscriptions are called as "
        "func(sub, response); func(response) will not be supported for ever.",
        stacklevel=2,
    )
    reference = _weak(func, None)

    def adapted(sub: Any, response: Any) -> Any:
        """Call the old callback if it still exists."""
        callback = reference()
        return None if callback is None else callback(response)

    def forget(dead: Any, _adapted: Callable[..., Any] = adapted) -> None:
        """Let go of the adapted function; until then the default argument keeps it."""
        weakref_set.discard(dead)

    weakref_set.add(_weak(func, forget))
    return adapted


def _weak(func: Callable[..., Any], on_death: Callable[[Any], Any] | None) -> weakref.ref[Any]:
    """Refer weakly to a function, or to a method by way of its object."""
    if inspect.ismethod(func):
        return weakref.WeakMethod(func, on_death)
    return weakref.ref(func, on_death)
