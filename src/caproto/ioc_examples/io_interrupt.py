"""A PV that is updated when something happens outside: a key is pressed in the terminal of the IOC.

A thread waits for the keys and hands them over by a queue: so does any library that blocks until there is an event. If
the standard input is no terminal, its characters are taken as keys until it ends.

PVs
---
keypress
    The last key. Read only.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


@contextlib.contextmanager
def keys_one_by_one(fd: int) -> Iterator[None]:
    """Let a terminal give each key at once, rather than whole lines."""
    try:
        import termios
        import tty
    except ImportError:  # Windows: keys come with the end of the line
        yield
        return
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def start_io_interrupt_monitor(new_key: Callable[[str], object]) -> threading.Thread:
    """Call a function with each key, in a thread of its own.

    Parameters
    ----------
    new_key : callable
        Takes the key.

    Returns
    -------
    threading.Thread
        A daemon: it does not keep the IOC from ending.
    """

    def wait_for_keys() -> None:
        while key := os.read(sys.stdin.fileno(), 1):
            new_key(key.decode("latin-1"))

    thread = threading.Thread(target=wait_for_keys, name="keys", daemon=True)
    thread.start()
    return thread


class IOInterruptIOC(PVGroup):
    """The last key that was pressed."""

    keypress: Final = pvproperty(
        value="", dtype=str, max_length=10, read_only=True, doc="the last key"
    )

    @keypress.startup
    async def _watch(self, instance: Any, async_lib: Any) -> None:
        queue = async_lib.ThreadsafeQueue()
        with keys_one_by_one(sys.stdin.fileno()):
            start_io_interrupt_monitor(queue.put)
            print("Press a key; Ctrl-C ends the IOC", flush=True)
            while True:
                await instance.write(await queue.async_get())


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="io:", desc=__doc__ or "")
    ioc = IOInterruptIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
