"""A program that moves motors with ophyd-async, as text: it runs on our client."""

from __future__ import annotations

OPHYD_ASYNC_MOTOR = """
import importlib.util, sys
sys.modules["epics"] = None  # whoever would import the C library with pyepics finds none
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == "epicscorelibs" else find_spec(name, *more)
import caproto.aioca_compat
caproto.aioca_compat.install()  # as where epicscorelibs is not installed
importlib.util.find_spec = find_spec

import asyncio, json
from bluesky import RunEngine, plans, plan_stubs
from ophyd_async.core import init_devices
from ophyd_async.epics.motor import Motor, MotorLimitsError, OffsetMode, UseSetMode

result = {}
engine = RunEngine({}, call_returns_result=True)
with init_devices():
    x, y = Motor(sys.argv[1] + "mtr1"), Motor(sys.argv[1] + "mtr2")


def moves():
    move, read = plan_stubs.mv, plan_stubs.rd
    result["modes"] = [(yield from read(x.offset_freeze_switch)), (yield from read(x.set_use_switch))]
    result["limits"] = [(yield from read(x.low_limit_travel)), (yield from read(x.high_limit_travel))]
    yield from move(x.velocity, 25.0, y.velocity, 25.0)
    yield from move(x, 2.5, y, -1.5)
    result["moved"] = [(yield from read(x.user_readback)), (yield from read(y.user_readback))]
    result["done"] = yield from read(x.motor_done_move)
    yield from plan_stubs.mvr(x, 1.5)
    result["relative"] = yield from read(x.user_readback)
    yield from move(x.set_use_switch, UseSetMode.SET)
    yield from move(x.user_setpoint, 7.0)
    yield from move(x.set_use_switch, UseSetMode.USE)
    result["redefined"] = [(yield from read(x.user_readback)), (yield from read(x.offset))]
    yield from move(x, 8.0)
    result["moved with it"] = yield from read(x.user_readback)
    yield from move(x.offset, 0.0)
    result["offset"] = yield from read(x.user_readback)


engine(moves())

documents = []
engine(plans.scan([y], x, 2, 4, 5), lambda *document: documents.append(document))
events = [document["data"] for kind, document in documents if kind == "event"]
(keys,) = [document["data_keys"] for kind, document in documents if kind == "descriptor"]
result["scan"] = [event["x"] for event in events]
result["beside"] = sorted({event["y"] for event in events})
result["described"] = [keys["x"]["precision"], keys["x"]["limits"]["control"]]


async def outside():
    try:
        await x.set(11.0)
    except MotorLimitsError as error:
        return str(error)


async def stopped():
    await x.velocity.set(0.5)
    moving = asyncio.Event()
    start = await x.user_readback.get_value()
    def watch(reading):
        if reading["x"]["value"] > start:
            moving.set()

    x.user_readback.subscribe_reading(watch)
    status = x.set(9.0)
    await asyncio.wait_for(moving.wait(), 10)
    await x.stop(success=True)
    await asyncio.wait_for(status, 20)
    x.user_readback.clear_sub(watch)
    return [status.success, start < await x.user_readback.get_value() < 9.0]


def on_the_engine(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, engine.loop).result(60)


result["outside"] = on_the_engine(outside())
result["stopped"] = on_the_engine(stopped())
result["C library"] = [line for line in open("/proc/self/maps") if "libca." in line]
print(json.dumps(result))
"""
