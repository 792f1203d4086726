"""The recorded outputs of the C tools: the same arguments print the same, and end with the same status."""

from __future__ import annotations

import json
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import CIoc, Program, python_command

from .conftest import DATA, MODULES, PREPARATION, Run, without_times

CASES: list[dict[str, Any]] = json.loads((DATA / "golden.json").read_text())["cases"]
_LINE = r"G:.*\n(?:caproto-monitor: .*\n)*"
READING = [case for case in CASES if case["command"].split()[0] in ("caget", "cainfo")]


@pytest.fixture
def prepared(golden: CIoc, run: Run) -> CIoc:
    """The IOC, with the values that were written before the recording."""
    for arguments in PREPARATION:
        assert run("caput", *arguments).status == 0
    return golden


def _words(command: str) -> list[str]:
    """Split a command as the shell does."""
    return shlex.split(command)


def _disagreement(case: dict[str, Any], stdout: str, status: int, stderr: str) -> str:
    """Say in what an outcome differs from the recorded one; empty if in nothing."""
    if without_times(stdout) != without_times(case["stdout"]):
        return f"$ {case['command']}\nrecorded:\n{case['stdout']!r}\nours:\n{stdout!r}\n{stderr}"
    if status != case["exit"]:
        return f"$ {case['command']}\nexit status {case['exit']}, ours {status}\n{stderr}"
    if bool(case["stderr"]) != bool(stderr):
        return f"$ {case['command']}\nstandard error {case['stderr']!r}, ours {stderr!r}"
    return ""


def test_there_are_recordings_of_every_tool() -> None:
    assert {case["command"].split()[0] for case in CASES} == set(MODULES)


def test_get_and_info_print_what_was_recorded(prepared: CIoc, run: Run) -> None:
    wrong = []
    for case in READING:
        outcome = run(*_words(case["command"].replace("-w 1 ", "-w 0.2 ")))
        wrong.append(_disagreement(case, outcome.stdout, outcome.status, outcome.stderr))
    assert not "\n".join(filter(None, wrong))


def test_put_and_monitor_print_what_was_recorded(prepared: CIoc, run: Run, tmp_path: Path) -> None:
    """They change values, and go in the order of the recording."""
    wrong = []
    for number, case in enumerate(CASES):
        words = _words(case["command"].replace("-w 1 ", "-w 0.2 "))
        if words[0] == "caput":
            outcome = run(*words)
            wrong.append(_disagreement(case, outcome.stdout, outcome.status, outcome.stderr))
        elif words[0] == "camonitor" and "while_running" in case:
            wrong.append(_monitored(prepared, run, case, words, tmp_path / f"{number}.txt"))
    assert not "\n".join(filter(None, wrong))


def _monitored(ioc: CIoc, run: Run, case: dict[str, Any], words: list[str], file: Path) -> str:
    """Let our monitor run while values are written, then interrupt it, as a person would."""
    command = python_command("-m", MODULES[words[0]], *words[1:])
    lines = case["stdout"].splitlines()
    before = len(lines) - len(case["while_running"])
    if "-m a" in case["command"]:  # of alarms, there is none
        before = len(lines)
    with Program(command, ioc.client_env(TZ="UTC"), file) as program:
        program.wait_for_output(rf"(?:{_LINE}){{{before}}}")
        for put in case["while_running"]:
            assert run(*_words(put)).status == 0
        program.wait_for_output(rf"(?:{_LINE}){{{len(lines)}}}")
        program.send_signal(signal.SIGINT)
        status = program.wait()
        printed = [line for line in program.output.splitlines(True) if line.startswith("G:")]
        errors = [line for line in program.output.splitlines(True) if not line.startswith("G:")]
    if "G:nope" in words:
        assert any("G:nope" in line for line in errors)
        errors = []
    return _disagreement(case, "".join(printed), status, "".join(errors))
