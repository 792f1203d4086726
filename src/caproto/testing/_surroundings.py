"""What fake IOCs share: the environment that leads clients to them, and a repeater."""

from __future__ import annotations

import os
import random
import socket
import threading

from .._background.loop import BackgroundLoop
from .._errors import CaprotoNetworkError
from ..sync._session import close_sessions
from ..sync.repeater import RepeaterShell, check_for_running_repeater

__all__ = ["HOST", "Surroundings", "surroundings"]

HOST = "127.0.0.1"
# Below what any system gives to outgoing connections, so that nobody gets such a port by accident.
_PORTS = range(12_000, 20_000)
_TRIES = 200


def _free_port() -> int:
    """Return a port that nobody has, neither for UDP nor for TCP."""
    for port in random.SystemRandom().sample(_PORTS, _TRIES):
        if all(_is_free(port, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)):
            return port
    raise CaprotoNetworkError(
        f"none of {_TRIES} ports between {_PORTS[0]} and {_PORTS[-1]} is free"
    )


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


class Surroundings:
    """The environment of this process for as long as there are fake IOCs.

    Clients look for the ports of all of them and nowhere else. A repeater is there as well, so that no client starts
    one which would outlive the tests; it brings beacons to clients, by which they notice a restarted IOC.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ports: list[int] = []
        self._saved: dict[str, str | None] = {}
        self._repeater: _Repeater | None = None

    @property
    def repeater_port(self) -> int:
        """Where beacons have to be sent."""
        assert self._repeater is not None
        return self._repeater.port

    def enter(self) -> int:
        """Lead clients to one more IOC, and return its port."""
        with self._lock:
            port = _free_port()
            if self._ports:
                close_sessions(of_this_environment=True)
            if self._repeater is None:
                self._repeater = _Repeater()
            self._ports.append(port)
            self._set_environment()
            return port

    def leave(self, port: int) -> None:
        """Forget an IOC. With the last one, the environment is what it was before."""
        with self._lock:
            # The blocking calls keep their connections, which lead nowhere from now on.
            close_sessions(of_this_environment=True)
            self._ports.remove(port)
            if self._ports:
                self._set_environment()
                return
            for name, value in self._saved.items():
                _set_variable(name, value)
            self._saved.clear()
            repeater, self._repeater = self._repeater, None
        if repeater is not None:
            repeater.close()

    def settings(self) -> dict[str, str | None]:
        """Return what decides whom clients find; None for what must not be set."""
        return {
            "EPICS_CA_ADDR_LIST": " ".join(f"{HOST}:{port}" for port in self._ports),
            "EPICS_CA_AUTO_ADDR_LIST": "NO",
            "EPICS_CA_NAME_SERVERS": None,
            "EPICS_CA_REPEATER_PORT": str(self.repeater_port),
            "CAPROTO_NO_REPEATER": "1",
        }

    def _set_environment(self) -> None:
        for name, value in self.settings().items():
            self._saved.setdefault(name, os.environ.get(name))
            _set_variable(name, value)


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


class _Repeater:
    """A repeater on a port of its own, in a thread of its own."""

    def __init__(self) -> None:
        self.port = _free_port()
        self._sock = check_for_running_repeater((HOST, self.port))
        self._sock.setblocking(False)
        self._shell = RepeaterShell(self._sock)
        self._background = BackgroundLoop("caproto-fake-repeater")
        self._background.call(self._background.loop.add_reader, self._sock, self._shell.serve_one)

    def close(self) -> None:
        """End it."""
        self._background.call(self._background.loop.remove_reader, self._sock)
        self._background.stop()
        self._shell.close()
        self._sock.close()


surroundings = Surroundings()
