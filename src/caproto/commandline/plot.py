"""``caproto-monitor --plot``: record updates and draw them as strip charts."""

from __future__ import annotations

import datetime
import math
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._constants import EPICS2UNIX_EPOCH
from .complaints import Complaints
from .options import Parsed, UsageError
from .readings import Reading
from .stamps import Stamp

__all__ = ["Recorder", "check_plot"]

_KINDS = (".png", ".svg", ".pdf")
_FAR = 5.0  # seconds between the clock of a server and ours
_MOST_POINTS = 1_000_000  # of each PV
_ALARM_COLORS = {1: "goldenrod", 2: "red", 3: "purple"}


def check_plot(path: str) -> None:
    """Check, before anything is recorded, that it can be drawn.

    Raises
    ------
    UsageError
    """
    if Path(path).suffix.lower() not in _KINDS:
        raise UsageError(f"--plot {path!r} must end in .png, .svg or .pdf.")
    if not Path(path).absolute().parent.is_dir():
        raise UsageError(f"--plot {path!r}: there is no such folder.")
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise UsageError("--plot needs matplotlib: install the extra 'plot'.") from None


def _unix(stamp: Stamp) -> float:
    return stamp[0] + EPICS2UNIX_EPOCH + stamp[1] * 1e-9


class Recorder:
    """Keeps the updates of all PVs, and draws them at the end.

    Parameters
    ----------
    parsed : Parsed
    complaints : Complaints
    """

    def __init__(self, parsed: Parsed, complaints: Complaints) -> None:
        self._path = parsed["plot"]
        self._complaints = complaints
        self.points: dict[str, deque[tuple[float, float, int]]] = {}
        self._not_drawn: set[str] = set()

    def begin(self, names: Sequence[str]) -> None:
        """Nothing is drawn before the end."""

    def refused(self, name: str, why: str) -> None:
        """There is nothing to draw."""

    def update(self, reading: Reading, now: Stamp, count: int) -> None:
        """Keep the first element, and NaN for one that is not there."""
        value = reading.values[0] if reading.values else math.nan
        if isinstance(value, str):
            if reading.name not in self._not_drawn:
                self._not_drawn.add(reading.name)
                self._complaints.say(f"{reading.name}: text cannot be drawn")
            return
        when, arrival = _unix(reading.stamp or now), _unix(now)
        if abs(when - arrival) > _FAR:
            # The first update tells when a PV changed last, which may be long ago; and clocks may be wrong.
            when = arrival
        self._add(reading.name, when, float(value), reading.severity)

    def _add(self, name: str, when: float, value: float, severity: int) -> None:
        points = self.points.get(name)
        if points is None:
            points = self.points[name] = deque(maxlen=_MOST_POINTS)
        points.append((when, value, severity))

    def state(self, name: str, last: Reading | None, note: str) -> None:
        """Leave a gap."""
        from .stamps import Stamps

        if name in self.points:
            self._add(name, _unix(Stamps.now()), math.nan, 3)

    def flush(self) -> None:
        """Nothing is shown before the end."""

    def close(self) -> None:
        """Draw."""
        if not self.points:
            self._complaints.say(f"nothing was recorded, so {self._path} was not written")
            return
        from .stamps import Stamps

        figure = self.figure(_unix(Stamps.now()))
        try:
            figure.savefig(self._path, dpi=120)
        except OSError as error:
            raise UsageError(f"Cannot write {self._path!r}: {error.strerror}.") from error

    def figure(self, end: float) -> Any:
        """Return a strip chart per PV, one above the other, with the same time axis.

        Values go on to the `end`, in Unix time, at which the recording was over.
        """
        from matplotlib.figure import Figure

        count = len(self.points)
        figure = Figure(figsize=(9, 1 + 1.9 * count), layout="constrained")
        charts = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
        for chart, (name, points) in zip(charts, self.points.items(), strict=True):
            times = [
                datetime.datetime.fromtimestamp(when, datetime.timezone.utc).astimezone()
                for when, _, _ in [*points, (max(end, points[-1][0]), 0, 0)]
            ]
            values = [value for _, value, _ in points]
            values.append(values[-1])
            chart.step(times, values, where="post", linewidth=1.2, color="tab:blue")
            for severity, color in _ALARM_COLORS.items():
                alarmed = [
                    (time, value)
                    for time, value, (_, _, each) in zip(times, values, points, strict=False)
                    if each == severity and math.isfinite(value)
                ]
                if alarmed:
                    x, y = zip(*alarmed, strict=True)
                    chart.plot(x, y, ".", color=color, markersize=4)
            chart.set_title(name, loc="left", fontsize=9)
            chart.grid(alpha=0.3)
            chart.margins(x=0.01)
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator: Any = _untyped(AutoDateLocator)(tz=datetime.datetime.now().astimezone().tzinfo)
        charts[-1].xaxis.set_major_locator(locator)
        charts[-1].xaxis.set_major_formatter(
            _untyped(ConciseDateFormatter)(locator, tz=datetime.datetime.now().astimezone().tzinfo)
        )
        return figure


def _untyped(maker: Any) -> Any:
    """Return it as it is: matplotlib does not say what types these take."""
    return maker
