"""The IOCs with records, read, written and monitored by a client on libca."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import MakeOurIoc
from tests.support import LibcaClient, run_libca

# Does what the steps say: [name, None] reads as text, [name, value] writes and waits.
STEPS = """
import asyncio, json, sys, aioca

async def main():
    found = []
    for name, value in json.loads(sys.argv[1]):
        if value is None:
            got = await aioca.caget(name, datatype=str, timeout=10)
            found.append(str(got))
        else:
            done = await aioca.caput(name, value, wait=True, timeout=10, throw=False)
            found.append("ok" if done.ok else "refused")
    print(json.dumps(found))

asyncio.run(main())
"""

MONITOR = """
import asyncio, json, sys, aioca

async def main():
    def changed(value):
        print(json.dumps(str(value)), flush=True)
    aioca.camonitor(sys.argv[1], changed, datatype=str, format=aioca.FORMAT_TIME)
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        name, value = json.loads(line)
        await aioca.caput(name, value, wait=True, timeout=10)

asyncio.run(main())
"""


def do(env: dict[str, str], *steps: tuple[str, Any]) -> list[str]:
    return list(run_libca(STEPS, json.dumps(steps), env=env))


def test_records_have_fields_with_the_right_values(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.records", "mock:A", "--list-pvs")
    wanted = {
        "mock:A.RTYP": "ai",
        "mock:A.DESC": "The A pvproperty",
        "mock:A.NAME": "mock:A",
        "mock:A.SCAN": "Passive",
        "mock:B": "2.000",
        "mock:B.PREC": "3",
        "mock:C.EGU": "mm",
        "mock:C.HIHI": "2.000",
        "mock:C.LOW": "-1.000",
        "mock:C.HHSV": "MAJOR",
        "mock:D.RTYP": "ao",
        "mock:E": "this is a test",
        "mock:E.RTYP": "stringin",
        "mock:E.STAT": "NO_ALARM",
    }
    assert dict(zip(wanted, do(ioc.client_env(), *((n, None) for n in wanted)), strict=True)) == {
        **wanted,
        "mock:C.HIHI": "2",
        "mock:C.LOW": "-1",
    }
    assert (
        "PVs available:\n    mock:A\n    mock:B\n    mock:C\n    mock:D\n    mock:E" in ioc.output
    )


def test_putters_of_fields_are_called(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.records", "mock:A")
    assert do(
        ioc.client_env(),
        ("mock:A.RVAL", 5),
        ("mock:A", None),
        ("mock:B", None),
        ("mock:D.RVAL", 6),
        ("mock:A", None),
        ("mock:B", None),
    ) == ["ok", "5", "5.000", "ok", "16", "16.000"]


def test_a_record_is_in_alarm_beyond_its_limits_and_clients_can_move_them(
    make_our_ioc: MakeOurIoc,
) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.records", "mock:A")
    with LibcaClient(MONITOR, "mock:C.SEVR", env=ioc.client_env()) as client:
        assert client.next_event() == "NO_ALARM"
        client.send(json.dumps(["mock:C", 1.5]))
        assert client.next_event() == "MINOR"
        client.send(json.dumps(["mock:C.HIHI", 1.4]))
        assert client.next_event() == "MAJOR"
        client.send(json.dumps(["mock:C", 0.5]))
        assert client.next_event() == "NO_ALARM"


def test_disp_forbids_to_write_anything_else(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.records", "mock:A")
    assert do(
        ioc.client_env(),
        ("mock:A.DISP", 1),
        ("mock:A", 7),
        ("mock:A.DESC", "no"),
        ("mock:A", None),
        ("mock:A.DISP", 0),
        ("mock:A", 7),
        ("mock:A.DESC", "yes"),
        ("mock:A", None),
        ("mock:A.DESC", None),
    ) == ["ok", "refused", "refused", "1", "ok", "ok", "ok", "7", "yes"]


def test_the_readback_of_a_motor_of_ones_own_follows_its_value(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.records_subclass", "mock:motor1")
    env = ioc.client_env()
    assert do(env, ("mock:motor1.RTYP", None), ("mock:motor2", None), ("mock:motor1.RBV", 1)) == [
        "my_motor",
        "2.000",
        "refused",
    ]
    with LibcaClient(MONITOR, "mock:motor1.RBV", env=env) as client:
        first = float(client.next_event())
        assert 0 <= first <= 1.01
        client.send(json.dumps(["mock:motor1", 5]))
        while not 4.99 < float(client.next_event()) <= 5.02:
            pass


def test_scan_sets_how_often_a_pv_is_scanned(make_our_ioc: MakeOurIoc) -> None:
    ioc = make_our_ioc("caproto.ioc_examples.scan_rate", "periodic:scanned", "--list-pvs")
    env = ioc.client_env()
    assert do(env, ("periodic:scanned.SCAN", None), ("periodic:scanned.EGU", None)) == [
        "1 second",
        "s",
    ]
    with LibcaClient(MONITOR, "periodic:scanned", env=env) as client:
        client.send(json.dumps(["periodic:scanned.SCAN", ".1 second"]))
        while not 0.05 < float(client.next_event()) < 0.5:
            pass
        client.send(json.dumps(["periodic:scanned.SCAN", "Passive"]))
        client.send(json.dumps(["periodic:scanned.DESC", "now passive"]))
        client.send(json.dumps(["periodic:scanned", -5]))
        # No scan comes after the one that may have been under way.
        while client.next_event() != "-5.000":
            pass
        client.send(json.dumps(["periodic:scanned", -6]))
        assert client.next_event() == "-6.000"
    assert do(env, ("periodic:scanned.SCAN", None)) == ["Passive"]
