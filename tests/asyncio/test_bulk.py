"""`read_many` and `write_many`: one call, a result or an error for each PV."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from caproto import (
    CaprotoError,
    CaprotoTimeoutError,
    ContextDisconnectedError,
    ReadNotifyResponse,
    WriteNotifyResponse,
)
from caproto.asyncio.client import Context
from tests.support import CIoc
from tests.support.chaos_proxy import Action, ChaosProxy, Fault


async def test_a_name_that_does_not_exist_delays_no_other(c_ioc_env: CIoc) -> None:
    async with Context(timeout=1.0) as ctx:
        pvs = await ctx.get_pvs("IO:nowhere", "IO:ai", "IO:longin")  # none is connected yet
        missing, *found = await ctx.read_many(pvs)
        assert isinstance(missing, CaprotoTimeoutError)
        assert missing.stage == "search"
        assert [
            response.value for response in found if isinstance(response, ReadNotifyResponse)
        ] == [3.25, -123456]


async def test_writes_to_names_of_which_one_does_not_exist(c_ioc_env: CIoc) -> None:
    async with Context(timeout=1.0) as ctx:
        missing, there = await ctx.get_pvs("IO:nowhere", "IO:bo")
        results = await ctx.write_many({missing: 1, there: 0})
        assert list(results) == [missing, there]
        assert isinstance(results[missing], CaprotoTimeoutError)
        assert isinstance(results[there], WriteNotifyResponse)


@pytest.mark.parametrize("data_type", [["time"], "nonsense", 99])
async def test_a_type_that_does_not_exist_is_the_result_of_each_read(
    c_ioc_env: CIoc, data_type: Any
) -> None:
    async with Context(timeout=10) as ctx:
        pvs = await ctx.get_pvs("IO:ai", "IO:longin", "IO:wf:long")
        await ctx.wait_for_connections(*pvs)
        results = await ctx.read_many(pvs, data_type=data_type)
        for pv, result in zip(pvs, results, strict=True):
            assert isinstance(result, CaprotoError)
            assert pv.name in str(result)


async def test_pvs_of_different_types_and_lengths_are_read_as_what_they_are(
    c_ioc_env: CIoc,
) -> None:
    async with Context(timeout=10) as ctx:
        pvs = await ctx.get_pvs("IO:wf:long", "IO:ai", "IO:longin", "IO:stringin", "IO:ai")
        await ctx.wait_for_connections(*pvs)
        for data_type in (None, "time"):
            results = await ctx.read_many(pvs, data_type=data_type)
            singly = [await pv.read(data_type=data_type) for pv in pvs]
            for many, one in zip(results, singly, strict=True):
                assert isinstance(many, ReadNotifyResponse)
                assert (many.data_type, many.data_count) == (one.data_type, one.data_count)
                assert (str(many.value), str(many.metadata)) == (str(one.value), str(one.metadata))


async def test_reads_are_repeated_when_their_circuit_fails(
    c_ioc_env: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ChaosProxy(c_ioc_env.port) as proxy:
        monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{proxy.port}")
        async with Context(timeout=10) as ctx:
            pvs = await ctx.get_pvs("IO:ai", "IO:longin", "IO:wf:long")
            await ctx.wait_for_connections(*pvs)
            proxy.inject(Fault(Action.CUT, 30))  # in the middle of the second reply
            one, two, three = await ctx.read_many(pvs)
            assert isinstance(one, ReadNotifyResponse)
            assert isinstance(two, ReadNotifyResponse)
            assert isinstance(three, ReadNotifyResponse)
            assert (one.value, two.value) == (3.25, -123456)
            assert list(three.data) == [-2147483648, -1, 0, 1, 2147483647]


async def test_context_that_is_disconnected(c_ioc_env: CIoc) -> None:
    ctx = Context(timeout=10)
    (pv,) = await ctx.get_pvs("IO:nowhere")
    reading = asyncio.create_task(ctx.read_many([pv]))
    await asyncio.sleep(0)
    await ctx.disconnect()
    [result] = await reading
    assert isinstance(result, ContextDisconnectedError)
    with pytest.raises(ContextDisconnectedError):
        await ctx.read_many([pv])
    with pytest.raises(ContextDisconnectedError):
        await ctx.write_many({pv: 1})
