"""`caget`, `caput`, `camonitor` and `cainfo`: one name or many, over one Context per loop."""

from __future__ import annotations

import asyncio
import datetime
import logging
import pickle
import subprocess
import sys
from contextlib import aclosing

import numpy as np
import pytest

from caproto import (
    AccessRights,
    AlarmSeverity,
    CaprotoError,
    CaprotoTimeoutError,
    CaprotoTypeError,
    CaprotoValueError,
    CAStatusError,
    ChannelType,
)
from caproto.asyncio import _shortcuts
from caproto.asyncio.client import caget, cainfo, camonitor, caput, default_context
from caproto.client.augmented import AugmentedFloat, AugmentedInt, AugmentedStr
from caproto.client.numpy_augmented import AugmentedArray
from caproto.server.data import ChannelDouble
from caproto.testing import FakeIoc, serve
from tests.support import CIoc


async def test_one_name_gives_a_number_that_knows_its_pv(c_ioc_env: CIoc) -> None:
    value = await caget("IO:ai")
    assert isinstance(value, AugmentedFloat)
    assert value == 3.25
    assert type(value + 1) is float
    assert value.name == "IO:ai"
    assert value.units == "mm"
    assert value.precision == 3
    assert value.severity is AlarmSeverity.NO_ALARM
    assert (value.upper_disp_limit, value.lower_alarm_limit) == (10.0, -9.0)
    assert value.limits["upper_warning_limit"] == 7.0
    assert value.datatype is ChannelType.DOUBLE
    assert value.element_count == 1
    assert value.timestamp is not None
    assert value.datetime is not None
    # A float has no room for all digits of the time.
    by_timestamp = datetime.datetime.fromtimestamp(value.timestamp, datetime.timezone.utc)
    assert abs(value.datetime - by_timestamp) <= datetime.timedelta(microseconds=1)
    assert value.summary.startswith("3.25  mm  20")
    assert (repr(value), f"{value:.1f}") == ("3.25", "3.2")


async def test_many_names_give_a_list_in_their_order(c_ioc_env: CIoc) -> None:
    values = await caget(["IO:longin", "IO:ai", "IO:stringin"])
    assert [value.name for value in values] == ["IO:longin", "IO:ai", "IO:stringin"]
    assert [type(value) for value in values] == [AugmentedInt, AugmentedFloat, AugmentedStr]


async def test_an_enum_is_a_number_with_a_label(c_ioc_env: CIoc) -> None:
    value = await caget("IO:bi")
    assert (value, value.label, value.enum_strings) == (1, "On", ("Off", "On"))
    assert value.summary.startswith("On (1)")
    assert await caget("IO:bi", datatype=str) == "On"


async def test_a_label_that_there_is_not_names_those_that_there_are(c_ioc_env: CIoc) -> None:
    with pytest.raises(
        CAStatusError, match=r"ECA_PUTFAIL.* Its labels are 'Off', 'On'\."
    ) as caught:
        await caput("IO:bi", "nope")
    assert caught.value.pv_name == "IO:bi"
    assert caught.value.status.name == "ECA_PUTFAIL"
    errors = await caput({"IO:bi": "nope", "IO:ai": "nope"}, throw=False)
    assert "Its labels" in str(errors[0])
    assert "Its labels" not in str(errors[1])


async def test_text_in_utf8_is_read_as_such_and_other_text_as_latin_1(c_ioc_env: CIoc) -> None:
    before = str(await caget("IO:stringin"))
    await caput("IO:ai.EGU", "\xc2\xb5m")  # the two bytes of a sign in UTF-8
    await caput("IO:stringin", "\xc2\xb5")
    assert (await caget("IO:ai")).units == "\xb5m"
    assert await caget("IO:stringin") == "\xb5"
    await caput({"IO:ai.EGU": "\xb5m", "IO:stringin": "\xb5"})  # one byte
    value = await caget("IO:ai")
    assert value.units == "\xb5m"
    assert "\xb5m" in value.summary
    assert await caget("IO:stringin") == "\xb5"
    await caput({"IO:ai.EGU": "mm", "IO:stringin": before})


async def test_an_array_is_an_array_and_its_parts_are_plain(c_ioc_env: CIoc) -> None:
    value = await caget("IO:wf:long")
    assert isinstance(value, AugmentedArray)
    assert value.name == "IO:wf:long"
    assert list(value) == [-2147483648, -1, 0, 1, 2147483647]
    assert type(value[1:]) is np.ndarray
    assert type(value * 2.0) is np.ndarray
    assert value.summary.startswith("array([")
    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    assert pretty(value) == value.summary  # as for a number
    assert pretty([value]) == f"[{value.summary}]"
    assert value.sum() == -1
    assert len(await caget("IO:wf:long", count=2)) == 2


async def test_text_and_lists_of_texts(c_ioc_env: CIoc) -> None:
    strings = await caget("IO:wf:string")
    assert isinstance(strings, list)
    assert strings.name == "IO:wf:string"  # type: ignore[attr-defined]
    characters = await caget("IO:wf:char", datatype=str)
    assert isinstance(characters, str)
    assert characters == "hello\xff"  # no UTF-8


async def test_types_that_the_server_converts_to(c_ioc_env: CIoc) -> None:
    as_text = await caget("IO:ai", datatype=str)
    assert as_text == "3.250"  # PREC is 3
    assert as_text.units == "mm"
    assert await caget("IO:ai", datatype=int) == 3
    assert await caget("IO:longin", datatype=float) == -123456.0
    assert (await caget("IO:ai", datatype=ChannelType.FLOAT)).datatype is ChannelType.FLOAT


async def test_a_type_that_makes_no_sense_names_the_remedy(c_ioc_env: CIoc) -> None:
    with pytest.raises(CaprotoTypeError, match="must be str, int, float"):
        await caget("IO:ai", datatype=dict)


async def test_without_control_data_there_are_no_units(c_ioc_env: CIoc) -> None:
    value = await caget("IO:ai", control=False)
    assert (value.units, value.upper_disp_limit, value.limits) == ("", None, {})
    assert value.timestamp is not None


async def test_an_alarm_is_told(c_ioc_env: CIoc) -> None:
    value = await caget("IO:alarm:major")
    assert value.severity is AlarmSeverity.MAJOR_ALARM
    assert value.summary.endswith(f"MAJOR_ALARM {value.status.name}")


async def test_a_missing_pv_raises_or_hides_no_other(c_ioc_env: CIoc) -> None:
    with pytest.raises(CaprotoTimeoutError, match="IO:nowhere"):
        await caget(["IO:ai", "IO:nowhere"], timeout=0.3)
    value, missing = await caget(["IO:ai", "IO:nowhere"], timeout=0.3, throw=False)
    assert value == 3.25
    assert isinstance(missing, CaprotoTimeoutError)
    assert isinstance(await caget("IO:nowhere", timeout=0.1, throw=False), CaprotoTimeoutError)


async def test_writing_to_one_and_to_many(c_ioc_env: CIoc) -> None:
    assert await caput("IO:ao", 2.5) is None
    assert await caget("IO:ao") == 2.5
    await caput(["IO:ao", "IO:longout"], [3.5, 17])
    assert await caget(["IO:ao", "IO:longout"]) == [3.5, 17]
    await caput(["IO:ao", "IO:longout"], 4)
    assert await caget(["IO:ao", "IO:longout"]) == [4.0, 4]
    await caput({"IO:ao": 1.5, "IO:longout": 42}, wait=False)
    assert await caget(["IO:ao", "IO:longout"]) == [1.5, 42]


async def test_writes_that_cannot_be_meant(c_ioc_env: CIoc) -> None:
    with pytest.raises(CaprotoValueError, match="2 PVs and 3 values"):
        await caput(["IO:ao", "IO:longout"], [1, 2, 3])
    with pytest.raises(CaprotoTypeError, match="mapping"):
        await caput({"IO:ao": 1}, 2)
    with pytest.raises(CaprotoTypeError, match="needs a value for 'IO:ao'"):
        await caput("IO:ao")
    with pytest.raises(CaprotoValueError, match="stands twice"):
        await caput(["IO:ao", "IO:ao"], [1, 2])


async def test_a_write_that_fails_raises_or_is_returned(c_ioc_env: CIoc) -> None:
    with pytest.raises(CaprotoError, match="IO:access:readonly"):
        await caput("IO:access:readonly", 1)
    results = await caput({"IO:access:readonly": 1, "IO:ao": 1.5}, throw=False)
    assert isinstance(results[0], CaprotoError)
    assert results[1] is None
    unconfirmed = await caput(
        {"IO:access:readonly": 1, "IO:nowhere": 1}, wait=False, throw=False, timeout=0.3
    )
    assert [type(result).__name__ for result in unconfirmed] == [
        "CAStatusError",
        "CaprotoTimeoutError",
    ]


async def test_monitoring_begins_with_the_present_value(c_ioc_env: CIoc) -> None:
    seen = []
    async with aclosing(camonitor("IO:ao", "IO:bi")) as values:
        async for value in values:
            seen.append(value)
            if len(seen) == 2:
                await caput("IO:ao", 2.0)
            elif len(seen) == 3:
                break
    assert {value.name for value in seen[:2]} == {"IO:ao", "IO:bi"}
    assert (seen[2].name, seen[2], seen[2].units) == ("IO:ao", 2.0, "V")
    await caput("IO:ao", 1.5)


async def test_monitoring_follows_units(c_ioc_env: CIoc) -> None:
    async with aclosing(camonitor("IO:ao")) as values:
        assert (await anext(values)).units == "V"
        await caput("IO:ao.EGU", "kV")
        try:
            await caput("IO:ao", 2.0)
            assert (await anext(values)).units == "kV"
        finally:
            await caput({"IO:ao.EGU": "V", "IO:ao": 1.5})


async def test_monitoring_a_wrong_name_says_so(
    c_ioc_env: CIoc, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shortcuts, "_TIMEOUT", 0.1)
    logged = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "IO:nowhere" in record.getMessage():
                loop.call_soon_threadsafe(logged.set)

    handler = Handler()
    logging.getLogger("caproto.ch").addHandler(handler)
    try:
        async with aclosing(camonitor("IO:nowhere")) as values:
            waiting = asyncio.ensure_future(anext(values))
            await logged.wait()
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
    finally:
        logging.getLogger("caproto.ch").removeHandler(handler)


async def test_monitoring_needs_names(c_ioc_env: CIoc) -> None:
    with pytest.raises(CaprotoTypeError, match="one or more names"):
        await anext(camonitor(["IO:ao"]))  # type: ignore[arg-type]


async def test_info_tells_where_and_what(c_ioc_env: CIoc) -> None:
    info = await cainfo("IO:wf:long")
    assert info.address == ("127.0.0.1", c_ioc_env.port)
    assert (info.data_type, info.data_count) == (ChannelType.LONG, 10)
    assert info.access_rights == AccessRights.READ | AccessRights.WRITE
    assert info.version == 13
    assert str(info).splitlines()[2] == f"    Host:             127.0.0.1:{c_ioc_env.port}"
    assert "no write" in str(await cainfo("IO:access:readonly"))
    found, missing = await cainfo(["IO:ai", "IO:nowhere"], timeout=0.3, throw=False)
    assert found.data_type is ChannelType.DOUBLE
    assert isinstance(missing, CaprotoTimeoutError)


async def test_calls_share_one_context_and_make_another_after_its_end(c_ioc_env: CIoc) -> None:
    context = await default_context()
    await asyncio.gather(caget("IO:ai"), caget("IO:ao"))
    assert await default_context() is context
    assert len(context.pvs) == 2
    await context.disconnect()
    assert await caget("IO:ai") == 3.25
    assert await default_context() is not context


def test_each_loop_has_its_own_context(c_ioc_env: CIoc) -> None:
    contexts = set()

    async def read() -> None:
        assert await caget("IO:ai") == 3.25
        contexts.add(await default_context())

    asyncio.run(read())
    asyncio.run(read())
    assert len(contexts) == 2


def test_values_can_be_pickled(c_ioc_env: CIoc) -> None:
    async def read() -> list[object]:
        return await caget(["IO:ai", "IO:longin", "IO:stringin"])

    values = asyncio.run(read())
    assert pickle.loads(pickle.dumps(values)) == values


def test_values_without_numpy(c_ioc_env: CIoc) -> None:
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        "import asyncio\n"
        "from caproto.asyncio.client import caget\n"
        "value = asyncio.run(caget('IO:wf:long'))\n"
        "print(type(value).__mro__[-2].__name__, list(value), value.name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == "array [-2147483648, -1, 0, 1, 2147483647] IO:wf:long"


def test_the_names_cost_nothing_until_they_are_used() -> None:
    program = "import sys, caproto.asyncio.client as c; print('caproto.asyncio._shortcuts' in sys.modules, c.caget)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.startswith("False <function caget")


def test_the_module_has_no_other_names() -> None:
    import caproto.asyncio.client

    with pytest.raises(AttributeError, match="no attribute 'cagett'"):
        caproto.asyncio.client.cagett  # noqa: B018


def test_camonitor_yields_nothing_when_reading_is_not_permitted_any_more() -> None:
    """The server tells so by an update without a value, which came as an empty array."""

    async def watch(ioc: FakeIoc) -> list[object]:
        async with aclosing(camonitor("x")) as values:
            seen = [await anext(values)]
            await asyncio.to_thread(ioc.set_access, "x", read=False)
            await asyncio.to_thread(ioc.set, "x", 2.5)
            await asyncio.to_thread(ioc.set_access, "x")
            return [*seen, await anext(values)]

    with serve({"x": ChannelDouble(value=1.5, units="mm")}) as ioc:
        values = asyncio.run(watch(ioc))
    assert values == [1.5, 2.5]
    assert [value.units for value in values] == ["mm", "mm"]  # type: ignore[attr-defined]
