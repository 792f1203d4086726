"""``caproto-shark``: options, JSON, and a quiet end."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import caproto as ca
from caproto.commandline.shark import main
from tests.sync.captures import CLIENT, SERVER, Capture
from tests.sync.test_shark import WANTED, write_exchange

COMMAND = [sys.executable, "-m", "caproto.commandline.shark"]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    made = Capture()
    write_exchange(made)
    path = tmp_path / "exchange.pcap"
    path.write_bytes(made.data)
    return path


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def test_a_line_per_message(utc: None, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(capture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(WANTED)
    assert lines[3].startswith("22:13:20.006000 10.0.0.5:40000 -> 10.0.0.9:5064 a:pv CreateChan")


def test_a_template(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(capture), "--format", "{src} {command.ID} {pv_name}"]) == 0
    assert capsys.readouterr().out.splitlines()[3] == "10.0.0.5 18 a:pv"


def test_times_are_local_as_those_of_tcpdump(
    utc: None,
    capture: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    assert main([str(capture), "--format", "{time}"]) == 0
    assert capsys.readouterr().out.splitlines()[3] == "17:13:20.006000"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{bogus}", "has no {bogus}; there are {time}"),
        ("{src", "does not fit"),
        ("{command.nope}", "does not fit"),
    ],
)
def test_a_template_that_does_not_fit_says_so_in_one_line(
    capture: Path, capsys: pytest.CaptureFixture[str], template: str, reason: str
) -> None:
    assert main([str(capture), "--format", template]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("caproto-shark: the template")
    assert reason in line


def test_a_packed_capture_is_unpacked(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = capture.with_suffix(".gz")
    packed.write_bytes(gzip.compress(capture.read_bytes()))
    assert main([str(packed)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(WANTED)


def test_nothing_is_waited_for_at_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    with pytest.raises(SystemExit):
        main([])
    assert "give the name of a capture" in capsys.readouterr().err


def test_only_some_pvs(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(capture), "--pv", "b*", "--pv", "c*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(" b:pv " in line for line in lines)


def test_json(capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(capture), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    read = next(one for one in found if one["command"] == "ReadNotifyResponse")
    assert read["time"] == "2023-11-14T22:13:20.013000+00:00"
    assert (read["src"], read["dst"], read["from"]) == ("10.0.0.9:5064", "10.0.0.5:40000", "server")
    assert (read["pv"], read["data"], read["data_type"]) == ("a:pv", [1.5], "TIME_DOUBLE")
    assert read["metadata"]["severity"] == "NO_ALARM"
    assert read["status"] == "ECA_NORMAL"


def test_json_of_values_that_json_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Capture()
    made.connect()
    made.send(SERVER, CLIENT, ca.VersionResponse(13))
    numbers = [float("nan"), float("inf"), 1.0] + [0.0] * 2000
    made.send(
        SERVER, CLIENT, ca.ReadNotifyResponse(numbers, ca.ChannelType.DOUBLE, len(numbers), 1, 1)
    )
    made.send(SERVER, CLIENT, ca.ReadNotifyResponse([b"text"], ca.ChannelType.STRING, 1, 1, 1))
    made.send(
        SERVER, CLIENT, ca.ErrorResponse(ca.EchoRequest(), 1, ca.CAStatus.ECA_INTERNAL, "why")
    )
    path = tmp_path / "odd.pcap"
    path.write_bytes(made.data)
    assert main([str(path), "--json"]) == 0
    _, array, text, error = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert array["data"][:3] == ["nan", "inf", 1.0]
    assert len(array["data"]) == 1000
    assert text["data"] == ["text"]
    assert (error["error_message"], error["status"]) == ("why", "ECA_INTERNAL")


def test_standard_input(capture: Path) -> None:
    done = subprocess.run(COMMAND, input=capture.read_bytes(), capture_output=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == len(WANTED)


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "missing.pcap")]) == 1
    assert "missing.pcap" in capsys.readouterr().err
    (tmp_path / "text").write_text("not a capture")
    assert main([str(tmp_path / "text")]) == 1
    assert capsys.readouterr().err.startswith("caproto-shark: This is no capture")


def test_nobody_reads_on(capture: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, *[str(capture)] * 50],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


def test_interrupted_while_it_waits_for_packets(capture: Path) -> None:
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(capture.read_bytes())
        process.stdin.flush()
        for _ in WANTED[:-1]:
            assert process.stdout.readline()
        process.send_signal(2)
        assert process.stderr.read() == b""
        assert process.wait(30) == 0
