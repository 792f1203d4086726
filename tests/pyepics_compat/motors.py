"""Programs that move motors with ophyd and with ophyd-async, as text: each runs on our clients."""

from __future__ import annotations

_TOLD = """
import json, sys, threading
result = {}

def refused(function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__
"""

OPHYD_MOTOR = (
    """
import os
os.environ["OPHYD_CONTROL_LAYER"] = "caproto"
"""
    + _TOLD
    + """
from bluesky import RunEngine, plan_stubs, plans
from ophyd import EpicsMotor, cl
from ophyd.utils.epics_pvs import AlarmSeverity

result["layer"] = cl.name
x, y = EpicsMotor(sys.argv[1] + "mtr1", name="x"), EpicsMotor(sys.argv[1] + "mtr2", name="y")
for motor in (x, y):
    motor.wait_for_connection(timeout=10)
    motor.velocity.set(25.0).wait(timeout=10)

result["limits"] = [list(x.limits), x.low_limit, x.high_limit, x.get_lim(1), x.get_lim(-1)]
result["described"] = {name: x.describe()["x"][name] for name in ("precision", "lower_ctrl_limit", "upper_ctrl_limit")}
result["precision"] = x.precision
result["egu"] = x.egu

started, finished = threading.Semaphore(0), threading.Semaphore(0)
x.subscribe(lambda **more: started.release(), event_type=x.SUB_START, run=False)
x.subscribe(lambda **more: finished.release(), event_type=x.SUB_DONE, run=False)
status = x.move(2.5, wait=True, timeout=20)
result["moved"] = [status.done, status.success, x.position, x.user_readback.get(), x.moving]
result["told"] = [started.acquire(timeout=10), finished.acquire(timeout=10)]
x.set(4.0).wait(timeout=20)
result["set"] = x.position
result["outside"] = [refused(x.move, 11.0), refused(x.set, -1.0), x.position]

x.velocity.set(0.5).wait(timeout=10)
on_the_way = threading.Event()
token = x.user_readback.subscribe(lambda value, **more: value > 4.0 and on_the_way.set(), run=False)
status = x.set(9.0)
assert on_the_way.wait(10)
result["on the way"] = [x.moving, status.done]
x.stop()
refused(status.wait, timeout=20)  # which says success if DMOV comes before ophyd's own note, or else does not
assert status.done
while x.moving:
    pass
result["stopped"] = 4.0 < x.position < 9.0
x.user_readback.unsubscribe(token)
x.velocity.set(25.0).wait(timeout=10)

x.set(4.0).wait(timeout=20)
x.set_current_position(7.0)
result["redefined"] = [x.user_setpoint.get(use_monitor=False), x.user_readback.get(use_monitor=False),
                       x.user_offset.get(use_monitor=False), x.set_use_switch.get(use_monitor=False)]
result["limits with it"] = [x.low_limit_travel.get(use_monitor=False), x.high_limit_travel.get(use_monitor=False)]
x.set(8.0).wait(timeout=20)
result["moved with it"] = [x.position, x.user_offset.get(use_monitor=False)]
x.user_offset.set(0.0).wait(timeout=10)
result["offset"] = x.user_readback.get(use_monitor=False)

status = y.home("forward", wait=True, timeout=20)
result["home"] = [status.success, y.user_readback.get(use_monitor=False)]

engine = RunEngine({})
documents = []
uids = engine(plans.scan([y.user_setpoint], x, 4, 6, 5), lambda *document: documents.append(document))
events = [document["data"] for kind, document in documents if kind == "event"]
result["scan"] = [event["x"] for event in events]
result["setpoints"] = [event["x_user_setpoint"] for event in events]
engine(plan_stubs.mvr(x, 1.5, y, -1.0))
result["relative"] = [x.position, y.position]
result["C library"] = [line for line in open("/proc/self/maps") if "libca." in line]
print(json.dumps(result))
"""
)
