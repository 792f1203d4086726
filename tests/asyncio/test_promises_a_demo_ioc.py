"""What the reference page promises about the demo IOC and its log (1 to 5)."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from caproto.asyncio.client import Context
from tests.support import (
    Program,
    free_port,
    loopback_env,
    python_command,
    search,
    use_loopback,
)

from .waiting import Recorder

LINE = (
    r"\[I (?P<time>\d\d:\d\d:\d\d)\.(?P<ms>\d{3}) (?P<module>[ \w.]{12}):(?P<line>[ \d]{5})\] "
    r"(?P<text>.*)"
)


class DemoIoc(Program):
    """The demo IOC as the page starts it, ended by Ctrl-C; its standard error is thrown away."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port = port
        env = loopback_env(port, free_port())
        # As on the page: on all interfaces.
        del env["EPICS_CAS_INTF_ADDR_LIST"]
        command = python_command("-m", "caproto.ioc_examples.random_walk", "--list-pvs")
        super().__init__(
            ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *command], env, folder / f"demo-{port}.txt"
        )

    def _ask_to_end(self, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGINT)

    def lines_of_start(self) -> list[str]:
        """Return everything that it prints until it has named its PVs."""
        self.wait_for_output(r"random_walk:x\n")
        return self.output.splitlines()


@pytest.fixture
def start_demo(tmp_path: Path) -> Iterator[Callable[[int], DemoIoc]]:
    """Start the demo IOC on a port."""
    with ExitStack() as started:

        def start(port: int) -> DemoIoc:
            return started.enter_context(DemoIoc(port, tmp_path))

        yield start


async def test_promise_01_demo_ioc_serves_dt_and_x(
    start_demo: Callable[[int], DemoIoc], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    ioc = start_demo(port)
    assert ioc.lines_of_start()[-2:] == ["    random_walk:dt", "    random_walk:x"]
    use_loopback(monkeypatch, [port], free_port())
    async with Context(timeout=20) as ctx:
        x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        response = await dt.read()
        assert (response.data_type.name, response.value) == ("DOUBLE", 3.0)
        response = await x.read()
        assert response.data_type.name == "DOUBLE"


async def test_promise_01_x_walks_every_dt_seconds(
    start_demo: Callable[[int], DemoIoc], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    start_demo(port)
    use_loopback(monkeypatch, [port], free_port())
    async with Context(timeout=20) as ctx:
        x, dt = await ctx.get_pvs("random_walk:x", "random_walk:dt")
        await dt.write(0.2)
        updates = Recorder()
        sub = x.subscribe(data_type="time")
        sub.add_callback(updates)
        await updates.until(lambda values: len(values) >= 5)
        values = updates.values
        steps = [after - before for before, after in itertools.pairwise(values)]
        assert all(0 < abs(step) <= 1 for step in steps)
        stamps = [response.metadata.timestamp for response in updates.responses]
        # From the second step after the write on; timers may be late, never early.
        periods = [after - before for before, after in itertools.pairwise(stamps[1:])]
        assert all(period > 0.1 for period in periods)


def test_promise_02_log_lines(start_demo: Callable[[int], DemoIoc]) -> None:
    port = free_port()
    lines = start_demo(port).lines_of_start()
    texts = []
    for line in lines[:-2]:
        match = re.fullmatch(LINE, line)
        assert match, line
        texts.append(match["text"])
    assert texts == [
        "Asyncio server starting up...",
        f"Listening on 0.0.0.0:{port}",
        "Server startup complete.",
        "PVs available:",
    ]
    assert lines[-2:] == ["    random_walk:dt", "    random_walk:x"]


def test_promise_03_prefix_of_a_log_line(start_demo: Callable[[int], DemoIoc]) -> None:
    line = start_demo(free_port()).lines_of_start()[0]
    match = re.fullmatch(LINE, line)
    assert match
    assert match["module"] == "      server"
    assert re.fullmatch(r" *\d+", match["line"])
    # The same places as in the line on the page.
    page = "[I 10:37:48.827       server:  133] Asyncio server starting up..."
    assert line.index("] ") == page.index("] ")
    assert line.index("Asyncio") == page.index("Asyncio")


def test_promise_04_another_tcp_port_when_that_one_is_taken(
    start_demo: Callable[[int], DemoIoc],
) -> None:
    port = free_port()
    with socket.socket() as occupant:
        occupant.bind(("0.0.0.0", port))
        occupant.listen()
        ioc = start_demo(port)
        listening = ioc.wait_for_output(r"Listening on 0\.0\.0\.0:(\d+)$")
        tcp_port = int(listening[1])
        assert 49152 <= tcp_port <= 65535
        reply = search("random_walk:dt", port, still_worth_it=lambda: ioc.running)
        assert reply is not None
        assert reply.tcp_port == tcp_port


async def test_promise_04_clients_find_the_other_port(
    start_demo: Callable[[int], DemoIoc], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with socket.socket() as occupant:
        occupant.bind(("0.0.0.0", port))
        occupant.listen()
        start_demo(port)
        use_loopback(monkeypatch, [port], free_port())
        async with Context(timeout=20) as ctx:
            (dt,) = await ctx.get_pvs("random_walk:dt")
            await dt.read()


def test_promise_05_information_on_standard_output(
    start_demo: Callable[[int], DemoIoc],
) -> None:
    # Standard error is not in the output, and there is nothing below the level INFO.
    ioc = start_demo(free_port())
    assert len(ioc.lines_of_start()) == 6
    assert ioc.stop() == 0
    levels = {line[1] for line in ioc.output.splitlines() if line.startswith("[")}
    assert levels == {"I"}
