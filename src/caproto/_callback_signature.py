"""Signatures of callbacks of subscriptions: the one of today, and an older one that is still taken."""

from __future__ import annotations

import inspect
import warnings
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = [
    "Reference",
    "accepts_two_arguments",
    "adapt_old_callback_signature",
    "weak_reference",
    "with_old_signature",
]

Reference: TypeAlias = "Callable[[], Callable[..., Any] | None]"
"""Gives a callback, or None when nobody has it any more."""


def accepts_two_arguments(func: Callable[..., Any]) -> bool:
    """Tell whether `func` takes ``(sub, response)``; what cannot be inspected (as some written in C) does."""
    try:
        inspect.signature(func).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def weak_reference(
    func: Callable[..., Any], on_death: Callable[[Any], None] | None = None
) -> weakref.ref[Callable[..., Any]]:
    """Return a weak reference to a function, or to a method by way of its object."""
    if inspect.ismethod(func):
        return weakref.WeakMethod(func, on_death)
    return weakref.ref(func, on_death)


def with_old_signature(reference: Reference) -> Reference:
    """Let a callback of the form ``f(response)`` be called as ``f(sub, response)``."""

    def adapted() -> Callable[..., Any] | None:
        func = reference()
        if func is None:
            return None
        return lambda sub, response: func(response)

    return adapted


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
    if accepts_two_arguments(func):
        return func
    warnings.warn(
        f"{func!r} takes only a response. Callbacks of subscriptions are called as "
        "func(sub, response); func(response) will not be supported for ever.",
        stacklevel=2,
    )
    reference = weak_reference(func)

    def adapted(sub: Any, response: Any) -> Any:
        """Call the old callback if it still exists."""
        callback = reference()
        return None if callback is None else callback(response)

    def forget(dead: Any, _adapted: Callable[..., Any] = adapted) -> None:
        """Let go of the adapted function; until then the default argument keeps it."""
        weakref_set.discard(dead)

    weakref_set.add(weak_reference(func, forget))
    return adapted
