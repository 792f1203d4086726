"""Make the pictures of the command line from real runs: ``python docs/pictures/make.py``.

`live-monitor.svg` is what a terminal shows: ``caproto-monitor --live`` runs in tmux, and the captured pane, colours
and all, is rendered by rich. `strip-chart.svg` is drawn by ``caproto-monitor --plot``. Both watch the IOC in
`beamline.py`. It needs tmux (``apt-get install tmux``), rich and matplotlib.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PREFIX = "BL12:"
WATCHED = [
    "ring:current",
    "mono:energy",
    "ion:rate",
    "mirror:temp",
    "vac:pressure",
    "shutter",
    "sample",
    "interlock",
]
PLOTTED = ("ring:current", "mirror:temp", "ion:rate")
COLUMNS, LINES = 112, 13
LIVE_SECONDS = 9
PLOT_SECONDS = 20


def environment() -> dict[str, str]:
    """Return an environment in which the IOC and the monitor talk over loopback, on a free port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    env = {name: value for name, value in os.environ.items() if not name.startswith("EPICS_")}
    env.pop("NO_COLOR", None)
    return {
        **env,
        "EPICS_CA_ADDR_LIST": "127.0.0.1",
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": port,
        "EPICS_CAS_SERVER_PORT": port,
        "EPICS_CAS_INTF_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_BEACON_ADDR_LIST": "127.0.0.1",
        "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
        "CAPROTO_NO_REPEATER": "1",
        "TERM": "xterm-256color",
    }


def monitor(*arguments: str) -> list[str]:
    """Return a command line of ``caproto-monitor``."""
    return [sys.executable, "-m", "caproto", "monitor", *arguments]


def screenshot(env: dict[str, str]) -> str:
    """Run the live monitor in a terminal of its own, and return what stands there, with its colours."""
    tmux = ["tmux", "-L", f"caproto-pictures-{os.getpid()}", "-f", os.devnull]
    names = [PREFIX + name for name in WATCHED]
    command = shlex.join(monitor("--live", "-w", "1", *names)) + " 2>/dev/null"
    shown = "$ caproto-monitor --live @beamline.txt"
    script = f"printf '%s\\n' {shlex.quote(shown)}; exec {command}"
    subprocess.run(
        [
            *(*tmux, "new-session", "-d", "-s", "live", "-x", str(COLUMNS), "-y", str(LINES)),
            "sh",
            "-c",
            script,
        ],
        env=env,
        check=True,
    )
    try:
        time.sleep(LIVE_SECONDS)  # a picture is better with some past in it
        pane = subprocess.run(
            [*tmux, "capture-pane", "-e", "-p", "-t", "live"],
            env=env,
            check=True,
            capture_output=True,
            text=True,
        )
    finally:
        subprocess.run([*tmux, "kill-server"], env=env, check=False)
    return pane.stdout.rstrip("\n")


def render(pane: str, file: Path) -> None:
    """Draw the content of a terminal."""
    from rich.console import Console
    from rich.text import Text

    with open(os.devnull, "w") as nowhere:
        console = Console(
            record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor"
        )
        for line in pane.splitlines():
            console.print(Text.from_ansi(line), overflow="ignore", no_wrap=True)
        svg = console.export_svg(title="caproto-monitor --live", unique_id="live")
    # The fonts that it would load from elsewhere; any font of fixed width does.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    file.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")


def main() -> None:
    """Make both."""
    if shutil.which("tmux") is None:
        raise SystemExit("tmux is needed for a screenshot of a real terminal: apt-get install tmux")
    env = environment()
    ioc = subprocess.Popen(
        [sys.executable, str(HERE / "beamline.py"), PREFIX],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        subprocess.run(
            [sys.executable, "-m", "caproto", "get", "-w", "20", f"{PREFIX}ring:current"],
            env=env,
            check=True,
        )
        pane = screenshot(env)
        if not re.search(r"ring:current.*mA", pane):
            raise SystemExit(f"the live table did not come up:\n{pane}")
        render(pane, HERE / "live-monitor.svg")
        chart = HERE / "strip-chart.svg"
        names = [PREFIX + name for name in PLOTTED]
        plot = monitor("--duration", str(PLOT_SECONDS), "--plot", str(chart), *names)
        subprocess.run(plot, env={**env, "MPLCONFIGDIR": str(HERE / ".matplotlib")}, check=True)
        text = "\n".join(line.rstrip() for line in chart.read_text().splitlines())
        chart.write_text(text + "\n")
    finally:
        ioc.terminate()
        ioc.wait()
        shutil.rmtree(HERE / ".matplotlib", ignore_errors=True)
    print(pane)


if __name__ == "__main__":
    main()
