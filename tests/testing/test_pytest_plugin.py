"""The fixture `fake_ioc` in the tests of somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

TESTS_OF_A_USER = """
import asyncio
import os
import subprocess
import sys

import pytest

from caproto import ChannelEnum, ErrorResponseReceived
from caproto.asyncio.client import caget, camonitor, caput
from caproto.server import PVGroup, pvproperty
from caproto.sync.client import read, write

pytest_plugins = ["caproto.testing"]


def test_a_script_with_blocking_calls(fake_ioc):
    ioc = fake_ioc({
        "beam:current": 1.5,
        "shutter": ChannelEnum(value="Closed", enum_strings=["Closed", "Open"]),
    })
    assert read("beam:current").data[0] == 1.5
    write("shutter", "Open", notify=True)
    assert ioc.written == [("shutter", "Open")]
    assert ioc["shutter"] == "Open"


def test_a_coroutine(fake_ioc):
    ioc = fake_ioc({"my:pv": 1.5})

    async def program():
        await caput("my:pv", await caget("my:pv") * 2)
        values = []
        async for value in camonitor("my:pv"):
            values.append(float(value))
            if len(values) == 2:
                return values
            ioc["my:pv"] = 7

    assert asyncio.run(asyncio.wait_for(program(), 30)) == [3.0, 7.0]
    assert ioc.written == [("my:pv", 3.0)]


def test_a_program(fake_ioc):
    ioc = fake_ioc({"my:pv": 1.5})
    subprocess.run([sys.executable, "-m", "caproto", "put", "-c", "my:pv", "4"], check=True, timeout=30)
    assert ioc.written == [("my:pv", 4.0)]


class Device(PVGroup):
    setpoint = pvproperty(value=0.0)

    @setpoint.putter
    async def put_setpoint(self, instance, value):
        if value < 0:
            raise ValueError("negative")


def test_errors_of_a_device(fake_ioc):
    ioc = fake_ioc(Device("dev:"))
    with pytest.raises(ErrorResponseReceived):
        write("dev:setpoint", -1, notify=True)
    assert ioc["dev:setpoint"] == 0


def test_two_iocs_and_a_restart(fake_ioc):
    first, second = fake_ioc({"a": 1}), fake_ioc({"b": 2})
    assert [read(name).data[0] for name in "ab"] == [1, 2]
    first.stop()
    first["a"] = 3
    first.start()
    assert read("a", timeout=20).data[0] == 3


def test_nothing_is_left_of_the_others(fake_ioc):
    assert "EPICS_CA_ADDR_LIST" not in os.environ
    ioc = fake_ioc({"my:pv": 9})
    assert read("my:pv").data[0] == 9
"""


def run(*arguments: str, folder: Path) -> str:
    """Run Python in the environment of somebody who has set nothing; return what it printed."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EPICS_", "CAPROTO_"))
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tests_of_a_user_pass(tmp_path: Path) -> None:
    (tmp_path / "test_program.py").write_text(TESTS_OF_A_USER)
    output = run("-m", "pytest", "-W", "error", "-p", "no:cacheprovider", folder=tmp_path)
    assert "6 passed" in output


def test_no_pytest_is_disturbed_that_does_not_ask_for_it() -> None:
    ours = [
        entry.name for entry in entry_points(group="pytest11") if entry.value.startswith("caproto")
    ]
    assert ours == []


def test_without_pytest_it_is_a_module_like_any_other(tmp_path: Path) -> None:
    program = "import sys, caproto.testing as t; print(hasattr(t, 'fake_ioc'), 'pytest' in sys.modules, t.__all__)"
    output = run("-c", program, folder=tmp_path)
    assert output.split() == ["False", "False", "['FakeIoc',", "'Write',", "'serve']"]
