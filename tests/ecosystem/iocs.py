"""The programs as processes, and the client on libca that looks at their PVs."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support import LibcaClient, OurIoc, run_libca
from tests.support.process import REPOSITORY

from .installing import install

__all__ = ["ENDED", "EcosystemIoc"]

ENDED = (0,) if sys.version_info >= (3, 11) else (0, -signal.SIGINT)
"""How a program ends that is told to: before Python 3.11 ``asyncio.run``, which some call themselves, lets the signal
through."""

READ = """
import json, sys, epics

def plain(value):
    return value.tolist() if hasattr(value, "tolist") else value

found = []
for name in sys.argv[1:]:
    pv = epics.PV(name, form="ctrl", auto_monitor=False)
    if not pv.wait_for_connection(20):
        sys.exit(f"{name} does not connect")
    try:
        found.append({"value": plain(pv.get(timeout=10)), "type": pv.type.split("_")[-1],
                      "count": pv.nelm, "units": pv.units, "states": pv.enum_strs,
                      "severity": pv.severity})
    except epics.ca.ChannelAccessGetFailure as error:
        found.append({"error": error.status})
print(json.dumps(found))
"""

WATCH = """
import json, sys, epics

def changed(pvname, value, **kwargs):
    value = value.tolist() if hasattr(value, "tolist") else value
    print(json.dumps([pvname, value]), flush=True)

pvs = [epics.PV(name, callback=changed) for name in sys.argv[1:]]
for line in sys.stdin:
    name, value = json.loads(line)
    epics.caput(name, value, wait=True, timeout=10)
"""


class Watching(LibcaClient):
    """A client that monitors PVs and writes when it is told to."""

    def __enter__(self) -> Watching:
        return self

    def write(self, name: str, value: Any) -> None:
        """Write, confirmed."""
        self.send(json.dumps([name, value]))

    def until(self, name: str, value: Any) -> list[tuple[str, Any]]:
        """Wait until a PV has a value; return all updates so far."""
        return self.until_true(name, lambda update: update == value)

    def until_true(self, name: str, condition: Callable[[Any], object]) -> list[tuple[str, Any]]:
        """Wait until a PV has a value for which `condition` holds; return all updates so far."""
        updates: list[tuple[str, Any]] = []
        while not updates or updates[-1][0] != name or not condition(updates[-1][1]):
            updates.append(tuple(self.next_event()))
        return updates


class EcosystemIoc(OurIoc):
    """
    A program of the ecosystem on our caproto.

    Parameters
    ----------
    program
        Name of the module in ``programs``, and of its requirements.
    ready_pv
        Name of a PV that it serves.
    folder
        Its working directory.
    environ
        Further environment variables.
    """

    def __init__(
        self,
        program: str,
        ready_pv: str,
        *arguments: str,
        folder: Path,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        path = os.pathsep.join(map(str, (install(program), REPOSITORY / "src", REPOSITORY)))
        super().__init__(
            f"tests.ecosystem.programs.{program}",
            ready_pv,
            *arguments,
            folder=folder,
            extra_env={**(environ or {}), "PYTHONPATH": path},
            start_timeout=40.0,
        )
        self.cwd = folder

    def read(self, *names: str) -> list[dict[str, Any]]:
        """Read PVs with a client on libca: value, type, units, states, severity."""
        found: list[dict[str, Any]] = run_libca(READ, *names, env=self.client_env())
        return found

    def values(self, *names: str) -> list[Any]:
        """Read the values of PVs."""
        return [found["value"] for found in self.read(*names)]

    def watch(self, *names: str) -> Watching:
        """Start a client on libca that monitors PVs."""
        return Watching(WATCH, *names, env=self.client_env())
