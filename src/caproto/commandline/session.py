"""What every command does around its own work: arguments, a Context, connecting, and a quiet end."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .._errors import CaprotoError, ContextDisconnectedError
from .arguments import timeout_of
from .complaints import Complaints, ServerComplaints
from .endings import run_to_the_end
from .options import Command, Parsed, UsageError, warn

if TYPE_CHECKING:
    from ..asyncio.client import PV, Context

__all__ = ["Session", "Target", "colors_wanted", "run_command"]

_MANY = 50  # so many PVs are worth a progress bar


class Target(NamedTuple):
    """One name of the command line, and what became of it."""

    name: str
    pv: PV | None
    error: CaprotoError | None


def colors_wanted(parsed: Parsed) -> bool:
    """Tell whether to colour: on a terminal, unless NO_COLOR is set."""
    return (
        not parsed["no_color"]
        and not os.environ.get("NO_COLOR")
        and os.environ.get("TERM") != "dumb"
        and sys.stdout.isatty()
    )


class Session:
    """A Context and what belongs to one run of a command.

    Attributes
    ----------
    parsed : Parsed
        The arguments.
    context : Context
    complaints : Complaints
    timeout : float
        Seconds.
    server_complaints : ServerComplaints
    """

    def __init__(self, command: Command, parsed: Parsed) -> None:
        from ..asyncio.client import Context

        self.parsed = parsed
        self.timeout: float = timeout_of(parsed)
        self.complaints: Complaints = Complaints(command.program)
        self.server_complaints: ServerComplaints = ServerComplaints(self.complaints)
        self.context: Context = Context(timeout=self.timeout, max_workers=0)

    async def make_pvs(self, names: Sequence[str]) -> list[Target]:
        """Make PVs, without those whose names are impossible."""
        targets = []
        priority = self.parsed.get("priority", 0)
        try:
            pvs = await self.context.get_pvs(*names, priority=priority)
        except ContextDisconnectedError:
            raise
        except CaprotoError:  # one bad name shall not hide the others
            for name in names:
                try:
                    (pv,) = await self.context.get_pvs(name, priority=priority)
                    targets.append(Target(name, pv, None))
                except CaprotoError as error:
                    targets.append(Target(name, None, error))
            return targets
        return [Target(name, pv, None) for name, pv in zip(names, pvs, strict=True)]

    async def connect(self, names: Sequence[str]) -> list[Target]:
        """Connect many PVs at once and report those that are not; all of them have the same timeout."""
        made = await self.make_pvs(names)
        pvs = [target.pv for target in made if target.pv is not None]
        with _progress(len(pvs)) as on_progress:
            errors = await self.context.wait_for_connections(
                *pvs, timeout=self.timeout, on_progress=on_progress
            )
        targets = []
        told = set()
        for name, pv, error in made:
            if pv is None:
                assert error is not None
                self.complaints.about(name, error)
                targets.append(Target(name, None, error))
                continue
            error = errors[pv]
            if error is not None and pv not in told:
                told.add(pv)
                self.complaints.not_connected(pv, error)
            targets.append(Target(name, pv, error))
        return targets


class _progress:  # noqa: N801
    """A progress bar on a terminal, from the moment at which connecting takes long; nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._bar: object = None

    def __enter__(self) -> Callable[[int, int], None] | None:
        if self._total < _MANY or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            return None
        try:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
        except ImportError:
            return None
        bar = Progress(
            "connecting",
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        task = bar.add_task("connecting", total=self._total)
        bar.start()
        self._bar = bar
        return lambda done, total: bar.update(task, completed=done)

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()  # type: ignore[attr-defined]


def run_command(
    command: Command,
    body: Callable[[Session], Awaitable[int]],
    argv: Sequence[str] | None,
    check: Callable[[Parsed], int | None] = lambda parsed: None,
) -> int:
    """Run a command to its end and return its exit status.

    Parameters
    ----------
    command : Command
        Its options.
    body : coroutine function
        What it does; it is given a `Session` and returns the exit status.
    argv : sequence of str, optional
        The arguments, those of the process by default.
    check : callable
        Looks at the arguments before anything else is done; it returns an exit status to end, or None to go on.
    """
    real = argv is None

    def whole() -> int:
        try:
            parsed = command.parse(sys.argv[1:] if argv is None else argv)
            if parsed["help"]:
                print(command.help(), end="")
                return 0
            if parsed["version"]:
                from .._version import __version__

                print(__version__)
                return 0
            for text in parsed.warnings:
                warn(command.program, _with_hint(command, f"{text}."))
            status = check(parsed)
        except UsageError as error:
            warn(command.program, _with_hint(command, error))
            return 1
        if status is not None:
            return status
        if real:
            _take_the_quick_arrays(parsed)
        return asyncio.run(_run(command, parsed, body))

    return run_to_the_end(command.program, whole, real=real)


def _with_hint(command: Command, complaint: object) -> str:
    """Say where help is, after a complaint about the arguments."""
    return f"{complaint} ('{command.program} -h' for help.)"


def _take_the_quick_arrays(parsed: Parsed) -> None:
    """Do without numpy: importing it takes as long as everything else together."""
    from .._protocol.arrays import select_backend

    if not parsed["plot"]:
        select_backend("array")


async def _run(command: Command, parsed: Parsed, body: Callable[[Session], Awaitable[int]]) -> int:
    if parsed["no_repeater"]:
        os.environ["CAPROTO_NO_REPEATER"] = "1"
    session = Session(command, parsed)
    logger = logging.getLogger("caproto")
    logger.addHandler(session.server_complaints)
    verbose = parsed["verbose"]
    if verbose:
        from .._log import config_caproto_logging

        level = logging.DEBUG if verbose > 1 else logging.INFO
        handler = config_caproto_logging(
            file=sys.stderr, level=level, color=not parsed["no_color"] and sys.stderr.isatty()
        )
    try:
        async with session.context:
            try:
                return await body(session)
            except UsageError as error:
                session.complaints.say(_with_hint(command, error))
                return 1
    finally:
        logger.removeHandler(session.server_complaints)
        if verbose:
            logger.removeHandler(handler)
