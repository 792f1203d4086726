"""Programs in the style of the original's documentation run unmodified."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support import Program, free_port, loopback_env, python_command, run_libca, search

PROGRAMS = Path(__file__).parent / "programs"
SOURCE = """
import sys
sys.path.insert(0, "")
from tests.examples import program_sessions, sessions
sessions.main(vars(program_sessions))
"""


@pytest.mark.parametrize(
    ("name", "ready_pv", "argument"),
    [
        ("controller", "ctl:count", "--list-pvs"),
        ("toolkit", "tk:polled", "--offset=3"),
        ("embedded", "emb:n0", ""),
        ("embedded", "emb:n0", "start_server"),
    ],
)
def test_program(name: str, ready_pv: str, argument: str, tmp_path: Path) -> None:
    port = free_port()
    env = loopback_env(port, free_port())
    command = python_command("-W", "error", str(PROGRAMS / f"{name}.py"), *argument.split())
    with Program(command, env, tmp_path / "out.txt") as program:
        assert search(ready_pv, port) is not None
        run_libca(SOURCE, name, env=env)
        assert program.pid is not None
        os.kill(program.pid, signal.SIGTERM)
        status = program.wait()
        if name == "controller":
            assert status == 0
            assert "bye from Controller ctl:" in program.output
            assert "PVs available:\n    ctl:count\n" in program.output
