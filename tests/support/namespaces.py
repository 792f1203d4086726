"""Two network namespaces with a cable between them, so that packets can really be lost (Linux, root)."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import itertools
import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

CLIENT, SERVER = "client", "server"
CLIENT_ADDRESS, SERVER_ADDRESS = "10.199.0.1", "10.199.0.2"
_SIDES = ((CLIENT, CLIENT_ADDRESS), (SERVER, SERVER_ADDRESS))
_CLONE_NEWNET = 0x4000_0000
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x4004_54CA, 0x0001, 0x1000
_LARGEST_PACKET = 65536
_numbers = itertools.count()


class NamespaceError(RuntimeError):
    """A command that sets the network up failed."""


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise NamespaceError(
            f"{' '.join(command)}: {result.stderr.strip() or result.stdout.strip()}"
        )


def _set_namespace(fd: int) -> None:
    """Move the calling thread."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET) != 0:
        error = ctypes.get_errno()
        raise NamespaceError(f"setns: {os.strerror(error)}")


class Namespaces:
    """
    A client's and a server's namespace; use it in ``with``.

    They are joined by the subclass. Sockets and programs made in ``with namespaces.inside(CLIENT)`` live there.
    """

    def __init__(self) -> None:
        number = f"{os.getpid()}-{next(_numbers)}"
        self._names = {side: f"chaos-{side}-{number}" for side, _ in _SIDES}
        self._made: list[str] = []

    def __enter__(self) -> Namespaces:
        try:
            for name in self._names.values():
                _run("ip", "netns", "add", name)
                self._made.append(name)
            self._join()
            for side, address in _SIDES:
                self._ip(side, "link", "set", "lo", "up")
                self.plug(side)
                if not self._has_address(side, address):
                    raise NamespaceError(f"{address} is not there")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def _remove(self) -> None:
        for name in self._made:
            _run("ip", "netns", "delete", name)
        self._made.clear()

    def _join(self) -> None:
        """Make the network devices, named after their sides."""
        raise NotImplementedError

    def _ip(self, side: str, *arguments: str) -> None:
        _run("ip", "-n", self._names[side], *arguments)

    def _has_address(self, side: str, address: str) -> bool:
        command = ("ip", "-n", self._names[side], "-4", "address", "show", "dev", side)
        return address in subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def plug(self, side: str) -> None:
        """Bring the device of one side up, with its address."""
        address = dict(_SIDES)[side]
        if not self._has_address(side, address):
            self._ip(side, "address", "add", f"{address}/24", "broadcast", "+", "dev", side)
        self._ip(side, "link", "set", side, "up")

    def unplug(self, side: str) -> None:
        """Take the device of one side down."""
        self._ip(side, "link", "set", side, "down")

    @contextmanager
    def inside(self, side: str) -> Iterator[None]:
        """Move this thread into a namespace and back."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            there = os.open(f"/run/netns/{self._names[side]}", os.O_RDONLY)
            try:
                _set_namespace(there)
            finally:
                os.close(there)
            try:
                yield
            finally:
                _set_namespace(home)
        finally:
            os.close(home)


class Cable(Namespaces):
    """Namespaces joined by a pair of virtual Ethernet devices."""

    def _join(self) -> None:
        client, server = (self._names[side] for side, _ in _SIDES)
        _run(
            *("ip", "link", "add", CLIENT, "netns", client, "type", "veth"),
            *("peer", "name", SERVER, "netns", server),
        )

    def lose(self, percent: float) -> None:
        """Let the kernel lose packets in both directions; raise NamespaceError where it cannot."""
        for side, _ in _SIDES:
            _run(
                *("tc", "-n", self._names[side], "qdisc", "replace", "dev", side, "root"),
                *("netem", "loss", f"{percent}%"),
            )


class Wire(Namespaces):
    """
    Namespaces joined by a wire of ours, which hands on each IP packet or does not.

    Parameters
    ----------
    seed
        Of what is random.

    Attributes
    ----------
    loss, duplication : float
        Probabilities, to be changed at any time.
    lost, passed : int
        How many packets.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.loss = self.duplication = 0.0
        self.lost = self.passed = 0
        self._ends: list[int] = []

    def _join(self) -> None:
        for side, _ in _SIDES:
            with self.inside(side):
                end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
                self._ends.append(end)
                request = struct.pack("16sH22x", side.encode(), _IFF_TUN | _IFF_NO_PI)
                fcntl.ioctl(end, _TUNSETIFF, request)

    def _remove(self) -> None:
        for end in self._ends:
            os.close(end)
        self._ends.clear()
        super()._remove()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hand packets on, within the running event loop."""
        loop = asyncio.get_running_loop()
        for end, other in (self._ends, self._ends[::-1]):
            loop.add_reader(end, self._hand_on, end, other)
        try:
            yield
        finally:
            for end in self._ends:
                loop.remove_reader(end)

    def _hand_on(self, end: int, other: int) -> None:
        for _ in range(64):  # others want their turn, too
            try:
                packet = os.read(end, _LARGEST_PACKET)
            except BlockingIOError:
                return
            if self.random.random() < self.loss:
                self.lost += 1
                continue
            self.passed += 1
            for _ in range(2 if self.random.random() < self.duplication else 1):
                try:
                    os.write(other, packet)
                except OSError:  # that end is down
                    self.lost += 1


def why_not(kind: type[Namespaces]) -> str | None:
    """Return why there can be no such network here, or None if there can."""
    if sys.platform != "linux":
        return "network namespaces are a thing of Linux"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} of iproute2 is not installed"
    try:
        with kind():
            return None
    except (NamespaceError, OSError) as error:
        return f"no network namespaces: {error}"


def why_not_netem() -> str | None:
    """Return why the kernel cannot lose packets by itself, or None if it can."""
    reason = why_not(Cable)
    if reason is not None:
        return reason
    try:
        with Cable() as cable:
            assert isinstance(cable, Cable)
            cable.lose(1)
    except NamespaceError as error:
        return f"no netem: {error}"
    return None
