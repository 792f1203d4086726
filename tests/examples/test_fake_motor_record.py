"""The simulated motors do what clients of the motor record expect; the client is on libca."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import MakeOurIoc
from tests.support import LibcaClient, OurIoc, run_libca

M = "sim:mtr1"

# [field] reads, [field, value] writes and waits for the end, [field, value, False] does not wait,
# [field, value, None] waits until the field has that value.
STEPS = """
import asyncio, json, sys, aioca

async def until(name, wanted):
    found = asyncio.Event()
    def changed(value):
        if value == wanted:
            found.set()
    monitor = aioca.camonitor(name, changed)
    await asyncio.wait_for(found.wait(), 20)
    monitor.close()

async def main():
    found = []
    for field, *rest in json.loads(sys.argv[1]):
        name = "sim:mtr1." + field
        if not rest:
            found.append(await aioca.caget(name, timeout=10))
        elif rest[1:] == [None]:
            await until(name, rest[0])
        else:
            await aioca.caput(name, rest[0], wait=len(rest) == 1, timeout=20)
    print(json.dumps(found))

asyncio.run(main())
"""

MONITOR = """
import asyncio, json, sys, aioca

async def main():
    def changed(value, index):
        print(json.dumps([fields[index], value]), flush=True)
    fields = sys.argv[1:]
    aioca.camonitor(["sim:mtr1." + field for field in fields], changed, all_updates=True)
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line:
            return
        field, value = json.loads(line)
        await aioca.caput("sim:mtr1." + field, value, wait=True, timeout=20)
        print(json.dumps(["done", field]), flush=True)

asyncio.run(main())
"""


@pytest.fixture
def motors(make_our_ioc: MakeOurIoc) -> OurIoc:
    return make_our_ioc("caproto.ioc_examples.fake_motor_record", M, "--list-pvs")


def do(ioc: OurIoc, *steps: tuple[Any, ...]) -> list[Any]:
    return list(run_libca(STEPS, json.dumps(steps), env=ioc.client_env()))


def test_there_are_three_motors_at_rest(motors: OurIoc) -> None:
    fields = ("VAL", "RBV", "DMOV", "MOVN", "VELO", "HLM", "LLM", "DHLM", "PREC", "SPMG", "LVIO")
    assert do(motors, *((field,) for field in fields)) == [0, 0, 1, 0, 1, 10, 0, 10, 3, 3, 0]
    assert "PVs available:\n    sim:mtr1\n    sim:mtr2\n    sim:mtr3\n" in motors.output


def test_a_put_with_callback_ends_with_the_motion(motors: OurIoc) -> None:
    with LibcaClient(MONITOR, "DMOV", "RBV", env=motors.client_env()) as client:
        assert sorted([client.next_event(), client.next_event()]) == [["DMOV", 1], ["RBV", 0.0]]
        client.send('["VELO", 2]')
        assert client.next_event() == ["done", "VELO"]
        client.send('["VAL", 0.5]')
        events: list[list[Any]] = []
        while not events or events[-1] != ["done", "VAL"]:
            events.append(client.next_event())
    moved = [event for event in events if event[0] == "DMOV"]
    assert moved == [["DMOV", 0], ["DMOV", 1]]
    positions = [value for field, value in events if field == "RBV"]
    assert positions == sorted(positions)
    assert positions[-1] == 0.5
    assert len(positions) > 2
    assert events.index(["RBV", 0.5]) < events.index(["DMOV", 1]) < len(events) - 1


def test_stop_ends_the_motion_where_the_motor_is(motors: OurIoc) -> None:
    val, rbv, dmov, stop = do(
        motors,
        ("VAL", 9, False),
        ("MOVN", 1, None),
        ("STOP", 1),
        ("VAL",),
        ("RBV",),
        ("DMOV",),
        ("STOP",),
    )
    assert val == rbv < 9
    assert (dmov, stop) == (1, 0)


def test_a_new_setpoint_turns_a_moving_motor_around_at_once(motors: OurIoc) -> None:
    val, rbv, dmov = do(
        motors,
        ("VELO", 0.01),
        ("VAL", 9, False),  # which would take a quarter of an hour
        ("MOVN", 1, None),
        ("VELO", 10),
        ("VAL", 1),
        ("VAL",),
        ("RBV",),
        ("DMOV",),
    )
    assert (val, rbv, dmov) == (1, 1, 1)


def test_a_move_beyond_the_limits_is_a_violation_and_does_not_happen(motors: OurIoc) -> None:
    assert do(motors, ("VAL", 11), ("LVIO",), ("VAL",), ("DMOV",)) == [1, 0, 1]
    assert do(motors, ("HLM", 12), ("DHLM",), ("VELO", 100), ("VAL", 11), ("LVIO",), ("RBV",)) == [
        12,
        0,
        11,
    ]


def test_tweaks_and_relative_moves_go_from_where_the_motor_should_be(motors: OurIoc) -> None:
    assert do(
        motors,
        ("VELO", 100),
        ("TWV", 0.5),
        ("TWF", 1),
        ("TWF", 1),
        ("RBV",),
        ("TWR", 1),
        ("RBV",),
        ("RLV", 2),
        ("RBV",),
        ("RLV",),
        ("TWF",),
    ) == [1.0, 0.5, 2.5, 0, 0]


def test_a_jog_goes_on_until_it_is_ended_or_the_limit_is_reached(motors: OurIoc) -> None:
    between, at_limit, jogging, home = do(
        motors,
        ("JVEL", 5),
        ("JOGF", 1),
        ("MOVN", 1, None),
        ("JOGF", 0),
        ("DMOV", 1, None),
        ("RBV",),
        ("JVEL", 100),
        ("JOGF", 1),
        ("DMOV", 1, None),
        ("RBV",),
        ("JOGF",),
        ("HVEL", 100),
        ("HOMR", 1),
        ("RBV",),
    )
    assert 0 <= between < 10
    assert (at_limit, jogging, home) == (10, 0, 0)


def test_pause_interrupts_a_motion_and_go_resumes_it(motors: OurIoc) -> None:
    assert do(
        motors,
        ("VELO", 5),
        ("SPMG", "Pause"),
        ("VAL", 1, False),
        ("DMOV", 0, None),
        ("MOVN",),
        ("SPMG", "Go"),
        ("DMOV", 1, None),
        ("RBV",),
        ("SPMG", "Stop"),
        ("VAL", 2),
        ("VAL",),
        ("RBV",),
    ) == [0, 1, 1, 1]


def test_set_calibrates_the_motor_without_moving_it(motors: OurIoc) -> None:
    assert do(
        motors,
        ("SET", "Set"),
        ("VAL", 3),
        ("VAL",),
        ("RBV",),
        ("OFF",),
        ("DVAL",),
        ("HLM",),
        ("SET", "Use"),
        ("VELO", 100),
        ("VAL", 4),
        ("DRBV",),
    ) == [3, 3, 3, 0, 13, 1]


def test_dir_turns_the_user_coordinates_around(motors: OurIoc) -> None:
    assert do(
        motors,
        ("VELO", 100),
        ("VAL", 2),
        ("DIR", "Neg"),
        ("VAL",),
        ("RBV",),
        ("DRBV",),
        ("HLM",),
        ("LLM",),
        ("VAL", -1),
        ("DVAL",),
    ) == [-2, -2, 2, 0, -10, 1]


def test_the_dial_can_be_moved_in_its_own_units_and_in_steps(motors: OurIoc) -> None:
    assert do(
        motors,
        ("VELO", 100),
        ("DVAL", 1.5),
        ("RBV",),
        ("RRBV",),
        ("RVAL", 2000000),
        ("RBV",),
    ) == [1.5, 1500000, 2.0]
