"""What users of IOCs have reported: memory of slow clients, large arrays, text, clients inside IOCs (section 3.4)."""

from __future__ import annotations

import asyncio
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest

from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.asyncio.client import Context
from caproto.server import PVGroup, pvproperty
from caproto.server.data import ChannelByte, ChannelDouble, ChannelString
from tests.asyncio.raw_client import RawClient, serving
from tests.asyncio.waiting import until
from tests.conftest import Loopback
from tests.support import free_port
from tests.support.raw_messages import raw_message

MEGABYTE = 1 << 20
VALUE = struct.pack(">fffHxx", 0, 0, 0, 1)


# --- memory ---------------------------------------------------------------------------------------


async def test_caproto_791_and_703_a_client_that_does_not_read_large_arrays_fills_no_memory(
    loopback: Loopback,
) -> None:
    data = ChannelDouble(value=np.zeros(MEGABYTE // 8), max_length=MEGABYTE // 8)
    async with serving({"image": data}) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        sid = await client.create("image")
        client.send(raw_message(1, 6, 0, sid, 1, VALUE))
        await client.next()
        tracemalloc.start()
        try:
            for number in range(1, 201):
                await data.write(np.full(MEGABYTE // 8, float(number)))
                await asyncio.sleep(0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 50 * MEGABYTE  # of 200 that were written
        newest = 0.0
        while newest != 200.0:
            update = await client.next()
            (newest,) = struct.unpack(">d", update.payload[:8])
        await client.close()


async def test_caproto_704_an_array_of_bytes_is_never_taken_apart(loopback: Loopback) -> None:
    size = 8 * MEGABYTE
    data = ChannelByte(value=b"", max_length=size)
    async with serving({"image": data}) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        sid = await client.create("image")
        picture = np.arange(size, dtype=np.uint8)
        tracemalloc.start()
        try:
            await data.write(picture)
            data.encode(int(ChannelType.CHAR), 0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # A number object for each would be 8 bytes at least.
        assert peak < 3 * size
        client.send(raw_message(15, 4, 0, sid, 5))
        assert (await client.next()).payload == picture.tobytes()
        await client.close()


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "wire"), [("utf-8", "Å2".encode()), ("latin-1", b"\xc52"), ("ascii", b"?2")]
)
async def test_caproto_120_and_pyepics_87_text_travels_in_the_encoding_of_the_pv(
    loopback: Loopback, encoding: str, wire: bytes
) -> None:
    data = ChannelString(value="Å2", string_encoding=encoding)
    async with serving({"unit": data}) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        sid = await client.create("unit")
        client.send(raw_message(15, 0, 1, sid, 5))
        assert (await client.next()).payload.rstrip(b"\0") == wire
        await client.close()


async def test_caproto_120_bytes_that_are_no_text_harm_nobody(loopback: Loopback) -> None:
    data = ChannelString(value="before", string_encoding="utf-8")
    async with serving({"unit": data}) as context:
        assert context.port is not None
        client = await RawClient.connect(context.port)
        sid = await client.create("unit")
        client.send(raw_message(19, 0, 1, sid, 5, b"\xff\xfe\0".ljust(40, b"\0")))
        assert (await client.next()).command == 19
        client.send(raw_message(15, 0, 1, sid, 6))
        assert (await client.next()).p1 == 1
        await client.close()


# --- a client inside an IOC -----------------------------------------------------------------------


class Mirror(PVGroup):
    """Mirrors the PV ``original``: its value, its alarm, and whether it is there."""

    value = pvproperty(value=0.0)
    connected = pvproperty(value=False)

    @value.startup
    async def _follow(self, instance: Any, async_lib: Any) -> None:
        async with Context(timeout=10) as ctx:
            async for event, _, what in ctx.monitor("original"):
                if event == "connection":
                    await self.connected.write(int(what == "connected"))
                    if what != "connected":
                        await instance.alarm.write(
                            status=AlarmStatus.LINK, severity=AlarmSeverity.INVALID_ALARM
                        )
                else:
                    await instance.write(
                        what.value,
                        timestamp=what.metadata.stamp,
                        status=what.metadata.status,
                        severity=what.metadata.severity,
                    )


async def test_caproto_579_658_and_615_an_ioc_mirrors_the_pv_of_another(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror("mirror:")
    original = ChannelDouble(value=1.0, upper_alarm_limit=10.0)
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(free_port()))
    async with serving(mirror.pvdb):
        monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(loopback.ca_port))
        async with serving({"original": original}):
            await until(lambda: mirror.value.value == 1.0)
            assert mirror.connected.value == "On"
            await original.write(20.0)
            await until(lambda: mirror.value.value == 20.0)
            assert mirror.value.severity is AlarmSeverity.MAJOR_ALARM
            assert mirror.value.epics_timestamp == original.epics_timestamp
        await until(lambda: mirror.value.severity is AlarmSeverity.INVALID_ALARM)
        assert mirror.value.value == 20.0
        assert mirror.connected.value == "Off"
