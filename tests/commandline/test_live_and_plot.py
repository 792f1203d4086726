"""The live table and the strip charts."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support import CIoc, Program, python_command

from .conftest import Run


def _read_until(descriptor: int, wanted: tuple[bytes, ...], limit: float = 20.0) -> bytes:
    """Read from a terminal until everything wanted has been seen."""
    seen = b""
    deadline = time.monotonic() + limit
    while not all(each in seen for each in wanted):
        left = deadline - time.monotonic()
        assert left > 0, seen[-3000:]
        if select.select([descriptor], [], [], left)[0]:
            seen += os.read(descriptor, 65536)
    return seen


def test_the_live_table_updates_in_place_on_a_terminal(golden: CIoc) -> None:
    """In a real terminal as far as the program can tell: value, units, severity, rate and sparkline."""
    pytest.importorskip("rich")
    master, slave = pty.openpty()
    env = golden.client_env(TERM="xterm-256color", COLUMNS="120", LINES="30")
    env.pop("NO_COLOR", None)
    command = python_command("-m", "caproto", "monitor", "--live", "X:count", "G:alarm", "G:ao")
    try:
        with subprocess.Popen(
            command, env=env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        ) as process:
            os.close(slave)
            wanted = ("X:count", "counts", "MAJOR", "mm", "trend", "█", "/s", "\x1b[2K")
            seen = _read_until(master, tuple(each.encode() for each in wanted))
            assert b"\x1b[2K" in seen  # lines are erased and drawn again
            assert b"\x1b[?25l" in seen  # the cursor is hidden
            process.send_signal(signal.SIGINT)
            rest = _read_until(master, (b"\x1b[?25h",))  # and back at the end
            assert b"Traceback" not in rest
            assert process.wait(20) == -signal.SIGINT
    finally:
        os.close(master)


def test_a_bar_shows_progress_while_many_pvs_connect(golden: CIoc) -> None:
    pytest.importorskip("rich")
    master, slave = pty.openpty()
    names = ["G:ao", *(f"no:{number}" for number in range(60))]
    env = golden.client_env(TERM="xterm-256color", COLUMNS="100")
    command = python_command("-m", "caproto", "get", "-w", "0.5", *names)
    try:
        with subprocess.Popen(
            command, env=env, stdin=slave, stdout=subprocess.PIPE, stderr=slave
        ) as process:
            os.close(slave)
            _read_until(master, (b"connecting", b"1/61", b"not found"))
            stdout, _ = process.communicate(timeout=20)
            assert stdout.startswith(b"G:ao                           3.14159\n")
            assert b"\x1b" not in stdout
    finally:
        os.close(master)


def test_live_without_a_terminal_prints_plain_lines(golden: CIoc, run: Run) -> None:
    outcome = run("camonitor", "--live", "--maximum", "1", "G:ao")
    assert outcome.stdout.startswith("G:ao                           2")
    assert "\x1b" not in outcome.stdout


async def test_a_live_table_shows_pvs_that_are_not_there(golden: CIoc) -> None:
    console_module = pytest.importorskip("rich.console")
    from caproto.commandline.live import LiveTable
    from caproto.commandline.monitor import COMMAND
    from caproto.commandline.session import Session

    session = Session(COMMAND, COMMAND.parse(["x"]))
    file = io.StringIO()
    console = console_module.Console(file=file, force_terminal=True, width=40)
    async with session.context:
        table = LiveTable(session, console)
        table.state("G:gone", None, "*** disconnected")
        table.flush()
        table.flush()
        table.close()
    assert "disconnected" in file.getvalue()
    assert session.complaints.held is None
    assert "trend" not in file.getvalue()  # there is no room for it


async def _live_table(width: int, height: int, names: list[str]) -> str:
    """Return the table of some PVs in a terminal of that size."""
    console_module = pytest.importorskip("rich.console")
    from caproto.commandline.live import LiveTable
    from caproto.commandline.monitor import COMMAND
    from caproto.commandline.session import Session

    session = Session(COMMAND, COMMAND.parse(["x"]))
    console = console_module.Console(file=io.StringIO(), width=width, height=height)
    async with session.context:
        table = LiveTable(session, console)
        table.begin(names)
        if "b" in names:
            table.refused("b", "no read access")
        with console.capture() as capture:
            console.print(table.table())
        table.close()
    return str(capture.get())


async def test_a_live_table_has_its_rows_in_the_order_of_the_names_from_the_start() -> None:
    lines = (await _live_table(100, 30, ["c", "a", "b"])).splitlines()
    words = [line.split(maxsplit=1) for line in lines if line.split()[:1] in (["a"], ["b"], ["c"])]
    assert [(name, note.strip()) for name, note in words] == [
        ("c", "connecting"),
        ("a", "connecting"),
        ("b", "no read access"),
    ]


async def test_a_live_table_says_how_many_pvs_the_terminal_has_no_lines_for() -> None:
    text = await _live_table(100, 12, [f"pv:{number}" for number in range(10_000)])
    assert len(text.splitlines()) <= 12
    assert "pv:6" in text
    assert "and 9993 more" in text


@pytest.mark.parametrize(
    ("room", "columns"),
    [
        (200, {"PV": 51, "value": 20, "time": 12, "rate": 7, "trend": 24}),
        (110, {"PV": 48, "value": 20, "time": 12, "rate": 7, "trend": 12}),
        (80, {"PV": 30, "value": 13, "time": 12, "rate": 7, "trend": 8}),
        (60, {"PV": 20, "value": 12, "time": 12, "rate": 7}),
        (40, {"PV": 22, "value": 12}),
    ],
)
def test_a_narrow_terminal_shortens_names_and_drops_whole_columns(
    room: int, columns: dict[str, int]
) -> None:
    from caproto.commandline.live import fitted

    wishes = {"PV": 51, "value": 20, "time": 12, "rate": 7, "trend": 24}
    result = fitted(wishes, room)
    assert list(result) == list(columns)
    assert sum(result.values()) + 2 * len(result) + 1 <= room
    assert result["time"] == 12 if "time" in result else True
    assert all(result[title] >= 12 for title in ("PV", "value"))


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_a_recording_is_drawn_at_the_end(
    golden: CIoc, tmp_path: Path, suffix: str, magic: bytes
) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / f"chart{suffix}"
    # As a program: matplotlib keeps its fonts open as long as it lives.
    done = subprocess.run(
        python_command(
            *("-m", "caproto", "monitor", "--maximum", "6", "--plot", str(file)),
            *("X:count", "G:bo", "G:string", "G:udf"),
        ),
        env=golden.client_env(),
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert file.read_bytes().startswith(magic)
    assert "G:string: text cannot be drawn" in done.stderr
    assert done.stdout == ""
    assert done.returncode == 0
    if suffix == ".svg":
        assert "X:count" in file.read_text()


def test_a_pv_that_changed_long_ago_is_drawn_over_the_time_of_the_recording() -> None:
    num2date = pytest.importorskip("matplotlib.dates").num2date
    from caproto import DBR_TYPES, ChannelType
    from caproto._constants import EPICS2UNIX_EPOCH
    from caproto.commandline.complaints import Complaints
    from caproto.commandline.monitor import COMMAND
    from caproto.commandline.plot import Recorder
    from caproto.commandline.readings import Reading

    def reading(name: str, seconds: int, value: float) -> Reading:
        result = Reading(name, ChannelType.DOUBLE, ChannelType.TIME_DOUBLE, [value])
        result.metadata = DBR_TYPES[ChannelType.TIME_DOUBLE](timestamp=seconds + EPICS2UNIX_EPOCH)
        return result

    recorder = Recorder(COMMAND.parse(["--plot", "x.png"]), Complaints("caproto-monitor"))
    begin = 1_000_000_000  # in EPICS time
    recorder.update(reading("constant", begin - 86_400, 1.0), (begin, 0), 1)
    recorder.update(reading("moving", begin - 1, 2.0), (begin, 0), 2)
    recorder.update(reading("moving", begin + 1, 3.0), (begin + 1, 0), 3)
    recorder.update(reading("unset", 0, 4.0), (begin, 0), 4)
    unix = begin + EPICS2UNIX_EPOCH
    figure = recorder.figure(unix + 2)
    drawn = {
        chart.get_title(loc="left"): [
            (round(num2date(x).timestamp() - unix), float(y))
            for x, y in zip(line.get_xdata(orig=False), line.get_ydata(), strict=True)
        ]
        for chart in figure.axes
        for line in chart.lines[:1]
    }
    assert drawn == {
        "constant": [(0, 1.0), (2, 1.0)],
        "moving": [(-1, 2.0), (1, 3.0), (2, 3.0)],
        "unset": [(0, 4.0), (2, 4.0)],
    }


def test_a_recording_that_is_interrupted_is_drawn(golden: CIoc, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "chart.svg"
    command = python_command("-m", "caproto", "monitor", "-vv", "--plot", str(file), "X:count")
    with Program(command, golden.client_env(), tmp_path / "out.txt") as program:
        program.wait_for_output("connected|Connected|X:count", 20)
        program.send_signal(signal.SIGINT)
        program.wait()
    assert file.exists() or "nothing was recorded" in program.output


@pytest.mark.parametrize(
    ("path", "reason"),
    [("chart.txt", "must end in .png"), ("/does/not/exist/chart.png", "no such folder")],
)
def test_a_picture_that_cannot_be_written_is_refused_before_recording(
    run: Run, path: str, reason: str
) -> None:
    outcome = run("camonitor", "--plot", path, "G:ao")
    assert reason in outcome.stderr
    assert outcome.status == 1


def test_nothing_recorded_draws_nothing(golden: CIoc, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "chart.png"
    outcome = run("camonitor", "--duration", "0.1", "-w", "0.05", "--plot", str(file), "G:nope")
    assert "nothing was recorded" in outcome.stderr
    assert not file.exists()


def test_a_lost_connection_is_shown_and_updates_come_again(tmp_path: Path) -> None:
    database = tmp_path / "one.db"
    database.write_text('record(ao, "L:ao") { field(VAL, "1") field(PINI, "YES") }\n')
    with CIoc(database, folder=tmp_path) as ioc:
        command = python_command("-m", "caproto", "monitor", "L:ao")
        with Program(command, ioc.client_env(), tmp_path / "out.txt") as program:
            program.wait_for_output(r"^L:ao .* 1  $")
            ioc.kill()
            program.wait_for_output(r"^L:ao {27}\d{4}-\d\d-\d\d \S+ \*\*\* disconnected$")
            ioc.start()
            program.wait_for_output(r"(?s) 1  \n.*disconnected\nL:ao .* 1  \n", 20)
            program.send_signal(signal.SIGINT)
            assert program.wait() == -signal.SIGINT
