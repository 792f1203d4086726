"""Starts the servers and measures them in turn."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.peers.environments import Environments
from benchmarks.peers.measurement import Measurement
from benchmarks.peers.results import Results
from benchmarks.peers.runner import cpus_of
from benchmarks.peers.servers import pinned
from benchmarks.server.iocs import make_ioc, pin, resident
from benchmarks.server.pvs import FEW, MANY
from benchmarks.server.rows import MEMORY_ROWS, TimedRow
from benchmarks.server.workloads import CHANNELS, subscribed_channels
from tests.support import Ioc

__all__ = ["MEMORY_PINNING", "Runner"]

MEMORY_PINNING = "same"
"""Memory is measured once, and shown with this pinning."""


class Runner:
    """Runs all servers; use it as a context manager.

    Parameters
    ----------
    servers : sequence of str
    environments : Environments
        In which they can be started.
    folder : Path
        For databases and output.
    results : Results
        Where the measurements go.
    """

    def __init__(
        self, servers: Sequence[str], environments: Environments, folder: Path, results: Results
    ) -> None:
        self._environments = environments
        self._folder = folder
        self._results = results
        self._stack = contextlib.ExitStack()
        self._iocs: dict[str, Ioc] = {
            server: make_ioc(server, MANY, environments, folder) for server in servers
        }

    def __enter__(self) -> Runner:
        with contextlib.ExitStack() as stack:
            for ioc in self._iocs.values():
                stack.enter_context(ioc)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def measure_memory(self) -> None:
        """Measure memory; has to come first, since servers keep what they once needed."""
        per_pv, per_channel = MEMORY_ROWS
        for server, large in self._iocs.items():
            with make_ioc(server, FEW, self._environments, self._folder) as small:
                pvs = Measurement([(resident(large) - resident(small)) / (MANY - FEW)])
            before = resident(large)
            with subscribed_channels(large):
                channels = Measurement([(resident(large) - before) / CHANNELS])
            self._results.add(MEMORY_PINNING, per_pv.key, server, pvs)
            self._results.add(MEMORY_PINNING, per_channel.key, server, channels)

    def measure(self, rows: Sequence[TimedRow], pinning: str, rounds: int, seconds: float) -> None:
        """Measure rows of all servers, in interleaved rounds: what disturbs one server disturbs them all.

        Parameters
        ----------
        rows : sequence of TimedRow
        pinning : {'same', 'different', 'free'}
            Client and server on one processor, on two, or wherever the kernel puts them.
        rounds : int
        seconds : float
            That each measurement takes, where its length can be chosen.
        """
        server_cpus, client_cpus = cpus_of(pinning)
        for ioc in self._iocs.values():
            pin(ioc, server_cpus)
        with pinned(client_cpus):
            for turn in range(rounds):
                for row in rows:
                    if row.rounds is None or turn < row.rounds:
                        print(f"{pinning:9} {turn + 1} {row.key}", file=sys.stderr, flush=True)
                        self._one_round(row, pinning, seconds)

    def _one_round(self, row: TimedRow, pinning: str, seconds: float) -> None:
        """Measure one row of each server."""
        for server, ioc in self._iocs.items():
            try:
                self._results.add(pinning, row.key, server, row.measure(ioc, seconds))
            except (AssertionError, OSError) as error:
                self._results.fail(pinning, row.key, server, f"{type(error).__name__}: {error}")
