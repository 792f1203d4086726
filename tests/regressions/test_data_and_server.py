"""Values on their way, and our server: finding 3.2.17, section 3.4 and the reports about arrays and times."""

from __future__ import annotations

import gc
import struct
import sys
from typing import Any

import numpy as np
import pytest

from caproto import AlarmSeverity, CAStatusError, ChannelType, TimeStamp
from caproto._protocol.messages import ReadNotifyResponse, message_from_wire
from caproto.asyncio.client import Context
from caproto.server.data import ChannelChar, ChannelDouble, ChannelEnum, ChannelInteger
from tests.asyncio.raw_client import RawClient, serving
from tests.asyncio.waiting import Recorder, until
from tests.support import CIoc
from tests.support.raw_messages import raw_message

from ..conftest import Loopback

EVENT_ADD, EVENT_CANCEL, EVENTS_OFF, EVENTS_ON, ECHO = 1, 2, 8, 9, 23
VALUE = struct.pack(">fffHxx", 0, 0, 0, 1)


# --- finding 17 ------------------------------------------------------------------------------------------------------------------


def test_finding_3_2_17_control_information_of_a_string_is_four_bytes() -> None:
    payload = struct.pack(">HH", 7, 2) + b"hello\0".ljust(44, b"\0")
    head = (15, len(payload), int(ChannelType.CTRL_STRING), 1, 1, 5)
    message: Any = message_from_wire(head, payload, from_client=False)
    assert isinstance(message, ReadNotifyResponse)
    assert message.value == "hello"
    assert message.metadata.severity is AlarmSeverity.MAJOR_ALARM


@pytest.mark.parametrize("data_type", ["graphic", "control", ChannelType.CTRL_STRING])
async def test_finding_3_2_17_c_ioc_gives_control_information_of_a_string(
    c_ioc_env: CIoc, data_type: Any
) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("IO:stringout")
        response = await pv.read(data_type=data_type)
        assert response is not None
        assert response.value == "hello"


# --- times -------------------------------------------------------------------------------------------------------------------------

STAMP = (1_000_000_001, 123_456_789)


@pytest.mark.parametrize("given", [STAMP, TimeStamp(*STAMP)])
async def test_caproto_770_and_pyepics_70_raw_time_arrives_to_the_nanosecond(
    loopback: Loopback, given: Any
) -> None:
    data = ChannelDouble(value=1.0)
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        await data.write(2.0, timestamp=given)
        (pv,) = await ctx.get_pvs("pv")
        response = await pv.read(data_type="time")
        assert response is not None
        stamp = response.metadata.stamp
        assert (stamp.secondsSinceEpoch, stamp.nanoSeconds) == STAMP
        assert response.metadata.timestamp == pytest.approx(631_152_000 + 1_000_000_001.123456789)


async def test_pyepics_117_time_of_the_c_ioc_keeps_its_nanoseconds(c_ioc_env: CIoc) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("IO:ai")
        response = await pv.read(data_type="time")
        assert response is not None
        (seconds, nanoseconds) = struct.unpack_from(">II", bytes(response), 16 + 4)
        stamp = response.metadata.stamp
        assert (stamp.secondsSinceEpoch, stamp.nanoSeconds) == (seconds, nanoseconds)


# --- arrays that are empty ----------------------------------------------------------------------------------------------------------


async def test_ca_gateway_56_empty_array_stays_empty_both_ways_with_the_c_ioc(
    c_ioc_env: CIoc,
) -> None:
    async with Context(timeout=10) as ctx:
        empty, array = await ctx.get_pvs("IO:wf:empty", "IO:wf:double")
        response, original = await empty.read(), await array.read()
        assert response is not None
        assert original is not None
        assert response.data_count == len(response.data) == 0
        updates, sub = Recorder(), array.subscribe()
        sub.add_callback(updates)
        await updates.until(lambda values: values)
        await array.write([])
        await updates.until(lambda values: len(values) == 2)
        await array.write(list(original.value))
        await updates.until(lambda values: len(values) == 3)
        assert [len(value) for value in updates.values] == [5, 0, 5]


async def test_ca_gateway_56_empty_array_stays_empty_both_ways_with_our_server(
    loopback: Loopback,
) -> None:
    data = ChannelDouble(value=[1.0, 2.0], max_length=5)
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        updates, sub = Recorder(), pv.subscribe()
        sub.add_callback(updates)
        await updates.until(lambda values: values)
        await pv.write([])
        response = await pv.read(data_type="time")
        assert response is not None
        assert response.data_count == len(response.data) == 0
        assert len(data.value) == 0
        await pv.write([3.0])
        await updates.until(lambda values: len(values) == 3)
        assert [len(np.atleast_1d(value)) for value in updates.values] == [2, 0, 1]


async def test_caproto_399_empty_array_of_characters(loopback: Loopback) -> None:
    data = ChannelChar(value="", max_length=20)
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        for data_type in ("native", "time", "control"):
            response = await pv.read(data_type=data_type)
            assert response is not None
            assert bytes(response.data) == b""
        await pv.write("text")
        await pv.write("")
        response = await pv.read()
        assert response is not None
        assert bytes(response.data).rstrip(b"\0") == b""


# --- enums ------------------------------------------------------------------------------------------------------------------------------


async def test_caproto_556_enum_with_as_many_and_as_long_labels_as_there_can_be(
    loopback: Loopback,
) -> None:
    labels = [f"label {index:2} of 25 characters" for index in range(16)]
    assert {len(label) for label in labels} == {25}
    data = ChannelEnum(value=labels[15], enum_strings=labels)
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        response = await pv.read(data_type="control")
        assert response is not None
        assert [bytes(text).decode() for text in response.metadata.enum_strings] == labels
        assert response.value == 15
        await pv.write(labels[3])
        assert int(data.value) == 3


def test_caproto_405_enum_with_more_labels_than_travel_is_refused_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="at most 16"):
        ChannelEnum(value="x", enum_strings=["x"] * 17)


async def test_caproto_405_label_that_is_too_long_is_cut_and_harms_no_other(
    loopback: Loopback,
) -> None:
    data = ChannelEnum(value="next", enum_strings=["x" * 26, "next", "y" * 40])
    async with serving({"pv": data}), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        response = await pv.read(data_type="control")
        assert response is not None
        labels = [bytes(text) for text in response.metadata.enum_strings]
        assert labels == [b"x" * 25, b"next", b"y" * 25]
        assert response.value == 1


# --- bytes in the order of the machine ------------------------------------------------------------------------------------------------------


async def test_caproto_846_and_851_value_is_in_the_order_of_the_machine(c_ioc_env: CIoc) -> None:
    async with Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("IO:wf:long")
        response = await pv.read()
        assert response is not None
        assert response.value.dtype.isnative
        assert response.value.tolist() == [-(2**31), -1, 0, 1, 2**31 - 1]
        assert response.data.tobytes() != response.value.tobytes() or sys.byteorder == "big"


# --- subscriptions at our server ---------------------------------------------------------------------------------------------------------------


async def test_caproto_797_816_817_first_updates_are_not_lost_while_events_are_off(
    loopback: Loopback,
) -> None:
    pvdb = {f"pv:{index}": ChannelInteger(value=index) for index in range(20)}
    async with serving(pvdb) as server:
        assert server.port is not None
        client = await RawClient.connect(server.port)
        sids = [await client.create(name, cid) for cid, name in enumerate(pvdb)]
        client.send(
            raw_message(EVENTS_OFF),
            *(raw_message(EVENT_ADD, 5, 1, sid, index, VALUE) for index, sid in enumerate(sids)),
            raw_message(ECHO),
        )
        assert (await client.next()).command == ECHO
        gc.collect()  # values that nobody else keeps
        client.send(raw_message(EVENTS_ON))
        updates = [await client.next() for _ in sids]
        assert [update.p2 for update in updates] == list(range(20))
        values = [struct.unpack_from(">i", update.payload)[0] for update in updates]
        assert values == list(range(20))
        await client.close()


async def test_caproto_797_newest_value_of_each_arrives_when_events_are_on_again(
    loopback: Loopback,
) -> None:
    pvdb = {f"pv:{index}": ChannelInteger(value=index) for index in range(3)}
    async with serving(pvdb), Context(timeout=10) as ctx:
        pvs = await ctx.get_pvs(*pvdb)
        recorders = [Recorder() for _ in pvs]
        subs = [pv.subscribe() for pv in pvs]
        for sub, recorder in zip(subs, recorders, strict=True):
            sub.add_callback(recorder)
            await recorder.until(lambda values: values)
        manager = pvs[0].circuit_manager
        assert manager is not None
        await manager.events_off()
        await pvs[0].read()  # the server has heard it
        for value in range(100, 110):
            for data in pvdb.values():
                await data.write(value)
        await manager.events_on()
        for recorder, first in zip(recorders, range(3), strict=True):
            await recorder.until_value(109)
            assert recorder.values == [first, 109]


async def test_caproto_814_subscriptions_do_not_affect_each_other(loopback: Loopback) -> None:
    data = ChannelDouble(value=0.0, precision=3)
    async with serving({"pv": data}), Context(timeout=10) as first, Context(timeout=10) as second:
        (one,) = await first.get_pvs("pv")
        (two,) = await second.get_pvs("pv")
        kinds: list[tuple[Any, dict[str, Any]]] = [
            (one, {}),
            (one, {"data_type": "time"}),
            (one, {"data_type": ChannelType.STRING}),
            (two, {"data_type": "control", "data_count": 1}),
            (two, {"mask": 8}),  # properties only
            (two, {"data_type": "time"}),
        ]
        recorders = [Recorder() for _ in kinds]
        subs = [pv.subscribe(**options) for pv, options in kinds]
        for sub, recorder in zip(subs, recorders, strict=True):
            sub.add_callback(recorder)
            await recorder.until(lambda values: values)
        await data.write(1.0)
        for recorder in (recorders[0], recorders[1], recorders[3], recorders[5]):
            await recorder.until_value(1.0)
        await subs[0].clear()
        await subs[3].clear()
        await data.write(2.0)
        for recorder in (recorders[1], recorders[5]):
            await recorder.until_value(2.0)
        await recorders[2].until(lambda values: len(values) == 3)
        assert recorders[0].values == [0.0, 1.0]
        assert recorders[3].values == [0.0, 1.0]
        assert recorders[4].values == [0.0]
        assert [float(text) for text in recorders[2].values] == [0.0, 1.0, 2.0]


# --- refusals ---------------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", [True, False])
async def test_pyepics_288_write_without_permission_fails_at_once_and_says_why(
    c_ioc_env: CIoc, wait: bool
) -> None:
    async with Context(timeout=30) as ctx:
        (pv,) = await ctx.get_pvs("IO:access:readonly")
        with pytest.raises(CAStatusError) as caught:
            await pv.write(2.0, wait=wait)
        assert caught.value.status.name == "ECA_NOWTACCESS"
        assert caught.value.pv_name == "IO:access:readonly"
        response = await pv.read()
        assert response is not None
        assert response.value == 1.0


async def test_pyepics_288_write_that_the_record_refuses_fails_with_the_status(
    c_ioc_env: CIoc,
) -> None:
    async with Context(timeout=30) as ctx:
        (pv,) = await ctx.get_pvs("IO:disp")
        with pytest.raises(CAStatusError, match="ECA_PUTFAIL"):
            await pv.write(2.0)


async def test_pyepics_288_permission_that_is_given_later_counts(c_ioc_env: CIoc) -> None:
    rights: list[str] = []
    async with Context(timeout=30) as ctx:
        switch, switched = await ctx.get_pvs("IO:access:switch", "IO:access:switched")
        await ctx.get_pvs(
            "IO:access:switched",
            access_rights_callback=lambda pv, access: rights.append(str(access)),
        )
        await switch.write("unlocked")
        try:
            await until(lambda: switched.access_rights == 3)
            await switched.write(1.0)
        finally:
            await switch.write("locked")
        await until(lambda: switched.access_rights == 1)
        await until(lambda: len(rights) >= 3)
        with pytest.raises(CAStatusError, match="ECA_NOWTACCESS"):
            await switched.write(2.0)
