"""The command of the benchmark: ``python -m benchmarks.peers``."""

from __future__ import annotations

import argparse
import os
import platform
import sys

from benchmarks.peers.environments import REPOSITORY, Environments
from benchmarks.peers.readme import README, with_tables
from benchmarks.peers.report import report
from benchmarks.peers.results import Results
from benchmarks.peers.rows import CLIENTS, ROWS
from benchmarks.peers.runner import Runner
from benchmarks.peers.servers import Servers
from tests.support.without_realtime import drop_sys_nice

__all__ = ["main"]

FOLDER = REPOSITORY / ".bench"
ROUNDS, QUICK_ROUNDS = 3, 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, once")
    parser.add_argument("--rounds", type=int, help="how often to measure each row of each client")
    parser.add_argument("--rows", help=f"some of: {', '.join(row.key for row in ROWS)}")
    parser.add_argument("--clients", help=f"some of: {', '.join(CLIENTS)}")
    parser.add_argument("--pinnings", help="some of: same, different, free")
    parser.add_argument(
        "--ignore-events-off",
        action="store_true",
        help="let the firehose go on while a client asks it to hold back",
    )
    parser.add_argument("--report", action="store_true", help="print the last results again")
    parser.add_argument("--write", action="store_true", help="put the tables into the README, too")
    return parser.parse_args()


def main() -> None:
    """Measure, and print the tables."""
    arguments = _arguments()
    saved = FOLDER / "results.json"
    if arguments.report:
        show(report(Results.load(saved)), arguments.write)
        return
    # Below: started by root, the threads of the C libraries would otherwise take real-time priority and starve others.
    drop_sys_nice()
    rows = [row for row in ROWS if not arguments.rows or row.key in arguments.rows.split(",")]
    clients = arguments.clients.split(",") if arguments.clients else list(CLIENTS)
    pinnings = (arguments.pinnings or ("same" if arguments.quick else "same,different")).split(",")
    rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    environments = Environments(FOLDER / "environments")
    for client in clients:
        environments.make(client)
    results = Results()
    results.machine = machine()
    with Servers(FOLDER / "servers", arguments.ignore_events_off) as servers:
        runner = Runner(environments, servers, results, arguments.quick)
        try:
            for pinning in pinnings:
                runner.measure(rows, clients, pinning, rounds)
        except KeyboardInterrupt:
            print("interrupted; this is what there is", file=sys.stderr)
        finally:
            results.machine["load average after"] = f"{os.getloadavg()[0]:.1f}"
            results.save(saved)
    show(report(results, clients, rows), arguments.write)


def show(tables: str, write: bool) -> None:
    """Print the tables, and put them into the README if that is wanted."""
    print(tables)
    if write:
        README.write_text(with_tables(README.read_text(), tables))


def machine() -> dict[str, str]:
    """Return what is worth knowing of this machine."""
    return {
        "processors": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "load average before": f"{os.getloadavg()[0]:.1f}",
    }


if __name__ == "__main__":
    main()
