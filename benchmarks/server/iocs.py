"""The servers under test, on loopback and private ports."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Set
from pathlib import Path

from benchmarks.peers.environments import Environments
from benchmarks.server.pvs import input_name, write_database
from tests.support import CIoc, Ioc

__all__ = ["ENVIRONMENT", "SERVERS", "cpu_seconds", "make_ioc", "pin", "resident"]

ENVIRONMENT = {"ours": "ours", "ours-uvloop": "ours", "caproto": "caproto"}
"""Servers in Python, and the environment in which each runs."""
SERVERS = (*ENVIRONMENT, "c")
START_TIMEOUT = 60.0


class _PythonIoc(Ioc):
    """An IOC that Ctrl-C ends."""

    def _ask_to_end(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)


def make_ioc(server: str, inputs: int, environments: Environments, folder: Path) -> Ioc:
    """Return a server with so many inputs, not started yet."""
    folder.mkdir(parents=True, exist_ok=True)
    if server == "c":
        database = folder / f"server-{inputs}.db"
        write_database(database, inputs)
        return CIoc(database, folder=folder, start_timeout=START_TIMEOUT)
    python = environments.python(ENVIRONMENT[server])
    options = ["--uvloop"] if server == "ours-uvloop" else []
    return _PythonIoc(
        [python, "-m", "benchmarks.server.ioc", "--inputs", str(inputs), *options],
        input_name(0),
        folder=folder,
        start_timeout=START_TIMEOUT,
    )


def pin(ioc: Ioc, cpus: Set[int]) -> None:
    """Let a server run on these processors from now on, with every thread that it has or starts."""
    for thread in os.listdir(f"/proc/{ioc.pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), cpus)


def cpu_seconds(ioc: Ioc) -> float:
    """Return how long a server has been running on a processor, with all threads that it has or had."""
    # As the kernel makes the clock of another process from its id (see clock_getcpuclockid(3)).
    return time.clock_gettime(~ioc.pid << 3 | 2)


def resident(ioc: Ioc) -> int:
    """Return how many bytes of memory a server has resident."""
    fields = Path(f"/proc/{ioc.pid}/smaps_rollup").read_text().split()
    return int(fields[fields.index("Rss:") + 1]) * 1024
