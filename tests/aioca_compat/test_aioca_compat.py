"""What `caproto.aioca_compat` does beyond a comparison with aioca: faults, back-pressure, installing, ophyd-async."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import caproto.aioca_compat as ca
from caproto import CaprotoError, CaprotoTimeoutError, CaprotoValueError
from caproto.aioca_compat import _monitor
from caproto.asyncio import _default_context
from caproto.testing import FakeIoc, serve
from tests.asyncio.waiting import until
from tests.support import CIoc, run_libca
from tests.support.chaos_proxy import ChaosProxy

from . import programs


async def test_a_failure_says_more_by_its_cause(c_ioc_env: CIoc) -> None:
    with pytest.raises(ca.CANothing) as failure:
        await ca.caget("IO:nowhere", timeout=0.2)
    assert (failure.value.ok, failure.value.errorcode, bool(failure.value)) == (False, 80, False)
    assert isinstance(failure.value.__cause__, CaprotoTimeoutError)
    assert "IO:nowhere" in str(failure.value)
    assert "IO:nowhere" in str(failure.value.__cause__)


async def test_a_write_that_is_not_permitted(c_ioc_env: CIoc) -> None:
    for wait in (True, False):
        result = await ca.caput("IO:access:readonly", 1, wait=wait, throw=False)
        assert result.errorcode == 376
    with pytest.raises(ca.CANothing):
        await ca.caput("IO:bo", "no such label", wait=True)


async def test_values_and_names_that_do_not_go_together(c_ioc_env: CIoc) -> None:
    with pytest.raises(CaprotoValueError, match="2 PVs and 3 values"):
        await ca.caput(["IO:ao", "IO:longout"], [1, 2, 3])
    results = await ca.caput(
        ["IO:wf:double", "IO:wf:float"], [1.0, 2.0], repeat_value=True, wait=True
    )
    assert all(results)
    values = await ca.caget(["IO:wf:double", "IO:wf:float"], count=2)
    assert [list(value) for value in values] == [[1.0, 2.0], [1.0, 2.0]]


async def test_plain_values_by_the_plus_sign(c_ioc_env: CIoc) -> None:
    values = await ca.caget(["IO:ai", "IO:longin", "IO:stringin", "IO:wf:long"])
    assert [type(+value).__name__ for value in values] == ["float", "int", "str", "ndarray"]
    assert type(+(await ca.caget("IO:stringin", datatype=bytes))) is bytes


async def test_unicode_that_is_none_is_refused(c_ioc_env: CIoc) -> None:
    await ca.caput("IO:wf:char", b"\xff\x01", datatype=ca.DBR_CHAR_BYTES, wait=True)
    assert await ca.caget("IO:wf:char", datatype=ca.DBR_CHAR_BYTES) == b"\xff\x01"
    with pytest.raises(UnicodeDecodeError):
        await ca.caget("IO:wf:char", datatype=ca.DBR_CHAR_UNICODE)


async def test_a_lost_server_is_told_and_the_value_comes_back(
    c_ioc_env: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ChaosProxy(c_ioc_env.port) as proxy:
        monkeypatch.setenv("EPICS_CA_ADDR_LIST", f"127.0.0.1:{proxy.port}")
        seen: asyncio.Queue[Any] = asyncio.Queue()
        subscription = ca.camonitor("IO:ai", seen.put_nowait, notify_disconnect=True)
        assert await seen.get() == 3.25
        proxy.links[0].close()
        lost = await seen.get()
        assert isinstance(lost, ca.CANothing)
        assert (lost.name, lost.ok, lost.errorcode) == ("IO:ai", False, 192)
        assert await seen.get() == 3.25
        subscription.close()
        ca.purge_channel_caches()
        await asyncio.sleep(0)


async def test_all_updates_reach_a_slow_callback_however_many_wait(
    c_ioc_env: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_monitor, "_MOST_PENDING", 2)
    go_on = asyncio.Event()
    seen: list[float] = []
    done = asyncio.Event()

    async def slow(value: float) -> None:
        seen.append(float(value))
        await go_on.wait()
        if value == 7.5:
            done.set()

    subscription = ca.camonitor("IO:ao", slow, all_updates=True)
    await until(lambda: seen)
    values = [step / 2 for step in range(16)]
    for value in values:
        await ca.caput("IO:ao", value, wait=True)
    go_on.set()
    await done.wait()
    assert seen[1:] == values
    assert subscription.dropped_callbacks == 0
    subscription.close()
    await ca.caput("IO:ao", 1.5, wait=True)


async def test_a_callback_that_fails_is_logged_and_ends_the_subscription(
    c_ioc_env: CIoc, caplog: pytest.LogCaptureFixture
) -> None:
    called = asyncio.Event()

    def fail(value: Any) -> None:
        called.set()
        raise ValueError("oops")

    subscription = ca.camonitor("IO:ai", fail)
    await called.wait()
    await until(lambda: subscription.state == subscription.CLOSED)
    assert "callback of the subscription to 'IO:ai' failed" in caplog.text


async def test_a_subscription_that_cannot_be_made_is_logged(
    c_ioc_env: CIoc, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    subscription = ca.camonitor("", print)
    await until(lambda: subscription.state == subscription.CLOSED)
    assert "The subscription to '' failed" in caplog.text


async def test_a_callback_may_close_its_own_subscription(c_ioc_env: CIoc) -> None:
    closed = asyncio.Event()

    def close(value: Any) -> None:
        subscription.close()
        closed.set()

    subscription = ca.camonitor("IO:ai", close)
    await closed.wait()
    assert ca.get_channel_infos()[0].subscriber_count == 0


async def test_a_type_that_there_is_not_is_refused_at_once() -> None:
    with pytest.raises(ca.InvalidDatatype, match="give str, int, float"):
        ca.camonitor("IO:ai", print, datatype=list)


def test_outside_of_a_loop_a_monitor_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        ca.camonitor("IO:ai", print)


def test_run_is_there_and_deprecated() -> None:
    async def answer() -> int:
        return 42

    with pytest.warns(DeprecationWarning, match=r"asyncio\.run"):
        assert ca.run(answer()) == 42


def _outcome(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    return (done.stdout + done.stderr).strip()


def test_install_replaces_aioca_and_its_types() -> None:
    program = (
        "import caproto.aioca_compat as c; c.install(); c.install(); import aioca\n"
        "from aioca.types import AugmentedValue, Count, Datatype, Dbe, Dbr, Format, Timeout\n"
        "print(aioca.caget is c.caget, aioca.__version__.startswith('2.1+caproto'))"
    )
    assert _outcome(program) == "True True"


def test_install_comes_too_late_after_the_real_aioca() -> None:
    program = "import aioca, caproto.aioca_compat as c; c.install()"
    assert "call caproto.aioca_compat.install() first" in _outcome(program)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="ophyd-async needs Python 3.11 or newer")
def test_bluesky_scans_ophyd_async_devices_without_the_c_library(c_ioc: CIoc) -> None:
    result = run_libca(programs.OPHYD_ASYNC, env=c_ioc.client_env(), timeout=60)
    assert result["positions"] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert result["counts"] == [-123456]
    assert result["units"] == "V"
    assert result["limits"] == {"low": -8.0, "high": 8.0}
    assert result["moves"] == ["Open", True, "a long text", "short", "Closed"]
    assert "ca://IO:nowhere" in result["missing"]
    assert result["C library"] == []


def test_errors_of_all_kinds_have_a_status() -> None:
    from caproto import CaprotoTypeError, DisconnectedError
    from caproto.aioca_compat._nothing import nothing_for

    codes: dict[Callable[[str], CaprotoError], int] = {
        CaprotoTimeoutError: 80,
        DisconnectedError: 192,
        CaprotoValueError: 176,
        CaprotoTypeError: 114,
    }
    for kind, code in codes.items():
        assert nothing_for("x", kind("why")).errorcode == code


def test_a_subscription_is_told_nothing_when_reading_is_not_permitted_any_more() -> None:
    """As with aioca; the update without a value came as an empty array."""

    async def watch(ioc: FakeIoc) -> list[Any]:
        values: list[Any] = []
        subscription = ca.camonitor("x", values.append, all_updates=True, notify_disconnect=True)
        await until(lambda: values)
        await asyncio.to_thread(ioc.set_access, "x", read=False)
        await asyncio.to_thread(ioc.set, "x", 2.5)
        await asyncio.to_thread(ioc.set_access, "x")
        await until(lambda: len(values) > 1)
        subscription.close()
        ca.purge_channel_caches()
        return values

    with serve({"x": 1.5}) as ioc:
        assert asyncio.run(watch(ioc)) == [1.5, 2.5]


def test_purging_as_the_last_thing_leaves_no_socket_open(c_ioc_env: CIoc) -> None:
    """`asyncio.run` cancelled what was closing them."""

    async def main() -> None:
        assert await ca.caget("IO:ai") == 3.25
        ca.purge_channel_caches()

    asyncio.run(main())
    assert not _default_context._leaving
