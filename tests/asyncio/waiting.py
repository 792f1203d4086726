"""Waiting for what happens, never for a fixed time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from caproto.asyncio.client import PV

POLL_PERIOD = 0.002


async def until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Return as soon as `condition()` is true; fail if it never is."""
    limit = asyncio.get_running_loop().time() + timeout
    while not condition():
        assert asyncio.get_running_loop().time() < limit, f"{condition} never came true"
        await asyncio.sleep(POLL_PERIOD)


class Recorder:
    """A callback of a subscription, a read or a write that keeps what it is given."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, sub: Any, response: Any) -> None:
        self.calls.append((sub, response))

    @property
    def responses(self) -> list[Any]:
        """The responses in the order of the calls."""
        return [response for _, response in self.calls]

    @property
    def values(self) -> list[Any]:
        """Their values."""
        return [response.value for response in self.responses]

    async def until(self, condition: Callable[[list[Any]], object]) -> None:
        """Wait until the values fulfil a condition."""
        await until(lambda: condition(self.values))

    async def until_value(self, value: Any) -> None:
        """Wait for an update with that value."""
        await self.until(lambda values: values and values[-1] == value)


class States:
    """A connection state callback that keeps the states."""

    def __init__(self) -> None:
        self.states: list[str] = []

    def __call__(self, pv: PV, state: str) -> None:
        self.states.append(state)

    async def until(self, *states: str) -> None:
        """Wait until there have been as many states as these, and compare."""
        try:
            await until(lambda: len(self.states) >= len(states))
        finally:
            assert self.states == list(states)
