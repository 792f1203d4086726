"""Which keywords a callback can tell from all of those that pyepics hands over."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import pytest

from caproto.threading._pyepics.named import named_keywords


def rest_is_ignored(value: Any = None, timestamp: Any = None, **kws: Any) -> None:
    pass


def nothing_is_named(**kws: Any) -> None:
    pass


def keyword_only(*args: Any, value: Any, severity: int = 0, **kws: Any) -> None:
    pass


class Methods:
    def method(self, pvname: str = "", **kws: Any) -> None:
        pass

    def __call__(self, value: Any = None, **kws: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("callback", "names"),
    [
        (rest_is_ignored, ("value", "timestamp")),
        (nothing_is_named, ()),
        (keyword_only, ("value", "severity")),
        (Methods().method, ("pvname",)),
        (lambda value, **kws: value, ("value",)),
    ],
)
def test_what_a_callback_does_not_name_and_never_looks_at_is_left_away(
    callback: Callable[..., Any], names: tuple[str, ...]
) -> None:
    assert named_keywords(callback) == names


def looks_at_rest(value: Any = None, **kws: Any) -> Any:
    return kws["units"]


def hands_rest_on(value: Any = None, **kws: Any) -> None:
    looks_at_rest(**kws)


def has_a_closure(value: Any = None, **kws: Any) -> Callable[[], Any]:
    return lambda: kws


def has_a_comprehension(value: Any = None, **kws: Any) -> list[Any]:
    return [name + "!" for name in kws]


def forgets_rest(value: Any = None, **kws: Any) -> None:
    del kws


def evaluates(value: Any = None, **kws: Any) -> Any:
    return eval("kws")


def takes_locals(value: Any = None, **kws: Any) -> Any:
    return locals()


def looks_at_frames(value: Any = None, **kws: Any) -> Any:
    return inspect.currentframe(), sys._getframe()


def positional_only(value: Any = None, /, **kws: Any) -> None:
    pass


def without_rest(value: Any = None) -> None:
    pass


@pytest.mark.parametrize(
    "callback",
    [
        looks_at_rest,
        hands_rest_on,
        has_a_closure,
        has_a_comprehension,
        forgets_rest,
        evaluates,
        takes_locals,
        looks_at_frames,
        positional_only,
        without_rest,
        functools.partial(rest_is_ignored, timestamp=1),
        Methods(),
        Methods,
        print,
    ],
)
def test_where_it_might_be_noticed_everything_is_handed_over(callback: Callable[..., Any]) -> None:
    assert named_keywords(callback) is None
