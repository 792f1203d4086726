"""What a test must not leave behind: tasks, threads, file descriptors, unhandled exceptions."""

from __future__ import annotations

import gc
import os
import threading
import time

# Descriptors of the harness itself (the pipe that keeps an IOC alive, for instance).
_owned: set[int] = set()

# Event loops and loggers open none of these after the first test; /proc/self/fd itself is open
# while it is listed.
_FD_FOLDER = "/proc/self/fd"


def own_fd(fd: int) -> None:
    """Tell the check that `fd` belongs to the harness."""
    _owned.add(fd)


def disown_fd(fd: int) -> None:
    """Forget `fd` before the harness closes it."""
    _owned.discard(fd)


def open_fds() -> dict[int, str]:
    """Map every open descriptor that is not the harness's to what it stands for."""
    try:
        numbers = [int(name) for name in os.listdir(_FD_FOLDER)]
    except OSError:  # not Linux: nothing to compare
        return {}
    found = {}
    for number in numbers:
        if number in _owned:
            continue
        try:
            found[number] = os.readlink(f"{_FD_FOLDER}/{number}")
        except OSError:  # the descriptor of the listing itself, closed by now
            continue
    return found


class LeakCheck:
    """
    Compare what is open before and after a test.

    Parameters
    ----------
    grace
        Seconds that a thread which is already on its way out gets to end.
    """

    def __init__(self, grace: float = 1.0) -> None:
        self.grace = grace
        self._threads = set(threading.enumerate())
        self._fds = open_fds()

    def _new_fds(self) -> list[str]:
        return [
            f"file descriptor {fd} -> {target}"
            for fd, target in sorted(open_fds().items())
            if self._fds.get(fd) != target
        ]

    def _new_threads(self) -> list[threading.Thread]:
        return [t for t in threading.enumerate() if t not in self._threads and t.is_alive()]

    def leaks(self) -> list[str]:
        """Describe everything that is open now and was not when this object was made."""
        limit = time.monotonic() + self.grace
        for thread in self._new_threads():
            thread.join(max(0.0, limit - time.monotonic()))
        found = [
            f"thread {thread.name!r} (daemon={thread.daemon})" for thread in self._new_threads()
        ]
        if self._new_fds():
            # An object in a reference cycle is not a leak of the descriptor yet. If it is
            # collected here without having been closed, its ResourceWarning fails the test.
            gc.collect()
        return found + self._new_fds()
