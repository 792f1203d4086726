"""The tutorial, typed line by line into a real IPython."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from caproto import CaprotoRuntimeError
from caproto.asyncio.client import Context
from caproto.ioc_examples.random_walk import RandomWalkIOC
from caproto.testing import serve

TUTORIAL = [
    "%autoawait",
    "import asyncio",
    "from caproto.asyncio.client import Context",
    "ctx = Context()",
    "x, dt = await ctx.get_pvs('random_walk:x', 'random_walk:dt')",
    "await dt.wait_for_connection(timeout=20)",
    "dt",
    "reading = await dt.read()",
    "reading",
    "reading.data.tolist()",
    "reading.value",
    "richer = await dt.read(data_type='time')",
    "richer.metadata.severity",
    "await dt.write([0.01])",
    "(await dt.read()).value",
    "confirmed = asyncio.Event()",
    "async def callback(response):\n    print('confirmed', response.status.name)\n    confirmed.set()\n",
    "await dt.write([0.01], wait=False, callback=callback)",
    "await asyncio.wait_for(confirmed.wait(), 20)",
    "async def get_loop(): return asyncio.get_running_loop()\n",
    "loop = await get_loop()",
    "responses, enough = [], asyncio.Event()",
    "def f(sub, response):\n"
    "    responses.append(response)\n"
    "    if len(responses) == 3: loop.call_soon_threadsafe(enough.set)\n",
    "sub = x.subscribe()",
    "token = sub.add_callback(f)",
    "await asyncio.wait_for(enough.wait(), 20)",
    "len(responses) >= 3",
    "async for response in sub:\n    print('received', len(response.data))\n    break\n",
    "await sub.remove_callback(token)",
    "await sub.clear()",
    "await x.go_idle()",
    "x",
    "(await x.read()).data_count",
    "typo, = await ctx.get_pvs('random_walk:typo')",
    "ctx.broadcaster.cancel('random_walk:typo')",
    "typo",
    "await x.circuit_manager.events_off()",
    "await x.circuit_manager.events_on()",
    "x.time_since_last_heard() < 20",
    "dt.read?",
    "await ctx.disconnect()",
]
HELPERS = [
    "from caproto.asyncio.client import caget, cainfo, camonitor, caput",
    "await caget('random_walk:dt')",
    "await caget(['random_walk:dt', 'random_walk:x'])",
    "_ = await caput('random_walk:dt', 0.5)",
    "(await caget('random_walk:dt')).severity",
    "async for value in camonitor('random_walk:x'):\n    print('monitored', value.timestamp > 0)\n    break\n",
    "await cainfo('random_walk:dt')",
    "caget?",
]


def typed(lines: list[str], folder: Path) -> tuple[str, str]:
    """Type lines into IPython; return what it shows without its prompts, and what it complains of."""
    options = ("--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=nocolor")
    with serve(RandomWalkIOC("random_walk:")):
        env = {**os.environ, "IPYTHONDIR": str(folder), "HOME": str(folder), "TERM": "dumb"}
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-m", "IPython", *options],
            input="\n".join([*lines, "exit", ""]),
            env=env,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=50,
        )
    shown = re.sub(r"^(In \[\d+\]: | *\.\.\.: )+", "", done.stdout, flags=re.MULTILINE)
    return re.sub(r"^Out\[\d+\]: ?", "", shown, flags=re.MULTILINE), done.stderr


def in_order(shown: str, *patterns: str) -> None:
    """Check that there is text for all patterns, in this order."""
    start = 0
    for pattern in patterns:
        match = re.compile(pattern, re.MULTILINE).search(shown, start)
        assert match, (
            f"{pattern!r} is not in what follows here:\n{shown[start:]}\n\nof all:\n{shown}"
        )
        start = match.end()


def test_the_tutorial_works_line_by_line(tmp_path: Path) -> None:
    shown, complaints = typed(TUTORIAL, tmp_path)
    in_order(
        shown,
        "autoawait is `on`, and set to use `asyncio`",
        r"^<PV name='random_walk:dt' .*CONNECTED",
        r"^ReadNotifyResponse\(data=array\(\[3\.\]\), data_type=<ChannelType.DOUBLE: 6>",
        r"^\[3\.0\]$",
        r"^3\.0$",
        r"^<AlarmSeverity\.NO_ALARM: 0>$",
        r"^WriteNotifyResponse\(",
        r"^0\.01$",
        r"^confirmed ECA_NORMAL$",
        r"^True$",
        r"^True$",
        r"^received 1$",
        r"^<PV name='random_walk:x' priority=0 \(idle\)>$",
        r"^1$",
        r"^<PV name='random_walk:typo' .*\(cancelled\)",
        r"^True$",
        r"^Request a fresh reading\.$",
    )
    assert "Error" not in re.sub(r"Caproto\w+Error|CAStatusError", "", shown)
    assert "Traceback" not in shown
    assert complaints == ""


def test_the_helpers_work_line_by_line(tmp_path: Path) -> None:
    shown, complaints = typed(HELPERS, tmp_path)
    in_order(
        shown,
        r"^3\.0  \d{4}-\d\d-\d\d \d\d:",
        r"^\[3\.0  \d{4}-.*,$",
        r"NO_ALARM",
        r"^monitored True$",
        r"^ChannelInfo\(name='random_walk:dt'",
        r"^Signature:",
    )
    assert "Traceback" not in shown
    assert complaints == ""


def test_leaving_without_disconnecting_is_quiet(tmp_path: Path) -> None:
    shown, complaints = typed([*TUTORIAL[1:8], "sub = x.subscribe()", "dt.connected"], tmp_path)
    in_order(shown, "^True$")
    assert "Traceback" not in shown
    assert complaints == ""


@pytest.mark.parametrize("setting", ["sync", "off"])
def test_where_ipython_awaits_by_other_means_the_error_says_what_to_do(
    setting: str, tmp_path: Path
) -> None:
    shown, _ = typed([f"%autoawait {setting}", *TUTORIAL[2:4]], tmp_path)
    in_order(shown, "CaprotoRuntimeError: A Context or SharedBroadcaster must be instantiated in")


def test_without_a_loop_and_without_ipython_the_error_says_what_to_do() -> None:
    with pytest.raises(CaprotoRuntimeError, match="make it within a coroutine"):
        Context()
