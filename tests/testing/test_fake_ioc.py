"""`caproto.testing.serve`: what a test can do with a fake IOC."""

from __future__ import annotations

import asyncio
import enum
import math
import os
import socket
import threading
from typing import Any

import pytest

import caproto
from caproto import (
    AlarmSeverity,
    CaprotoKeyError,
    CaprotoRuntimeError,
    CaprotoTimeoutError,
    CaprotoTypeError,
    CaprotoValueError,
    ChannelType,
    ErrorResponseReceived,
)
from caproto.asyncio import client as asyncio_client
from caproto.server import PVGroup, pvproperty
from caproto.sync import client as sync_client
from caproto.testing import FakeIoc, Write, serve
from caproto.threading import client as threading_client
from tests.support import free_port, free_ports


class Mode(enum.Enum):
    IDLE = "idle"
    SCAN = "scan"


class Motor(PVGroup):
    position = pvproperty(value=0.0)
    moving = pvproperty(value=False)

    @position.putter
    async def put_position(self, instance: Any, value: float) -> float:
        if value > 100:
            raise CaprotoValueError("beyond the end switch")
        return value / 2

    started = False

    @moving.startup
    async def start(self, instance: Any, async_lib: Any) -> None:
        self.started = True


def read(name: str, **options: Any) -> Any:
    response = sync_client.read(name, timeout=20, **options)
    return response.data.tolist() if hasattr(response.data, "tolist") else list(response.data)


def write(name: str, value: Any) -> None:
    sync_client.write(name, value, notify=True, timeout=20)


# --- values ---


@pytest.mark.parametrize(
    ("value", "data_type", "data"),
    [
        (1.5, ChannelType.DOUBLE, [1.5]),
        (3, ChannelType.LONG, [3]),
        (True, ChannelType.ENUM, [1]),
        (Mode.SCAN, ChannelType.ENUM, [1]),
        ("text", ChannelType.STRING, [b"text"]),
        ("x" * 60, ChannelType.CHAR, [120] * 60),
        (b"\x00\x01", ChannelType.CHAR, [0, 1]),
        ([1, 2.5], ChannelType.DOUBLE, [1, 2.5]),
        ((1, 2), ChannelType.LONG, [1, 2]),
        (["a", "b"], ChannelType.STRING, [b"a", b"b"]),
        ([False, True], ChannelType.ENUM, [0, 1]),
        (caproto.ChannelShort(value=7), ChannelType.INT, [7]),
    ],
)
def test_the_type_of_a_plain_value_is_that_of_the_pv(
    value: Any, data_type: ChannelType, data: list[Any]
) -> None:
    with serve({"pv": value}):
        response = sync_client.read("pv", data_type=data_type, timeout=20)
        assert list(response.data) == data
        with threading_client.Context() as ctx:
            (pv,) = ctx.get_pvs("pv")
            pv.wait_for_connection(timeout=20)
            assert pv.channel is not None
            assert pv.channel.native_data_type == data_type


def test_numpy_arrays_are_pvs_of_their_type() -> None:
    numpy = pytest.importorskip("numpy")
    pvs = {
        str(dtype): numpy.array([1, 2], dtype=dtype)
        for dtype in ("uint8", "int16", "int32", "float32", "float64")
    }
    with serve(pvs) as ioc, threading_client.Context() as ctx:
        for pv in ctx.get_pvs(*pvs):
            response = pv.read(timeout=20)
            assert str(response.data.dtype.newbyteorder("=")) == pv.name
            assert response.data.tolist() == [1, 2]
        assert [ioc[name] for name in pvs] == [[1, 2]] * 5 or ioc["uint8"] == b"\x01\x02"


@pytest.mark.parametrize("value", [None, [], [1, "a"], object(), {1: 2}])
def test_a_value_that_is_no_pv_is_refused_by_name(value: Any) -> None:
    with pytest.raises(CaprotoTypeError, match="the fake PV my:pv cannot have the value"):
        FakeIoc({"my:pv": value})


def test_what_is_no_dict_is_refused() -> None:
    with pytest.raises(CaprotoTypeError, match="serves a dict of PVs by name"):
        FakeIoc(Motor)  # type: ignore[arg-type]


def test_labels_of_an_enum_are_those_of_its_members() -> None:
    with serve({"mode": Mode.IDLE}) as ioc:
        write("mode", "SCAN")
        assert ioc["mode"] == "SCAN"
        assert ioc["mode"] == 1


def test_the_ioc_sets_values_and_alarms_and_clients_hear_of_it() -> None:
    heard: list[Any] = []
    both = threading.Event()

    def callback(sub: Any, response: Any) -> None:
        heard.append((response.value, response.metadata.severity))
        if heard[-1][0] == 3.0:
            both.set()

    with serve({"pv": 1.5}) as ioc, threading_client.Context() as ctx:
        (pv,) = ctx.get_pvs("pv")
        subscription = pv.subscribe(data_type="time")
        subscription.add_callback(callback)
        pv.wait_for_connection(timeout=20)
        pv.read(timeout=20)  # the subscription has been made before
        ioc.set("pv", 2.5, severity="MAJOR", status="HIHI")
        ioc["pv"] = 3
        assert both.wait(20)
        assert (2.5, AlarmSeverity.MAJOR_ALARM) in heard
        assert ioc.written == []


def test_metadata_are_set_alone() -> None:
    with serve({"pv": 1.5}) as ioc:
        ioc.set("pv", units="mm", severity="MINOR_ALARM")
        response = sync_client.read("pv", data_type="control", timeout=20)
        assert response.metadata.units == b"mm"
        assert response.metadata.severity == AlarmSeverity.MINOR_ALARM
        assert ioc.get("pv") == 1.5
        with pytest.raises(
            CaprotoValueError, match="no AlarmSeverity 'BAD'; there are NO_ALARM, M"
        ):
            ioc.set("pv", severity="BAD")


def test_unknown_names_are_named() -> None:
    with serve({"a": 1, "b": 2}) as ioc:
        for use in (ioc.get, ioc.written_to, ioc.wait_for_write, lambda name: ioc.set(name, 1)):
            with pytest.raises(CaprotoKeyError, match="no PV 'c'; it has a, b"):
                use("c")
        assert "a" in ioc
        assert "c" not in ioc
        assert list(ioc) == ["a", "b"]
        assert len(ioc) == 2


# --- writes ---


def test_writes_of_clients_are_recorded_in_order() -> None:
    with serve({"a": 1.5, "b": 0, "flag": False, "array": [1, 2, 3], "text": "x"}) as ioc:
        write("b", 7)
        write("a", 2)
        write("flag", "On")
        write("array", [4, 5])
        write("text", "hello")
        assert ioc.written == [
            ("b", 7),
            ("a", 2.0),
            ("flag", "On"),
            ("array", [4, 5]),
            ("text", "hello"),
        ]
        assert ioc.written[0] == Write("b", 7)
        assert ioc.written_to("a") == [2.0]
        assert (ioc["a"], ioc["flag"], ioc["array"]) == (2.0, 1, [4, 5])


def test_a_group_does_what_its_methods_say() -> None:
    group = Motor("m:")
    with serve(group) as ioc:
        assert group.started
        write("m:position", 10)
        with pytest.raises(ErrorResponseReceived):
            write("m:position", 200)
        assert ioc.written == [("m:position", 10.0), ("m:position", 200.0)]
        assert ioc["m:position"] == 5.0
        ioc["m:position"] = 200.0  # the device itself may be anywhere
        assert read("m:position") == [200.0]


def test_pvs_are_afterwards_what_they_were() -> None:
    group = Motor("m:")
    kinds = {name: type(pv) for name, pv in group.pvdb.items()}
    at_once = group.pvdb["m:moving"].reads_at_once
    for _ in range(2):
        with serve(group.pvdb):
            write("m:position", 10)
        assert {name: type(pv) for name, pv in group.pvdb.items()} == kinds
        assert group.pvdb["m:moving"].reads_at_once is at_once


def test_a_pv_can_be_in_one_fake_ioc_only() -> None:
    pvs = {"pv": caproto.ChannelDouble(value=1.5)}
    before = dict(os.environ)
    with serve(pvs), pytest.raises(CaprotoRuntimeError, match="pv is served by another fake IOC"):
        FakeIoc(pvs).__enter__()
    assert dict(os.environ) == before


def test_a_write_that_cannot_be_converted_is_recorded_as_it_came() -> None:
    with serve({"pv": 1.5}) as ioc:
        with pytest.raises(ErrorResponseReceived):
            sync_client.write("pv", "much", data_type=ChannelType.STRING, notify=True, timeout=20)
        assert [write.name for write in ioc.written] == ["pv"]
        assert ioc["pv"] == 1.5


def test_wait_for_a_write_that_nobody_confirms() -> None:
    with serve({"a": 0, "b": 0}) as ioc:
        sync_client.write("a", 1, notify=False, timeout=20)
        assert ioc.wait_for_write(timeout=20) == ("a", 1)
        assert ioc.wait_for_write("a", timeout=20) == ("a", 1)
        with pytest.raises(CaprotoTimeoutError, match=r"no client wrote to b .* 0\.01 seconds"):
            ioc.wait_for_write("b", timeout=0.01)


async def test_wait_for_write_does_not_stop_an_event_loop() -> None:
    with serve({"pv": 0}) as ioc:
        with pytest.raises(CaprotoRuntimeError, match=r"await asyncio\.to_thread"):
            ioc.wait_for_write()
        await asyncio_client.caput("pv", 4, wait=False)
        # Not asyncio's own pool of threads, which would be left behind.
        loop = asyncio.get_running_loop()
        written = loop.create_future()
        thread = threading.Thread(
            target=lambda: loop.call_soon_threadsafe(
                written.set_result, ioc.wait_for_write(timeout=20)
            )
        )
        thread.start()
        assert await written == ("pv", 4)
        thread.join()


# --- faults ---


async def test_stop_and_start_of_the_ioc() -> None:
    states: list[str] = []
    gone = asyncio.Event()

    def on_state(pv: Any, state: str) -> None:
        states.append(state)
        if state == "disconnected":
            gone.set()

    with serve({"pv": 1.5}) as ioc:
        async with asyncio_client.Context(max_workers=0) as ctx:
            (pv,) = await ctx.get_pvs("pv", connection_state_callback=on_state)
            await pv.wait_for_connection(timeout=20)
            port = ioc.port
            ioc.stop()
            assert "stopped" in repr(ioc)
            await asyncio.wait_for(gone.wait(), 20)
            with pytest.raises(CaprotoTimeoutError):
                await pv.read(timeout=0.05)
            ioc["pv"] = 2.5
            ioc.start()
            ioc.start()
            assert ioc.port == port
            assert (await pv.read(timeout=20)).value == 2.5
        assert states[:3] == ["connected", "disconnected", "connected"]


def test_an_ioc_that_comes_late_is_found() -> None:
    with serve({"pv": 1.5}, start=False) as ioc, threading_client.Context() as ctx:
        (pv,) = ctx.get_pvs("pv")
        with pytest.raises(CaprotoTimeoutError):
            pv.wait_for_connection(timeout=0.05)
        ioc.start()
        assert pv.read(timeout=20).value == 1.5


async def test_slow_pvs_answer_when_they_are_no_longer_slow() -> None:
    with serve({"slow": 1.5, "other": 2}) as ioc:
        async with asyncio_client.Context() as ctx:
            slow, other = await ctx.get_pvs("slow", "other")
            assert (await slow.read(timeout=20)).value == 1.5
            ioc.slow(math.inf, "slow")
            reading = asyncio.ensure_future(slow.read(timeout=20))
            writing = asyncio.ensure_future(slow.write(3, timeout=20))
            assert (await other.read(timeout=20)).value == 2
            assert not reading.done()
            assert ioc["slow"] == 1.5
            ioc.slow(0)
            await asyncio.gather(reading, writing)
            assert ioc["slow"] == 3.0
            ioc.slow(0.01)
            assert (await slow.read(timeout=20)).value == 3.0
            with pytest.raises(CaprotoKeyError):
                ioc.slow(1, "typo")


async def test_an_ioc_that_hangs_answers_nothing_and_resumes() -> None:
    with serve({"pv": 1.5}) as ioc:
        async with asyncio_client.Context() as ctx:
            (pv,) = await ctx.get_pvs("pv")
            await pv.wait_for_connection(timeout=20)
            ioc.hang()
            ioc.hang()
            with pytest.raises(CaprotoTimeoutError):
                await pv.read(timeout=0.05)
            assert pv.connected
            with pytest.raises(CaprotoRuntimeError, match=r"hangs: call resume\(\) first"):
                ioc["pv"] = 3
            assert "hanging" in repr(ioc)
            ioc.resume()
            ioc.resume()
            assert (await pv.read(timeout=20)).value == 1.5


def test_a_hanging_ioc_is_closed() -> None:
    with serve({"pv": 1.5}) as ioc:
        ioc.hang()
    assert "closed" in repr(ioc)


async def test_cut_connections_come_back() -> None:
    states: list[str] = []
    back = asyncio.Event()

    def on_state(pv: Any, state: str) -> None:
        states.append(state)
        if states.count("connected") == 2:
            back.set()

    with serve({"pv": 1.5}) as ioc:
        async with asyncio_client.Context(max_workers=0) as ctx:
            (pv,) = await ctx.get_pvs("pv", connection_state_callback=on_state)
            await pv.wait_for_connection(timeout=20)
            ioc.disconnect_clients()
            await asyncio.wait_for(back.wait(), 20)
            assert states == ["connected", "disconnected", "connected"]
        ioc.stop()
        ioc.disconnect_clients()


async def test_access_is_taken_away_and_given_back() -> None:
    told: asyncio.Queue[Any] = asyncio.Queue()
    with serve({"pv": 1.5}) as ioc:
        async with asyncio_client.Context(max_workers=0) as ctx:
            (pv,) = await ctx.get_pvs(
                "pv", access_rights_callback=lambda pv, rights: told.put_nowait(rights)
            )
            assert await asyncio.wait_for(told.get(), 20) == 3
            ioc.set_access("pv", write=False)
            assert await asyncio.wait_for(told.get(), 20) == caproto.AccessRights.READ
            with pytest.raises(caproto.CaprotoError, match="pv"):
                await pv.write(3, timeout=20)
            ioc.set_access("pv")
            assert await asyncio.wait_for(told.get(), 20) == 3
            await pv.write(3, timeout=20)
        assert ioc.written == [("pv", 3.0)]
        ioc.stop()
        ioc.set_access("pv", read=False)


# --- surroundings ---


def test_several_iocs_are_found_and_the_environment_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "192.0.2.1")
    monkeypatch.setenv("EPICS_CA_NAME_SERVERS", "192.0.2.1")
    monkeypatch.delenv("EPICS_CA_AUTO_ADDR_LIST", raising=False)
    before = dict(os.environ)
    with serve({"a": 1}) as first:
        with serve({"b": 2}) as second:
            assert first.port != second.port
            assert "EPICS_CA_NAME_SERVERS" not in os.environ
            assert read("a") + read("b") == [1, 2]
        assert os.environ["EPICS_CA_ADDR_LIST"] == f"127.0.0.1:{first.port}"
        assert read("a") == [1]
    assert dict(os.environ) == before


def test_iocs_may_end_in_any_order() -> None:
    before = dict(os.environ)
    first, second = FakeIoc({"a": 1}), FakeIoc({"b": 2})
    with first:
        second.__enter__()
    assert read("b") == [2]
    second.close()
    second.close()
    assert dict(os.environ) == before


def test_a_closed_ioc_says_so() -> None:
    ioc = FakeIoc({"a": 1})
    with pytest.raises(CaprotoRuntimeError, match="is closed: use it within"):
        ioc.start()
    with ioc, pytest.raises(CaprotoRuntimeError, match="in use already"), ioc:
        pass
    assert ioc.get("a") == 1
    with ioc:  # once more
        assert read("a") == [1]


def test_a_port_that_is_taken_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)

    def fail(*args: Any) -> Any:
        raise caproto.CaprotoNetworkError("no port")

    monkeypatch.setattr("caproto.asyncio.server.tcp_listeners", fail)
    with pytest.raises(caproto.CaprotoNetworkError, match="no port"), serve({"a": 1}):
        pass
    assert dict(os.environ) == before


def test_a_port_that_somebody_takes_at_the_same_moment_is_left_to_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = dict(os.environ)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", free_port()))
        ports = iter([taken.getsockname()[1], *free_ports(2)])
        monkeypatch.setattr("caproto.testing._surroundings._free_port", lambda: next(ports))
        with serve({"a": 1}) as ioc:
            assert ioc.port != taken.getsockname()[1]
            assert os.environ["EPICS_CA_ADDR_LIST"] == f"127.0.0.1:{ioc.port}"
            assert read("a") == [1]
    assert dict(os.environ) == before


def test_no_free_port_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caproto.testing._surroundings._is_free", lambda *args: False)
    with pytest.raises(caproto.CaprotoNetworkError, match="none of 200 ports"), serve({"a": 1}):
        pass
