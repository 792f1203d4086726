"""The servers: the real C IOC, the firehose, and a repeater, on loopback and private ports."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Set
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.peers.hose_plan import HosePlan
from benchmarks.peers.records import ARRAYS, write_database
from tests.support import CIoc, Ioc, Program, free_port, loopback_env, python_command

__all__ = ["Servers", "pinned"]


class _Repeater(Program):
    """Our own repeater, which ends when it is told to."""

    def _ask_to_end(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()


class Servers:
    """All servers; use it as a context manager.

    Parameters
    ----------
    folder : Path
        For databases and output; it is made if need be.
    ignore_events_off : bool
        Of the firehose.
    """

    def __init__(self, folder: Path, ignore_events_off: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        database = folder / "bench.db"
        write_database(database)
        repeater_port = free_port()
        self.ioc = CIoc(
            database,
            folder=folder,
            ramps={name: length for length, name in ARRAYS.items()},
            repeater_port=repeater_port,
        )
        port = free_port()
        options = ["--ignore-events-off"] if ignore_events_off else []
        self.firehose = Ioc(
            python_command("-m", "benchmarks.peers.firehose", "--port", str(port), *options),
            HosePlan("scalar", 1, 1).names[0],
            folder=folder,
            port=port,
            repeater_port=repeater_port,
        )
        # Without one the C clients would each start one, which outlives them.
        self._repeater = _Repeater(
            python_command("-m", "caproto.commandline.repeater", "-q"),
            loopback_env(self.ioc.port, repeater_port),
            folder / "repeater.log",
        )
        self._known_reports = 0
        self._all: list[Program] = [self._repeater, self.ioc, self.firehose]

    def client_env(self) -> dict[str, str]:
        """Return the complete environment of a client."""
        env = loopback_env([self.ioc.port, self.firehose.port], self.ioc.repeater_port)
        # PYTHONDONTWRITEBYTECODE, for one, would have our checkout compiled at every start.
        return {name: value for name, value in env.items() if not name.startswith("PYTHON")}

    def pin(self, cpus: Set[int]) -> None:
        """Run on these processors from now on, every thread."""
        for program in self._all:
            for thread in os.listdir(f"/proc/{program.pid}/task"):
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread), cpus)

    def new_blast_reports(self) -> list[dict[str, Any]]:
        """Return what the firehose has reported since the last time, in order."""
        lines = [line for line in self.firehose.output.splitlines() if line.startswith("{")]
        new, self._known_reports = lines[self._known_reports :], len(lines)
        return [json.loads(line) for line in new]

    def __enter__(self) -> Servers:
        self.new_blast_reports()  # of an earlier run, if there are any
        try:
            for program in self._all:
                program.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for program in reversed(self._all):
            program.stop(timeout=5.0)


@contextlib.contextmanager
def pinned(cpus: Set[int]) -> Iterator[None]:
    """Let the processes that are started in the block run on these processors only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
