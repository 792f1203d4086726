"""Bugs and wishes that were reported for pyepics, for the original's `pyepics_compat`, and for ophyd on it."""

from __future__ import annotations

import gc
import os
import queue
import threading
import weakref
from typing import Any

import pytest

from caproto import CaprotoError, CAStatusError
from caproto.threading.client import Context
from caproto.threading.pyepics_compat import PV, caget_many, get_pv
from tests.support import CIoc, run_libca
from tests.support.blocking import wait_until

from ..conftest import MakeCIoc


def test_wait_for_connection_returns_false_instead_of_raising(c_ioc_env: CIoc) -> None:
    """Caproto 400: pyepics' programs look at what it returns."""
    with Context() as context:
        assert PV("IO:missing", context=context).wait_for_connection(timeout=0.05) is False
        assert PV("IO:ai", context=context).wait_for_connection(timeout=20) is True


def test_clear_auto_monitor_ends_the_monitor_at_the_server(c_ioc_env: CIoc) -> None:
    """Caproto 402, pyepics 69: it was missing; a monitor could not be disabled, nor begun again."""
    with Context() as context:
        values: queue.Queue[Any] = queue.Queue()
        pv = PV("IO:count:10Hz", callback=lambda value, **more: values.put(value), context=context)
        for _ in range(2):
            values.get(timeout=20)
            pv.clear_auto_monitor()
            assert pv.auto_monitor is False
            wait_until(lambda: context.stats().subscriptions == 0)
            while not values.empty():
                values.get()
            assert pv.get() is not None  # by a read
            pv.auto_monitor = True


def test_auto_monitor_keeps_the_value_up_to_date(c_ioc_env: CIoc) -> None:
    """Caproto 824, 862: values stayed as they were at first when a context was used again."""
    with Context() as context:
        for _ in range(3):
            pv = PV("IO:count:10Hz", context=context)
            first = pv.get()
            wait_until(lambda pv=pv, first=first: pv.get() != first)  # type: ignore[misc]
            pv.disconnect()


def test_arrays_have_the_byte_order_of_the_machine(c_ioc_env: CIoc) -> None:
    """Caproto 863, 846, 851: read or monitored."""
    with Context() as context:
        pv = PV("IO:wf:double", context=context)
        for use_monitor in (True, False):
            value = pv.get(use_monitor=use_monitor)
            assert value.dtype.isnative
        wait_until(lambda: pv._auto_monitor_sub is not None)
        assert pv.get().dtype.isnative


def test_ophyd_finds_every_name_that_its_control_layer_uses(c_ioc: CIoc) -> None:
    """Ophyd 1241: a release of the original broke its control layer, which is found out when it is chosen."""
    program = """
import os
os.environ["OPHYD_CONTROL_LAYER"] = "caproto"
import json
import ophyd
from ophyd import EpicsSignal, EpicsSignalRO, cl

with_events = EpicsSignal("IO:ao", name="ao", auto_monitor=True)
plain = EpicsSignalRO("IO:ai", name="ai")
for signal in (with_events, plain):
    signal.wait_for_connection(timeout=20)
with_events.set(2.5).wait(timeout=20)
result = [cl.name, plain.get(), with_events.get(use_monitor=False), cl.caget("IO:ai"), cl.get_pv("IO:ai").pvname]
with_events.set(1.5).wait(timeout=20)
plain.destroy()
result.append(plain.connected)
print(json.dumps(result))
"""
    assert run_libca(program, env=c_ioc.client_env()) == [
        *("caproto", 3.25, 2.5, 3.25, "IO:ai", False)
    ]


def test_a_pv_can_be_made_again_after_its_disconnect(c_ioc_env: CIoc) -> None:
    """Pyepics 68: after `disconnect` the same name could not be used again."""
    with Context() as context:
        for _ in range(3):
            pv = get_pv("IO:ai", connect=True, context=context)
            assert pv.get() == 3.25
            pv.disconnect()


def test_disconnected_pvs_are_collected(c_ioc_env: CIoc) -> None:
    """Pyepics 10: PV objects were never collected."""
    with Context() as context:
        pv = PV("IO:ai", callback=lambda **more: None, context=context)
        assert pv.get() == 3.25
        reference = weakref.ref(pv)
        pv.disconnect()
        del pv

        def collected() -> bool:
            gc.collect()
            return reference() is None

        wait_until(collected)


def test_making_and_ending_many_pvs_leaves_no_files(c_ioc_env: CIoc) -> None:
    """Pyepics 171: too many open files after a thousand disconnects."""
    with Context() as context:
        get_pv("IO:ai", connect=True, context=context)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(300):
            pv = PV("IO:longin", context=context)
            assert pv.connect(20)
            pv.disconnect()
        assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_pvs_of_one_thread_can_be_used_by_another(c_ioc_env: CIoc) -> None:
    """Pyepics 235, 51, 37: crashes with PVs in threads other than the one that made them."""
    made: queue.Queue[PV] = queue.Queue()
    with Context() as context:
        maker = threading.Thread(target=lambda: made.put(PV("IO:ai", context=context)))
        maker.start()
        maker.join()
        assert made.get().get(use_monitor=False) == 3.25


def test_a_write_without_permission_says_so_at_once(c_ioc_env: CIoc) -> None:
    """Pyepics 288: the caller waited until the time was over."""
    with Context() as context:
        pv = PV("IO:access:readonly", context=context)
        for wait in (True, False):
            with pytest.raises(CaprotoError, match="IO:access:readonly") as failure:
                pv.put(1, wait=wait, timeout=60)
            assert isinstance(failure.value, CAStatusError) or "access" in str(failure.value)


def test_missing_pvs_share_one_connection_timeout(c_ioc_env: CIoc) -> None:
    """Pyepics 200, 106: with half a second for each, these would take a quarter of an hour."""
    with Context() as context:
        names = ["IO:ai", *(f"IO:missing{index}" for index in range(2_000))]
        values = caget_many(names, connection_timeout=0.5, context=context)
        assert values == [3.25, *[None] * 2_000]


def test_connection_callbacks_hear_of_the_loss(
    make_c_ioc: MakeCIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pyepics 163: the connection callback was not called on disconnection."""
    ioc = make_c_ioc()
    for name, value in ioc.client_env().items():
        monkeypatch.setenv(name, value)
    states: queue.Queue[bool] = queue.Queue()
    with Context() as context:
        pv = PV("IO:ai", connection_callback=lambda conn, **more: states.put(conn), context=context)
        assert states.get(timeout=20) is True
        ioc.stop()
        assert states.get(timeout=20) is False
        assert not pv.connected


def test_nanoseconds_are_exact(c_ioc_env: CIoc) -> None:
    """Pyepics 117, 70: the time as a float has no nanoseconds."""
    with Context() as context:
        pv = PV("IO:count:10Hz", context=context)
        got = pv.get_with_metadata(use_monitor=False)
        assert isinstance(got["nanoseconds"], int)
        assert 0 <= got["nanoseconds"] < 10**9
        assert got["timestamp"] == pytest.approx(got["posixseconds"] + 1e-9 * got["nanoseconds"])
        response = pv._caproto_pv.read(data_type="time")
        stamp = response.metadata.stamp
        again = pv.get_with_metadata(use_monitor=False)
        assert again["posixseconds"] - 631152000 >= stamp.secondsSinceEpoch
