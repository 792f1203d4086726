"""``python -m caproto COMMAND ...``: all commands under one name."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from importlib import import_module

from .endings import run_to_the_end

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "get": "read PVs (caproto-get, like caget)",
    "put": "write to a PV (caproto-put, like caput)",
    "monitor": "print updates of PVs (caproto-monitor, like camonitor)",
    "info": "show type, size, access rights and server of PVs (caproto-info, like cainfo)",
    "repeater": "run a repeater for beacons (caproto-repeater, like caRepeater)",
    "shark": "show the messages in a capture of network traffic (caproto-shark)",
    "completion": "print a script for the completion of a shell",
}


def _help() -> str:
    lines = [
        "Usage: python -m caproto COMMAND [options] ...",
        "",
        "EPICS Channel Access on the command line.",
        "",
        *(f"  {name:<12}{text}" for name, text in COMMANDS.items()),
        "",
        "python -m caproto COMMAND --help shows the options of a command.",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command by its name.

    Parameters
    ----------
    argv : sequence of str, optional
        Name and arguments; those of the process by default.

    Returns
    -------
    int
        Its exit status; 1 if there is no such command.
    """
    return run_to_the_end("caproto", lambda: _run(argv), real=argv is None)


def _run(argv: Sequence[str] | None) -> int:
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if words else 1
    if words[0] in ("-V", "--version"):
        from .._version import __version__

        print(__version__)
        return 0
    name = words[0].removeprefix("caproto-")
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        hint = f" Do you mean {near[0]!r}?" if near else f" There are {', '.join(COMMANDS)}."
        print(f"caproto: there is no command {words[0]!r}.{hint}", file=sys.stderr)
        return 1
    try:
        module = import_module(f".{name}", __package__)
    except ModuleNotFoundError as error:
        if error.name != f"{__package__}.{name}":
            raise
        print(f"caproto: the command {name!r} is not part of this installation.", file=sys.stderr)
        return 1
    if argv is not None:
        return int(module.main(words[1:]))
    # As a program of its own, which may also end by a signal.
    sys.argv = [f"caproto-{name}", *words[1:]]
    return int(module.main() or 0)
