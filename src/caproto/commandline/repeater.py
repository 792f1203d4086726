"""``caproto-repeater``: hand the beacons of servers on to the clients of this machine."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from .._env import RepeaterSettings
from .._errors import CaprotoNetworkError, RepeaterAlreadyRunning
from .._log import config_caproto_logging
from .._version import __version__
from ..sync.repeater import logger, run

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="caproto-repeater",
        description=(
            "Run a Channel Access repeater. If the port is taken already, a repeater is running, "
            "so exit with success. The port is set by the environment variable "
            "EPICS_CA_REPEATER_PORT, 5065 by default. "
            f"It is {RepeaterSettings.from_environ().repeater_port} now."
        ),
    )
    verbosity = parser.add_mutually_exclusive_group()
    verbosity.add_argument(
        "-q", "--quiet", action="store_true", help="print warnings and errors only"
    )
    verbosity.add_argument(
        "-v", "--verbose", action="count", default=0, help="print which clients come and go"
    )
    parser.add_argument("--no-color", action="store_true", help="print without colors")
    parser.add_argument("--version", "-V", action="version", version=__version__)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process by default.

    Returns
    -------
    int
        The exit status: 0 after an interrupt, or if there is a repeater already; 1 if the port
        cannot be had for another reason.
    """
    args = _parser().parse_args(argv)
    level = logging.WARNING if args.quiet else logging.DEBUG if args.verbose else logging.INFO
    config_caproto_logging(level=level, color=not args.no_color)
    try:
        signal.signal(signal.SIGTERM, _exit)
        run()
    except RepeaterAlreadyRunning as error:
        logger.debug("%s", error)
    except CaprotoNetworkError as error:
        logger.error("%s", error)
        return 1
    except KeyboardInterrupt:  # before or after the time in which it is expected
        pass
    return 0


def _exit(signum: int, frame: FrameType | None) -> None:
    """End as after success, with every socket closed."""
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
