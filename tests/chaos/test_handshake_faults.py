"""Every fault at every byte of the greeting ends in a working channel."""

from __future__ import annotations

import asyncio

import pytest

from caproto.asyncio.client import Context
from tests.support import CIoc
from tests.support.chaos_proxy import Action, ChaosProxy, Fault, Way

from .conftest import Impatience

TO_CLIENT = 48  # VERSION, ACCESS_RIGHTS and CREATE_CHAN, without payload
AT_ONCE = 40  # clients that connect at the same time


async def read_in_spite_of(ioc: CIoc, impatient: Impatience, *faults: Fault) -> int:
    """Connect and read while that happens to the first connection; return the bytes that were sent on the last."""
    async with ChaosProxy(ioc.port) as proxy:
        proxy.plan.append(faults)
        impatient.search_at(proxy.port)
        async with Context(timeout=15, host_name="host", client_name="user") as ctx:
            (pv,) = await ctx.get_pvs("CH:value")
            await pv.wait_for_connection()
            sent = proxy.links[-1].passed(Way.TO_SERVER)
            assert (await pv.read()).value == 1.5
            assert proxy.happened == list(faults)
            assert pv.connected
            assert list(ctx.circuit_managers.values()) == [pv.circuit_manager]
            return sent


async def at_every_byte(ioc: CIoc, impatient: Impatience, way: Way, action: Action) -> None:
    length = TO_CLIENT
    if way is Way.TO_SERVER:
        length = await read_in_spite_of(ioc, impatient)
    positions = list(range(length))
    while positions:
        batch, positions = positions[:AT_ONCE], positions[AT_ONCE:]
        results = await asyncio.gather(
            *(read_in_spite_of(ioc, impatient, Fault(action, at, way)) for at in batch),
            return_exceptions=True,
        )
        failed = {at: error for at, error in zip(batch, results, strict=True) if not isinstance(error, int)}
        assert not failed


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("action", Action)
async def test_any_fault_at_any_byte_of_the_greeting(
    shared_ioc: CIoc, impatient: Impatience, way: Way, action: Action
) -> None:
    await at_every_byte(shared_ioc, impatient, way, action)
