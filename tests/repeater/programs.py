"""Repeaters as programs: ours, and the one of the C library."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from caproto._protocol.header import HEADER
from tests.support import Program, ProgramError, loopback_env, python_command
from tests.support.blocking import wait_until
from tests.support.ports import bound_ports

WITHOUT_REALTIME = Path(__file__).resolve().parents[1] / "support" / "without_realtime.py"

# The function has no C linkage; this is its name in C++.
C_REPEATER = """
import ctypes, signal
from epicscorelibs import path
signal.signal(signal.SIGTERM, signal.SIG_DFL)  # one in Python, of coverage, would never be called
repeater = ctypes.CDLL(path.get_lib("ca"))._Z11ca_repeaterv
repeater()
"""


def our_repeater(port: int, folder: Path, *arguments: str) -> Program:
    """Make, but do not start, our repeater."""
    command = python_command("-m", "caproto.commandline.repeater", *arguments)
    return Program(command, loopback_env(5064, port), folder / f"our_repeater_{port}.log")


def c_repeater(port: int, folder: Path) -> Program:
    """Make, but do not start, the repeater of the C library."""
    command = python_command(str(WITHOUT_REALTIME), "-c", C_REPEATER)
    return Program(command, loopback_env(5064, port), folder / f"c_repeater_{port}.log")


@contextmanager
def running(program: Program, port: int) -> Iterator[Program]:
    """Run a repeater from the moment it has its port."""
    program.start()
    try:
        wait_until(lambda: port in bound_ports() or not program.running, "the repeater is up")
        if not program.running:
            raise ProgramError(f"the repeater has ended; it printed:\n{program.output}")
        yield program
    finally:
        if program.running:
            program.send_signal(signal.SIGTERM)
            try:
                program.wait(timeout=10)
            finally:
                program.kill()


class Client:
    """A socket that talks to a repeater as a client does."""

    def __init__(self, port: int) -> None:
        self.repeater = ("127.0.0.1", port)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.settimeout(10)

    def send(self, datagram: bytes) -> None:
        """Send a datagram to the repeater."""
        self.sock.sendto(datagram, self.repeater)

    def receive(self) -> bytes:
        """Wait for a datagram; it must come from this machine, but not from the repeater's port."""
        datagram, (host, port) = self.sock.recvfrom(65536)
        assert host == "127.0.0.1"
        assert port != self.repeater[1]
        return datagram

    def command(self) -> int:
        """Wait for a datagram and return the command number at its start."""
        number: int = HEADER.unpack_from(self.receive())[0]
        return number

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()


def owner_of_udp_port(port: int) -> int | None:
    """Return the id of the process that has a UDP port bound (Linux only)."""
    inodes = set()
    for line in Path("/proc/net/udp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", process.name):
            try:
                links = {os.readlink(fd) for fd in (process / "fd").iterdir()}
            except OSError:  # it has ended meanwhile, or is not ours to look at
                continue
            if links & inodes:
                return int(process.name)
    return None


def spawned_repeaters(port: int) -> set[int]:
    """Return the ids of the processes of our repeater for a port, whether they have it or not yet."""
    found = set()
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_bytes()
            environ = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        # One that is just starting is still the shell, with the command among its arguments.
        if (
            b"caproto.commandline.repeater" in command
            and f"EPICS_CA_REPEATER_PORT={port}".encode() in environ
        ):
            found.add(int(process.name))
    return found


def end(pid: int) -> None:
    """End a process that is not a child of ours, and wait until it is gone."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    wait_until(lambda: not is_running(pid), f"process {pid} ends")


def children() -> set[int]:
    """Return the ids of the processes, dead ones included, whose parent is this one."""
    found = set()
    for process in Path("/proc").iterdir():
        if re.fullmatch(r"\d+", process.name) and parent_of(int(process.name)) == os.getpid():
            found.add(int(process.name))
    return found


def parent_of(pid: int) -> int | None:
    """Return the id of a process's parent; None if there is no such process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(status.rpartition(")")[2].split()[1])


def is_running(pid: int) -> bool:
    """Tell whether a process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
