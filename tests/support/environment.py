"""The environment in which everything talks over loopback and private ports only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import pytest

# Variables that would let a setting of the person's shell into a test.
_PREFIXES = ("EPICS_", "CAPROTO_", "RSRV_", "PYEPICS_")


def loopback_env(
    ca_port: int | Iterable[int],
    repeater_port: int,
    *,
    base: Mapping[str, str] | None = None,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """
    Build an environment for one client or one server on loopback.

    Parameters
    ----------
    ca_port
        Port of the server. Of several, clients search all, and a server uses the first.
    repeater_port
        Port of the repeater, to which servers send their beacons.
    base
        What to start from; by default this process's environment. EPICS and caproto variables
        in it are dropped.
    extra
        Further variables, which win over everything else.

    Returns
    -------
    dict
        A complete environment, fit for ``subprocess.Popen(env=...)``.
    """
    ports = [ca_port] if isinstance(ca_port, int) else list(ca_port)
    source = os.environ if base is None else base
    env = {name: value for name, value in source.items() if not name.startswith(_PREFIXES)}
    env.update(loopback_settings(ports, repeater_port))
    env.update(extra or {})
    return env


def loopback_settings(ports: list[int], repeater_port: int) -> dict[str, str]:
    """Return only what :func:`loopback_env` sets."""
    if len(ports) == 1:
        addresses = "127.0.0.1"
    else:
        addresses = " ".join(f"127.0.0.1:{port}" for port in ports)
    return {
        "EPICS_CA_ADDR_LIST": addresses,
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(ports[0]),
        "EPICS_CA_REPEATER_PORT": str(repeater_port),
        "EPICS_CAS_SERVER_PORT": str(ports[0]),
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "EPICS_CAS_BEACON_PORT": str(repeater_port),
        # A repeater outlives the client that starts it. Tests of the repeater remove this.
        "CAPROTO_NO_REPEATER": "1",
    }


def use_loopback(monkeypatch: pytest.MonkeyPatch, ports: list[int], repeater_port: int) -> None:
    """Set this process's environment so that clients and servers made in it use these ports."""
    for name in list(os.environ):
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    for name, value in loopback_settings(ports, repeater_port).items():
        monkeypatch.setenv(name, value)
