"""PVs that take their time, for tests of the engine."""

from __future__ import annotations

from typing import Any

from caproto.server.data import ChannelDouble
from tests.server.fake_shell import Gate


class SlowRead(ChannelDouble):
    """Every read waits for a gate of its own, whose result is the new value."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gates: list[Gate] = []

    async def read(self, data_type: int) -> tuple[Any, Any]:
        self.gates.append(Gate())
        value = await self.gates[-1]
        if isinstance(value, Exception):
            raise value
        if value is not None:
            await self.write(value)
        return await super().read(data_type)


class SlowWrite(ChannelDouble):
    """Every write waits for a gate of its own, whose result is stored instead."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gates: list[Gate] = []
        self.written: list[Any] = []

    async def verify_value(self, data: Any) -> Any:
        self.written.append(data)
        self.gates.append(Gate())
        value = await self.gates[-1]
        if isinstance(value, Exception):
            raise value
        return data if value is None else value


class SlowBoth(SlowRead, SlowWrite):
    """Both."""


class QuickCoroutine(ChannelDouble):
    """A write runs a coroutine that awaits nothing."""

    async def verify_value(self, data: Any) -> Any:
        return data * 2
