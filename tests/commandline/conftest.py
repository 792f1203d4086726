"""An IOC with the records about which the recorded outputs speak, and our commands in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.support import CIoc, use_loopback

from .c_tools import Outcome

DATA = Path(__file__).parent / "data"
MODULES = {
    "caget": "caproto.commandline.get",
    "caput": "caproto.commandline.put",
    "camonitor": "caproto.commandline.monitor",
    "cainfo": "caproto.commandline.info",
}
PREPARATION = (
    ("-a", "G:wfd", "5", "1", "2.5", "3.25", "-4", "5e10"),
    ("-a", "G:wff", "3", "1", "2.5", "3.25"),
    ("-a", "G:wfl", "3", "1", "-2", "3"),
    ("-a", "G:wfs", "2", "7", "8"),
    ("-S", "G:wfc", "a long string in chars"),
    ("-a", "G:wfstr", "2", "first", "second one"),
)

Run = Callable[..., Outcome]


def _run(capsys: pytest.CaptureFixture[str], tool: str, *arguments: str) -> Outcome:
    status = import_module(MODULES.get(tool, tool)).main(list(arguments))
    captured = capsys.readouterr()
    return Outcome(captured.out, captured.err, status)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one of our commands here: ``run("caget", "-t", "G:ao")``."""

    def run_here(tool: str, *arguments: str) -> Outcome:
        return _run(capsys, tool, *arguments)

    return run_here


@pytest.fixture(scope="module")
def golden_ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    """The C IOC with the records of the recording, and more of them."""
    ioc = CIoc(
        DATA / "golden.db",
        DATA / "more.db",
        folder=tmp_path_factory.mktemp("golden"),
        access_file=DATA / "more.acf",
    )
    with ioc:
        yield ioc


@pytest.fixture
def golden(golden_ioc: CIoc, monkeypatch: pytest.MonkeyPatch) -> CIoc:
    """The same, with an environment in which clients of this process find it."""
    use_loopback(monkeypatch, [golden_ioc.port], golden_ioc.repeater_port)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("NO_COLOR", "1")
    return golden_ioc


def without_times(text: str) -> str:
    """Replace what differs from run to run: times, and ports."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", "<time>", text)
    text = re.sub(r"[+-]\d+\.\d{6}", "<passed>", text)
    return re.sub(r"localhost:\d+", "localhost:<port>", text)
