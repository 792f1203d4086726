"""A state of a group, and a PV that minds it.

Clients can subscribe to updates around a change of the state by the channel filter ``sync``, for example
``caproto-monitor 'state:value.{"sync":{"while":"my_stately_state"}}'``.

PVs
---
value
    Counts twice a second.
enable_state, disable_state
    Whatever is written to them sets the state to 1, or to 0.
my_stately_state
    The state.
"""

from __future__ import annotations

from typing import Any, Final

from caproto.server import PVGroup, PvpropertyInteger, ioc_arg_parser, pvproperty, run

_STATE = "my_stately_state"


class MindsStates(PvpropertyInteger):
    """A number that tells when a state of its group changes."""

    def pre_state_change(self, state: Any, new_value: Any) -> None:
        """Tell that a state is about to change."""
        print(f"{self.pvname} is {self.value}: {state} is going to be {new_value}", flush=True)

    def post_state_change(self, state: Any, new_value: Any) -> None:
        """Tell that a state has changed."""
        print(f"{self.pvname} is {self.value}: {state} is {new_value}", flush=True)


class StateIOC(PVGroup):
    """A state, and the PVs around it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.states[_STATE] = 0

    value: Final = pvproperty(value=1, dtype=MindsStates, doc="counts twice a second")
    disable_state: Final = pvproperty(value=False, doc="sets the state to 0")
    enable_state: Final = pvproperty(value=False, doc="sets the state to 1")

    @value.scan(period=0.5)
    async def _count(self, instance: Any, async_lib: Any) -> None:
        await instance.write(instance.value + 1)

    async def _set_state(self, state: int) -> None:
        async with self.update_state(_STATE, state):
            # What is written here belongs to the change: the hooks are called before and after.
            await self.value.write(self.value.value)

    @enable_state.putter
    async def _enable(self, instance: Any, value: Any) -> None:
        await self._set_state(1)

    @disable_state.putter
    async def _disable(self, instance: Any, value: Any) -> None:
        await self._set_state(0)

    @pvproperty(value=0)
    async def my_stately_state(self, instance: Any) -> int:
        """Give the state."""
        return int(self.states[_STATE])


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="state:", desc=__doc__ or "")
    ioc = StateIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
