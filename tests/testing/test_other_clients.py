"""Clients on the C library find a fake IOC, too."""

from __future__ import annotations

import os

import pytest

from caproto.testing import serve
from tests.support import run_libca

pytestmark = pytest.mark.interop

PROGRAMS = {
    "aioca": """
import asyncio, json
from aioca import caget, caput

async def main():
    before = await caget("fake:pv", timeout=20)
    await caput("fake:pv", 4, wait=True, timeout=20)
    await caput("fake:mode", "On", wait=True, timeout=20)
    return [float(before), float(await caget("fake:pv", timeout=20))]

print(json.dumps(asyncio.run(main())))
""",
    "pyepics": """
import json, epics
pv = epics.PV("fake:pv", connection_timeout=20)
mode = epics.PV("fake:mode", connection_timeout=20)
before = pv.get(timeout=20)
pv.put(4, wait=True, timeout=20)
mode.put("On", wait=True, timeout=20)
print(json.dumps([before, pv.get(timeout=20, use_monitor=False)]))
""",
}


@pytest.mark.parametrize("client", PROGRAMS)
def test_clients_on_libca(client: str) -> None:
    with serve({"fake:pv": 1.5, "fake:mode": False}) as ioc:
        assert run_libca(PROGRAMS[client], env=os.environ) == [1.5, 4.0]
        assert ioc.written == [("fake:pv", 4.0), ("fake:mode", "On")]
