"""What `caproto.threading.pyepics_compat` does beyond a comparison with pyepics: faults, callbacks that block, ophyd."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from caproto import CaprotoTypeError, CaprotoValueError, CAStatusError
from caproto.server.data import ChannelDouble
from caproto.testing import serve
from caproto.threading import pyepics_compat
from caproto.threading.client import Context
from caproto.threading.pyepics_compat import PV, caget, camonitor, caput, caput_many, get_pv
from tests.conftest import MakeCIoc
from tests.support import CIoc, run_libca
from tests.support.blocking import wait_until

from . import programs


def with_context(test: Callable[[Context], None]) -> Callable[[CIoc], None]:
    """Give a test a Context that is disconnected before it is looked for what the test has left."""

    def run(c_ioc_env: CIoc) -> None:
        with Context() as context:
            test(context)

    run.__name__ = test.__name__
    return run


def queue_of_calls() -> tuple[queue.Queue[Any], Any]:
    calls: queue.Queue[Any] = queue.Queue()

    def call(**keywords: Any) -> None:
        calls.put(keywords)

    return calls, call


def test_a_server_that_goes_and_comes_back(
    make_c_ioc: MakeCIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    ioc = make_c_ioc()
    for name, value in ioc.client_env().items():
        monkeypatch.setenv(name, value)
    states, on_state = queue_of_calls()
    values, on_value = queue_of_calls()
    with Context() as context:
        pv = PV("IO:ao", callback=on_value, connection_callback=on_state, context=context)
        assert states.get(timeout=10)["conn"] is True
        assert values.get(timeout=10)["value"] == 1.5
        ioc.stop()
        assert states.get(timeout=10)["conn"] is False
        assert not pv.connected
        assert repr(pv) == "<PV 'IO:ao': not connected>"
        assert pv.get(timeout=0.1) is None
        ioc.start()
        assert states.get(timeout=20)["conn"] is True
        assert values.get(timeout=10)["value"] == 1.5
        assert pv.put(2.5, wait=True) == 1
        assert values.get(timeout=10)["value"] == 2.5


@with_context
def test_a_callback_may_read_write_and_make_pvs(context: Context) -> None:
    results: queue.Queue[Any] = queue.Queue()

    def on_value(pvname: str = "", **more: Any) -> None:
        other = PV("IO:longout", context=context)
        results.put([other.get(use_monitor=False), other.put(42, wait=True), other.units])

    PV("IO:ai", callback=on_value, context=context)
    assert results.get(timeout=10) == [42, 1, "steps"]


def test_a_callback_that_fails_disturbs_no_other(
    c_ioc_env: CIoc, caplog: pytest.LogCaptureFixture
) -> None:
    values, on_value = queue_of_calls()

    def fail(**keywords: Any) -> None:
        raise ValueError("oops")

    with Context() as context:
        PV("IO:ai", callback=[fail, on_value], context=context)
        assert values.get(timeout=10)["value"] == 3.25
    assert "of 'IO:ai' failed" in caplog.text


@with_context
def test_callbacks_live_although_nobody_keeps_the_pv(context: Context) -> None:
    values, on_value = queue_of_calls()
    PV("IO:ao", callback=on_value, context=context)
    assert values.get(timeout=10)["value"] == 1.5
    writer = PV("IO:ao", context=context)
    writer.put(2.5, wait=True)
    assert values.get(timeout=10)["value"] == 2.5
    writer.put(1.5, wait=True)


@with_context
def test_a_pv_that_is_made_while_the_update_of_another_waits_gets_it_once(context: Context) -> None:
    """They share a subscription."""
    go_on = threading.Event()
    values, on_value = queue_of_calls()
    PV("IO:longin", connection_callback=lambda **_: go_on.wait(20), context=context)
    one = PV("IO:ai", callback=on_value, context=context)
    try:
        wait_until(lambda: one._auto_monitor_sub)
        sub = one._auto_monitor_sub._subscription
        wait_until(lambda: sub.most_recent_response)
        other = PV("IO:ai", callback=on_value, context=context)
        wait_until(lambda: len(sub.callbacks) == 2)
        other._hand_over(values.put, "behind")
    finally:
        go_on.set()
    assert [values.get(timeout=10)["pvname"] for _ in range(2)] == ["IO:ai"] * 2
    assert values.get(timeout=10) == "behind"


@with_context
def test_the_end_of_one_monitor_is_not_the_end_of_another(context: Context) -> None:
    values, on_value = queue_of_calls()
    one = PV("IO:ao", callback=on_value, context=context)
    other = PV("IO:ao", context=context)
    assert values.get(timeout=10)["value"] == 1.5
    assert one == other
    assert hash(one) == hash(other)
    assert one != "IO:ao"
    other.clear_auto_monitor()
    other.disconnect()
    assert (other.connected, other.get(), other.wait_for_connection()) == (False, None, False)
    one.put(2.5, wait=True)
    assert values.get(timeout=10)["value"] == 2.5
    one.put(1.5, wait=True)


@with_context
def test_large_arrays_are_not_monitored_unless_asked_for(context: Context) -> None:
    large = PV("IO:wf:million", context=context)
    assert large.wait_for_connection(5)
    assert large.auto_monitor is False
    assert large.get(count=3).tolist() == [0.0, 1.0, 2.0]
    asked = PV("IO:wf:million", auto_monitor=True, count=3, context=context)
    assert asked.get().tolist() == [0.0, 1.0, 2.0]
    assert asked.auto_monitor is True


@with_context
def test_a_mask_of_the_monitor(context: Context) -> None:
    values, on_value = queue_of_calls()
    pv = PV("IO:ao", callback=on_value, auto_monitor=4, context=context)  # alarms only
    assert values.get(timeout=10)["value"] == 1.5
    assert pv.auto_monitor_mask == 4
    pv.put(2.5, wait=True)
    pv.put(7.9, wait=True)
    assert values.get(timeout=10)["severity"] == 2
    pv.put(1.5, wait=True)


@with_context
def test_small_changes_do_not_count(context: Context) -> None:
    values, on_value = queue_of_calls()
    # The record has a MDEL field, which stays as it is for others when the test has ended.
    pv = PV("IO:ao", callback=on_value, monitor_delta=1.0, context=context)
    try:
        assert values.get(timeout=10)["value"] == 1.5
        assert pv.monitor_delta == 1.0
        for value in (1.75, 2.0, 4.0):
            pv.put(value, wait=True)
        assert values.get(timeout=10)["value"] == 4.0
    finally:
        caput("IO:ao.MDEL", 0, wait=True, context=context)
        pv.put(1.5, wait=True)


def test_small_changes_do_not_count_where_the_record_cannot_be_told() -> None:
    """Small steps add up, and a change of the alarm is never small: the callback was told of neither."""
    values, on_value = queue_of_calls()
    with serve({"plain": 0.0}) as ioc, Context() as context:
        pv = PV("plain", callback=on_value, monitor_delta=1.0, context=context)
        first = values.get(timeout=10)
        assert (first["value"], first["monitor_delta"]) == (0.0, 1.0)
        for value in (0.4, 0.8, 1.2, 1.6):
            pv.put(value, wait=True)
        ioc.set("plain", 1.7, severity="MAJOR_ALARM")
        told = [values.get(timeout=10), values.get(timeout=10)]
        assert [(one["value"], one["severity"]) for one in told] == [(1.2, 0), (1.7, 2)]


def test_only_what_a_callback_names_is_handed_over_if_it_looks_at_nothing_else() -> None:
    """With what belongs to the update, with labels and precision, and with what was given for it."""
    told: queue.Queue[Any] = queue.Queue()

    def one(value: Any = None, timestamp: float = 0.0, **more: Any) -> None:
        told.put(("one", value, timestamp > 1e9))

    def two(pvname: str, char_value: str, cb_info: Any, own: int = 0, **more: Any) -> None:
        told.put(("two", pvname, char_value, cb_info[0], own))

    def three(value: Any, units: str = "unknown", **more: Any) -> None:
        told.put(("three", value, units, len(more)))

    with (
        serve({"x": ChannelDouble(value=1.5, units="mm", precision=3)}) as ioc,
        Context() as context,
    ):
        pv = PV("x", context=context)
        assert pv.get() == 1.5
        pv.get_ctrlvars()
        pv.add_callback(one, index=0)
        pv.add_callback(two, index=1, own=7)
        pv.add_callback(three, index=2)
        expected = [
            ("one", 2.5, True),
            ("two", "x", "2.500", 1, 7),
            ("three", 2.5, "mm", len(pv._args) - 1),  # cb_info is the one more
        ]
        ioc["x"] = 2.5
        assert [told.get(timeout=10) for _ in range(3)] == expected
        assert pv.value == 2.5
        pv.run_callbacks()
        assert [told.get(timeout=10) for _ in range(3)] == expected


def test_an_update_counts_before_what_is_read_later() -> None:
    """Updates are looked at when somebody asks: one must not take the place of a newer reading then."""
    with serve({"x": 1.0}) as ioc, Context() as context:
        pv = PV("x", context=context)
        watch = PV("x", context=context)
        assert (pv.get(), watch.get()) == (1.0, 1.0)
        for value in (2.0, 3.0, 4.0):
            ioc["x"] = value
            wait_until(lambda: pv._newest is not None and pv._newest.value == value)  # noqa: B023
            assert pv.get(use_monitor=False) == value
            assert pv._args["value"] == value
            assert pv.get_with_metadata(use_monitor=False)["value"] == value
            assert pv.get() == pv.get_with_metadata()["value"] == value


def test_an_update_without_a_value_is_none() -> None:
    """The server says that reading is not permitted any more; what was known remains."""
    values, on_value = queue_of_calls()
    rights: queue.Queue[Any] = queue.Queue()
    with serve({"x": 1.5}) as ioc, Context() as context:
        PV(
            "x",
            callback=on_value,
            access_callback=lambda read, write, pv: rights.put((read, pv.read_access)),
            context=context,
        )
        assert values.get(timeout=10)["value"] == 1.5
        assert rights.get(timeout=10) == (True, True)
        ioc.set_access("x", read=False)
        assert rights.get(timeout=10) == (False, False)
        ioc["x"] = 2.5
        ioc.set_access("x")
        assert rights.get(timeout=10) == (True, True)
        assert values.get(timeout=10)["value"] == 2.5
        assert values.empty()


def test_another_server_may_have_another_type_under_that_name() -> None:
    values, on_value = queue_of_calls()
    with (
        serve({"x": ChannelDouble(value=1.5, precision=2)}) as first,
        serve({"x": ["a", "text"]}, start=False) as second,
        Context() as context,
    ):
        pv = PV("x", callback=on_value, context=context)
        assert values.get(timeout=10)["value"] == 1.5
        assert (pv.precision, pv.type, pv.nelm, pv.char_value) == (2, "time_double", 1, "1.50")
        first.stop()
        second.start()
        assert values.get(timeout=20)["value"].tolist() == ["a", "text"]
        assert (pv.type, pv.nelm, pv.char_value) == ("time_string", 2, ["a", "text"])
        assert pv.get(use_monitor=False).tolist() == ["a", "text"]


def test_arrays_are_monitored_up_to_the_length_that_the_environment_says(
    c_ioc_env: CIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is CAPROTO_CLIENT_AUTOMONITOR_MAXLENGTH, as of the original."""
    monkeypatch.setenv("CAPROTO_CLIENT_AUTOMONITOR_MAXLENGTH", "8")
    with Context() as context:
        short, long = PV("IO:ai", context=context), PV("IO:wf:double", context=context)
        assert (short.get(), long.get(count=2).tolist()) == (3.25, [-1.5, 0.0])
        assert (short.auto_monitor, long.auto_monitor) == (True, False)
        long.auto_monitor = True
        assert long.get(count=2).tolist() == [-1.5, 0.0]
        assert long._auto_monitor_sub is not None


def test_names_that_programs_for_the_original_and_for_pyepics_use(c_ioc_env: CIoc) -> None:
    context = pyepics_compat._make_context()
    try:
        assert context is PV.default_context()
        pv = PV("IO:ai")
        assert pv.chid is None
        assert pv.wait_for_connection(20)
        assert pv.chid == pv._caproto_pv.channel.cid  # type: ignore[union-attr]
    finally:
        context.disconnect()


def test_subclasses_may_clear_callbacks_in_their_own_way(c_ioc_env: CIoc) -> None:
    """As ophyd's does, of which a PV could not be disconnected."""

    class Own(PV):
        def clear_callbacks(self) -> None:  # type: ignore[override]
            raise AssertionError("not needed")

    with Context() as context:
        pv = Own("IO:ai", callback=print, context=context)
        pv.disconnect()
        assert (pv.callbacks, pv.connected) == ({}, False)


@with_context
def test_what_cannot_be_written_says_why(context: Context) -> None:
    pvs = {name: PV("IO:" + name, context=context) for name in ("ao", "bo", "longout")}
    with pytest.raises(
        CaprotoValueError, match="IO:bo: 'Ajar' is none of its labels: 'Closed', 'Open'"
    ):
        pvs["bo"].put("Ajar")
    with pytest.raises(CaprotoValueError, match="IO:ao: 'abc' is no number"):
        pvs["ao"].put("abc")
    with pytest.raises(CaprotoTypeError, match="IO:ao: None is no value"):
        pvs["ao"].put(None)
    with pytest.raises(CaprotoValueError, match="IO:longout: nan is no whole number"):
        pvs["longout"].put(float("nan"))
    with pytest.raises(CaprotoValueError, match="form='status' must be"):
        PV("IO:ao", form="status", context=context)
    with pytest.raises(CaprotoValueError, match="form='status' must be"):
        pvs["ao"].get_with_metadata(form="status")
    with pytest.raises(CAStatusError, match="IO:access:readonly"):
        PV("IO:access:readonly", context=context).put(1)
    with pytest.raises(CaprotoValueError, match="2 PVs and 1 values"):
        caput_many(["IO:ao", "IO:bo"], [1], context=context)


@with_context
def test_many_of_which_one_is_missing(context: Context) -> None:
    results = caput_many(
        ["IO:ao", "IO:nowhere", "IO:access:readonly"],
        [1.5, 1, 1],
        wait="all",
        connection_timeout=0.3,
        context=context,
    )
    assert results == [1, None, -1]


def test_a_write_that_is_not_confirmed_in_time(
    make_c_ioc: MakeCIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in make_c_ioc().client_env().items():
        monkeypatch.setenv(name, value)
    with Context() as context:
        slow = PV("IO:slow.A", context=context)
        assert slow.wait_for_connection(5)
        assert slow.put(1, wait=True, timeout=0.05) == -1
        assert slow.put_complete is None
        assert slow.put(2, wait=True, timeout=10) == 1


@with_context
def test_it_can_be_used_by_many_threads(context: Context) -> None:
    pv = get_pv("IO:ai", connect=True, context=context)
    failures: list[BaseException] = []

    def use() -> None:
        try:
            for _ in range(50):
                assert pv.get(use_monitor=False) == 3.25
                assert caget("IO:longin", context=context) == -123456
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@with_context
def test_a_pv_that_is_known_tells_new_callbacks_at_once(context: Context) -> None:
    get_pv("IO:ai", connect=True, context=context)
    states, on_state = queue_of_calls()
    values, on_value = queue_of_calls()
    rights: list[Any] = []
    pv = get_pv(
        "IO:ai",
        context=context,
        connection_callback=on_state,
        callback=on_value,
        access_callback=lambda read, write, pv: rights.append((read, write)),
    )
    assert states.get_nowait()["conn"] is True
    assert values.get_nowait()["value"] == 3.25
    assert set(rights) == {(True, True)}  # the first event of the channel may come late
    pv.clear_callbacks(with_access_callback=True, with_connect_callback=True)
    assert (pv.callbacks, pv.access_callbacks, pv.connection_callbacks) == ({}, [], [])


@with_context
def test_reconnecting_brings_a_new_channel(context: Context) -> None:
    pv = PV("IO:ai", context=context)
    assert pv.connect(5)
    before = pv._caproto_pv.channel
    assert pv.reconnect()
    assert pv._caproto_pv.channel is not before
    assert pv.get() == 3.25
    pv.force_connect()
    pv.force_read_access_rights()
    pv.poll()
    assert pv.access == "read/write"


def test_after_the_context_a_new_one_is_made(c_ioc_env: CIoc) -> None:
    first = PV.default_context()
    assert caget("IO:ai") == 3.25
    first.disconnect()
    assert caget("IO:ai") == 3.25
    assert PV.default_context() is not first
    PV.default_context().disconnect()


def test_camonitor_prints(c_ioc_env: CIoc) -> None:
    program = (
        "import sys\n"
        "from caproto.threading.pyepics_compat import camonitor, camonitor_clear\n"
        "camonitor('IO:ai'); camonitor('IO:nowhere', connection_timeout=0.2); camonitor_clear('IO:ai')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split()[0] == "IO:ai"
    assert float(done.stdout.split()[-1]) == 3.25
    assert done.stderr.strip() == "cannot connect to IO:nowhere"
    assert callable(camonitor)


def test_without_numpy_arrays_are_lists(c_ioc_env: CIoc) -> None:
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "from caproto.threading.pyepics_compat import caget\n"
        "print(list(caget('IO:wf:long')), caget('IO:ai'), caget('IO:wf:long', as_numpy=False))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    numbers = "[-2147483648, -1, 0, 1, 2147483647]"
    assert done.stdout.strip() == f"{numbers} 3.25 {numbers}"


def test_bluesky_scans_ophyd_devices_without_the_c_library(c_ioc: CIoc) -> None:
    result = run_libca(programs.OPHYD, env=c_ioc.client_env(), timeout=60)
    assert result["layer"] == "caproto"
    assert result["described"]["readback"]["units"] == "V"
    assert result["described"]["door"]["enum_strs"] == ["Closed", "Open"]
    assert result["limits"] == [-8.0, 8.0]
    assert result["enum"] == ["Closed", "Open"]
    assert result["metadata"]["connected"] is True
    assert result["set"] == ["Open", "a long text", [1.0, 2.5]]
    assert (result["slow at once"], result["slow"]) == (False, 3.0)
    assert result["positions"] == result["readbacks"] == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert set(result["seen"]) == {0.0, 0.5, 1.0, 1.5, 2.0}
    assert result["closed"] == "Closed"
    assert "IO:nowhere" in result["missing"]
    assert result["read-only"] == "ReadOnlyError"
    assert result["C library"] == []
