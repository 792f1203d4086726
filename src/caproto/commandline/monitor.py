"""``caproto-monitor``: print updates of PVs, like ``camonitor`` of EPICS; or show them as a live table or a plot."""

from __future__ import annotations

import asyncio
import datetime
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .._errors import CaprotoError, CAStatusError
from .._protocol.enums import AccessRights, SubscriptionType
from .._protocol.status import CAStatus, CAStatusCode
from . import arguments
from .colors import colored
from .complaints import explained
from .layouts import named, noted, wide
from .names import collect_names
from .options import Command, Parsed, UsageError, flag, valued
from .reading_pvs import native_of, wanted_type
from .readings import Reading
from .records import csv_line, csv_row, json_line, record
from .session import Session, colors_wanted, run_command
from .stamps import Stamp, Stamps
from .templates import Template
from .values import Style

if TYPE_CHECKING:
    from ..asyncio.client import PV

__all__ = ["COMMAND", "View", "main"]

_FIELDS = ("pv_name", "response", "timestamp", "timedelta", "callback_count")
_MASKS = {
    "v": SubscriptionType.DBE_VALUE,
    "a": SubscriptionType.DBE_ALARM,
    "l": SubscriptionType.DBE_LOG,
    "p": SubscriptionType.DBE_PROPERTY,
}


def _mask(text: str) -> int:
    unknown = set(text) - set(_MASKS)
    if unknown or not text:
        raise ValueError(f"Invalid argument {text!r}: any of v, a, l, p")
    return sum(int(_MASKS[letter]) for letter in set(text))


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value > 0:
        raise UsageError(f"{text!r} is not a number above 0.")
    return value


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{text!r} is not a whole number above 0.")
    return int(text)


COMMAND = Command(
    "monitor",
    "Print updates of PVs as they come.",
    "<PV name> ... | @FILE | -",
    (
        *arguments.CONNECTION,
        valued(
            "-m",
            "mask",
            "<msk>",
            f"Which changes to ask for; va by default. {arguments.MASK_HELP}",
            convert=_mask,
            group="Channel Access",
        ),
        valued("--duration", "duration", "<sec>", "End after so long.", convert=_positive, group="Channel Access"),
        valued("--maximum", "maximum", "<count>", "End after so many updates.", convert=_whole, group="Channel Access"),
        valued(
            "-t",
            "stamps",
            "<key>",
            "Which time stamps to print: s (server, default), c (client, in brackets), n (none), and with s or c: "
            "r (since the first update), i (since the last one), I (since the last one of the same PV).",
            group="Time stamps",
            words=("s", "c", "n", "sr", "si", "sI", "cr", "ci", "cI"),
        ),
        valued(
            "--format",
            "template",
            "FORMAT",
            f"{arguments.TEMPLATE}{{timestamp}}, {{timedelta}} since the update before, and {{callback_count}}.",
            group="Format",
        ),
        flag("--live", "live", "Show a table that updates in place (needs rich and a terminal).", group="Format"),
        valued(
            "--plot",
            "plot",
            "FILE",
            "Record, and draw strip charts when all is over: .png, .svg or .pdf (needs matplotlib).",
            group="Format",
            words=("FILE",),
        ),
        *arguments.ENUMS,
        *arguments.ARRAYS,
        *arguments.NUMBERS,
        *arguments.FORMATS,
        *arguments.NAMES,
        *arguments.COMMON,
    ),
    "It ends by Ctrl-C, or after --duration or --maximum.",
)  # fmt: skip


class View(Protocol):
    """Shows what comes."""

    def begin(self, names: Sequence[str]) -> None:
        """Learn of which PVs there will be updates."""

    def update(self, reading: Reading, now: Stamp, count: int) -> None:
        """Show an update, the `count`-th of all."""

    def state(self, name: str, last: Reading | None, note: str) -> None:
        """Show that a PV is not connected; `last` is its last update."""

    def refused(self, name: str, why: str) -> None:
        """Show that the server gives no value of a PV."""

    def flush(self) -> None:
        """Bring everything before people's eyes."""

    def close(self) -> None:
        """End."""


class _Lines:
    """One line per update."""

    def __init__(self, parsed: Parsed) -> None:
        self.style: Style = arguments.style_of(parsed)
        self.colors = colors_wanted(parsed)
        self.stamps = Stamps(parsed.get("stamps", "s"))
        self.json, self.csv = bool(parsed["json"]), bool(parsed["csv"])
        self.template = None
        self._last: dict[str, Stamp] = {}
        if parsed["template"] is not None:
            self.template = Template(parsed["template"], _FIELDS)
        if self.csv:
            print(csv_line(None), flush=True)

    def begin(self, names: Sequence[str]) -> None:
        """Nothing is printed before there is an update."""

    def refused(self, name: str, why: str) -> None:
        """Print that for machines; camonitor prints nothing."""
        if self.json or self.csv:
            self.state(name, None, why)

    def update(self, reading: Reading, now: Stamp, count: int) -> None:
        """Print it."""
        if self.json:
            text = json_line(record(reading, self.style))
        elif self.csv:
            text = csv_line(csv_row(record(reading, self.style)))
        elif self.template is not None:
            text = self._filled(reading, now, count)
        else:
            when = self.stamps.show(reading.name, reading.stamp or (0, 0), now)
            text = wide(reading, self.style, when)
            if self.colors:
                text = colored(text, reading.severity)
        sys.stdout.write(text + "\n")

    def _filled(self, reading: Reading, now: Stamp, count: int) -> str:
        assert self.template is not None
        stamp = reading.stamp or now
        before = self._last.get(reading.name, stamp)
        self._last[reading.name] = stamp
        passed = datetime.timedelta(
            seconds=stamp[0] - before[0], microseconds=(stamp[1] - before[1]) / 1000
        )
        return self.template.fill(reading, self.style, timedelta=passed, callback_count=count)

    def state(self, name: str, last: Reading | None, note: str) -> None:
        """Print that a PV is not there."""
        if self.json or self.csv:
            fields = {"name": name, "error": note.removeprefix("*** ")}
            print(csv_line(fields) if self.csv else json_line(fields))
        elif self.template is None:
            separator = self.style.separator
            title = named(name, 0 if last is None else len(last.values), separator)
            if last is None:
                text = title + separator + note
            else:
                now = Stamps.now()
                text = noted(title, self.stamps.show(name, now, now), note, separator)
            print(colored(text, 3) if self.colors else text)

    def flush(self) -> None:
        """Hand the lines over."""
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing is left to do."""


class _Monitor:
    """Subscribes to PVs and gives the updates to a view."""

    def __init__(self, session: Session, view: View) -> None:
        self.session = session
        self.view = view
        self.loop = asyncio.get_running_loop()
        self.finished: asyncio.Future[None] = self.loop.create_future()
        self.count = 0
        self.maximum = session.parsed["maximum"]
        self.last: dict[PV, Reading] = {}
        self.names: dict[PV, list[str]] = {}
        self.subscribed: set[PV] = set()
        self._refused: set[PV] = set()
        self._flush_soon = False
        self._over = False
        self._keep: list[Callable[..., None]] = []

    async def run(self) -> int:
        """Work until the end that the options ask for; return the exit status."""
        session = self.session
        parsed = session.parsed
        names = collect_names(parsed.names, parsed.get("files", []))
        # A name that is given twice is shown once: it is one PV.
        names = list(dict.fromkeys(names))
        self.view.begin(names)
        for name, pv, error in await session.make_pvs(names):
            if pv is None:
                session.complaints.about(name, error or CaprotoError(name))
                continue
            self.names[pv] = [name]
            pv.connection_state_callback.add_callback(self.on_state, run=True)
        if not self.names:
            return session.complaints.finish()
        if parsed["duration"] is not None:
            self.loop.call_later(parsed["duration"], self.end)
        tell = asyncio.create_task(self.tell_missing())
        try:
            await self.finished
        finally:
            self._over = True
            tell.cancel()
            self.view.flush()
        return session.complaints.finish()

    def end(self, error: Exception | None = None) -> None:
        """Come to an end."""
        if self.finished.done():
            return
        if error is None:
            self.finished.set_result(None)
        else:
            self.finished.set_exception(error)

    async def tell_missing(self) -> None:
        """Report what is not connected after the time that was given for that."""
        errors = await self.session.context.wait_for_connections(
            *self.names, timeout=self.session.timeout
        )
        for pv, error in errors.items():
            if error is not None:
                self.view.state(pv.name, None, "*** Not connected (PV not found)")
                self.session.complaints.not_connected(pv, error)
        self.view.flush()
        self.session.complaints.tell_missing()

    def on_state(self, pv: PV, state: str) -> None:
        """Subscribe to a PV that has connected; show one that has not any more."""
        if self._over or self.finished.done():
            return
        try:
            if state != "connected":
                self.view.state(pv.name, self.last.get(pv), "*** disconnected")
                self.view.flush()
            elif pv not in self.subscribed:
                self.subscribed.add(pv)
                self.subscribe(pv)
        except OSError as error:
            self.end(error)

    def subscribe(self, pv: PV) -> None:
        """Ask for updates."""
        parsed = self.session.parsed
        if pv.access_rights is not None and not pv.access_rights & AccessRights.READ:
            self.refused(pv, CAStatus.ECA_NORDACCESS.value)
        most = pv.open_channel.native_data_count
        count = parsed["count"]
        subscription = pv.subscribe(
            data_type=wanted_type(pv, parsed, True),
            data_count=min(count, most) if count and most else None,
            mask=parsed.get("mask", int(SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM)),
        )
        native = native_of(pv)

        def on_update(sub: Any, response: Any) -> None:
            self.on_update(pv, native, response)

        self._keep.append(on_update)
        subscription.add_callback(on_update)

    def refused(self, pv: PV, status: CAStatusCode) -> None:
        """Take note that the server gives no value, once until it gives one."""
        if pv not in self._refused:
            self._refused.add(pv)
            error = CAStatusError(status.description, pv_name=pv.name, status=status)
            self.session.complaints.say(f"{pv.name}: {explained(error)}")
            readable = status.name != "ECA_NORDACCESS"
            self.view.refused(pv.name, status.description if readable else "no read access")

    def on_update(self, pv: PV, native: int, response: Any) -> None:
        """Show an update."""
        if self._over or self.finished.done():
            return
        try:
            if not response.status.success:
                self.refused(pv, response.status)
                return
            self._refused.discard(pv)
            reading = Reading.of_response(pv.name, native, response)
            self.last[pv] = reading
            self.count += 1
            self.view.update(reading, Stamps.now(), self.count)
            if not self._flush_soon:
                self._flush_soon = True
                self.loop.call_soon(self.flush)
        except (OSError, UsageError) as error:
            self.end(error)
        if self.maximum is not None and self.count >= self.maximum:
            self.end()

    def flush(self) -> None:
        """Show what came in this turn of the loop."""
        self._flush_soon = False
        try:
            self.view.flush()
        except OSError as error:
            self.end(error)


def _check(parsed: Parsed) -> int | None:
    """Look for what needs no connection."""
    arguments.only_one(parsed, "json", "csv", "template", "live", "plot")
    stamps = Stamps(parsed.get("stamps", "s"))
    for letter in stamps.unknown:
        print(
            f"{COMMAND.program}: Invalid argument '{letter}' for option '-t' - ignored.",
            file=sys.stderr,
        )
    if parsed["template"] is not None:
        Template(parsed["template"], _FIELDS)
    if parsed["plot"] is not None:
        from .plot import check_plot

        check_plot(parsed["plot"])
        parsed.values["enum_as_number"] = True  # a label cannot be drawn
    return None


def _view_for(session: Session) -> View:
    parsed = session.parsed
    if parsed["live"]:
        from .live import LiveTable, live_possible

        if live_possible(parsed):
            return LiveTable(session)
    if parsed["plot"] is not None:
        from .plot import Recorder

        return Recorder(parsed, session.complaints)
    return _Lines(parsed)


async def _monitor(session: Session) -> int:
    view = _view_for(session)
    try:
        return await _Monitor(session, view).run()
    finally:
        view.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process by default.

    Returns
    -------
    int
        The exit status.
    """
    return run_command(COMMAND, _monitor, argv, _check)


if __name__ == "__main__":
    sys.exit(main())
