"""Real clients, on libca, against our IOC: every type, every form, in both directions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from caproto.ioc_examples.all_types import LABELS, LONG_TEXT
from tests.support import LibcaClient, OurIoc, run_libca

P = "all_types:"

# One line of JSON per read: value, and what came with it.
GET = """
import asyncio, json, math, sys, aioca

def plain(value):
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return str(value) if isinstance(value, str) else value

async def main():
    found = []
    for name, datatype, form, count in json.loads(sys.argv[1]):
        value = await aioca.caget(
            name, datatype=datatype, format=form, count=count, timeout=10, throw=False
        )
        if not value.ok:
            found.append({"error": value.errorcode})
            continue
        fields = {key: plain(getattr(value, key)) for key in dir(value)
                  if not key.startswith("_") and key in (
                      "datatype", "element_count", "status", "severity", "timestamp", "raw_stamp",
                      "units", "precision", "enums", "upper_disp_limit", "lower_disp_limit",
                      "upper_alarm_limit", "lower_alarm_limit", "upper_warning_limit",
                      "lower_warning_limit", "upper_ctrl_limit", "lower_ctrl_limit")}
        found.append({"value": plain(value), **fields})
    print(json.dumps(found))

asyncio.run(main())
"""

PUT = """
import asyncio, json, sys, aioca

async def main():
    found = []
    for name, value, datatype, wait in json.loads(sys.argv[1]):
        done = await aioca.caput(name, value, datatype=datatype, wait=wait, timeout=10, throw=False)
        after = await aioca.caget(name, timeout=10)
        after = after.tolist() if hasattr(after, "tolist") else after
        found.append([1 if done.ok else done.errorcode, str(after) if isinstance(after, str) else after])
    print(json.dumps(found))

asyncio.run(main())
"""

MONITOR = """
import asyncio, json, sys, threading, aioca

async def main():
    form, events, *names = sys.argv[1:]

    def changed(value, index):
        plain = value.tolist() if hasattr(value, "tolist") else value
        plain = str(plain) if isinstance(plain, str) else plain
        alarm = [getattr(value, "severity", None), getattr(value, "status", None)]
        print(json.dumps([names[index], plain, *alarm]), flush=True)

    aioca.camonitor(names, changed, format=int(form), events=int(events), all_updates=True)
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            break
        target, value = json.loads(line)
        await aioca.caput(target, value, wait=True)

asyncio.run(main())
"""

STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)
DBR_CHAR_STR = 999
RAW, TIME, CTRL = 0, 1, 2
DBE_VALUE, DBE_LOG, DBE_ALARM, DBE_PROPERTY = 1, 2, 4, 8
OK, PUTFAIL, NOWTACCESS = 1, 160, 376


@pytest.fixture(scope="module")
def ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurIoc]:
    """One IOC for all tests of this file; each leaves its PVs as it found them."""
    folder = tmp_path_factory.mktemp("all_types")
    with OurIoc("caproto.ioc_examples.all_types", f"{P}double", folder=folder) as ioc:
        yield ioc


def get(ioc: OurIoc, *requests: tuple[str, Any, int, int]) -> list[dict[str, Any]]:
    requested = json.dumps([(P + name, *rest) for name, *rest in requests])
    return list(run_libca(GET, requested, env=ioc.client_env()))


def put(ioc: OurIoc, *requests: tuple[str, Any, Any, bool]) -> list[list[Any]]:
    requested = json.dumps([(P + name, *rest) for name, *rest in requests])
    return list(run_libca(PUT, requested, env=ioc.client_env()))


NATIVE = {
    "string": (STRING, "hello", ["one", "two", "three"]),
    "int": (SHORT, -12345, [-32768, -1, 0, 1, 32767]),
    "float": (FLOAT, 2.5, [-1.5, 0.0, 1.5]),
    "enum": (ENUM, 1, [0, 1, 2]),
    "char": (CHAR, 200, [1, 2, 200]),
    "long": (LONG, -123456, [-2147483648, 0, 2147483647]),
    "double": (DOUBLE, 3.25, [-1.5, 0.0, 1e300]),
}


@pytest.mark.parametrize("form", [RAW, TIME, CTRL])
def test_every_type_is_read_as_it_is_in_every_form(ioc: OurIoc, form: int) -> None:
    names = [f"{kind}{suffix}" for kind in NATIVE for suffix in ("", "_ro", "_array", "_array_ro")]
    found = dict(zip(names, get(ioc, *((name, None, form, 0) for name in names)), strict=True))
    for kind, (datatype, scalar, array) in NATIVE.items():
        for suffix, value, count in (
            ("", scalar, 1),
            ("_ro", scalar, 1),
            ("_array", array, 10),
            ("_array_ro", array, 10),
        ):
            got = found[kind + suffix]
            assert got["value"] == value
            assert (got["datatype"], got["element_count"]) == (datatype, count)
            if form == TIME:
                assert (got["status"], got["severity"]) == (0, 0)
                assert got["timestamp"] > 1.7e9


def test_metadata_of_the_control_form(ioc: OurIoc) -> None:
    double, enum, limits = get(
        ioc, ("double", None, CTRL, 0), ("enum", None, CTRL, 0), ("limits", None, CTRL, 0)
    )
    assert (double["units"], double["precision"]) == ("mm", 3)
    assert enum["enums"] == list(LABELS)
    assert {key: value for key, value in limits.items() if key.endswith("_limit")} == {
        "upper_disp_limit": 12.0,
        "lower_disp_limit": -12.0,
        "upper_alarm_limit": 8.0,
        "lower_alarm_limit": -8.0,
        "upper_warning_limit": 5.0,
        "lower_warning_limit": -5.0,
        "upper_ctrl_limit": 10.0,
        "lower_ctrl_limit": -10.0,
    }


def test_every_type_is_read_as_every_other_type(ioc: OurIoc) -> None:
    numbers = {"int": -12345, "float": 2.5, "enum": 1, "char": 200, "long": -123456, "double": 3.25}
    texts = {
        "string": "hello",
        "int": "-12345",
        "float": "2.50",
        "enum": "one",
        "char": "200",
        "long": "-123456",
        "double": "3.250",
    }
    wrap = {
        SHORT: lambda n: (math.trunc(n) + 2**15) % 2**16 - 2**15,
        FLOAT: float,
        ENUM: lambda n: math.trunc(n) % 2**16,
        CHAR: lambda n: math.trunc(n) % 2**8,
        LONG: math.trunc,
        DOUBLE: float,
    }
    requests = [(kind, datatype, RAW, 1) for kind in numbers for datatype in wrap]
    found = get(ioc, *requests, *((kind, STRING, RAW, 1) for kind in texts))
    for (kind, datatype, _, _), got in zip(requests, found, strict=False):
        assert got["value"] == wrap[datatype](numbers[kind]), (kind, datatype)
    assert [got["value"] for got in found[len(requests) :]] == list(texts.values())
    (failed,) = get(ioc, ("string", DOUBLE, RAW, 1))
    assert failed == {"error": 152}


def test_counts_are_cut_and_filled_up(ioc: OurIoc) -> None:
    requests = [("double_array", None, RAW, count) for count in (0, 1, 2, 5, -1)]
    values = [got["value"] for got in get(ioc, *requests)]
    assert values == [
        [-1.5, 0.0, 1e300],
        [-1.5],
        [-1.5, 0.0],
        [-1.5, 0.0, 1e300, 0.0, 0.0],
        [-1.5, 0.0, 1e300] + [0.0] * 7,
    ]


def test_an_empty_array_and_long_text(ioc: OurIoc) -> None:
    empty, text, text_ro = get(
        ioc,
        ("empty", None, TIME, 0),
        ("long_string", DBR_CHAR_STR, RAW, 0),
        ("long_string_ro", DBR_CHAR_STR, RAW, 0),
    )
    assert empty["value"] == []
    assert text["value"] == text_ro["value"] == LONG_TEXT


def test_a_getter_is_called_for_every_read(ioc: OurIoc) -> None:
    first, second = get(ioc, *[("computed", None, RAW, 0)] * 2)
    assert second["value"] == first["value"] + 1


@pytest.mark.parametrize("wait", [True, False])
def test_every_type_is_written(ioc: OurIoc, wait: bool) -> None:
    requests: list[tuple[str, Any, Any, bool]] = []
    expected: list[Any] = []
    new = {
        "string": ("bye", ["four", "five"]),
        "int": (321, [5, 6, 7]),
        "float": (-0.5, [8.0, 9.5]),
        "enum": (2, [3, 3]),
        "char": (7, [9, 8, 7, 6]),
        "long": (2147483647, [1, -1]),
        "double": (1e-300, [0.5, 0.25]),
    }
    for kind, (scalar, array) in new.items():
        datatype, old_scalar, old_array = NATIVE[kind]
        for name, values in ((kind, (scalar, old_scalar)), (f"{kind}_array", (array, old_array))):
            for value in values:
                requests.append((name, value, datatype, wait))
                expected.append([OK, value])
    assert put(ioc, *requests) == expected


def test_values_are_converted_when_they_are_written(ioc: OurIoc) -> None:
    assert put(
        ioc,
        ("enum", "two words", STRING, True),
        ("enum", "1", STRING, True),
        ("double", "2.5 mm", STRING, True),
        ("double", 3.25, FLOAT, True),
        ("long", 7.9, DOUBLE, True),
        ("long", -123456, LONG, True),
        ("string", 5, LONG, True),
        ("string", "hello", STRING, True),
        ("double_array", ["1", "2"], STRING, True),
        ("double_array", [-1.5, 0.0, 1e300], DOUBLE, True),
    ) == [
        [OK, 2],
        [OK, 1],
        [OK, 2.5],
        [OK, 3.25],
        [OK, 7],
        [OK, -123456],
        [OK, "5"],
        [OK, "hello"],
        [OK, [1.0, 2.0]],
        [OK, [-1.5, 0.0, 1e300]],
    ]


def test_long_text_is_written(ioc: OurIoc) -> None:
    longer = "x" * 200
    put(ioc, ("long_string", longer, DBR_CHAR_STR, True))
    assert get(ioc, ("long_string", DBR_CHAR_STR, RAW, 0))[0]["value"] == longer
    put(ioc, ("long_string", LONG_TEXT, DBR_CHAR_STR, True))
    assert get(ioc, ("long_string", DBR_CHAR_STR, RAW, 0))[0]["value"] == LONG_TEXT


def test_arrays_may_become_empty_and_full(ioc: OurIoc) -> None:
    full = [float(number) for number in range(10)]
    assert put(ioc, ("empty", full, DOUBLE, True), ("empty", [], DOUBLE, True)) == [
        [OK, full],
        [OK, []],
    ]


def test_what_is_refused_says_why_and_leaves_the_value(ioc: OurIoc) -> None:
    assert put(
        ioc,
        ("double_ro", 5.0, DOUBLE, True),
        ("refusing", 1, LONG, True),
        ("limits", 11.0, DOUBLE, True),
        ("enum", "no such label", STRING, True),
        ("double", "no number", STRING, True),
        ("bool", "Perhaps", STRING, True),
    ) == [
        [NOWTACCESS, 3.25],
        [PUTFAIL, 0],
        [PUTFAIL, 0.0],
        [PUTFAIL, 1],
        [PUTFAIL, 3.25],
        [PUTFAIL, 1],
    ]
    # The alarm of "refusing" is that of PVs which are written all the time.
    (refused,) = get(ioc, ("limits", None, TIME, 0))
    assert put(ioc, ("limits", 0.0, DOUBLE, True)) == [[OK, 0.0]]
    (written,) = get(ioc, ("limits", None, TIME, 0))
    states = [(each["status"], each["severity"]) for each in (refused, written)]
    assert states == [(2, 2), (0, 0)]


def test_putters_change_values_and_may_take_their_time(ioc: OurIoc) -> None:
    assert put(ioc, ("doubled", 4.0, None, True), ("slow", 2.0, None, True)) == [
        [OK, 8.0],
        [OK, 2.0],
    ]


MONITORED: dict[str, list[Any]] = {
    "string": ["hello", "a", "hello"],
    "int": [-12345, 5, -12345],
    "float": [2.5, 1.5, 2.5],
    "enum": [1, 0, 1],
    "char": [200, 7, 200],
    "long": [-123456, 99, -123456],
    "double": [3.25, 1e300, 3.25],
    "double_array": [[-1.5, 0.0, 1e300], [1.0, 2.0], [-1.5, 0.0, 1e300]],
    "string_array": [["one", "two", "three"], ["a", "b"], ["one", "two", "three"]],
}


@pytest.mark.parametrize("form", [RAW, TIME, CTRL])
def test_every_type_is_monitored_in_every_form(ioc: OurIoc, form: int) -> None:
    names = [P + name for name in MONITORED]
    with LibcaClient(MONITOR, str(form), str(DBE_VALUE), *names, env=ioc.client_env()) as client:
        first = {name: value for name, value, *_ in (client.next_event() for _ in names)}
        assert first == {P + name: values[0] for name, values in MONITORED.items()}
        for name, values in MONITORED.items():
            for value in values[1:]:
                client.send(json.dumps([P + name, value]))
                assert client.next_event()[:2] == [P + name, value]


def test_limits_set_severity_and_status(ioc: OurIoc) -> None:
    name = P + "limits"
    with LibcaClient(MONITOR, str(TIME), str(DBE_VALUE), name, env=ioc.client_env()) as client:
        assert client.next_event()[1:] == [0.0, 0, 0]
        alarms = {6.0: [1, 4], 9.0: [2, 3], -6.0: [1, 6], -9.0: [2, 5], 0.0: [0, 0]}
        for value, alarm in alarms.items():
            client.send(json.dumps([name, value]))
            assert client.next_event()[1:] == [value, *alarm]


def test_a_monitor_of_alarms_hears_only_of_alarms(ioc: OurIoc) -> None:
    name = P + "limits"
    with LibcaClient(MONITOR, str(TIME), str(DBE_ALARM), name, env=ioc.client_env()) as client:
        assert client.next_event()[1:3] == [0.0, 0]
        for value in (1.0, 2.0, 6.0, 7.0, 0.0):
            client.send(json.dumps([name, value]))
        assert [client.next_event()[1:3] for _ in range(2)] == [[6.0, 1], [0.0, 0]]


def test_every_count_of_a_fast_pv_arrives_in_order(ioc: OurIoc) -> None:
    name = P + "count"
    with LibcaClient(MONITOR, str(RAW), str(DBE_VALUE), name, env=ioc.client_env()) as client:
        counts = [client.next_event()[1] for _ in range(8)]
    assert counts == list(range(counts[0], counts[0] + 8))


PYEPICS = """
import json, sys, epics
P = "all_types:"
found = {}
double = epics.PV(P + "double_ro", auto_monitor=False)
double.wait_for_connection(10)
found["read only"] = [double.read_access, double.write_access]
control = double.get_ctrlvars()
found["units"] = [control["units"], control["precision"]]
enum = epics.PV(P + "enum")
enum.wait_for_connection(10)
found["labels"] = list(enum.enum_strs)
found["as string"] = enum.get(as_string=True)
found["long text"] = epics.PV(P + "long_string").get(as_string=True, timeout=10)
slow = epics.PV(P + "slow")
slow.wait_for_connection(10)
slow.put(3.0, use_complete=True)
found["complete at once"] = slow.put_complete
found["readable meanwhile"] = slow.get(use_monitor=False) is not None
while not slow.put_complete:
    epics.poll()
found["complete later"] = slow.put_complete
found["written"] = slow.get(use_monitor=False)
try:
    found["no access"] = epics.caput(P + "double_ro", 1.0, wait=True)
except epics.ca.CASeverityException as error:
    found["no access"] = str(error).strip()
found["type"] = [epics.PV(P + name).type if epics.PV(P + name).wait_for_connection(10) else None
                 for name in ("string", "int", "float", "enum", "char", "long", "double")]
print(json.dumps(found))
"""


def test_pyepics(ioc: OurIoc) -> None:
    found = run_libca(PYEPICS, env=ioc.client_env())
    assert found == {
        "read only": [True, False],
        "no access": "put returned 'Write access denied'",
        "units": ["mm", 3],
        "labels": list(LABELS),
        "as string": "one",
        "long text": LONG_TEXT,
        "complete at once": False,
        "readable meanwhile": True,
        "complete later": True,
        "written": 3.0,
        "type": [
            f"time_{kind}"
            for kind in ("string", "short", "float", "enum", "char", "long", "double")
        ],
    }


def test_nothing_went_wrong_in_the_ioc(ioc: OurIoc) -> None:
    assert "Traceback" not in ioc.output
    assert "disconnected" not in ioc.output
