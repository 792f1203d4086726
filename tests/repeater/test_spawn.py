"""A repeater that a client starts: on its own, once, and only if it may."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from caproto import _repeater_process
from caproto._protocol.enums import Command
from caproto.sync.repeater import spawn_repeater
from tests.conftest import Loopback
from tests.support import python_command
from tests.support.blocking import wait_until
from tests.support.ports import bound_ports

from .programs import (
    Client,
    children,
    end,
    is_running,
    owner_of_udp_port,
    parent_of,
    spawned_repeaters,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def port(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The repeater's port; every repeater that was started for it is ended after the test."""
    monkeypatch.delenv("CAPROTO_NO_REPEATER")
    yield loopback.repeater_port
    for pid in spawned_repeaters(loopback.repeater_port):
        end(pid)


def wait_for_repeater(port: int) -> int:
    """Wait until it is up, and return its process id."""
    wait_until(lambda: port in bound_ports(), "the repeater is up")
    pid = owner_of_udp_port(port)
    assert pid is not None
    return pid


def test_a_spawned_repeater_serves_and_is_spawned_once(port: int) -> None:
    assert spawn_repeater()
    wait_for_repeater(port)
    assert not spawn_repeater()
    with Client(port) as client:
        client.send(b"")
        assert client.command() == Command.REPEATER_CONFIRM


def test_the_port_may_be_given(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EPICS_CA_REPEATER_PORT")
    assert spawn_repeater(port)
    wait_for_repeater(port)


def test_a_spawned_repeater_is_nobodys_child_and_holds_nothing_of_ours(port: int) -> None:
    before = children()
    read_end, write_end = os.pipe()
    try:
        os.set_inheritable(write_end, True)
        assert spawn_repeater()
        pid = wait_for_repeater(port)
        files = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
        assert not [name for name in files if name.startswith("pipe:")]
        for number in (0, 1, 2):
            assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"
        assert os.getsid(pid) != os.getsid(0), "a session, so a terminal, of its own"
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert parent_of(pid) != os.getpid()
        assert children() <= before, "not even a dead one"
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_spawned_repeater_outlives_the_program_that_started_it(port: int) -> None:
    program = "from caproto.sync.repeater import spawn_repeater; print(spawn_repeater())"
    done = subprocess.run(
        python_command("-c", program), capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "True\n", "and its output is not held open by the repeater"
    assert is_running(wait_for_repeater(port))


def test_a_program_that_changed_its_search_path_can_start_one(port: int, tmp_path: Path) -> None:
    root = Path(_repeater_process.__file__).resolve().parent.parent
    # -S and -I: no site-packages, no environment: only the path that the program sets itself
    program = (
        f"import sys; sys.path.insert(0, {str(root)!r});"
        "from caproto.sync.repeater import spawn_repeater; print(spawn_repeater())"
    )
    done = subprocess.run(
        python_command("-S", "-I", "-c", program),
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout == "True\n"
    wait_for_repeater(port)


def test_two_programs_may_start_one_at_the_same_time(port: int) -> None:
    program = "from caproto._repeater_process import spawn_repeater; spawn_repeater()"
    starters = [subprocess.Popen(python_command("-c", program)) for _ in range(3)]
    assert [starter.wait(timeout=30) for starter in starters] == [0, 0, 0]
    wait_until(lambda: len(spawned_repeaters(port)) == 1, "all but one end")
    assert spawned_repeaters(port) == {wait_for_repeater(port)}


@pytest.mark.parametrize("text", ["1", "YES", "true"])
def test_the_environment_can_forbid_it(
    port: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*_: object) -> None:
        raise AssertionError("it was started")

    monkeypatch.setattr(_repeater_process, "_start_detached", start)
    monkeypatch.setenv("CAPROTO_NO_REPEATER", text)
    assert not spawn_repeater()


@pytest.mark.parametrize(("attribute", "value"), [("frozen", True), ("executable", "")])
def test_a_frozen_program_does_not_start_itself(
    port: int,
    attribute: str,
    value: object,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sys, attribute, value, raising=False)
    assert not spawn_repeater()
    assert "start caproto-repeater by hand" in caplog.text


def test_a_failure_to_start_is_a_warning(
    port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "/bin/sh")

    monkeypatch.setattr(_repeater_process, "_start_detached", fail)
    assert not spawn_repeater()
    assert "Cannot start a repeater" in caplog.text
