"""A table of arguments: the same through our tools and through EPICS's own, compared byte for byte.

Standard output and the exit status are compared; on standard error we say more. Values are the same for both sides,
so that only time stamps of a client's own clock differ.
"""

from __future__ import annotations

import os
import re

import pytest

from tests.support import CIoc

from .c_tools import Outcome, binaries, run_c_tool
from .conftest import PREPARATION, Run

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(binaries() is None, reason="no caget of EPICS for this machine"),
]

SCALARS = "G:ao G:alarm G:tiny G:huge G:udf G:long G:hex G:bo G:mbbo G:string G:quote X:nan X:inf"
ARRAYS = (
    "G:wfd G:wff G:wfl G:wfs G:wfc G:wfstr G:empty X:uchar X:short X:shorts X:wfenum X:one X:char"
)
EVERYTHING = f"{SCALARS} {ARRAYS} X:a-rather-long-name-of-more-than-thirty-characters"

# Options of caget that each are tried on every kind of PV.
GET_OPTIONS = """
-t
-a
-n
-s
-S
-c
-a -n
-a -s
-a -S
-a -c
-t -S
-c -S
-n -s
-c -n -a
-# 0
-# 1
-# 2
-# 3 -S
-# 100
-# -1
-# 2 -c
-e 0
-e 5
-e5
-f 0
-f8
-f 18
-g 3
-g 17
-lx
-lo
-lb
-0x
-0o
-0b
-0 x
-n -0x
-n -0b
-lx -0o
-l x
-l b -t
-0 xlx
-f 3.7
-# 2x
-p 2.5
-F ,
-F ;
-F , -a
-F , -t
-F , -S
-p 5
-p 200
-w 5
-w5
-tn
-ta
-at
-anF,
-d DBR_LONG -t
-d DBR_LONG -a
-a -d DBR_LONG
""".strip().splitlines()

TYPES = [
    "STRING",
    "SHORT",
    "FLOAT",
    "ENUM",
    "CHAR",
    "LONG",
    "DOUBLE",
    "STS_STRING",
    "STS_SHORT",
    "STS_FLOAT",
    "STS_ENUM",
    "STS_CHAR",
    "STS_LONG",
    "STS_DOUBLE",
    "TIME_STRING",
    "TIME_SHORT",
    "TIME_FLOAT",
    "TIME_ENUM",
    "TIME_CHAR",
    "TIME_LONG",
    "TIME_DOUBLE",
    "GR_STRING",
    "GR_SHORT",
    "GR_FLOAT",
    "GR_ENUM",
    "GR_CHAR",
    "GR_LONG",
    "GR_DOUBLE",
    "CTRL_STRING",
    "CTRL_SHORT",
    "CTRL_FLOAT",
    "CTRL_ENUM",
    "CTRL_CHAR",
    "CTRL_LONG",
    "CTRL_DOUBLE",
    "STSACK_STRING",
    "CLASS_NAME",
]
NUMERIC = [
    "G:ao",
    "G:alarm",
    "G:long",
    "G:hex",
    "G:bo",
    "G:mbbo",
    "G:wfd",
    "G:wff",
    "G:wfl",
    "G:wfs",
    "G:wfc",
    "X:uchar",
    "X:nan",
]

# What is wrong, or unusual. (The names with INT in them are listed by caget -h, but not known to it.)
ODD = [
    ["caget"],
    ["caget", "-y", "G:ao"],
    ["caget", "-w"],
    ["caget", "-w", "x", "G:ao"],
    ["caget", "-p", "x", "G:ao"],
    ["caget", "-#", "x", "G:wfd"],
    ["caget", "-e", "x", "G:ao"],
    ["caget", "-e", "-3", "G:ao"],
    ["caget", "-f", "19", "G:ao"],
    ["caget", "-g", "20", "G:ao"],
    ["caget", "-0z", "G:ao"],
    ["caget", "-d", "NOPE", "G:ao"],
    ["caget", "-d", "99", "G:ao"],
    ["caget", "-d", "35", "G:ao"],
    ["caget", "-d", "DBR_PUT_ACKT", "G:ao"],
    ["caget", "-F", "", "G:ao"],
    ["caget", "G:ao", "-t"],
    ["caget", "X:noread", "G:ao"],
    ["caget", "-t", "X:noread"],
    ["caget", "-d", "DBR_LONG", "X:noread"],
    ["caget", "-c", "X:noread"],
    ["caget", "-w", "0.1", "G:nope"],
    ["caget", "-w", "0", "G:ao"],
    ["caget", "-w", "0.1", "G:ao.TIME"],
    ["caget", "-w", "0.1", "--", "-t"],
    ["caget", "-c", "-d", "DBR_SHORT", "G:string"],
    ["caget", "-c", "-d", "DBR_LONG", "G:string", "G:ao"],
    ["caget", "-n", "-d", "DBR_CTRL_ENUM", "G:mbbo"],
    ["caget", "-F", ",", "-d", "DBR_CTRL_ENUM", "G:mbbo"],
    ["caget", "-F", ",", "-d", "DBR_CTRL_DOUBLE", "G:wfd"],
    ["caget", "-0x", "-d", "DBR_CTRL_LONG", "G:long"],
    ["caget", "-f2", "-d", "DBR_CTRL_DOUBLE", "G:ao"],
    ["caget", "-lx", "-d", "DBR_CTRL_DOUBLE", "G:ao"],
    ["caget", "-S", "-d", "DBR_TIME_CHAR", "G:wfc"],
    ["caget", "-#", "2", "-d", "DBR_TIME_DOUBLE", "G:wfd"],
    ["caget", "-s", "-d", "DBR_DOUBLE", "G:ao"],
    ["caget", "-d", "DBR_DOUBLE", "-0x", "G:ao", "G:long", "G:mbbo"],
    ["caget", "-0x", "-d", "DBR_DOUBLE", "G:ao", "G:long", "G:mbbo"],
    ["caget", "-0x", "-d", "DBR_STS_ENUM", "G:ao", "G:mbbo"],
    ["caget", "-S", "-d", "DBR_CHAR", "X:char", "G:wfc"],
    ["caget", "-#", "1", "-S", "-d", "DBR_CHAR", "X:char", "G:wfc"],
    ["cainfo"],
    ["cainfo", "-t"],
    ["cainfo", "-w", "0.1", "G:nope"],
    ["cainfo", "-w", "5", "-p", "3", "G:ao"],
    ["cainfo", "-s", "0", "G:ao"],
    ["cainfo", "-s", "x", "G:ao"],
    ["cainfo", "-w", "0", "G:ao"],
    ["camonitor"],
    ["camonitor", "-y"],
    ["caput"],
    ["caput", "G:w1"],
    ["caput", "-w", "0.1", "G:nope", "1"],
]

PUTS = [
    ["G:w1", "2.5"],
    ["G:w1", "-5"],
    ["--", "G:w1", "-6"],
    ["G:w1", "1", "2"],
    ["G:w1", ""],
    ["G:w1", "abc"],
    ["-t", "G:w1", "abc"],
    ["-c", "G:w1", "abc"],
    ["-c", "-t", "G:w1", "abc"],
    ["-c", "-t", "G:w1", "7"],
    ["-n", "G:w1", "3.5"],
    ["-w", "0", "G:w1", "3.5"],
    ["-a", "G:w1", "1"],
    ["-n", "G:w1", "x"],
    ["-S", "G:w1", "3"],
    ["-l", "G:w1", "8"],
    ["-l", "-c", "G:w1", "9"],
    ["-F", ",", "-l", "G:w1", "10"],
    ["G:w1", "0x10"],
    ["G:w1", "nan"],
    ["G:w1", "1e400"],
    ["-c", "G:ro", "5"],
    ["X:nowrite", "3"],
    ["-t", "X:nowrite", "3"],
    ["X:noread", "3"],
    ["G:mbbo", "one"],
    ["-l", "G:mbbo", "zero"],
    ["-l", "-n", "G:mbbo", "2"],
    ["-t", "-n", "G:mbbo", "1"],
    ["-n", "G:mbbo", "one"],
    ["-s", "G:mbbo", "2"],
    ["-s", "G:mbbo", "nope"],
    ["-ns", "G:mbbo", "one"],
    ["-ns", "G:mbbo", "1"],
    ["-sn", "G:mbbo", "1"],
    ["-sn", "G:mbbo", "one"],
    ["-S", "G:mbbo", "one"],
    ["G:mbbo", "4294967297"],
    ["G:mbbo", "1e400"],
    ["-n", "X:wfenum", "65535"],
    ["G:mbbo", "two words"],
    ["G:mbbo", "two", "words"],
    ["G:mbbo", "2"],
    ["G:mbbo", "5"],
    ["G:mbbo", "100000"],
    ["G:mbbo", "-1"],
    ["G:mbbo", "1.5"],
    ["G:mbbo", "1 2"],
    ["G:mbbo", "nope"],
    ["G:mbbo", " 1"],
    ["-a", "G:mbbo", "1", "two words"],
    ["-a", "G:w3", "3", "1", "2", "3"],
    ["-a", "G:w3", "1", "2", "3"],
    ["-a", "G:w3", "0"],
    ["-a", "G:w3", "2"],
    ["-S", "-a", "G:w3", "2", "7", "8"],
    ["-a", "-S", "G:w4", "2", "7", "8"],
    ["-S", "-a", "G:w4", "2", "7", "8"],
    ["-S", "X:char", ""],
    ["-S", "G:w4", r"\xe9\xff"],
    ["-a", "G:w3", "x", "2", "3"],
    ["-a", "G:w3", "5", "2", "3"],
    ["-a", "G:w3", "2", "a", "b"],
    ["-a", "-n", "G:w3", "2", "1", "2"],
    ["-a", "G:w3", "9", "1", "2", "3", "4", "5", "6"],
    ["-t", "-a", "G:w3", "2", "1", "2"],
    ["-a", "-c", "G:w3", "2", "3", "4"],
    ["-S", "G:w4", "two", "words"],
    ["-S", "-F", ",", "G:w4", "other words"],
    ["-S", "-t", "G:w4", "abc"],
    ["-S", "-l", "G:w4", "abcd"],
    ["-S", "G:w4", "x" * 60],
    ["-S", "G:w4", "x" * 39],
    ["-S", "G:w4", "x" * 40],
    ["-S", "G:w4", r"a\tb\"c"],
    ["-S", "G:w4", ""],
    ["-a", "G:w4", "3", "97", "98", "99"],
    ["G:w4", "98"],
    ["G:w5", "two", "words"],
    ["-F", ",", "G:w5", "two words"],
    ["G:w5", ""],
    ["G:w5", r"a\tb\\c"],
    ["G:w5", r"\101\0"],
    ["G:w5", r"a\xgb"],
    ["G:w5", r"\x"],
    ["G:w5", r"\x4\x414"],
    ["G:w5", r"\xe9\xff"],
    ["G:w5", "a\\"],
    ["G:w5", "x" * 60],
    ["G:w5", "\xe9t\xe9"],
    ["-S", "G:w5", "text"],
    ["-a", "G:wfstr", "2", "a", "b c"],
    ["G:ao.DESC", "x", "y"],
    ["-S", "G:ao.DESC$", "a much longer text than the forty"],
    ["G:ao.EGU", "cm"],
    ["X:short", "5"],
    ["X:short", "-5"],
    ["G:w6", "99999999999"],
    ["G:w6", "1.7"],
    ["G:w6", "0x1F"],
]

MONITORS = [
    [],
    ["-n"],
    ["-s"],
    ["-S"],
    ["-#", "2"],
    ["-#", "200"],
    ["-F", ","],
    ["-0x"],
    ["-lx"],
    ["-e3"],
    ["-p", "7"],
    ["-m", "va"],
    ["-m", "vap"],
    ["-t", "n"],
    ["-t", "s"],
    ["-t", "c"],
    ["-t", "sc"],
    ["-t", "sr"],
    ["-t", "si"],
    ["-t", "sI"],
    ["-t", "cr"],
    ["-t", "ci"],
    ["-t", "ns"],
    ["-t", "r"],
    ["-tn", "-n"],
]


@pytest.fixture(scope="module")
def _values(golden_ioc: CIoc) -> CIoc:
    """Write through EPICS's own tool what the reading tests read."""
    env = golden_ioc.client_env(TZ="UTC")
    for arguments in PREPARATION:
        assert run_c_tool(env, "caput", *arguments).status == 0
    for name, values in (("X:uchar", "4 0 1 128 255"), ("X:shorts", "3 -1 256 -32768")):
        assert run_c_tool(env, "caput", "-a", name, *values.split()).status == 0
    return golden_ioc


@pytest.fixture
def values(_values: CIoc, golden: CIoc) -> CIoc:
    """The IOC with values in all its arrays."""
    return golden


def _compare(run: Run, ioc: CIoc, *command: str) -> str:
    """Say in what both sides differ; empty if in nothing."""
    theirs = run_c_tool(ioc.client_env(TZ="UTC"), *command)
    ours = run(*command)
    return _difference(command, theirs, ours)


def _difference(command: tuple[str, ...], theirs: Outcome, ours: Outcome) -> str:
    if (theirs.stdout, theirs.status) == (ours.stdout, ours.status):
        return "" if bool(theirs.stderr) <= bool(ours.stderr) else f"{command}: {theirs.stderr}"
    shown = [
        f"EPICS {their!r}\nours  {our!r}"
        for their, our in zip(
            theirs.stdout.splitlines() + [""] * 99,
            ours.stdout.splitlines() + [""] * 99,
            strict=False,
        )
        if their != our
    ]
    return f"$ {' '.join(command)}   (status {theirs.status}, ours {ours.status})\n" + "\n".join(
        shown
    )


@pytest.mark.parametrize("options", ["", *GET_OPTIONS])
def test_get_prints_every_kind_of_pv_like_caget(values: CIoc, run: Run, options: str) -> None:
    assert not _compare(run, values, "caget", *options.split(), *EVERYTHING.split())


@pytest.mark.parametrize("options", [["-a"], ["-a", "-c"], ["-a", "-F", ","]], ids=" ".join)
def test_get_shows_when_a_value_could_not_be_read_like_caget(
    values: CIoc, run: Run, options: list[str]
) -> None:
    command = ("caget", *options, "X:noread", "G:ao")
    theirs = run_c_tool(values.client_env(TZ="UTC"), *command)
    assert _timeless(run(*command)).stdout == _timeless(theirs).stdout


@pytest.mark.parametrize("kind", TYPES)
def test_get_prints_every_requested_type_like_caget(values: CIoc, run: Run, kind: str) -> None:
    names = NUMERIC
    if kind.endswith(("STRING", "CLASS_NAME")):
        names = [*EVERYTHING.replace("X:wfenum", "").split()]
    assert not _compare(run, values, "caget", "-d", f"DBR_{kind}", *names)


@pytest.mark.parametrize("command", ODD, ids=" ".join)
def test_odd_arguments_end_like_those_of_the_c_tools(
    values: CIoc, run: Run, command: list[str]
) -> None:
    assert not _compare(run, values, *command)


def test_info_prints_every_kind_of_pv_like_cainfo(values: CIoc, run: Run) -> None:
    names = [*EVERYTHING.split(), "X:noread", "X:nowrite"]
    assert not _compare(run, values, "cainfo", *names)


_RESTORE = {"G:mbbo": "2", "G:ao.EGU": "mm", "G:ao.DESC": "an analogue output", "X:short": "0"}


@pytest.mark.parametrize("arguments", PUTS, ids=" ".join)
def test_put_prints_and_writes_like_caput(values: CIoc, run: Run, arguments: list[str]) -> None:
    """Both find the same value; what they print, and what is there afterwards, must be the same."""
    name = next(each for each in arguments if each.startswith(("G:", "X:")))
    reset = {"G:w4": ["-S", name, "before"], "G:ao.DESC$": ["-S", name, "before"]}.get(
        name, [name, _RESTORE.get(name, "1")]
    )
    env = values.client_env(TZ="UTC")

    def both_sides(put: object) -> tuple[Outcome, str]:
        run("caput", *reset)
        outcome = put()  # type: ignore[operator]
        return outcome, run("caget", "-a", name).stdout

    theirs, their_value = both_sides(lambda: run_c_tool(env, "caput", *arguments))
    ours, our_value = both_sides(lambda: run("caput", *arguments))
    run("caput", *reset)
    assert not _difference(("caput", *arguments), _timeless(theirs), _timeless(ours))
    assert _words_after_time(our_value) == _words_after_time(their_value)


def _timeless(outcome: Outcome) -> Outcome:
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", "<time>", outcome.stdout)
    return Outcome(text, outcome.stderr, outcome.status)


def _words_after_time(line: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", "<time>", line)


@pytest.mark.parametrize("options", MONITORS, ids=" ".join)
def test_monitor_prints_first_updates_like_camonitor(
    values: CIoc, run: Run, options: list[str]
) -> None:
    names = EVERYTHING.replace("X:wfenum", "").split()
    command = ["camonitor", *options, *names]
    theirs = run_c_tool(values.client_env(TZ="UTC"), *command, until=len(names))
    ours = run("camonitor", "--maximum", str(len(names)), *options, *names)
    clock = re.compile(r"\(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\)")
    assert clock.sub("(<now>)", ours.stdout) == clock.sub("(<now>)", theirs.stdout)
    assert len(ours.stdout.splitlines()) == len(names)


@pytest.mark.parametrize("key", ["sr", "si", "sI", "cr", "ci", "cI", "sci"])
def test_monitor_shows_passed_time_in_the_fields_of_camonitor(
    values: CIoc, run: Run, key: str
) -> None:
    theirs = run_c_tool(values.client_env(TZ="UTC"), "camonitor", "-t", key, "X:count", until=3)
    ours = run("camonitor", "--maximum", "3", "-t", key, "X:count")

    def shape(text: str) -> list[str]:
        lines = [re.sub(r"\) \d+ ?.*|(\d{6}) \d+ ?.*", r")\1", line) for line in text.splitlines()]
        return [re.sub(r"\d", "0", line) for line in lines]

    assert shape(ours.stdout) == shape(theirs.stdout)


def test_the_environment_of_these_tests_shows_the_same_times_to_both_sides(values: CIoc) -> None:
    assert os.environ["TZ"] == "UTC"
