"""Real clients: programs on libca (aioca, pyepics), each in a process of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from typing import Any

from .ioc import SUPPORT
from .leaks import disown_fd, own_fd
from .process import REPOSITORY, ProgramError, python_command


def _command(source: str, arguments: tuple[str, ...]) -> list[str]:
    return python_command("-u", str(SUPPORT / "without_realtime.py"), "-c", source, *arguments)


def run_libca(source: str, *arguments: str, env: Mapping[str, str], timeout: float = 40.0) -> Any:
    """
    Run a client program to its end and return what it printed.

    Parameters
    ----------
    source
        The text of the program, which imports ``aioca`` or ``epics`` and prints JSON as the last
        line of its standard output.
    *arguments
        Its ``sys.argv[1:]``.
    env
        Its environment, for instance ``ioc.client_env()``.
    timeout
        Seconds it may take.

    Returns
    -------
    Any
        The decoded JSON.
    """
    done = subprocess.run(
        _command(source, arguments),
        env=dict(env),
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise ProgramError(
            f"the libca client ended with status {done.returncode}; "
            f"it printed:\n{done.stdout}\n{done.stderr}"
        )
    return json.loads(lines[-1])


class LibcaClient:
    """
    A client program that goes on running: it prints one line of JSON per event.

    Use it as a context manager; leaving it closes the program's standard input and ends it.

    Parameters
    ----------
    source, *arguments, env
        As for :func:`run_libca`; the program may read commands from its standard input.
    """

    def __init__(self, source: str, *arguments: str, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            _command(source, arguments),
            env=dict(env),
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._process.stdin
        self._out = self._process.stdout.fileno()
        self._buffer = b""
        own_fd(self._stdin.fileno())
        own_fd(self._out)

    def send(self, line: str) -> None:
        """Write a line to the program's standard input."""
        self._stdin.write(line.encode() + b"\n")
        self._stdin.flush()

    def next_event(self, timeout: float = 20.0) -> Any:
        """Wait for the next line and decode it."""
        limit = time.monotonic() + timeout
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._out], [], [], max(0.0, limit - time.monotonic()))
            if not ready:
                raise ProgramError(f"the libca client printed nothing for {timeout} s")
            chunk = os.read(self._out, 65536)
            if not chunk:
                raise ProgramError("the libca client has ended")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return json.loads(line)

    def close(self) -> None:
        """End the program."""
        disown_fd(self._stdin.fileno())
        disown_fd(self._out)
        self._stdin.close()
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __enter__(self) -> LibcaClient:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
