"""The process of one client: does what it is told on the command line, and prints a line of JSON for each row."""

from __future__ import annotations

import json
import os
import sys
import traceback
from importlib.metadata import version
from typing import Any

from benchmarks.peers.drivers import Driver, NotSupported, make_driver
from benchmarks.peers.workloads import WORKLOADS

__all__ = ["main"]


async def work(driver: Driver, mode: str, tasks: list[dict[str, Any]]) -> None:
    """Do one task after the other."""
    await driver.open(mode)
    for task in tasks:
        report: dict[str, Any] = {"row": task["row"]}
        try:
            measurement = await WORKLOADS[task["workload"]](driver, **task["arguments"])
            report.update(measurement.as_json())
        except NotSupported:
            report["unsupported"] = True
        except Exception as error:
            traceback.print_exc()
            report["error"] = f"{type(error).__name__}: {error}"
        print(json.dumps(report), flush=True)


def main() -> None:
    """Read client, mode and tasks from the command line."""
    name, mode, tasks = sys.argv[1:]
    driver = make_driver(name)
    print(json.dumps({"client": name, "version": version(driver.distribution)}), flush=True)
    driver.run(work(driver, mode, json.loads(tasks)))
    os._exit(0)  # taking everything down is not measured, and some libraries take long


if __name__ == "__main__":
    main()
