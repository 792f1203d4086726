"""Programs for aioca, as text: each runs with the real aioca, and with ours in its place."""

from __future__ import annotations

OURS = "import caproto.aioca_compat\ncaproto.aioca_compat.install()\n"
"""What a program begins with that is to run on ours."""

_SHOWN = """
import asyncio, json, time
import numpy as np
import aioca
from aioca import *

def shown(value):
    if isinstance(value, Exception) and not isinstance(value, CANothing):
        return type(value).__name__
    fields = {}
    for field in aioca.ca_extra_fields:
        if hasattr(value, field) and field != "datetime":
            fields[field] = getattr(value, field)
    if "timestamp" in fields:
        fields["timestamp"] = round(fields["timestamp"], 3)
        fields["raw_stamp"] = list(fields["raw_stamp"])
    return [type(value).__name__, str(getattr(value, "dtype", "")), repr(value), repr(fields)]
"""

READS = (
    _SHOWN
    + """
NAMES = ["ai", "bi", "mbbi", "longin", "stringin", "char", "float", "int64in", "alarm:major", "wf:char", "wf:string",
         "wf:long", "wf:short", "wf:float", "wf:double", "wf:enum", "wf:empty"]
TYPES = [None, int, float, bool, str, bytes, np.int16, np.uint8, np.float32, "int32", np.dtype("U40"),
         DBR_CHAR_STR, DBR_CHAR_BYTES, DBR_ENUM_STR, DBR_STSACK_STRING, DBR_PUT_ACKT, 17, list]
COUNTS = [0, 1, 2, -1, 99]

async def get(name, **how):
    try:
        return shown(await caget("IO:" + name, **how))
    except Exception as error:
        return shown(error)

async def main():
    result = {}
    for name in NAMES:
        for kind in TYPES:
            for format in (FORMAT_RAW, FORMAT_TIME, FORMAT_CTRL):
                result[f"{name} as {kind} {format}"] = await get(name, datatype=kind, format=format)
        for count in COUNTS:
            result[f"{name}, {count} elements"] = await get(name, count=count)
    result["an unknown format"] = await get("ai", format=7)
    result["a missing one"] = await get("nowhere", timeout=0.3)
    result["a deadline"] = await get("nowhere", timeout=(time.time() + 0.3,))
    result["some missing"] = [
        shown(value) for value in await caget(["IO:ai", "IO:nowhere"], timeout=0.3, throw=False)
    ]
    print(json.dumps(result))

asyncio.run(main())
"""
)

WRITES = (
    _SHOWN
    + """
async def put(name, value, **how):
    try:
        return shown(await caput("IO:" + name, value, wait=True, **how))
    except Exception as error:
        return shown(error)

async def main():
    result = {}
    for index, value in enumerate(["2.5", 2, True, np.float32(1.5), np.array([1.25]), [1.75], b"1.5", 2**40, None, "abc",
                                   np.int16(3), np.uint8(4), -7]):
        result[f"ao {index}"] = [await put("ao", value), shown(await caget("IO:ao"))]
    result["ao as str"] = [await put("ao", 1.5, datatype=str), shown(await caget("IO:ao"))]
    result["ao as int"] = [await put("ao", 1.7, datatype=int), shown(await caget("IO:ao"))]
    for value in ["Open", 0, "1", 1, "Closed"]:
        result[f"bo {value!r}"] = [
            await put("bo", value), shown(await caget("IO:bo", datatype=DBR_ENUM_STR))
        ]
    for value, how in (("a long text", {"datatype": DBR_CHAR_STR}), ([1, 2, 3], {}), ("no number", {})):
        result[f"wf:char {value!r}"] = [await put("wf:char", value, **how), shown(await caget("IO:wf:char"))]
    result["wf:string"] = [await put("wf:string", ["x", "yz"]), shown(await caget("IO:wf:string"))]
    result["wf:double"] = [await put("wf:double", [0.5, 1]), shown(await caget("IO:wf:double"))]
    two = ["IO:ao", "IO:longout"]
    result["a value each"] = [shown(r) for r in await caput(two, [1.5, 42], wait=True)]
    result["one for all"] = [shown(r) for r in await caput(two, 5, wait=True)]
    result["a text for all"] = [shown(r) for r in await caput(two, "4", wait=True)]
    result["missing"] = await put("nowhere", 1, timeout=0.3, throw=False)
    result["after all"] = [shown(value) for value in await caget(two)]
    print(json.dumps(result))

asyncio.run(main())
"""
)

INFORMATION = (
    _SHOWN
    + """
async def main():
    result = {}
    info = await cainfo(["IO:ai", "IO:wf:enum", "IO:nowhere"], timeout=0.3, throw=False)
    result["info"] = [str(one).partition("Access")[2] for one in info[:2]] + [shown(info[2])]
    result["fields"] = [sorted(vars(one)) for one in info[:2]]
    result["strings"] = [info[0].datatype_strings, info[0].state_strings]
    result["not waited"] = str(await cainfo("IO:nobody", wait=False))
    result["connect"] = [shown(one) for one in await connect(["IO:ai", "IO:nowhere"], timeout=0.2, throw=False)]
    result["channels"] = sorted((i.name, i.connected, i.subscriber_count) for i in get_channel_infos())
    first = asyncio.Event()
    subscription = camonitor("IO:ai", lambda value: first.set())
    await first.wait()
    result["subscribed"] = [i.subscriber_count for i in get_channel_infos() if i.name == "IO:ai"]
    result["states"] = [subscription.state, subscription.OPENING, subscription.OPEN, subscription.CLOSED]
    purge_channel_caches()
    result["purged"] = [subscription.state, get_channel_infos()]
    result["and again"] = shown(await caget("IO:ai"))
    print(json.dumps(result))

asyncio.run(main())
"""
)

MONITORS = (
    _SHOWN
    + """
async def main():
    result = {}
    queue = asyncio.Queue()

    async def slow(value):
        await queue.put(value)
        await go_on.wait()

    go_on = asyncio.Event()
    subscription = camonitor("IO:ao", slow, format=FORMAT_TIME)
    await queue.get()
    other = asyncio.Queue()
    watch = camonitor("IO:ao", other.put_nowait, all_updates=True)
    await other.get()
    for step in range(5):
        await caput("IO:ao", step + 0.5, wait=True)
        await other.get()
    await asyncio.sleep(0)
    go_on.set()
    result["newest"] = [type(queue_value := await queue.get()).__name__, float(queue_value)]
    result["dropped"] = subscription.dropped_callbacks
    result["not dropped"] = watch.dropped_callbacks
    subscription.close()
    watch.close()
    watch.close()

    control = asyncio.Queue()
    both = camonitor(["IO:bo", "IO:ao"], lambda value, index: control.put_nowait((index, value)), format=FORMAT_CTRL)
    first = sorted([await control.get(), await control.get()])
    result["with control data"] = [[index, shown(value)] for index, value in first]
    await caput("IO:ao.EGU", "kV", wait=True)
    result["a new unit"] = (await control.get())[1].units
    await caput("IO:ao.EGU", "V", wait=True)
    for one in both:
        one.close()

    late = asyncio.Queue()
    missing = camonitor("IO:nowhere", late.put_nowait, connect_timeout=0.1)
    result["late"] = shown(await late.get())
    missing.close()
    await caput("IO:ao", 1.5, wait=True)
    print(json.dumps(result))

asyncio.run(main())
"""
)

OPHYD_ASYNC = """
import importlib.util, sys
sys.modules["epics"] = None  # whoever would import the C library with pyepics finds none
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "epicscorelibs" else find_spec(name, *more)
import caproto.aioca_compat
caproto.aioca_compat.install()  # as where epicscorelibs is not installed
importlib.util.find_spec = find_spec

import json
import numpy as np
from bluesky import RunEngine, plans, plan_stubs
from ophyd_async.core import Array1D, NotConnectedError, StandardReadable, StrictEnum, init_devices
from ophyd_async.epics.core import epics_signal_r, epics_signal_rw


class Door(StrictEnum):
    CLOSED = "Closed"
    OPEN = "Open"


class Stage(StandardReadable):
    def __init__(self, prefix, name=""):
        with self.add_children_as_readables():
            self.readback = epics_signal_r(float, prefix + "ao")
            self.counts = epics_signal_r(int, prefix + "longin")
            self.array = epics_signal_r(Array1D[np.int32], prefix + "wf:long")
        self.setpoint = epics_signal_rw(float, prefix + "ao")
        self.door = epics_signal_rw(Door, prefix + "bo")
        self.flag = epics_signal_rw(bool, prefix + "bo")
        self.text = epics_signal_rw(str, prefix + "wf:char")
        self.label = epics_signal_rw(str, prefix + "stringout")
        super().__init__(name)


class Missing(StandardReadable):
    def __init__(self, prefix, name=""):
        with self.add_children_as_readables():
            self.nowhere = epics_signal_r(float, prefix + "nowhere")
        super().__init__(name)


engine = RunEngine({}, call_returns_result=True)
with init_devices():
    stage = Stage("IO:", "stage")
documents = []
engine(plans.scan([stage], stage.setpoint, 0, 2, 5), lambda *document: documents.append(document))


def moves():
    move, read = plan_stubs.mv, plan_stubs.rd
    yield from move(stage.door, Door.OPEN, stage.text, "a long text", stage.label, "short")
    seen = []
    for signal in (stage.door, stage.flag, stage.text, stage.label):
        seen.append((yield from read(signal)))
    yield from move(stage.flag, False)
    seen.append((yield from read(stage.door)))
    return seen


try:
    with init_devices(timeout=0.3):
        nowhere = Missing("IO:", "missing")
except NotConnectedError as error:
    missing = str(error)
events = [document["data"] for kind, document in documents if kind == "event"]
(keys,) = [document["data_keys"] for kind, document in documents if kind == "descriptor"]
result = {
    "positions": [event["stage-readback"] for event in events],
    "counts": sorted({event["stage-counts"] for event in events}),
    "units": keys["stage-readback"]["units"],
    "limits": keys["stage-readback"]["limits"]["control"],
    "moves": engine(moves()).plan_result,
    "missing": missing,
    "C library": [line for line in open("/proc/self/maps") if "libca." in line],
}
print(json.dumps(result))
"""
