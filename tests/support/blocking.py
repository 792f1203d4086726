"""Waiting in threads for what happens, never for a fixed time; and programs that must end by themselves."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from .process import python_command

POLL_PERIOD = 0.002
TIME_LIMIT = 20.0


def wait_until(condition: Callable[[], object], what: str = "") -> None:
    """Return as soon as `condition()` is true; fail if it never is, and say `what` did not happen."""
    limit = time.monotonic() + TIME_LIMIT
    while not condition():
        assert time.monotonic() < limit, f"it never happened that {what or condition}"
        time.sleep(POLL_PERIOD)


class Calls:
    """A callback that keeps what it is given, and in which thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.threads: list[str] = []

    def __call__(self, first: Any, second: Any = None) -> None:
        self.threads.append(threading.current_thread().name)
        self.calls.append((first, second))

    @property
    def values(self) -> list[Any]:
        """The values of the updates."""
        return [response.value for _, response in self.calls]

    def until(self, count: int) -> None:
        """Wait until it has been called so often."""
        wait_until(lambda: len(self.calls) >= count)


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` in threads at the same time; return what they return, or raise what one of them raises."""
    results: list[Any] = [None] * count

    def run(index: int) -> None:
        try:
            results[index] = work(index)
        except BaseException as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIME_LIMIT)
        assert not thread.is_alive(), "a thread hangs"
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def run_program(source: str, env: Mapping[str, str], timeout: float = 30.0) -> str:
    """Run a Python program that has to end by itself, without a word on stderr; return what it prints."""
    done = subprocess.run(
        python_command("-W", "error", "-c", source),
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout
