"""What the commands print beyond the C tools: JSON, CSV, tables, templates, colours, and errors with a remedy."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import pytest

from tests.support import CIoc
from tests.support.logs import unconfigured_logging

from .conftest import Run


def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let standard output pass for a terminal that may be coloured."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)


# --- JSON and CSV ---------------------------------------------------------------------------------------------------


def test_get_prints_one_object_of_json_per_pv(golden: CIoc, run: Run) -> None:
    outcome = run("caget", "--json", "G:ao", "G:bo", "G:string", "X:nan", "G:wfs", "G:udf")
    records = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert [each["name"] for each in records] == [
        "G:ao", "G:bo", "G:string", "X:nan", "G:wfs", "G:udf",
    ]  # fmt: skip
    assert records[0]["value"] == 3.14159265358979
    assert records[1]["value"] == "On"
    assert records[2]["value"] == "hello, EPICS world"
    assert records[3]["value"] == "nan"
    assert records[4]["value"] == [0, 0, 0, 0]
    assert records[5]["timestamp"] is None
    assert records[5]["severity"] == "INVALID"
    assert outcome.status == 0


def test_json_carries_everything_that_the_type_carries(golden: CIoc, run: Run) -> None:
    (line,) = run("caget", "--json", "-d", "control", "G:alarm").stdout.splitlines()
    record = json.loads(line)
    assert record["units"] == "V"
    assert record["precision"] == 2
    assert record["upper_alarm_limit"] == 8.0
    assert record["lower_alarm_limit"] == "nan"
    (line,) = run("caget", "--json", "-d", "control", "G:bo").stdout.splitlines()
    assert json.loads(line)["enum_strings"] == ["Off", "On"]
    assert json.loads(line)["value"] == "On"
    assert json.loads(run("caget", "--json", "-n", "G:bo").stdout)["value"] == 1


def test_machines_are_told_what_failed_and_the_status_is_1(golden: CIoc, run: Run) -> None:
    names = ("G:ao", "G:nope", "X:noread", "G:string")
    outcome = run("caget", "-w", "0.2", "--json", "-d", "DOUBLE", *names)
    records = [json.loads(line) for line in outcome.stdout.splitlines()]
    assert "error" not in records[0]
    assert records[1]["error"] == "not found"
    assert records[2]["error"] == "no read access"
    assert "ECA_" in records[3]["error"]
    assert outcome.status == 1


def test_csv_has_a_header_and_a_row_per_pv(golden: CIoc, run: Run) -> None:
    outcome = run("caget", "--csv", "-w", "0.2", "G:ao", "G:string", "G:wfs", "G:nope")
    rows = list(csv.DictReader(io.StringIO(outcome.stdout)))
    assert [row["name"] for row in rows] == ["G:ao", "G:string", "G:wfs", "G:nope"]
    assert rows[1]["value"] == "hello, EPICS world"
    assert rows[2]["value"] == "0 0 0 0"
    assert rows[3]["error"] == "not found"


def test_text_in_an_array_is_one_value_with_s(golden: CIoc, run: Run) -> None:
    run("caput", "-S", "G:w4", "some text")
    assert json.loads(run("caget", "--json", "-S", "G:w4").stdout)["value"] == "some text"


def test_put_tells_old_and_new_to_machines_and_fails_for_them(golden: CIoc, run: Run) -> None:
    run("caput", "G:w1", "1")
    outcome = run("caput", "--json", "G:w1", "2.5")
    old, new = (json.loads(line) for line in outcome.stdout.splitlines())
    assert (old["which"], old["value"], new["which"], new["value"]) == ("Old", 1.0, "New", 2.5)
    assert outcome.status == 0
    assert run("caput", "--json", "G:w1", "abc").status == 1
    rows = list(csv.DictReader(io.StringIO(run("caput", "--csv", "G:w1", "3").stdout)))
    assert [(row["which"], row["value"]) for row in rows] == [("Old", "2.5"), ("New", "3.0")]


def test_monitor_streams_json_and_csv(golden: CIoc, run: Run) -> None:
    lines = run("camonitor", "--json", "--maximum", "3", "X:count").stdout.splitlines()
    values = [json.loads(line)["value"] for line in lines]
    assert values == [values[0], values[0] + 1, values[0] + 2]
    text = run("camonitor", "--csv", "--maximum", "1", "G:bo").stdout
    assert next(csv.DictReader(io.StringIO(text)))["value"] == "On"


def test_info_tells_machines_address_version_and_timings(golden: CIoc, run: Run) -> None:
    outcome = run("cainfo", "--json", "-w", "0.2", "X:nowrite", "G:nope")
    record, missing = (json.loads(line) for line in outcome.stdout.splitlines())
    assert record["address"] == f"127.0.0.1:{golden.port}"
    assert (record["read"], record["write"]) == (True, False)
    assert record["version"] == "4.13"
    assert record["connect_ms"] > 0 < record["read_ms"]
    assert missing == {"name": "G:nope", "state": "not connected", "error": "not found"}
    rows = list(csv.DictReader(io.StringIO(run("cainfo", "--csv", "G:ao").stdout)))
    assert rows[0]["type"] == "DBR_DOUBLE"


def test_monitor_prints_no_update_of_a_pv_that_it_may_not_read(golden: CIoc, run: Run) -> None:
    lines = run("camonitor", "--json", "--duration", "0.3", "X:noread").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"name": "X:noread", "error": "no read access"}]
    outcome = run("camonitor", "--duration", "0.3", "X:noread")
    assert outcome.stdout == ""
    assert len(outcome.stderr.splitlines()) == 1
    assert "access rules" in outcome.stderr


# --- for people -----------------------------------------------------------------------------------------------------


def test_info_with_all_adds_to_the_lines_of_cainfo(golden: CIoc, run: Run) -> None:
    brief = run("cainfo", "G:ao").stdout
    text = run("cainfo", "--all", "G:ao").stdout
    assert text.startswith(brief)
    for word in ("Address:", "Server version:   Channel Access 4.13", "Circuit:", "Connected in:"):
        assert word in text


def test_info_of_one_missing_pv_does_not_hide_the_others(golden: CIoc, run: Run) -> None:
    outcome = run("cainfo", "-w", "0.2", "G:nope", "G:ao")
    assert "G:nope\n    State:            not connected\nG:ao\n    State:            connected" in (
        outcome.stdout
    )
    assert outcome.status == 1


def test_info_with_a_level_shows_the_state_of_the_client(golden: CIoc, run: Run) -> None:
    assert "ContextStats" in run("cainfo", "-s", "1", "G:ao").stdout


def test_tables_are_columns_where_there_is_no_terminal(golden: CIoc, run: Run) -> None:
    outcome = run("caget", "--table", "-w", "0.2", "G:alarm", "G:nope", "X:noread")
    lines = outcome.stdout.splitlines()
    assert lines[0].split() == ["name", "value", "severity", "status", "time"]
    assert lines[1].split()[:4] == ["G:alarm", "9", "MAJOR", "HIHI"]
    assert "not connected" in lines[2]
    assert "no read access" in lines[3]
    assert run("cainfo", "--table", "G:ao").stdout.splitlines()[1].split()[:4] == [
        "G:ao", "DBR_DOUBLE", "1", "rw",
    ]  # fmt: skip


def test_tables_are_drawn_and_coloured_on_a_terminal(
    golden: CIoc, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("rich")
    _terminal(monkeypatch)
    text = run("caget", "--table", "G:alarm", "G:ao").stdout
    assert "┃" in text
    assert "G:alarm" in text


def test_a_terminal_gets_colours_by_severity_and_nothing_else_does(
    golden: CIoc, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run("caget", "G:alarm", "G:ao", "G:udf").stdout
    assert "\x1b" not in plain
    _terminal(monkeypatch)
    colored = run("caget", "G:alarm", "G:ao", "G:udf").stdout.splitlines()
    assert colored[0] == f"\x1b[31;1m{plain.splitlines()[0]}\x1b[0m"
    assert colored[1] == plain.splitlines()[1]
    assert colored[2].startswith("\x1b[35;1m")
    assert "\x1b[31;1m" in run("camonitor", "--maximum", "1", "G:alarm").stdout
    assert "\x1b" not in run("caget", "--no-color", "G:alarm").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("caget", "G:alarm", "G:ao", "G:udf").stdout == plain


# --- templates of the original --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--format", "{pv_name} {response.data}", "G:ao", "G:bo"], "G:ao [3.14159]\nG:bo [On]\n"),
        (["--format", "{response.data}", "-f3", "G:ao"], "[3.142]\n"),
        (["--format", "{response.data[0]:.2f}", "G:ao"], "3.14\n"),
        (["--format", "{response.data:.1f}", "G:ao"], "[3.1]\n"),
        (["--format", "{response.metadata.precision}", "-d", "control", "G:ao"], "4\n"),
        (["--format", "{response.data_count}", "G:wfs"], "4\n"),
        (["--format", "{response.data}", "-F", ",", "G:wfs"], "[0,0,0,0]\n"),
        (["--format", "{response.data}", "-S", "G:wfc"], "\n"),
    ],
)
def test_templates_of_the_original_work(
    golden: CIoc, run: Run, arguments: list[str], text: str
) -> None:
    outcome = run("caget", *arguments)
    assert (outcome.stdout, outcome.status) == (text, 0)


def test_templates_show_the_time_and_the_whole_response(golden: CIoc, run: Run) -> None:
    line = run("caget", "-a", "G:ao").stdout.split()
    text = run("caget", "--format", "{timestamp:%Y-%m-%d} {timestamp}", "G:ao").stdout.split()
    assert text == [line[1], line[1], line[2]]
    assert "ReadNotifyResponse" in run("caget", "--format", "{response}", "G:ao").stdout


def test_templates_of_put_and_monitor_have_their_own_fields(golden: CIoc, run: Run) -> None:
    run("caput", "G:w1", "1")
    outcome = run("caput", "--format", "{which} {pv_name} {response.data}", "G:w1", "2")
    assert outcome.stdout == "Old G:w1 [1]\nNew G:w1 [2]\n"
    lines = run(
        "camonitor", "--maximum", "2", "--format", "{callback_count} {timedelta}", "X:count"
    ).stdout.splitlines()
    assert lines[0] == "1 0:00:00"
    assert lines[1].startswith("2 0:00:00.")


@pytest.mark.parametrize("tool", ["caget", "camonitor", "caput"])
def test_a_template_that_does_not_fit_says_so_in_one_line(
    golden: CIoc, run: Run, tool: str
) -> None:
    value = ["1"] if tool == "caput" else []
    for template, reason in (("{bogus}", "has no {bogus}"), ("{response.nope}", "does not fit")):
        outcome = run(tool, "--format", template, "G:w1", *value)
        assert reason in outcome.stderr
        assert len(outcome.stderr.splitlines()) == 1
        assert outcome.status == 1


# --- names ----------------------------------------------------------------------------------------------------------


def test_names_come_from_files_and_from_standard_input(
    golden: CIoc, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "names.txt"
    file.write_text("# two of them\nG:ao G:bo # and nothing else\n\n")
    wanted = run("caget", "G:ao", "G:bo").stdout
    assert run("caget", f"@{file}").stdout == wanted
    assert run("caget", "--file", str(file)).stdout == wanted
    assert run("caget", "--file", str(file), "--file", str(file)).stdout == 2 * wanted
    monkeypatch.setattr(sys, "stdin", io.StringIO("G:ao\nG:bo\n"))
    assert run("caget", "-").stdout == wanted


def test_a_file_that_is_not_there_is_named(golden: CIoc, run: Run) -> None:
    for tool in ("caget", "cainfo", "camonitor"):
        outcome = run(tool, "@/does/not/exist")
        assert "'/does/not/exist'" in outcome.stderr
        assert outcome.status == 1
    assert run("caput", "--file", "G:w1", "/does/not/exist").status == 1


def test_put_takes_values_from_files_and_literals(
    golden: CIoc, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "values.txt"
    file.write_text("7 8\n9\n")
    assert run("caput", "--file", "-a", "G:w3", str(file)).stdout.splitlines()[1] == (
        "New : G:w3 5 7 8 9 0 0"
    )
    assert run("caput", "-t", "G:w3", "[1, 2]").stdout == "5 1 2 0 0 0\n"
    assert run("caput", "-t", "-a", "G:w3", "3 4").stdout == "5 3 4 0 0 0\n"
    assert run("caput", "-t", "--array-pad", "4", "-a", "G:w3", "5 6").stdout == "5 5 6 0 0 0\n"
    assert "more than --array-pad" in run("caput", "--array-pad", "1", "G:w3", "[1, 2]").stderr
    file.write_text("text of a file\n")
    assert run("caput", "-t", "--file", "G:w5", str(file)).stdout == "text of a file\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("text of a pipe\n"))
    assert run("caput", "-t", "G:w5", "-").stdout == "text of a pipe\n"


# --- errors ---------------------------------------------------------------------------------------------------------


def test_one_missing_pv_does_not_hide_the_others_and_sets_the_status(
    golden: CIoc, run: Run
) -> None:
    outcome = run("caget", "-w", "0.2", "G:ao", "G:nope", "G:bo")
    assert outcome.stdout.splitlines() == [
        "G:ao                           3.14159",
        "G:nope                         *** Not connected (PV not found)",
        "G:bo                           On",
    ]
    assert outcome.status == 1
    assert run("caget", "G:ao", "G:bo").status == 0


def test_a_missing_pv_says_where_it_was_searched_and_what_decides_that(
    golden: CIoc, run: Run
) -> None:
    for tool in ("caget", "cainfo", "caput"):
        value = ["1"] if tool == "caput" else []
        (line,) = run(tool, "-w", "0.2", "G:nope", *value).stderr.splitlines()
        assert "'G:nope' not found" in line
        assert f"127.0.0.1:{golden.port}" in line
        assert "EPICS_CA_ADDR_LIST" in line
        assert "EPICS_CA_AUTO_ADDR_LIST" in line


def test_many_missing_pvs_are_one_line(golden: CIoc, run: Run) -> None:
    (line,) = run("caget", "-w", "0.2", *(f"no:{i}" for i in range(25))).stderr.splitlines()
    assert "'no:9' and 15 more not found" in line


def test_an_impossible_name_does_not_hide_the_others(golden: CIoc, run: Run) -> None:
    outcome = run("caget", "G:ao", "x" * 2000, "")
    assert outcome.stdout.startswith("G:ao                           3.14159\n")
    assert outcome.stderr.count("cannot be the name of a PV") == 2
    assert outcome.status == 1
    assert "cannot be the name" in run("camonitor", "x" * 2000).stderr


def test_missing_permission_is_named(golden: CIoc, run: Run) -> None:
    (line,) = run("caput", "X:nowrite", "1").stderr.splitlines()
    assert "X:nowrite" in line
    assert "access rules" in line
    assert "ECA_NOWTACCESS" in line
    assert "ECA_NORDACCESS" in run("caget", "X:noread").stderr
    assert "ECA_NORDACCESS" in run("camonitor", "--duration", "0.2", "X:noread").stderr


def test_a_wrong_label_names_the_labels_that_there_are(golden: CIoc, run: Run) -> None:
    outcome = run("caput", "G:mbbo", "nope")
    assert "'zero', 'one', 'two words', 'three'" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.status == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["G:w6", "99999999999"], "out of range for DBF_LONG: -2147483648 to 2147483647"),
        (["X:short", "40000"], "out of range for DBF_SHORT: -32768 to 32767"),
        (["G:w1", "abc"], "'abc' is not a number, as DBF_DOUBLE needs"),
        (["G:ro", "1"], "or the record takes no values now (field DISP)"),
    ],
)
def test_a_value_that_the_server_refuses_is_reported_in_one_line(
    golden: CIoc, run: Run, arguments: list[str], reason: str
) -> None:
    (line,) = run("caput", *arguments).stderr.splitlines()
    assert arguments[0] in line
    assert reason in line
    assert "ECA_PUTFAIL" in line
    outcome = run("caput", "-c", *arguments)
    assert outcome.status == 1
    (line,) = outcome.stderr.splitlines()
    assert reason in line


def test_too_many_elements_are_refused_before_they_are_sent(golden: CIoc, run: Run) -> None:
    outcome = run("caput", "-a", "G:w3", "6", *"123456")
    assert "holds at most 5" in outcome.stderr
    assert outcome.status == 1


@pytest.mark.parametrize(
    "arguments",
    [["caget", "--json", "--csv", "x"], ["camonitor", "--live", "--plot", "a.png", "x"]],
)
def test_outputs_that_contradict_each_other_are_refused(run: Run, arguments: list[str]) -> None:
    outcome = run(*arguments)
    assert "exclude each other" in outcome.stderr
    assert outcome.status == 1


def test_help_version_and_types_need_no_server(run: Run) -> None:
    for tool in ("caget", "caput", "camonitor", "cainfo"):
        assert run(tool, "--help").stdout.startswith("Usage: caproto-")
        assert run(tool, "-V").stdout.count(".") == 2
    assert "34  CTRL_DOUBLE" in run("caget", "--list-types").stdout


@pytest.mark.parametrize("value", ["x", "0", "-1"])
def test_an_end_that_cannot_be_reached_is_refused(run: Run, value: str) -> None:
    assert run("camonitor", "--duration", value, "x").status == 1
    assert run("camonitor", "--maximum", value, "x").status == 1


def test_verbose_shows_log_messages(golden: CIoc, run: Run) -> None:
    with unconfigured_logging():
        assert len(run("caget", "-vv", "G:ao").stderr.splitlines()) > 1
