"""Start a repeater for this machine as a process of its own.

It outlives the program that starts it: later clients rely on it. So it is nobody's child, belongs
to no terminal, and holds none of our files open.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ._env import RepeaterSettings
from ._sockets import port_in_use

__all__ = ["spawn_repeater"]

logger = logging.getLogger("caproto.repeater")

# The search path of this program may have been changed by the program itself, so it is handed over;
# at the end, so that nothing there hides a module of the standard library.
_PROGRAM = (
    "import sys; sys.path.append(sys.argv.pop(1)); "
    "from caproto.commandline.repeater import main; sys.exit(main())"
)

_children: list[subprocess.Popen[bytes]] = []
"""Only on Windows, where an object of a running process must not be garbage collected."""


def spawn_repeater(port: int | None = None) -> bool:
    """Start a repeater, unless one is running or the environment says not to.

    It takes some milliseconds; the repeater itself needs longer until it is ready.

    Parameters
    ----------
    port : int, optional
        The repeater's UDP port; by default that of ``EPICS_CA_REPEATER_PORT``.

    Returns
    -------
    bool
        Whether a process was started. False, too, if ``CAPROTO_NO_REPEATER`` is set to 1. Of two
        programs that start one at the same time, both get True; one of the repeaters then finds
        the port taken and ends silently.
    """
    settings = RepeaterSettings.from_environ()
    if port is None:
        port = settings.repeater_port
    if not settings.spawn_repeater or port_in_use(port):
        return False
    if not sys.executable or getattr(sys, "frozen", False):
        # The executable is not a Python interpreter but the program itself.
        logger.warning("Cannot start a repeater from here; start caproto-repeater by hand")
        return False
    root = str(Path(__file__).resolve().parent.parent)
    command = [sys.executable, "-c", _PROGRAM, root, "--quiet"]
    env = {**os.environ, "EPICS_CA_REPEATER_PORT": str(port)}
    try:
        _start_detached(command, env)
    except OSError as error:
        logger.warning("Cannot start a repeater: %s", error)
        return False
    logger.debug("Started a repeater on port %d", port)
    return True


def _start_detached(command: list[str], env: Mapping[str, str]) -> None:
    if sys.platform == "win32":
        flags = subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
        _children.append(
            subprocess.Popen(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                creationflags=flags,
            )
        )
    else:
        # The shell starts it in the background and ends. So the repeater is adopted by init, and
        # we have no child that could become a zombie. (A fork in our own process, which may have
        # threads, would not be safe.)
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *command],
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
