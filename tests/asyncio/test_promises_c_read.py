"""What the reference page promises about reading (12 to 24)."""

from __future__ import annotations

import array
import asyncio
import ctypes
import datetime
import gc
import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from caproto import AlarmSeverity, AlarmStatus, CaprotoTimeoutError, ChannelType, ReadResponse
from caproto.asyncio.client import PV_DEFAULT_TIMEOUT, Context
from tests.support import CIoc, Ioc, Program, python_command

from ..conftest import Loopback
from .conftest import StartIoc
from .reprs import NORMAL
from .sent_messages import READ, READ_NOTIFY, SentMessages
from .waiting import until


async def test_promise_12_repr_of_a_response(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        assert repr(await dt.read()) == (
            "ReadNotifyResponse(data=array([3.]), data_type=<ChannelType.DOUBLE: 6>, "
            f"data_count=1, status={NORMAL}, ioid=0, metadata=None)"
        )


async def test_promise_13_ioids_count_from_zero_for_all_pvs_of_a_circuit(ioc: Ioc) -> None:
    async with Context() as ctx:
        x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        assert (await dt.read()).ioid == 0
        assert (await dt.read(data_type="time")).ioid == 1
        assert (await dt.write([1])).ioid == 2
        await x.wait_for_connection()
        await x.go_idle()
        assert (await x.read()).ioid == 3


async def test_promise_14_bytes_of_response(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        assert bytes(await dt.read()) == (
            b"\x00\x0f\x00\x08\x00\x06\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00"
            b"@\x08\x00\x00\x00\x00\x00\x00"
        )


async def test_promise_15_data_and_no_metadata(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        response = await dt.read()
        assert isinstance(response.data, np.ndarray)
        assert response.data.tolist() == [3.0]
        assert response.metadata is None
        assert response.value == 3.0
        assert type(response.value) is float


async def test_promise_15_value_of_an_array(various_ioc: Ioc) -> None:
    async with Context() as ctx:
        array, string, text = await ctx.get_pvs("various:array", "various:string", "various:text")
        await array.write([1.5, 2.5])
        response = await array.read()
        assert response.data.dtype == np.dtype(">f8")
        assert response.value.dtype == np.dtype("=f8")
        assert response.value.tolist() == [1.5, 2.5]
        await string.write("hello")
        assert (await string.read()).value == "hello"
        await text.write("abc")
        assert bytes((await text.read()).value).rstrip(b"\0") == b"abc"


async def test_promise_15_value_of_an_array_of_strings(c_ioc_env: CIoc) -> None:
    async with Context(timeout=20) as ctx:
        (strings,) = await ctx.get_pvs("IO:wf:string")
        assert (await strings.read()).value == ["one", "two", "three"]


async def test_promise_16_time_metadata(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        response = await dt.read(data_type="time")
        metadata = response.metadata
        assert repr(metadata) == (
            "DBR_TIME_DOUBLE(status=<AlarmStatus.NO_ALARM: 0>, "
            f"severity=<AlarmSeverity.NO_ALARM: 0>, timestamp={metadata.timestamp!r})"
        )
        assert type(metadata.timestamp) is float
        assert metadata.status is AlarmStatus.NO_ALARM
        assert metadata.severity is AlarmSeverity.NO_ALARM
        # It is the time of the write in the fixture: later than 2020, not later than now.
        now = datetime.datetime.now(datetime.timezone.utc).timestamp()
        assert 1577836800 < metadata.timestamp < now + 1


async def test_promise_17_as_datetime_is_naive_utc(
    ioc: Ioc, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        response = await dt.read(data_type="time")
        moment = response.metadata.stamp.as_datetime()
        assert moment.tzinfo is None
        utc = moment.replace(tzinfo=datetime.timezone.utc)
        assert abs(utc.timestamp() - response.metadata.timestamp) < 1e-6


async def test_promise_18_header(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        response = await dt.read()
        assert repr(response.header) == (
            "MessageHeader(command=15, payload_size=8, data_type=6, data_count=1, "
            "parameter1=1, parameter2=0)"
        )
        assert isinstance(response.header, ctypes.BigEndianStructure)


async def test_promise_19_buffers(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        response = await dt.read()
        assert re.fullmatch(r"\(b'', <memory at 0x[0-9a-f]+>\)", repr(response.buffers))
        assert bytes(response.buffers[1]) == b"@\x08\x00\x00\x00\x00\x00\x00"
        timed = await dt.read(data_type="time")
        assert len(timed.buffers) == 2
        assert len(bytes(timed.buffers[0])) == 16  # status, severity, stamp and padding
        assert b"".join(map(bytes, timed.buffers)) == bytes(timed)[16:]


async def test_promise_20_data_is_a_view_of_the_received_memory(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        for data_type in ("native", "time", "control"):
            response = await dt.read(data_type=data_type)
            assert response.data.dtype == np.dtype(">f8")  # wire order, so nothing was converted
            received = np.frombuffer(response.buffers[1], np.uint8)
            assert np.shares_memory(response.data, received)
            assert response.data is response.data


async def test_promise_20_large_data_is_a_view_too(c_ioc_env: CIoc) -> None:
    # 8 MB never arrive at once.
    async with Context(timeout=20) as ctx:
        (million,) = await ctx.get_pvs("IO:wf:million")
        response = await million.read()
        received = np.frombuffer(response.buffers[1], np.uint8)
        assert received.nbytes == 8_000_000
        assert np.shares_memory(response.data, received)
        assert np.array_equal(response.data, np.arange(1e6))
        assert response.value.dtype == np.dtype("f8")
        assert np.array_equal(response.value, np.arange(1e6))


WITHOUT_NUMPY = """
import asyncio, json, sys
sys.modules["numpy"] = None
from caproto.asyncio.client import PV_DEFAULT_TIMEOUT, Context

async def main():
    async with Context(timeout=20) as ctx:
        dt, = await ctx.get_pvs("random_walk:dt")
        response = await dt.read()
        data = response.data
        print(json.dumps([[base.__name__ for base in type(data).__mro__], response.value,
                          list(data), data.typecode, bytes(response).hex(), repr(response)]))

asyncio.run(main())
"""


def test_promise_20_without_numpy_data_is_an_array(ioc: Ioc, tmp_path: Path) -> None:
    program = Program(
        python_command("-c", WITHOUT_NUMPY), ioc.client_env(), tmp_path / "without_numpy.txt"
    )
    program.start()
    assert program.wait() == 0, program.output
    bases, value, data, typecode, raw, text = json.loads(program.output)
    assert array.array.__name__ in bases
    assert (value, data, typecode) == (3.0, [3.0], "d")
    assert raw.endswith("4008000000000000")
    assert text.startswith("ReadNotifyResponse(data=array(")


@pytest.mark.parametrize(
    ("data_type", "expected"),
    [
        (None, ChannelType.DOUBLE),
        ("native", ChannelType.DOUBLE),
        ("status", ChannelType.STS_DOUBLE),
        ("time", ChannelType.TIME_DOUBLE),
        ("graphic", ChannelType.GR_DOUBLE),
        ("control", ChannelType.CTRL_DOUBLE),
        (ChannelType.LONG, ChannelType.LONG),
        (ChannelType.TIME_STRING, ChannelType.TIME_STRING),
        (19, ChannelType.TIME_LONG),
    ],
)
async def test_promise_21_data_type(ioc: Ioc, data_type: Any, expected: ChannelType) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        response = await dt.read(data_type=data_type)
        assert response.data_type is expected
        if expected is ChannelType.TIME_STRING:
            assert response.value in ("3", "3.0")  # the server formats
        else:
            assert response.value == 3


@pytest.mark.parametrize("data_type", ["nonsense", 39, -1, 3.5j, "TIME"])
async def test_promise_21_other_data_types_are_refused_before_anything_is_sent(
    ioc: Ioc, data_type: Any
) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        with pytest.raises(ValueError, match="random_walk:dt"):
            await dt.read(data_type=data_type)
        assert sent.messages == []


async def test_promise_21_data_count(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        response = await dt.read(data_count=1)
        assert response.data_count == 1
        with pytest.raises(ValueError, match="at most 1"):
            await dt.read(data_count=2)


async def test_promise_22_read_without_waiting_gives_the_response_to_the_callback(
    ioc: Ioc,
) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        responses: list[Any] = []
        assert await dt.read(wait=False, callback=responses.append) is None
        await until(lambda: responses)
        assert responses[0].value == 3.0
        waited = await dt.read(callback=responses.append)
        await until(lambda: len(responses) == 2)
        assert responses[1] is waited


async def test_promise_22_callback_may_be_a_coroutine_function(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        told = asyncio.Event()
        threads: list[threading.Thread] = []

        async def callback(response: Any) -> None:
            threads.append(threading.current_thread())
            told.set()

        await dt.read(wait=False, callback=callback)
        await asyncio.wait_for(told.wait(), 20)
        assert threads == [threading.main_thread()]


async def test_promise_22_callbacks_of_reads_are_kept_alive(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        responses: list[Any] = []
        await dt.read(wait=False, callback=lambda response: responses.append(response))
        gc.collect()
        await until(lambda: responses)


async def test_promise_23_timeout_chain(loopback: Loopback) -> None:
    async with Context(timeout=0.05) as ctx:
        plain, own = await ctx.get_pvs("missing:a", "missing:b")
        assert (plain.timeout, own.timeout) == (0.05, 0.05)
        own.timeout = 0.06
        (third,) = await ctx.get_pvs("missing:c", timeout=0.07)
        assert (plain.timeout, own.timeout, third.timeout) == (0.05, 0.06, 0.07)
        ctx.timeout = 0.04
        for pv, argument, seconds in (
            (plain, PV_DEFAULT_TIMEOUT, 0.04),  # the Context's
            (own, PV_DEFAULT_TIMEOUT, 0.06),  # the PV's
            (third, PV_DEFAULT_TIMEOUT, 0.07),
            (third, 0.03, 0.03),  # the operation's
        ):
            for operation in (
                pv.read(timeout=argument),
                pv.write(1, timeout=argument),
                pv.wait_for_connection(timeout=argument),
                pv.wait_for_search(timeout=argument),
            ):
                with pytest.raises(CaprotoTimeoutError, match=f" {seconds}-second timeout"):
                    await operation


async def test_promise_23_default_timeout(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Context() as ctx:
        assert ctx.timeout == 2.0
    monkeypatch.setenv("CAPROTO_DEFAULT_TIMEOUT", "0.05")
    async with Context() as ctx:
        (pv,) = await ctx.get_pvs("missing")
        assert pv.timeout == 0.05
        with pytest.raises(CaprotoTimeoutError, match=r" 0\.05-second timeout"):
            await pv.read()
    async with Context(timeout=7) as ctx:
        assert ctx.timeout == 7
    async with Context(timeout=None) as ctx:
        assert ctx.timeout is None


async def test_promise_23_none_waits_for_ever(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    async with Context(timeout=0.05) as ctx:
        dt, missing = await ctx.get_pvs("random_walk:dt", "missing")
        reading = asyncio.create_task(dt.read(timeout=None))
        for _ in range(3):  # far longer than the default
            with pytest.raises(CaprotoTimeoutError):
                await missing.read()
        assert not reading.done()
        start_ioc(two_ports[0])
        response = await reading
        assert response.value == 3.0


async def test_promise_23_messages(loopback: Loopback) -> None:
    async with Context() as ctx:
        (pv,) = await ctx.get_pvs("missing")
        with pytest.raises(CaprotoTimeoutError) as caught:
            await pv.wait_for_connection(timeout=0.03)
        assert str(caught.value).startswith(
            "<PV name='missing' priority=0 (searching....)> could not connect within "
            "0.03-second timeout."
        )
        assert isinstance(caught.value, TimeoutError)
        assert isinstance(caught.value, asyncio.TimeoutError)
        assert caught.value.pv_name == "missing"
        with pytest.raises(CaprotoTimeoutError) as caught:
            await pv.wait_for_search(timeout=0.03)
        assert str(caught.value).startswith(
            "No servers responded to a search for a channel named 'missing' within "
            "0.03-second timeout."
        )


async def test_promise_23_message_for_a_reply_that_does_not_come(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    frozen = start_ioc(two_ports[0])
    async with Context(timeout=20) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        frozen.pause()
        for ioid, (verb, operation) in enumerate(
            (("read", dt.read(timeout=0.05)), ("write to", dt.write(1, timeout=0.05)))
        ):
            with pytest.raises(CaprotoTimeoutError) as caught:
                await operation
            assert str(caught.value).startswith(
                f"Server at 127.0.0.1:{two_ports[0]} did not respond to attempt to {verb} channel "
                "named 'random_walk:dt' within 0.05-second timeout. "
                f"The ioid of the expected response is {ioid}."
            )
            assert caught.value.address == ("127.0.0.1", two_ports[0])


async def test_promise_24_read_without_notification(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        response = await dt.read(notify=False)
        assert isinstance(response, ReadResponse)
        assert response.value == 3.0
        await dt.read()
        assert sent.commands == [READ, READ_NOTIFY]
