"""Runs the clients in turn, each in a process of its own, and collects what they report."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import REPOSITORY, Environments
from benchmarks.peers.measurement import Measurement
from benchmarks.peers.results import Results
from benchmarks.peers.rows import Row
from benchmarks.peers.servers import Servers, pinned

__all__ = ["Runner"]

SLACK = 25.0
"""Seconds that a process may take for one row beyond the time that the row itself sets."""
STARTS = 3
"""Cold starts in one round."""
FIRST_VALUE = Path(__file__).parent / "first_value"
SCRIPTS: dict[str, list[str]] = {
    "floor": ["with_floor.py"],
    "ours": ["with_ours.py"],
    "ours-uvloop": ["with_ours.py", "--uvloop"],
    "ours-threading": ["with_ours_threading.py"],
    "ours-pyepics": ["with_ours_pyepics.py"],
    "caproto": ["with_caproto_original.py"],
    "aioca": ["with_aioca.py"],
    "pyepics": ["with_pyepics.py"],
    "pyepics-pv": ["with_pyepics.py"],
    "repics": ["with_repics.py"],
    "repics-asyncio": ["with_repics_asyncio.py"],
}


class Runner:
    """Measures rows.

    Parameters
    ----------
    environments : Environments
    servers : Servers
        Running.
    results : Results
        Where the measurements go.
    quick : bool
    """

    def __init__(
        self, environments: Environments, servers: Servers, results: Results, quick: bool
    ) -> None:
        self._environments = environments
        self._servers = servers
        self._results = results
        self._quick = quick

    def measure(
        self, rows: Sequence[Row], clients: Iterable[str], pinning: str, rounds: int
    ) -> None:
        """Measure rows of clients, in interleaved rounds: what disturbs one client disturbs them all.

        Parameters
        ----------
        rows : sequence of Row
        clients : iterable of str
        pinning : {'same', 'different', 'free'}
            Client and server on one processor, on two, or wherever the kernel puts them.
        rounds : int
        """
        server_cpus, client_cpus = cpus_of(pinning)
        self._servers.pin(server_cpus)
        processes: dict[str, list[Row]] = defaultdict(list)
        for row in rows:
            if pinning == "same" or row.both_pinnings:
                processes[row.process].append(row)
        with pinned(client_cpus):
            for turn in range(rounds):
                for name, together in processes.items():
                    for client in clients:
                        self._one_process(name, together, client, pinning, turn)

    def _one_process(
        self, name: str, rows: Sequence[Row], client: str, pinning: str, turn: int
    ) -> None:
        """Measure the rows that share a process, as far as the client takes part."""
        mine = [row for row in rows if row.takes_part(client, self._quick)]
        mine = [row for row in mine if row.takes_turn(client, turn)]
        if not mine:
            return
        print(f"{pinning:9} {turn + 1} {name:22} {client:14}", end=" ", file=sys.stderr, flush=True)
        start = time.monotonic()
        if name == "start":
            self._results.add(pinning, "start", client, self._cold_start(client))
            reports = []
        else:
            reports = self._reports(client, mine)
        print(f"{time.monotonic() - start:.1f} s", file=sys.stderr, flush=True)
        blasts = {blast["prefix"]: blast for blast in self._servers.new_blast_reports()}
        for report in reports:
            if "client" in report:
                self._results.versions[client] = report["version"]
            elif "error" in report:
                self._results.fail(pinning, report["row"], client, report["error"])
            elif "unsupported" not in report:
                row = report.pop("row")
                measurement = Measurement(**report)
                _add_what_was_sent(measurement, blasts)
                self._results.add(pinning, row, client, measurement)

    def _reports(self, client: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Run a client's process, and return what it has printed; for what is missing, an error."""
        tasks = [row.task(self._quick) for row in rows]
        command = [
            self._environments.python(client),
            "-m",
            "benchmarks.peers.client",
            client,
            rows[0].mode,
            json.dumps(tasks),
        ]
        limit = sum(SLACK + task["arguments"].get("seconds", 0.0) for task in tasks)
        process = subprocess.Popen(
            command,
            env=self._servers.client_env(),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        try:
            out, err = process.communicate(timeout=limit)
            problem = f"ended with status {process.returncode}: {err.strip()[-300:]}"
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            problem = f"took longer than {limit:.0f} s"
        reports = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
        done = {report.get("row") for report in reports}
        return reports + [{"row": row.key, "error": problem} for row in rows if row.key not in done]

    def _cold_start(self, client: str) -> Measurement:
        """Start the shortest program, and take the time until it has its first value."""
        script, *options = SCRIPTS[client]
        name = "bench:ai:7"
        command = [self._environments.python(client), str(FIRST_VALUE / script), name, *options]
        samples, cpu = [], []
        for turn in range(1 + STARTS):  # the first one may have to compile
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            start = time.monotonic()
            done = subprocess.run(
                command,
                env=self._servers.client_env(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=SLACK,
                check=True,
            )
            end, value = done.stdout.split()
            if value != "None" and float(value) != 7:
                raise AssertionError(f"{client} read {value}, not 7")
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            if turn:
                samples.append(float(end) - start)
                cpu.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
        return Measurement(samples, statistics.median(cpu))


def _add_what_was_sent(measurement: Measurement, blasts: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare what a client got of a blast with what the firehose counted.

    Raises
    ------
    AssertionError
        If the client got more than that.
    """
    blast = blasts.get(measurement.notes.get("prefix", ""))
    if blast is None:
        return
    measurement.notes.update(sent=blast["sent"], held=blast["held"])
    if blast["complete"] and not measurement.notes["stopped"]:
        assert measurement.received <= blast["sent"]
        measurement.lost = blast["sent"] - measurement.received


def cpus_of(pinning: str) -> tuple[set[int], set[int]]:
    """Return on which processors servers and clients run."""
    allowed = sorted(os.sched_getaffinity(0))
    first, last = {allowed[0]}, {allowed[-1]}
    return {
        "same": (last, last),
        "different": (first, last),
        "free": (set(allowed), set(allowed)),
    }[pinning]
