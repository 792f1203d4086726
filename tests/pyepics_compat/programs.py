"""Programs for pyepics, as text: each runs with the real pyepics, and with ours in its place."""

from __future__ import annotations

THEIRS = "import epics\n"
OURS = "from caproto.threading import pyepics_compat as epics\n"
"""What a program begins with."""

_SHOWN = """
import json, sys, threading, time
import numpy as np

ATTRIBUTES = ("type", "typefull", "nelm", "access", "read_access", "write_access", "status", "severity",
              "char_status", "char_severity", "precision", "units", "enum_strs", "upper_disp_limit",
              "lower_disp_limit", "upper_alarm_limit", "lower_alarm_limit", "lower_warning_limit",
              "upper_warning_limit", "upper_ctrl_limit", "lower_ctrl_limit", "connected", "pvname", "ftype", "form",
              "put_complete", "monitor_delta", "auto_monitor_mask")

def shown(value):
    if isinstance(value, dict):
        return {key: shown(value[key]) for key in sorted(value) if key not in ("chid", "host", "cb_info", "timestamp",
                "posixseconds", "nanoseconds", "pv")}
    if isinstance(value, np.ndarray):
        return ["array", str(value.dtype), repr(value.tolist())]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__] + [shown(item) for item in value]
    return [type(value).__name__, str(value)]

def tried(function, *args, **kwargs):
    try:
        return shown(function(*args, **kwargs))
    except Exception as error:
        return ["raised", next(kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")]
"""

READS = (
    _SHOWN
    + """
NAMES = ["ai", "bi", "mbbi", "longin", "stringin", "char", "float", "short", "int64in", "alarm:major", "wf:char",
         "wf:string", "wf:long", "wf:double", "wf:enum", "wf:uchar", "ai.PREC", "ai.SCAN", "lsi.VAL$", "access:readonly"]
result = {}
for name in NAMES:
    for form in ("time", "ctrl", "native"):
        pv = epics.PV("IO:" + name, form=form)
        assert pv.wait_for_connection(timeout=5)
        key = f"{name} {form} "
        for attribute in ATTRIBUTES:
            result[key + attribute] = tried(getattr, pv, attribute)
        result[key + "get"] = tried(pv.get)
        result[key + "value"] = tried(getattr, pv, "value")
        result[key + "char_value"] = tried(getattr, pv, "char_value")
        result[key + "as_string"] = tried(pv.get, as_string=True)
        result[key + "no monitor"] = tried(pv.get, use_monitor=False)
        result[key + "get count"] = tried(pv.get, count=2)
        result[key + "not numpy"] = tried(pv.get, as_numpy=False)
        result[key + "ctrlvars"] = tried(pv.get_ctrlvars)
        result[key + "timevars"] = tried(pv.get_timevars)
        result[key + "metadata"] = tried(pv.get_with_metadata)
        result[key + "metadata as string"] = tried(pv.get_with_metadata, as_string=True, use_monitor=False)
        result[key + "metadata ctrl"] = tried(pv.get_with_metadata, with_ctrlvars=True)
        result[key + "metadata form"] = tried(pv.get_with_metadata, form="ctrl", use_monitor=False)
        result[key + "metadata namespace"] = type(pv.get_with_metadata(as_namespace=True)).__name__
        result[key + "args"] = sorted(pv._args)
        result[key + "repr"] = repr(pv)
        # Not of posixseconds: with pyepics it depends on what came last, an answer or an update.
        stamp = [type(pv.timestamp).__name__, type(pv.nanoseconds).__name__]
        result[key + "stamp"] = stamp
        pv.disconnect()
info = epics.PV("IO:ai")
info.wait_for_connection()
info.get()
text = info.info
result["info"] = [line.split()[0] for line in text.splitlines() if line.strip()]
print(json.dumps(result))
"""
)

WRITES = (
    _SHOWN
    + """
result = {}

def put(name, value, **how):
    pv = pvs.setdefault(name, epics.PV("IO:" + name))
    assert pv.wait_for_connection(timeout=5)
    done = tried(pv.put, value, wait=True, timeout=5, **how)
    # With a monitor, pyepics reads as many elements as that has told, sooner or later.
    fresh = epics.PV("IO:" + name, auto_monitor=False)
    seen = [tried(fresh.get), tried(fresh.get, as_string=True)]
    fresh.disconnect()
    return [done, *seen]

pvs = {}
for value in ("2.5", 2, True, np.float32(1.5), 1.75, -7, "abc", None, [1.25], np.int16(3), 1e5, 123456.789, 1e-7, 12345.678,
              0.000123, 0, 7.123456789):
    result[f"ao {value!r}"] = put("ao", value)
for value in ("Open", 0, "1", 1, "Closed", "Nonsense", 1.0, 5):
    result[f"bo {value!r}"] = put("bo", value)
for value in ("a long text in characters", [1, 2, 3], "", np.array([104, 105], dtype=np.uint8), b"bytes"):
    result[f"wf:char {value!r}"] = put("wf:char", value)
for value in ("text", 5, 2.5, "x" * 39):
    result[f"stringout {value!r}"] = put("stringout", value)
for value in (7, "8", 9.6, -3):
    result[f"longout {value!r}"] = put("longout", value)
result["wf:double"] = put("wf:double", [0.5, 1])
result["wf:double array"] = put("wf:double", np.arange(3.0))
result["wf:double scalar"] = put("wf:double", 7.5)
result["wf:long floats"] = put("wf:long", [1.9, 2.1])
result["wf:string"] = put("wf:string", ["x", "yz"])
result["wf:string one"] = put("wf:string", "alone")
result["readonly"] = put("access:readonly", 1)
result["the attribute"] = put("ao", 1.0)
pvs["ao"].value = 2.25
result["the attribute"] = tried(pvs["ao"].get, use_monitor=False)
result["without waiting"] = tried(pvs["ao"].put, 2.5)

called = threading.Event()
seen = []
def done(**keywords):
    seen.append(shown(keywords))
    called.set()
slow = epics.PV("IO:slow.A")
slow.wait_for_connection()
result["put_complete before"] = slow.put_complete
result["with callback"] = tried(slow.put, 1, callback=done, callback_data="my data", use_complete=True)
result["put_complete at once"] = slow.put_complete
called.wait(10)
result["callback"] = seen
end = time.monotonic() + 10
while not slow.put_complete and time.monotonic() < end:
    time.sleep(0.001)
result["put_complete after"] = slow.put_complete
result["timeout"] = tried(slow.put, 2, wait=True, timeout=0.05)
lost = epics.PV("IO:nowhere", connection_timeout=0.2)
result["not connected"] = [tried(lost.put, 1), tried(lost.get), tried(lost.get_ctrlvars), tried(lost.get_timevars),
                           tried(lost.get_with_metadata), tried(lost.wait_for_connection, timeout=0.1),
                           tried(getattr, lost, "value"), repr(lost), tried(getattr, lost, "connected"),
                           tried(getattr, lost, "count"), tried(getattr, lost, "units"), tried(getattr, lost, "info"),
                           tried(getattr, lost, "type"), tried(getattr, lost, "access"), tried(getattr, lost, "host")]
pvs["ao"].put(1.5, wait=True)
pvs["longout"].put(42, wait=True)
pvs["bo"].put(0, wait=True)
print(json.dumps(result))
"""
)

CALLBACKS = (
    _SHOWN
    + """
import queue
result = {}
events = queue.Queue()

def on_value(**keywords):
    events.put(keywords)

connected = queue.Queue()
access = queue.Queue()
pv = epics.PV("IO:ao", callback=on_value, connection_callback=lambda **keywords: connected.put(keywords),
              access_callback=lambda read, write, pv: access.put([read, write, pv.pvname]))
first = events.get(timeout=10)
result["keywords"] = sorted(first)
result["first"] = shown(first)
result["cb_info"] = [first["cb_info"][0], first["cb_info"][1] is pv]
state = connected.get(timeout=10)
result["connection"] = [state["pvname"], state["conn"], state["pv"] is pv, sorted(state)]
result["access"] = access.get(timeout=10)
pv.put(2.5, wait=True)
result["second"] = shown(events.get(timeout=10))
pv.put(9, wait=True)
result["alarm"] = shown(events.get(timeout=10))

more = queue.Queue()
index = pv.add_callback(lambda **keywords: more.put(keywords), run_now=True, extra="mine")
got = more.get(timeout=10)
result["run_now"] = [index, got["extra"], got["value"], got["units"]]
fixed = pv.add_callback(lambda **keywords: more.put(keywords), index=77)
result["index"] = fixed
pv.run_callback(77)
result["run_callback"] = more.get(timeout=10)["value"]
pv.run_callbacks()
result["run_callbacks"] = [more.get(timeout=10)["value"], more.get(timeout=10)["value"], events.get(timeout=10)["value"]]
pv.remove_callback(77)
pv.remove_callback(index)
result["left"] = sorted(pv.callbacks)
pv.put(1.25, wait=True)
result["third"] = events.get(timeout=10)["value"]
result["no more"] = more.empty()
pv.clear_callbacks()
result["cleared"] = sorted(pv.callbacks)

off = epics.PV("IO:longin", auto_monitor=False)
off.wait_for_connection()
result["no monitor"] = [off.auto_monitor, off.get(), off.value]
off.auto_monitor = True
result["monitor"] = [bool(off.auto_monitor)]
off.clear_auto_monitor()
result["monitor off"] = [bool(off.auto_monitor)]

one, two = epics.get_pv("IO:longin"), epics.get_pv("IO:longin")
result["cache"] = one is two
result["connect"] = epics.get_pv("IO:longin", connect=True, timeout=5).connected
forms = [epics.get_pv("IO:longin", form=form, connect=True).get_with_metadata(use_monitor=False) for form in ("native", "time", "ctrl")]
result["forms"] = [sorted(form) for form in forms]
result["disconnect"] = [tried(one.disconnect), tried(one.get, timeout=0.2)]
pv.put(1.5, wait=True)
print(json.dumps(result))
"""
)

FUNCTIONS = (
    _SHOWN
    + """
import queue, io, contextlib
result = {}
lines = queue.Queue()
epics.camonitor("IO:ao", writer=lines.put)
for value in (4.5, 5.5):
    epics.caput("IO:ao", value, wait=True)
line = lines.get(timeout=10)
while line.split()[-1] != "5.5000":
    line = lines.get(timeout=10)
result["camonitor"] = [line.split()[0], line.split()[-1]]
epics.camonitor_clear("IO:ao")
epics.caput("IO:ao", 1.5, wait=True)
values = queue.Queue()
epics.camonitor("IO:longout", callback=lambda value=None, **keywords: values.put(value))
epics.caput("IO:longout", 41, wait=True)
epics.caput("IO:longout", 42, wait=True)
while values.get(timeout=10) != 42:
    pass
epics.camonitor_clear("IO:longout")
result["caget"] = [tried(epics.caget, "IO:" + name) for name in ("ai", "bi", "stringin", "wf:long", "wf:char")]
result["caget as string"] = [tried(epics.caget, "IO:" + name, as_string=True) for name in ("ai", "bi", "wf:char", "wf:long")]
result["caget count"] = tried(epics.caget, "IO:wf:long", count=3)
result["caget list"] = tried(epics.caget, "IO:wf:long", as_numpy=False)
result["caget missing"] = tried(epics.caget, "IO:nowhere", timeout=0.2, **{"connection_timeout": 0.2})
result["caput"] = [tried(epics.caput, "IO:ao", 2.5), tried(epics.caput, "IO:ao", 3.5, wait=True), tried(epics.caget, "IO:ao", use_monitor=False)]
result["caput missing"] = tried(epics.caput, "IO:nowhere", 1, connection_timeout=0.2)
result["caget_many"] = tried(epics.caget_many, ["IO:ai", "IO:nowhere", "IO:bi", "IO:wf:long"], connection_timeout=0.5)
result["caget_many as string"] = tried(epics.caget_many, ["IO:ai", "IO:bi", "IO:wf:char"], as_string=True)
result["caput_many"] = [
    tried(epics.caput_many, ["IO:ao", "IO:longout"], [1.5, 42]),
    tried(epics.caput_many, ["IO:ao", "IO:longout"], [2.5, 43], wait="each"),
    tried(epics.caput_many, ["IO:ao", "IO:longout"], [1.5, 42], wait="all"),
    tried(epics.caput_many, ["IO:ao"], [1.5, 42]),
]
text = epics.cainfo("IO:ai", print_out=False)
result["cainfo"] = [line.split("=")[0].strip() for line in text.splitlines()]
printed = io.StringIO()
with contextlib.redirect_stdout(printed):
    answer = epics.cainfo("IO:bi")
result["cainfo printed"] = [answer, "enum" in printed.getvalue()]
print(json.dumps(result))
"""
)

OPHYD = """
import os, json, sys
os.environ["OPHYD_CONTROL_LAYER"] = "caproto"
from bluesky import RunEngine, plans, plan_stubs
from ophyd import Component, Device, EpicsSignal, EpicsSignalRO, PVPositionerPC, cl

result = {"layer": cl.name}


class Stage(Device):
    readback = Component(EpicsSignalRO, "ao")
    counts = Component(EpicsSignalRO, "longin")
    door = Component(EpicsSignal, "bo", string=True)
    array = Component(EpicsSignal, "wf:double")
    text = Component(EpicsSignal, "wf:char", string=True)
    slow = Component(EpicsSignal, "slow.A", put_complete=True, kind="omitted")


class Positioner(PVPositionerPC):
    setpoint = Component(EpicsSignal, "ao")
    readback = Component(EpicsSignalRO, "ao")


stage = Stage("IO:", name="stage")
positioner = Positioner("IO:", name="positioner")
for device in (stage, positioner):
    device.wait_for_connection(timeout=10)
result["described"] = {name: stage.describe()["stage_" + name] for name in ("readback", "door")}
result["limits"] = list(positioner.setpoint.limits)
result["enum"] = list(stage.door.enum_strs)
result["metadata"] = {name: stage.readback.metadata[name] for name in ("units", "precision", "connected", "write_access")}
stage.door.set("Open").wait(timeout=10)
stage.text.set("a long text").wait(timeout=10)
stage.array.set([1.0, 2.5]).wait(timeout=10)
result["set"] = [stage.door.get(), stage.text.get(), list(stage.array.get())]
status = stage.slow.set(3)
result["slow at once"] = status.done
status.wait(timeout=10)
result["slow"] = stage.slow.get()

events = []
stage.readback.subscribe(lambda value, old_value, timestamp, **more: events.append(value), run=False)
engine = RunEngine({})
documents = []
engine(plans.scan([stage], positioner, 0, 2, 5), lambda *document: documents.append(document))
scanned = [document["data"] for kind, document in documents if kind == "event"]
result["positions"] = [event["positioner_setpoint"] for event in scanned]
result["readbacks"] = [event["stage_readback"] for event in scanned]
engine(plan_stubs.mv(stage.door, "Closed"))
result["closed"] = stage.door.get(as_string=True)
result["seen"] = sorted(set(events))
try:
    EpicsSignal("IO:nowhere", name="nowhere").wait_for_connection(timeout=0.3)
except TimeoutError as error:
    result["missing"] = str(error)
readonly = EpicsSignal("IO:access:readonly", name="readonly")
readonly.wait_for_connection(timeout=10)
try:
    readonly.put(1)
except Exception as error:
    result["read-only"] = type(error).__name__
stage.destroy()
result["C library"] = [line for line in open("/proc/self/maps") if "libca." in line]
print(json.dumps(result))
"""
