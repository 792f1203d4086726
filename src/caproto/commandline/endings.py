"""How a command ends: quietly when it is interrupted or nobody reads on, and in one line when it cannot go on."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable

from .._errors import CaprotoError
from .options import warn

__all__ = ["run_to_the_end"]

_INTERRUPTED = 130
_PIPE_CLOSED = 141


def run_to_the_end(program: str, body: Callable[[], int], *, real: bool) -> int:
    """Run a command and return its exit status.

    Parameters
    ----------
    program : str
        With which complaints begin.
    body : callable
        What it does; it returns the exit status.
    real : bool
        Whether this process is there for the command alone, and may end by a signal.
    """
    if real:
        _prepare_output()
    try:
        status = body()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _end_by("SIGINT", _INTERRUPTED, real)
    except BrokenPipeError:
        return _end_by("SIGPIPE", _PIPE_CLOSED, real)
    except (CaprotoError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.strerror and error.filename is None:
            text = error.strerror
        warn(program, " ".join(text.split()))
        _let_go_of_output()
        return 1
    return status


def _prepare_output() -> None:
    """Bring streams into a state in which everything can be printed."""
    if sys.stdout is None:  # it was closed: `>&-`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal may not know the sign in the units, and a name may be no text.
        sys.stdout.reconfigure(errors="backslashreplace")


def _let_go_of_output() -> None:
    """Forget what could not be written: the interpreter would try again at exit, and complain."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _end_by(name: str, status: int, real: bool) -> int:
    """End quietly, as programs do that do not catch the signal: a shell script stops, too, then."""
    _let_go_of_output()
    number = getattr(signal, name, None)
    if real and number is not None and os.name == "posix":
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return status
