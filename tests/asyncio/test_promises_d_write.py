"""What the reference page promises about writing (25 to 30)."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import numpy as np
import pytest

from caproto import (
    CaprotoTimeoutError,
    CAStatus,
    CAStatusError,
    ChannelType,
    DisconnectedError,
    ErrorResponseReceived,
    WriteNotifyResponse,
)
from caproto.asyncio.client import PV, Context
from tests.support import CIoc, Ioc, use_loopback
from tests.support.raw_messages import RawMessage

from ..conftest import Loopback, MakeOurIoc
from .conftest import StartIoc
from .reprs import NORMAL
from .scripted_server import ScriptedServer
from .sent_messages import READ_NOTIFY, WRITE, WRITE_NOTIFY, SentMessages
from .waiting import Recorder, States, until


async def value_of(pv: PV, **arguments: Any) -> Any:
    """Read a PV."""
    response = await pv.read(**arguments)
    return response.value


async def test_promise_25_write_returns_the_response(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.read()
        await dt.read()
        assert repr(await dt.write([1])) == (
            "WriteNotifyResponse(data_type=<ChannelType.DOUBLE: 6>, data_count=1, "
            f"status={NORMAL}, ioid=2)"
        )
        assert await value_of(dt) == 1.0


async def test_promise_25_a_refused_write_raises(various_ioc: Ioc) -> None:
    async with Context() as ctx:
        (refusing,) = await ctx.get_pvs("various:refusing")
        with pytest.raises(CAStatusError, match="various:refusing") as caught:
            await refusing.write(2)
        error = caught.value
        assert isinstance(error, ErrorResponseReceived)
        assert error.pv_name == "various:refusing"
        assert error.address == ("127.0.0.1", various_ioc.port)
        assert error.status is CAStatus.ECA_PUTFAIL.value
        assert isinstance(error.response, WriteNotifyResponse)
        assert error.response.status is error.status
        assert await value_of(refusing) == 1.0


async def test_promise_25_a_callback_receives_the_refusal_as_it_came(various_ioc: Ioc) -> None:
    async with Context() as ctx:
        (refusing,) = await ctx.get_pvs("various:refusing")
        responses: list[Any] = []
        await refusing.write(2, wait=False, callback=responses.append)
        await until(lambda: responses)
        assert isinstance(responses[0], WriteNotifyResponse)
        assert responses[0].status is CAStatus.ECA_PUTFAIL.value


async def check_refused_read(name: str) -> CAStatusError:
    """Read a PV that cannot be read, waiting and with a callback; return the error."""
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs(name)
        with pytest.raises(CAStatusError, match=name) as caught:
            await pv.read()
        error = caught.value
        assert error.pv_name == name
        assert error.response.status is error.status
        responses: list[Any] = []
        await pv.read(wait=False, callback=responses.append)
        await until(lambda: responses)
        assert responses[0].status is error.status
        return error


async def test_promise_25_a_refused_read_raises(
    make_our_ioc: MakeOurIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    ioc = make_our_ioc("tests.asyncio.various_ioc", "various:unreadable")
    use_loopback(monkeypatch, [ioc.port], ioc.repeater_port)
    error = await check_refused_read("various:unreadable")
    assert error.status is CAStatus.ECA_GETFAIL.value


async def test_promise_25_a_read_without_permission_raises(c_ioc_env: CIoc) -> None:
    error = await check_refused_read("IO:access:none")
    assert error.status is CAStatus.ECA_NORDACCESS.value


async def test_promise_25_a_write_without_permission_raises(c_ioc_env: CIoc) -> None:
    async with Context(timeout=20) as ctx:
        (pv,) = await ctx.get_pvs("IO:access:readonly")
        for wait in (True, False):  # what nobody answers is refused here
            with pytest.raises(CAStatusError, match="IO:access:readonly") as caught:
                await pv.write(5, wait=wait)
            assert caught.value.status is CAStatus.ECA_NOWTACCESS.value
        assert await value_of(pv) == 1.0


async def test_promise_25_data_that_cannot_be_written_is_refused_at_once(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        for nonsense in ("three", [1, 2], object(), None):
            with pytest.raises((ValueError, TypeError), match="random_walk:dt"):
                await dt.write(nonsense)
        assert sent.messages == []


async def test_promise_26_write_without_waiting_returns_none(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        writing = dt.write([1], wait=False)
        with pytest.raises(StopIteration) as returned:
            writing.send(None)  # it does not even let the loop turn
        assert returned.value.value is None
        assert await value_of(dt) == 1.0
        assert sent.commands == [WRITE, READ_NOTIFY]


async def test_promise_27_callback_of_a_write(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        told: list[tuple[Any, threading.Thread]] = []

        def plain(response: Any) -> None:
            told.append((response, threading.current_thread()))

        async def coroutine(response: Any) -> None:
            told.append((response, threading.current_thread()))

        assert await dt.write([1], wait=False, callback=plain) is None
        await until(lambda: len(told) == 1)
        assert await dt.write([1], wait=False, callback=coroutine) is None
        await until(lambda: len(told) == 2)
        assert sent.commands == [WRITE_NOTIFY, WRITE_NOTIFY]
        assert [response.ioid for response, _ in told] == [0, 1]
        assert all(isinstance(response, WriteNotifyResponse) for response, _ in told)
        threads = [thread for _, thread in told]
        assert threads[0] is not threading.main_thread()
        assert threads[1] is threading.main_thread()
        # Waiting and calling back at the same time.
        response = await dt.write([1], callback=plain)
        await until(lambda: len(told) == 3)
        assert told[2][0] is response


async def test_promise_27_callbacks_of_writes_are_kept_alive(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        responses: list[Any] = []
        await dt.write(1, wait=False, callback=lambda response: responses.append(response))
        gc.collect()
        await until(lambda: responses)


async def test_promise_28_notify(ioc: Ioc) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        sent = SentMessages(dt)
        with pytest.raises(ValueError, match="notify=False"):
            await dt.write(1, notify=False)
        with pytest.raises(ValueError, match="notify=False"):
            await dt.write(1, wait=False, callback=print, notify=False)
        assert sent.messages == []
        await dt.write(1, wait=False, notify=False)
        await dt.write(1, wait=False, notify=True)
        await dt.write(1, notify=True)
        assert sent.commands == [WRITE, WRITE_NOTIFY, WRITE_NOTIFY]


@pytest.mark.parametrize(
    "data",
    [4, 4.0, [4], (4.0,), {4.0}, "4", ["4"], range(4, 5), np.float32(4), np.array([4])],
    ids=str,
)
async def test_promise_29_data_of_a_number(ioc: Ioc, data: Any) -> None:
    async with Context() as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.write(data)
        assert await value_of(dt) == 4.0


@pytest.mark.parametrize("label", ["out of order", b"out of order", ["out of order"]])
async def test_promise_29_label_of_an_enum(various_ioc: Ioc, label: Any) -> None:
    async with Context() as ctx:
        (state,) = await ctx.get_pvs("various:state")
        await state.write(0)
        assert await value_of(state) == 0
        await state.write(label)
        assert await value_of(state) == 2
        assert await value_of(state, data_type=ChannelType.STRING) == "out of order"
        await state.write(1)
        assert await value_of(state) == 1


@pytest.mark.parametrize("text", ["hello", "", "sixteen letters.", b"bytes"])
async def test_promise_29_text_for_an_array_of_characters(various_ioc: Ioc, text: Any) -> None:
    async with Context() as ctx:
        (pv,) = await ctx.get_pvs("various:text")
        await pv.write(text)
        response = await pv.read()
        expected = text.encode() if isinstance(text, str) else text
        assert bytes(response.data).rstrip(b"\0") == expected


async def test_promise_29_string(various_ioc: Ioc) -> None:
    async with Context() as ctx:
        (string,) = await ctx.get_pvs("various:string")
        await string.write("bonjour")
        assert await value_of(string) == "bonjour"
        await string.write(["bonsoir"])
        assert await value_of(string) == "bonsoir"


async def test_promise_29_any_iterable_for_an_array(various_ioc: Ioc) -> None:
    async with Context() as ctx:
        (array,) = await ctx.get_pvs("various:array")
        for data in ([1.5, 2.5], (1.5, 2.5), np.array([1.5, 2.5]), (n + 0.5 for n in (1, 2))):
            await array.write(data)
            response = await array.read()
            assert response.data.tolist() == [1.5, 2.5]
            await array.write([])
            response = await array.read()
            assert response.data.tolist() == []


async def test_promise_30_write_waits_for_the_server_to_come_back(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    first = start_ioc(two_ports[0])
    async with Context() as ctx:
        states = States()
        (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=states)
        await dt.wait_for_connection(timeout=20)
        first.kill()
        await states.until("connected", "disconnected")
        confirmed = asyncio.create_task(dt.write(7, timeout=20))
        unconfirmed = asyncio.create_task(dt.write(7, wait=False, timeout=20))
        start_ioc(two_ports[1])
        response = await confirmed
        assert isinstance(response, WriteNotifyResponse)
        assert response.status.success
        assert await unconfirmed is None
        assert await value_of(dt) == 7.0


async def test_promise_30_write_times_out_if_the_server_does_not_come_back(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    first = start_ioc(two_ports[0])
    async with Context() as ctx:
        states = States()
        (dt,) = await ctx.get_pvs("random_walk:dt", connection_state_callback=states)
        await dt.wait_for_connection(timeout=20)
        first.kill()
        await states.until("connected", "disconnected")
        with pytest.raises(CaprotoTimeoutError, match=r"within 0\.05-second timeout"):
            await dt.write(7, timeout=0.05)


async def test_promise_30_outcome_of_a_write_whose_circuit_dies_is_unknown(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    first = start_ioc(two_ports[0])
    async with Context(timeout=20) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        first.pause()  # so that it cannot answer before it dies
        sent = SentMessages(dt)
        writing = asyncio.create_task(dt.write(7))
        await until(lambda: sent.commands == [WRITE_NOTIFY])
        first.kill()
        with pytest.raises(DisconnectedError, match="not known") as caught:
            await writing
        assert caught.value.pv_name == "random_walk:dt"
        start_ioc(two_ports[1])
        assert await value_of(dt) == 3.0  # it was not repeated behind the caller's back


async def test_promise_30_read_is_repeated_after_its_circuit_died(
    start_ioc: StartIoc, two_ports: tuple[int, int]
) -> None:
    first = start_ioc(two_ports[0])
    async with Context(timeout=20) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.wait_for_connection()
        first.pause()
        responses: list[Any] = []
        reading = asyncio.create_task(dt.read(callback=responses.append))
        await until(lambda: dt.busy)
        first.kill()
        start_ioc(two_ports[1])
        response = await reading
        assert response.value == 3.0
        await until(lambda: responses)
        assert responses == [response]


async def test_promise_30_callback_alone_learns_of_a_lost_write_by_the_log(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=20) as ctx:
        written: list[RawMessage] = []

        def keep_silent(received: RawMessage) -> bytes:
            if received.command == WRITE_NOTIFY:
                written.append(received)
            return server.answer(received)

        server.on_message = keep_silent
        states, calls = States(), Recorder()
        (pv,) = await ctx.get_pvs("scripted", connection_state_callback=states)
        await pv.write(1, wait=False, callback=calls.calls.append)
        await until(lambda: written)
        server.hang_up()
        await states.until("connected", "disconnected", "connected")
        assert "'scripted' was lost" in caplog.text
        assert "not known" in caplog.text
        assert calls.calls == []
        assert len(written) == 1
