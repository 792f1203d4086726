"""Clients on libca use channel filters and long strings of our IOC, and are refused what rules forbid."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from caproto import ChannelDouble, ChannelString
from caproto.server import AccessRules, ClientLimits
from tests.asyncio.raw_client import serving
from tests.support import run_libca

pytestmark = pytest.mark.interop

LONG = "a text of more than the forty characters that a string has"

FILTERS = """
import asyncio, json, aioca

async def main():
    found = {}
    part = await aioca.caget("wf.[1:2:5]", timeout=10)
    found["part"] = part.tolist()
    text = await aioca.caget("text.VAL$", datatype=aioca.DBR_CHAR_STR, timeout=10)
    found["text"] = str(text)
    await aioca.caput("text.$", "short now", datatype=aioca.DBR_CHAR_STR, wait=True, timeout=10)
    found["after"] = str(await aioca.caget("text", timeout=10))
    bad = await aioca.caget('wf.{"nope":{}}', timeout=1, throw=False)
    found["bad"] = bad.ok
    seen, done = [], asyncio.Event()
    def take(value):
        seen.append(float(value))
        if value >= 9:
            done.set()
    sub = aioca.camonitor('x.{"dbnd":{"abs":1.5}}', take, all_updates=True)
    while not seen:
        await asyncio.sleep(0.01)
    for value in (1.0, 2.0, 3.0, 4.0, 9.0):
        await aioca.caput("x", value, wait=True, timeout=10)
    await asyncio.wait_for(done.wait(), 10)
    sub.close()
    found["seen"] = seen
    print(json.dumps(found))

asyncio.run(main())
"""

RULES = """
import asyncio, json, aioca

async def main():
    found = {}
    done = await aioca.caput("x", 5.0, wait=True, timeout=10, throw=False)
    found["write"] = [done.ok, str(done)]
    value = await aioca.caget("secret", timeout=10, throw=False)
    found["read"] = [value.ok, str(value)]
    found["x"] = float(await aioca.caget("x", timeout=10))
    print(json.dumps(found))

asyncio.run(main())
"""


async def told_by_libca(source: str, pvs: dict[str, Any], **options: Any) -> Any:
    """Serve PVs to a program on libca, and return what it found."""
    async with serving(pvs, **options):
        return await asyncio.to_thread(run_libca, source, env=dict(os.environ))


async def test_filters_and_long_strings(loopback: Any) -> None:
    pvs = {
        "x": ChannelDouble(value=0.0),
        "wf": ChannelDouble(value=[float(n) for n in range(10)]),
        "text": ChannelString(value=LONG),
    }
    found = await told_by_libca(FILTERS, pvs)
    assert found == {
        "part": [1.0, 3.0, 5.0],
        "text": LONG,
        "after": "short now",
        "bad": False,
        "seen": [0.0, 2.0, 4.0, 9.0],
    }


async def test_rules_are_told_to_the_client_and_kept(loopback: Any) -> None:
    rules = AccessRules({"default": {"write": False}, "rules": [{"pvs": "secret", "read": False}]})
    pvs = {"x": ChannelDouble(value=1.0), "secret": ChannelDouble(value=2.0)}
    found = await told_by_libca(RULES, pvs, access=rules, limits=ClientLimits())
    assert found["x"] == pvs["x"].value == 1.0
    assert not found["write"][0]
    assert "access" in found["write"][1]
    assert not found["read"][0]
    assert "access" in found["read"][1]
