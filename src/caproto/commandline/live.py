"""``caproto-monitor --live``: a table that updates in place."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._errors import CaprotoError
from . import arguments
from .colors import NAMES
from .layouts import decoded, time_of
from .options import Parsed, warn
from .readings import Reading, severity_name, status_name
from .session import Session, colors_wanted
from .stamps import Stamp
from .trends import Trend, sparkline

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["LiveTable", "fitted", "live_possible"]

_PERIOD = 0.1  # seconds between redraws at most
_HEADER = ("PV", "value", "units", "severity", "time", "rate", "trend")
_MOST_VALUE = 24
_TREND = 24  # columns at most
_SHRINK_TO = (("trend", 8), ("PV", 30), ("value", 12), ("PV", 16))
_LEAST_FIRST = ("trend", "rate", "time", "units", "severity")
_LINES_AROUND = 5  # of the table: its head, and what follows it


def fitted(widths: dict[str, int], room: int) -> dict[str, int]:
    """Return columns and their widths so that they fit into `room`; what matters least goes first.

    Parameters
    ----------
    widths : dict
        Of all columns, by title, as wide as they would like to be.
    room : int
        Width of the terminal.
    """
    columns = dict(widths)
    for dropped in ("", *_LEAST_FIRST):
        columns.pop(dropped, None)
        result = dict(columns)
        excess = sum(result.values()) + 2 * len(result) + 1 - room
        for title, least in _SHRINK_TO:
            cut = min(excess, result.get(title, 0) - least)
            if cut > 0:
                result[title] -= cut
                excess -= cut
        if excess <= 0:
            break
    return result


def live_possible(parsed: Parsed) -> bool:
    """Tell whether there is a terminal, and rich; say so if not: plain lines are printed then."""
    if not colors_wanted(parsed):
        return False
    try:
        import rich.live  # noqa: F401
    except ImportError:
        warn("caproto-monitor", "--live needs rich (install the extra 'cli'); plain lines follow.")
        return False
    return True


class _Row:
    """What is known of one PV."""

    __slots__ = ("count", "note", "reading", "trend", "units")

    def __init__(self) -> None:
        self.reading: Reading | None = None
        self.note = ""
        self.units = ""
        self.count = 0
        self.trend = Trend(_TREND)


class LiveTable:
    """Draws all PVs in one table, a few times per second at most.

    Parameters
    ----------
    session : Session
    console : rich.console.Console, optional
        Where to; standard output by default.
    """

    def __init__(self, session: Session, console: Console | None = None) -> None:
        from rich.console import Console as RichConsole
        from rich.live import Live

        self._session = session
        self._style = arguments.style_of(session.parsed)
        self._loop = asyncio.get_running_loop()
        self._rows: dict[str, _Row] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._console = console or RichConsole(file=sys.stdout)
        # Without a thread of its own: everything happens on the event loop.
        self._live = Live(self.table(), console=self._console, auto_refresh=False)
        session.complaints.held = []
        self._live.start()

    def _row(self, name: str) -> _Row:
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = _Row()
        return row

    def begin(self, names: Sequence[str]) -> None:
        """Make rows, in the order of the names."""
        for name in names:
            self._row(name).note = "connecting"
        self.flush()

    def update(self, reading: Reading, now: Stamp, count: int) -> None:
        """Take an update."""
        row = self._row(reading.name)
        if row.reading is None:
            task = asyncio.create_task(self._learn_units(reading.name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        row.reading, row.note = reading, ""
        row.count += 1
        value = reading.values[0] if reading.values else None
        if reading.metadata is not None and isinstance(value, str):
            value = None
        row.trend.add(value, self._loop.time())

    def state(self, name: str, last: Reading | None, note: str) -> None:
        """Take note that a PV is not there."""
        self._row(name).note = note

    def refused(self, name: str, why: str) -> None:
        """Take note of that."""
        self._row(name).note = why
        self.flush()

    async def _learn_units(self, name: str) -> None:
        pv = self._session.context.pvs[name, self._session.parsed.get("priority", 0)]
        try:
            response = await pv.read(data_type="graphic", data_count=1)
        except CaprotoError:
            return
        self._row(name).units = decoded(getattr(response.metadata, "units", b""))

    def flush(self) -> None:
        """Draw soon."""
        if self._timer is None:
            self._timer = self._loop.call_later(_PERIOD, self._draw)

    def _draw(self) -> None:
        self._timer = None
        self._live.update(self.table(), refresh=True)
        if any(row.trend.values for row in self._rows.values()):
            # Rates go down without updates, too.
            self._timer = self._loop.call_later(10 * _PERIOD, self._draw)

    def table(self) -> Table:
        """Return the table as it is now."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(expand=False, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        now = self._loop.time()
        room = max(self._console.height - _LINES_AROUND, 1)
        names = list(self._rows)
        hidden = max(len(names) - room, 0)
        lines = [self._cells(name, self._rows[name], now) for name in names[:room]]
        columns = fitted(
            {
                title: max([len(title), *(len(cells[place]) for cells, _ in lines)])
                for place, title in enumerate(_HEADER)
            },
            self._console.width,
        )
        for title, width in columns.items():
            right = title in ("value", "rate")
            table.add_column(title, justify="right" if right else "left", no_wrap=True, width=width)
        for cells, severity in lines:
            shown = dict(zip(_HEADER, cells, strict=True))
            if "trend" in columns:
                shown["trend"] = shown["trend"][-columns["trend"] :]
            color = NAMES.get(severity, "")
            table.add_row(*(Text(shown[title]) for title in columns), style=color)
        if hidden:
            table.caption = f"and {hidden} more, for which the terminal has no lines"
        return table

    def _cells(self, name: str, row: _Row, now: float) -> tuple[tuple[str, ...], int]:
        reading = row.reading
        if reading is None or row.note:
            when = "" if reading is None else time_of(reading)[11:23]
            note = row.note.removeprefix("*** ").partition(" (")[0].lower()
            return (name, note, row.units, "", when, "", ""), 3
        value = self._style.separator.join(reading.fields(self._style))
        alarm = severity_name(reading.severity)
        if reading.status:
            alarm += f" {status_name(reading.status)}"
        rate = row.trend.rate(now)
        shown = (
            name,
            value if len(value) <= _MOST_VALUE else value[: _MOST_VALUE - 1] + "…",
            row.units,
            "" if alarm == "NO_ALARM" else alarm,
            time_of(reading)[11:23],
            f"{rate:.1f}/s" if rate else "",
            sparkline(row.trend.values),
        )
        return shown, reading.severity

    def close(self) -> None:
        """Draw for the last time, and leave the table there."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        self._live.update(self.table(), refresh=True)
        self._live.stop()
        self._session.complaints.release()
