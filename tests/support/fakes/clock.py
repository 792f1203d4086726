"""Virtual time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

__all__ = ["FakeClock", "FakeTimer"]

_MOST_AT_ONCE = 200_000  # actions at one moment; more of them never end


class FakeTimer:
    """An action that will happen, unless it is cancelled."""

    __slots__ = ("action",)

    def __init__(self, action: Callable[[], object]) -> None:
        self.action: Callable[[], object] | None = action

    def cancel(self) -> None:
        """Do not let it happen."""
        self.action = None


class FakeClock:
    """
    Time that passes only when a test says so.

    Parameters
    ----------
    now
        Seconds at the beginning.
    """

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self._order = count()
        self._queue: list[tuple[float, int, FakeTimer]] = []

    def call_at(self, moment: float, action: Callable[[], object]) -> FakeTimer:
        """Let `action` happen at `moment`, but not before what is due now."""
        timer = FakeTimer(action)
        heappush(self._queue, (max(moment, self.now), next(self._order), timer))
        return timer

    def call_later(self, seconds: float, action: Callable[[], object]) -> FakeTimer:
        """Let `action` happen in so many seconds."""
        return self.call_at(self.now + seconds, action)

    def call_soon(self, action: Callable[[], object]) -> FakeTimer:
        """Let `action` happen now, after everything else that is due."""
        return self.call_at(self.now, action)

    def run(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self._run(self.now + seconds, lambda: False)

    def settle(self) -> None:
        """Let happen what is due, without time passing."""
        self._run(self.now, lambda: False)

    def run_until(self, condition: Callable[[], bool], limit: float = 3600.0) -> float:
        """
        Let time pass until `condition` holds; return how long it took.

        Raises
        ------
        AssertionError
            If it does not hold after `limit` seconds.
        """
        start = self.now
        if not condition() and not self._run(start + limit, condition):
            raise AssertionError(f"it did not happen within {limit} virtual seconds")
        return self.now - start

    def sleep(self, seconds: float) -> None:
        """Jump: the computer was asleep, or the loop was blocked. What became due happens late."""
        self.now += seconds

    def _run(self, end: float, condition: Callable[[], bool]) -> bool:
        queue = self._queue
        at_once, moment = 0, self.now
        while queue and queue[0][0] <= end:
            due, _, timer = heappop(queue)
            action, timer.action = timer.action, None
            if action is None:
                continue
            self.now = max(self.now, due)
            at_once = at_once + 1 if self.now == moment else 0
            moment = self.now
            if at_once > _MOST_AT_ONCE:
                raise AssertionError(f"a busy loop at {self.now}: {action}")
            action()
            if condition():
                return True
        self.now = max(self.now, end)
        return False
