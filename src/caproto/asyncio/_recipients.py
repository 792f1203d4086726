"""Who gets an update: the plain callbacks that a subscription had when it arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._callback_signature import Reference
from .._protocol.arrays import Buffer
from .._protocol.header import Head
from .._protocol.messages import EventAddResponse, wire
from ._callbacks import await_result, callback_failed

if TYPE_CHECKING:
    from ._subscription import Subscription

__all__ = ["Recipients"]


class Recipients:
    """The plain callbacks of a subscription, from one change of them to the next.

    Updates that wait for their worker thread stay with those that were there when they arrived: a callback that was
    added since is given the most recent one anyhow.

    Parameters
    ----------
    sub : Subscription
    """

    __slots__ = ("_references", "_shown", "_sub", "_tokens")

    def __init__(self, sub: Subscription) -> None:
        self._sub = sub
        self._shown = sub.front
        self._tokens: tuple[int, ...] = tuple(sub._plain)
        self._references: list[Reference] = list(sub._plain.values())

    def retire(self) -> None:
        """Leave out, from now on, those that are removed: others are the recipients of what arrives."""
        # Looking for each update whether a callback was removed would cost it 15 ns. A list, so that it works in the
        # middle of an update, too.
        plain = self._sub._plain
        self._references[:] = [
            _unless_removed(plain, token, reference)
            for token, reference in zip(self._tokens, self._references, strict=True)
        ]

    def make_and_process(self, head: Head, payload: Buffer) -> None:
        """Make an update and give it to all of them, on the thread where they run."""
        sub = self._sub
        message = wire(EventAddResponse, head, payload)
        if head is sub.recent_head:
            sub.recent = message
        self.process(sub, message)

    def process(self, sub: Subscription, message: EventAddResponse) -> None:
        """Give an update to all of them."""
        shown = self._shown
        for reference in self._references:
            func = reference()
            if func is not None:
                try:
                    result = func(shown, message)
                    if result is not None:
                        await_result(sub.pv, func, result)
                except BaseException as error:
                    callback_failed(sub.pv, func, error)


def _unless_removed(plain: dict[int, Reference], token: int, reference: Reference) -> Reference:
    """Return a reference that gives None once the callback with this token is gone."""

    def checked() -> Callable[..., Any] | None:
        return reference() if token in plain else None

    return checked
