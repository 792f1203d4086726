"""A program that a test starts, watches and ends."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from .leaks import disown_fd, own_fd

_Self = TypeVar("_Self", bound="Program")

REPOSITORY = Path(__file__).resolve().parents[2]
POLL_PERIOD = 0.005


class ProgramError(AssertionError):
    """A program did not do what the test counts on; the text holds what it printed."""


class Program:
    """
    One subprocess with its input held open and its output in a file.

    Parameters
    ----------
    command
        The command line.
    env
        The complete environment.
    output_file
        Where standard output and standard error go, both in order.

    Attributes
    ----------
    cwd : Path
        The working directory.
    """

    cwd = REPOSITORY

    def __init__(self, command: Sequence[str], env: Mapping[str, str], output_file: Path) -> None:
        self.command = list(command)
        self.env = dict(env)
        self.output_file = output_file
        self._process: subprocess.Popen[bytes] | None = None

    # --- life ---

    def start(self) -> None:
        """Start the program; its output is appended to the file of earlier runs."""
        if self.running:
            raise ProgramError(f"{self.command} runs already")
        with open(self.output_file, "ab") as output:
            self._process = subprocess.Popen(
                self.command,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        assert self._process.stdin is not None
        own_fd(self._process.stdin.fileno())

    def stop(self, timeout: float = 10.0) -> int:
        """End the program politely, then by force; return its exit status (0 if it never ran)."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            self.resume()
            self._ask_to_end(process)
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                process.kill()
        return self._reap(process)

    def kill(self) -> None:
        """End the program as a crash would (SIGKILL), and wait until it is gone."""
        process = self._process
        if process is not None:
            process.kill()
            self._reap(process)

    def _ask_to_end(self, process: subprocess.Popen[bytes]) -> None:
        """End of input is the polite way for the C IOC and for scripts."""
        self._close_input(process)

    def _close_input(self, process: subprocess.Popen[bytes]) -> None:
        if process.stdin is not None and not process.stdin.closed:
            disown_fd(process.stdin.fileno())
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        self._close_input(process)
        status = process.wait()
        self._process = None
        return status

    def wait(self, timeout: float = 30.0) -> int:
        """Wait until the program ends by itself; return its exit status."""
        process = self._process
        if process is None:
            raise ProgramError(f"{self.command} does not run")
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise ProgramError(self._complaint(f"did not end within {timeout} s")) from None
        return self._reap(process)

    def pause(self) -> None:
        """Freeze the program (SIGSTOP): its sockets stay open and nothing answers any more."""
        self.send_signal(signal.SIGSTOP)
        # Returns when it has really stopped, and leaves the wait status for Popen.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        """Let a paused program go on."""
        self.send_signal(signal.SIGCONT)

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        if self._process is None:
            raise ProgramError(f"{self.command} does not run")
        self._process.send_signal(number)

    @property
    def running(self) -> bool:
        """Whether the program has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the running program."""
        if self._process is None:
            raise ProgramError(f"{self.command} does not run")
        return self._process.pid

    def __enter__(self: _Self) -> _Self:
        if not self.running:
            self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # --- talk ---

    def send_line(self, line: str) -> None:
        """Write one line to the program's standard input."""
        if self._process is None or self._process.stdin is None:
            raise ProgramError(f"{self.command} does not run")
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    @property
    def output(self) -> str:
        """Everything that the program has printed so far, in all its runs."""
        if not self.output_file.exists():
            return ""
        return self.output_file.read_text(errors="replace")

    def wait_for_output(self, pattern: str, timeout: float = 10.0) -> re.Match[str]:
        """Wait until the output matches a regular expression; raise ProgramError if it never does."""
        limit = time.monotonic() + timeout
        while True:
            was_running = self.running
            match = re.search(pattern, self.output, re.MULTILINE)
            if match:
                return match
            if not was_running or time.monotonic() > limit:
                raise ProgramError(self._complaint(f"did not print {pattern!r}"))
            select.select([], [], [], POLL_PERIOD)

    def _complaint(self, what: str) -> str:
        return f"{' '.join(self.command)}\n{what}; it printed:\n{self.output[-4000:]}"


def python_command(*arguments: str) -> list[str]:
    """Command line of this very Python."""
    return [sys.executable, *arguments]
