"""Writing many PVs in one run: values from lines, JSON and CSV."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import pytest

from caproto import ChannelType
from caproto.commandline.options import UsageError
from caproto.commandline.put_lines import entries_of
from caproto.commandline.put_values import exact_to_write
from tests.support import CIoc

from .conftest import Run

WRITTEN = ("G:w1", "G:w2", "G:w3", "G:w4", "G:w5", "G:w6", "G:wfstr", "X:uchar")


def _feed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_put_writes_many_pvs_and_one_that_fails_does_not_hide_the_others(
    golden: CIoc, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("caput", "G:w1", "1")
    run("caput", "G:w2", "zero")
    _feed(
        monkeypatch,
        "# what belongs together\nG:w1 2.5\nG:nope 1\nG:w2 two\nX:nowrite 3\nG:w3 1 2 3\nG:w5 nothing\nG:mbbo nope\n",
    )
    outcome = run("caput", "-w", "0.3", "-c", "-")
    lines = outcome.stdout.splitlines()
    assert lines[0] == "Old : G:w1                           1"
    assert [line for line in lines if line.startswith("New")] == [
        "New : G:w1                           2.5",
        "New : G:w2                           two",
        "New : G:w3 5 1 2 3 0 0",
        "New : G:w5                           nothing",
    ]
    complaints = outcome.stderr.splitlines()
    assert any("G:nope" in line and "not found" in line for line in complaints)
    assert any("X:nowrite" in line and "ECA_NOWTACCESS" in line for line in complaints)
    assert any("G:mbbo" in line and "'zero', 'one'" in line for line in complaints)
    assert len(complaints) == 3
    assert outcome.status == 1


@pytest.mark.parametrize("form", ["--json", "--csv"])
def test_what_get_printed_can_be_written_back(
    golden: CIoc, run: Run, tmp_path: Path, form: str
) -> None:
    names = [name for name in WRITTEN if form == "--json" or name != "G:wfstr"]
    run("caput", "G:w1", "0.1")
    run("caput", "G:w2", "two")
    run("caput", "-a", "G:w3", "2", "1e300", "nan")
    run("caput", "-S", "G:w4", "a text")
    run("caput", "G:w5", 'odd, "quoted"\\tones')
    run("caput", "G:w6", "-7")
    run("caput", "-a", "G:wfstr", "2", "a b", "c")
    run("caput", "-a", "X:uchar", "2", "1", "255")
    before = run("caget", form, *names).stdout
    shown = run("caget", "-t", *names).stdout
    file = tmp_path / "before"
    file.write_text(before)
    for name in ("G:w1", "G:w2", "G:w5", "G:w6"):
        run("caput", name, "0")
    for name in ("G:w3", "G:w4", "G:wfstr", "X:uchar"):
        run("caput", "-a", name, "0")
    assert run("caget", "-t", *names).stdout != shown
    outcome = run("caput", "-t", "-c", f"@{file}")
    assert outcome.stderr == ""
    assert outcome.stdout == shown
    assert outcome.status == 0


def test_a_line_without_a_value_is_reported_and_the_rest_written(
    golden: CIoc, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _feed(monkeypatch, run("caget", "-w", "0.1", "--json", "G:nope", "G:w1").stdout)
    outcome = run("caput", "--json", "-")
    assert [json.loads(line)["name"] for line in outcome.stdout.splitlines()] == ["G:w1", "G:w1"]
    assert outcome.stderr == "caproto-put: G:nope: no value (not found)\n"
    assert outcome.status == 1


def test_malformed_input_writes_nothing(
    golden: CIoc, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("caput", "G:w1", "1")
    _feed(monkeypatch, "G:w1 2\nG:w2\n")
    outcome = run("caput", "-")
    assert outcome.stderr.startswith("caproto-put: Line 2 has no value: 'G:w2'.")
    assert outcome.status == 1
    assert run("caget", "-t", "G:w1").stdout == "1\n"


def test_a_refusal_without_confirmation_is_told_for_the_pv_that_it_is_about(
    golden: CIoc, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    _feed(monkeypatch, "G:w1 abc\nG:w6 99999999999\n")
    first, second = sorted(run("caput", "-").stderr.splitlines())
    assert "G:w1" in first
    assert "'abc' is not a number" in first
    assert "G:w6" in second
    assert "out of range for DBF_LONG" in second


def test_lines_of_names_and_values_are_read_as_words() -> None:
    entries = entries_of("# a comment\nsim:a 1.5\n\n  sim:b\t two  words \n")
    assert [(entry.name, entry.words) for entry in entries] == [
        ("sim:a", ["1.5"]),
        ("sim:b", ["two  words"]),
    ]


def test_values_in_json_and_csv_are_taken_as_they_are() -> None:
    line = '{"name": "sim:a", "value": [1, "nan"], "time": "whenever"}\n'
    (entry,) = entries_of(line)
    assert (entry.name, entry.words, entry.value) == ("sim:a", [], [1, "nan"])
    first, second = entries_of('name,timestamp,value,error\nsim:a,,"a ""b""",\nsim:b,,,not found\n')
    assert (first.name, first.value, first.missing) == ("sim:a", 'a "b"', "")
    assert second.missing == "not found"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no PV and no value"),
        ("sim:a 1\nsim:b\n", "Line 2 has no value: 'sim:b'"),
        ('{"name": "sim:a", "value": 1}\nsim:b 2\n', "Line 2 is no JSON"),
        ('{"value": 1}\n', "Line 1 has no name"),
    ],
)
def test_malformed_input_is_refused_as_a_whole_and_says_where(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        entries_of(text)


@pytest.mark.parametrize(
    ("value", "native", "labels", "data"),
    [
        ("1 2.5", ChannelType.DOUBLE, [], [1.0, 2.5]),
        ([0.1, "nan"], ChannelType.FLOAT, [], [0.1, math.nan]),
        ("7", ChannelType.LONG, [], [7]),
        (True, ChannelType.LONG, [], [1]),
        (3.0, ChannelType.LONG, [], [3]),
        ("1 200", ChannelType.CHAR, [], [1, 200]),
        ("h\xe9", ChannelType.CHAR, [], b"h\xc3\xa9\0"),
        (["a b", "\\x41"], ChannelType.STRING, [], [b"a b", b"\\x41"]),
        ("one", ChannelType.ENUM, ["zero", "one"], [1]),
        (1, ChannelType.ENUM, ["zero", "one"], [1]),
    ],
)
def test_exact_values_fit_the_type_of_the_pv(
    value: object, native: ChannelType, labels: list[str], data: object
) -> None:
    result = exact_to_write(value, native, isinstance(value, str), labels)
    assert result.kind is native
    assert repr(result.data) == repr(data)


@pytest.mark.parametrize(
    ("value", "native", "complaint"),
    [
        ("x", ChannelType.DOUBLE, "'x' is no number for DBF_DOUBLE"),
        (2.5, ChannelType.LONG, "2.5 is no number for DBF_LONG"),
        (math.inf, ChannelType.INT, "inf is no number for DBF_SHORT"),
        ([{}], ChannelType.DOUBLE, "neither a number nor a text"),
        ("two", ChannelType.ENUM, "its labels are 'zero', 'one'"),
        (-1, ChannelType.ENUM, "its labels are 'zero', 'one'"),
    ],
)
def test_exact_values_that_do_not_fit_are_refused(
    value: object, native: ChannelType, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        exact_to_write(value, native, False, ["zero", "one"])
