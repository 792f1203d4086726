"""What a client on libca (aioca) does with each example; run in a process of its own by `test_examples`.

A session is the coroutine function of the example's name. It asserts.
"""

from __future__ import annotations

import asyncio
import json
import pathlib
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import aioca

TIMEOUT = 15.0


async def get(name: str, **options: Any) -> Any:
    """Read a PV: a number, a str, or a list."""
    value = await aioca.caget(name, timeout=TIMEOUT, **options)
    return value.tolist() if hasattr(value, "tolist") else value


async def text(name: str) -> Any:
    """Read text from an array of characters."""
    return str(await get(name, datatype=aioca.DBR_CHAR_STR))


async def put(name: str, value: Any, **options: Any) -> None:
    """Write a PV, and wait for the putter."""
    await aioca.caput(name, value, wait=True, timeout=TIMEOUT, **options)


async def refuses(name: str, value: Any, **options: Any) -> bool:
    """Tell whether a write fails."""
    result = await aioca.caput(name, value, wait=True, timeout=TIMEOUT, throw=False, **options)
    return not result.ok


async def updates(name: str, until: Callable[[list[Any]], Any], **options: Any) -> list[Any]:
    """Monitor a PV until its values, oldest first, are as they should be."""
    values: list[Any] = []
    done = asyncio.Event()

    def changed(value: Any) -> None:
        values.append(value)
        if until(values):
            done.set()

    subscription = aioca.camonitor(name, changed, all_updates=True, **options)
    try:
        await asyncio.wait_for(done.wait(), TIMEOUT)
    except asyncio.TimeoutError:
        raise AssertionError(f"{name} went through {values}") from None
    finally:
        subscription.close()
    return values


def severity(value: Any) -> int:
    return int(value.severity)


async def monitored_while(name: str, action: Any) -> list[Any]:
    """Return the updates of a PV during an action, the value before included."""
    values: list[Any] = []
    began = asyncio.Event()

    def changed(value: Any) -> None:
        values.append(value)
        began.set()

    subscription = aioca.camonitor(name, changed, all_updates=True)
    await asyncio.wait_for(began.wait(), TIMEOUT)
    await action
    await get(name)  # comes after the updates
    subscription.close()
    return values


def contents(folder: str) -> dict[str, str]:
    return {path.name: path.read_text() for path in pathlib.Path(folder).iterdir()}


# --- one for each example ---


async def simple() -> None:
    assert await get("simple:A") == 1
    assert await get("simple:B") == 2.0
    assert await get("simple:C") == [1, 2, 3]
    assert await monitored_while("simple:A", put("simple:A", 5)) == [1, 5]
    await put("simple:B", 2.5)
    await put("simple:C", [7, 8])
    assert [await get("simple:A"), await get("simple:B")] == [5, 2.5]
    assert await get("simple:C", count=0) == [7, 8]


async def simple_with_type_hints() -> None:
    assert await get("simple:B") == 0.5
    assert await monitored_while("simple:B", put("simple:A", 50)) == [0.5, 25.0]
    assert await refuses("simple:A", 101)
    assert await refuses("simple:B", 1.0)
    assert await get("simple:C") == [1, 2, 3]
    await put("simple:D", 5.5)
    assert await get("simple:D") == 5.5


async def scalars_and_arrays() -> None:
    info = {
        name: await aioca.cainfo(f"arr:{name}")
        for name in ("scalar_int", "scalar_int2", "array_int", "byte", "array_string")
    }
    assert [one.count for one in info.values()] == [1, 1, 5, 10, 5]
    assert await get("arr:scalar_int2") == 2
    assert await get("arr:array_int", count=0) == [3]
    await put("arr:array_int", [1, 2, 3, 4, 5])
    assert await get("arr:array_int") == [1, 2, 3, 4, 5]
    assert await get("arr:array_float", count=0) == [3.01]
    assert await get("arr:scalar_float", datatype=str) == "1.01000"
    assert await get("arr:array_string", count=0) == ["string1", "string2"]
    assert bytes(await get("arr:byte", count=0)) == b"byte0123"
    await put("arr:char", "new text", datatype=aioca.DBR_CHAR_STR)
    assert await text("arr:char") == "new text"
    await put("arr:enum", "yes", datatype=str)
    assert await get("arr:enum") == 1


async def enums() -> None:
    assert list((await aioca.caget("enum:mbbi", format=aioca.FORMAT_CTRL)).enums) == [
        "zero",
        "one",
        "two",
        "three",
        "four",
    ]
    assert await get("enum:bo", datatype=str) == "One Value"
    assert await get("enum:bi", datatype=str) == "a"
    assert await get("enum:enum_class", datatype=str) == "on"
    await put("enum:enum_class", "unknown", datatype=str)
    assert await get("enum:enum_class") == 2
    assert await monitored_while("enum:mbbi", put("enum:mbbi", 4)) == [1, 4]
    assert await refuses("enum:bi", "no such state", datatype=str)


async def macros() -> None:
    setpoint, readback = "macros:BL7:slit.VAL", "macros:BL7:slit.RBV"
    assert await monitored_while(readback, put(setpoint, 7)) == [0, 7]
    assert await get(setpoint) == 7


async def subgroups() -> None:
    for group, limit in (("group1", 5), ("group2", 20), ("group3", 10)):
        values = await updates(f"subgroups:{group}:random", lambda values: len(values) >= 2)
        assert all(1 <= value <= limit for value in values)
    await put("subgroups:group1:random", 3)
    assert await get("subgroups:group1:random") == 3


async def setpoint_rbv_pair() -> None:
    prefix = "setpoint_rbv:"
    assert await monitored_while(f"{prefix}pair_RBV", put(f"{prefix}pair", 5)) == [0, 5]
    assert await refuses(f"{prefix}pair_RBV", 6)
    steps = await monitored_while(f"{prefix}pair2_RBV", put(f"{prefix}pair2", 10.0))
    assert len(steps) == 11
    assert steps == sorted(steps)
    assert steps[-1] == 10.0
    await put(f"{prefix}pair3", "Yes", datatype=str)
    assert await get(f"{prefix}pair3_RBV", datatype=str) == "Yes"


async def custom_write() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await put("custom_write:directory", folder, datatype=aioca.DBR_CHAR_STR)
        assert await text("custom_write:directory") == folder
        assert await monitored_while("custom_write:A", put("custom_write:A", 5)) == [0, 5]
        await put("custom_write:B", -3)
        files = await asyncio.to_thread(contents, folder)
        assert files == {"A": "5\n", "B": "-3\n"}
    assert await refuses("custom_write:A", 6)
    assert await get("custom_write:A") == 5


async def skip_write() -> None:
    assert await get("skip:value") == 1
    assert await monitored_while("skip:value", put("skip:value", 5)) == [1, 85]
    await put("skip:value", 6)
    assert await get("skip:value") == 85


async def decay() -> None:
    assert await get("decay:done") == 0
    falling = await updates("decay:I", lambda values: len(values) >= 4 and values[-1] > 100)
    assert falling[1:] == sorted(falling[1:], reverse=True)
    await put("decay:K", 0.05)
    await put("decay:SP", 50.0)
    await updates("decay:done", lambda values: values[-1] == 1)
    near = await updates("decay:I", lambda values: abs(values[-1] - 50) < 2)
    assert near[-1] >= 50
    assert await refuses("decay:I", 1.0)


async def thermo_sim() -> None:
    await put("thermo:omega", 20.0)
    await put("thermo:SP", 50.0)

    def swings(values: list[float]) -> bool:
        return min(values[1:], default=50) < 48 and max(values[1:], default=50) > 52

    await updates("thermo:I", swings)
    await put("thermo:K", 0.01)
    await updates("thermo:I", lambda values: abs(values[-1] - 50) < 0.01)
    assert await refuses("thermo:I", 1.0)


async def chirp() -> None:
    steady = await updates("chirp:steady", lambda values: len(values) >= 5)
    assert [value - steady[0] for value in steady] == list(range(5))
    values = await updates(
        "chirp:chirp",
        lambda values: len(values) > 3 and values[-1] == 0,
        format=aioca.FORMAT_TIME,
    )
    times = [value.timestamp for value in values]
    rising = values[:-1]
    assert rising == [rising[0] + i for i in range(len(rising))]
    first, last = times[2] - times[1], times[-2] - times[-3]
    assert last < first or len(rising) < 5
    assert await refuses("chirp:chirp", 1)


async def io_interrupt() -> None:
    assert await text("io:keypress") == ""

    def k_came(values: list[Any]) -> bool:
        if len(values) == 1:
            print(json.dumps("ready for keys"), flush=True)
        return "k" in values

    # With the time: libca takes an update without a byte for the end of the subscription.
    options = {"datatype": aioca.DBR_CHAR_STR, "format": aioca.FORMAT_TIME}
    await updates("io:keypress", k_came, **options)
    assert await refuses("io:keypress", "x", datatype=aioca.DBR_CHAR_STR)


async def inline_style() -> None:
    numbers = {await get("inline_style:random_int") for _ in range(20)}
    assert len(numbers) > 1
    assert all(1 <= number <= 100 for number in numbers)
    letters = {await text("inline_style:random_str") for _ in range(20)}
    assert len(letters) > 1
    await put("inline_style:A", "text", datatype=aioca.DBR_CHAR_STR)
    assert await text("inline_style:A") == "text"


async def mini_beamline() -> None:
    current = await updates("mini:current", lambda values: len(values) >= 3)
    assert all(475 <= value <= 525 for value in current)
    assert await get("mini:ph:det") > 50_000
    assert await get("mini:edge:det") < 10_000
    await put("mini:edge:vel", 100.0)
    await put("mini:ph:vel", 40.0)
    positions = await monitored_while("mini:edge:mtr", put("mini:edge:mtr", 30.0))
    assert positions == sorted(positions)
    assert positions[0] == 0
    assert positions[-1] == 30.0
    assert len(positions) >= 3
    await updates("mini:edge:det", lambda values: values[-1] > 50_000)
    # A motor that moves takes no other target; by another channel, as writes to one are in order anyway.
    moving = asyncio.ensure_future(put("mini:ph:mtr", 50.0))
    await updates("mini:ph:mtr", lambda values: values[-1] > 0)
    await put("mini:ph:mtr.VAL", -50.0)
    await moving
    assert await get("mini:ph:mtr") == 50.0
    await updates("mini:ph:det", lambda values: values[-1] < 100)
    assert await refuses("mini:ph:exp", -1.0)
    assert await get("mini:dot:ArraySize_RBV") == [480, 640]
    image = await get("mini:dot:det")
    assert len(image) == 480 * 640
    bright = image.index(max(image))
    assert abs(bright // 640 - 240) < 5
    assert abs(bright % 640 - 320) < 5
    await put("mini:dot:shutter_open", 0)
    await updates("mini:dot:img_sum", lambda values: values[-1] < 480 * 640 * 10)


async def lakeshore() -> None:
    prefix = "Lakeshore:"
    assert await monitored_while(f"{prefix}Kp_rbv", put(f"{prefix}Kp", 20.0)) == [10.0, 20.0]
    assert await refuses(f"{prefix}Ki", -1.0)
    await put(f"{prefix}setpoint", 110.0)
    await updates(f"{prefix}output_rbv", lambda values: values[-1] == 100.0)
    await updates(f"{prefix}feedback_rbv", lambda values: abs(values[-1] - 110) < 0.5)
    await put(f"{prefix}ramp_rate", 20.0)
    await put(f"{prefix}setpoint", 100.0)
    ramp = await updates(f"{prefix}setpoint_rbv", lambda values: values[-1] == 100.0)
    assert len(ramp) >= 4
    assert ramp == sorted(ramp, reverse=True)
    await put(f"{prefix}feedback", 300.0)
    await updates(f"{prefix}output_rbv", lambda values: values[-1] == 0.0)


async def rpc_function() -> None:
    assert len({await get("rpc:fixed_random") for _ in range(20)}) > 1
    name = "rpc:get_random:"
    assert await text(f"{name}Status") == "Init"
    await put(f"{name}low", 5)
    await put(f"{name}high", 5)
    assert await monitored_while(f"{name}Retval", put(f"{name}Process", 1)) == [0, 5]
    assert await text(f"{name}Status") == "Success"
    await put(f"{name}high", 4)
    assert await refuses(f"{name}Process", 1)
    assert await text(f"{name}Status") == "ValueError: high (4) is below low (5)"
    failed = await aioca.caget(f"{name}Retval", format=aioca.FORMAT_TIME)
    assert severity(failed) == 2
    assert await refuses(f"{name}Retval", 1)


async def startup_and_shutdown_hooks() -> None:
    assert await monitored_while("simple:thing", put("simple:thing", 3)) == [2, 3]


async def states() -> None:
    values = await updates("state:value", lambda values: len(values) >= 3)
    assert [value - values[0] for value in values] == [0, 1, 2]
    assert await get("state:my_stately_state") == 0
    await put("state:enable_state", 1)
    assert await get("state:my_stately_state") == 1
    await put("state:disable_state", 1)
    assert await get("state:my_stately_state") == 0


async def worker_thread() -> None:
    assert await get("wt:response") == 0
    await put("wt:request", 21)
    assert (await updates("wt:response", lambda values: values[-1] == 42))[-1] == 42
    assert await get("wt:request") == 21


async def worker_thread_pc() -> None:
    order: list[str] = []

    async def slow() -> None:
        await put("wt:request", 5)
        order.append("put")

    async def quick() -> None:
        assert await get("wt:request") == 0
        order.append("get")

    await get("wt:request")
    await asyncio.gather(slow(), quick())
    assert order == ["get", "put"]
    assert await get("wt:request") == 5


async def no_pvproperty() -> None:
    assert await monitored_while("pvspec:a", put("pvspec:a", 7)) == [1, 7]
    assert await refuses("pvspec:a", 101)
    assert await get("pvspec:a") == 7
    await put("pvspec:b", 7.5)
    assert await get("pvspec:b") == 7.5
    await put("pvspec:c", [4, 5])
    assert await get("pvspec:c", count=0) == [4, 5]


async def formula_ioc() -> None:
    assert await get("Formula:formula", datatype=aioca.DBR_CHAR_STR) == "y = sqrt(a) * b"
    assert await get("Formula:out_postfix") == "y"
    assert await get("Formula:vars") == ["a", "b"]
    await put("Formula:a", 9.0)
    await put("Formula:b", 2.0)
    assert await get("Formula:y") == 6.0
    await updates("Formula:y", lambda values: values[-1] == 6.0)
    await put("Formula:b", 3.0)
    await put("Formula:proc", 1)
    assert await get("Formula:y") == 9.0
    assert await get("Formula:proc") == 0
    await put("Formula:a", -1.0)
    await updates("Formula:y", lambda values: severity(values[-1]) == 3, format=aioca.FORMAT_TIME)
    await put("Formula:a", 4.0)
    await updates(
        "Formula:y",
        lambda values: severity(values[-1]) == 0 and values[-1] == 6.0,
        format=aioca.FORMAT_TIME,
    )
    assert await refuses("Formula:y", 1.0)


async def big_image_noisy_neighbor() -> None:
    size = 3960 * 3960
    images: list[int] = []
    subscription = aioca.camonitor("big_image:image", lambda value: images.append(len(value)))
    ticks = await updates("big_image:t1", lambda values: len(values) >= 12 and len(images) >= 2)
    subscription.close()
    assert ticks == sorted(ticks)
    assert set(images) == {size}
    await put("big_image:t1", 0.0)


async def mirror() -> None:
    await follow("mirror:value")
    assert await refuses("mirror:value", 1.0)


async def client_monitor_async() -> None:
    await follow("mirror:mirrored")


async def follow(name: str) -> None:
    """See a PV follow ``simple:A``, its time too."""
    await updates(
        name,
        lambda values: severity(values[-1]) == 0 and values[-1] == 1.0,
        format=aioca.FORMAT_TIME,
    )
    await put("simple:A", 17)
    values = await updates(name, lambda values: values[-1] == 17.0, format=aioca.FORMAT_TIME)
    source = await aioca.caget("simple:A", format=aioca.FORMAT_TIME)
    assert values[-1].timestamp == source.timestamp
    print(json.dumps("stop simple"), flush=True)
    await updates(name, lambda values: severity(values[-1]) == 3, format=aioca.FORMAT_TIME)
    assert await get(name) == 17.0


def main(sessions: dict[str, Any]) -> None:
    """Run the session that the command line names."""
    asyncio.run(sessions[sys.argv[1]]())
    print(json.dumps("done"), flush=True)
