"""The command of the benchmark of servers: ``python -m benchmarks.server``."""

from __future__ import annotations

import argparse
import gc
import os
import sys

from benchmarks.peers.__main__ import FOLDER, machine
from benchmarks.peers.environments import Environments
from benchmarks.peers.readme import README, with_tables
from benchmarks.peers.results import Results
from benchmarks.server.iocs import ENVIRONMENT, SERVERS
from benchmarks.server.report import report
from benchmarks.server.rows import ROWS
from benchmarks.server.runner import Runner
from tests.support.without_realtime import drop_sys_nice

__all__ = ["main"]

ROUNDS, SECONDS = 5, 0.5
QUICK_ROUNDS, QUICK_SECONDS = 2, 0.2


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--rounds", type=int, help="how often to measure each row")
    parser.add_argument("--seconds", type=float, help="how long to measure each time")
    parser.add_argument("--rows", help=f"some of: {', '.join(row.key for row in ROWS)}, memory")
    parser.add_argument("--servers", help=f"some of: {', '.join(SERVERS)}")
    parser.add_argument("--pinnings", help="some of: same, different, free")
    parser.add_argument("--report", action="store_true", help="print the last results again")
    parser.add_argument("--write", action="store_true", help="put the tables into the README, too")
    return parser.parse_args()


def _measured(arguments: argparse.Namespace) -> Results:
    """Measure what was asked for."""
    # Below: started by root, the threads of the C IOC would otherwise take real-time priority and starve the client.
    drop_sys_nice()
    keys = arguments.rows.split(",") if arguments.rows else [*(row.key for row in ROWS), "memory"]
    servers = arguments.servers.split(",") if arguments.servers else SERVERS
    pinnings = (arguments.pinnings or ("same" if arguments.quick else "same,different")).split(",")
    rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    seconds = arguments.seconds or (QUICK_SECONDS if arguments.quick else SECONDS)
    environments = Environments(FOLDER / "environments")
    for environment in {ENVIRONMENT[server] for server in servers if server in ENVIRONMENT}:
        environments.make(environment)
    results = Results()
    results.machine = machine()
    gc.disable()  # or the client would now and then do that instead of its work
    with Runner(servers, environments, FOLDER / "servers", results) as runner:
        try:
            if "memory" in keys:
                runner.measure_memory()
            for pinning in pinnings:
                runner.measure([row for row in ROWS if row.key in keys], pinning, rounds, seconds)
        except KeyboardInterrupt:
            print("interrupted; this is what there is", file=sys.stderr)
    results.machine["load average after"] = f"{os.getloadavg()[0]:.1f}"
    return results


def main() -> None:
    """Measure, and print the tables."""
    arguments = _arguments()
    saved = FOLDER / "server-results.json"
    if arguments.report:
        results = Results.load(saved)
    else:
        results = _measured(arguments)
        results.save(saved)
    tables = report(results)
    print(tables)
    if arguments.write:
        README.write_text(with_tables(README.read_text(), tables, "server tables"))


if __name__ == "__main__":
    main()
