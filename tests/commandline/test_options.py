"""The arguments: rules of getopt and long options, help, and completion from the same tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto import ChannelType
from caproto.commandline import get, info, monitor, put
from caproto.commandline.arguments import style_of, timeout_of
from caproto.commandline.options import Command, UsageError
from caproto.commandline.put_values import (
    array_words,
    enum_to_write,
    literal_to_write,
    padded,
    strings_to_write,
)
from caproto.commandline.reading_pvs import data_type_of
from caproto.commandline.templates import Template

COMMANDS = [get.COMMAND, put.COMMAND, monitor.COMMAND, info.COMMAND]
GET = get.COMMAND

# The options of the original's commands, from their --help.
ORIGINAL = {
    "get": "-h --help --verbose -v --format --timeout -w --notify -c --priority -p --terse -t --wide -a -l -d "
    "--list-types -n -S -# --no-color --no-repeater --version -V -e -f -g -s -lx -lo -lb -0x -0o -0b -F",
    "put": "-h --help --verbose -v --format --timeout -w --notify -c --priority -p --terse -t --wide -l -n --array "
    "-a --file --array-pad -S --no-color --no-repeater --version -V",
    "monitor": "-h --help --format --verbose -v --duration --maximum --timeout -w -m --priority -p -n -S -# "
    "--no-color --no-repeater --version -V -e -f -g -s -lx -lo -lb -0x -0o -0b -F",
}
# Those of the C tools, from their -h.
OF_C = {
    "get": "-h -V -w -c -p -t -a -d -n -# -S -e -f -g -s -lx -lo -lb -0x -0o -0b -F",
    "put": "-h -V -w -c -p -t -l -n -s -S -a -F",
    "monitor": "-h -V -w -m -p -t -n -# -S -e -f -g -s -lx -lo -lb -0x -0o -0b -F",
    "info": "-h -V -w -s -p",
}


def _names(command: Command) -> set[str]:
    return {name for option in command.options for name in option.names}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_all_options_of_the_original_and_of_the_c_tools_are_there(command: Command) -> None:
    wanted = set(ORIGINAL.get(command.name, "").split()) | set(OF_C[command.name].split())
    assert not wanted - _names(command)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_no_option_stands_for_two_things_and_help_shows_each(command: Command) -> None:
    names = [name for option in command.options for name in option.names if name != "-0"]
    assert len(names) == len(set(names))
    text = command.help()
    assert all(name in text for name in names)
    assert max(len(line) for line in text.splitlines()) <= 115


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        (["-tn", "pv"], ["-t", "-n", "pv"]),
        (["-f8", "pv"], ["-f", "8", "pv"]),
        (["-tlx", "pv"], ["-t", "-lx", "pv"]),
        (["-nF,", "pv"], ["-n", "-F", ",", "pv"]),
        (["-0x"], ["-0", "x"]),
        (["-l", "x", "pv"], ["-lx", "pv"]),
        (["-tl", "x", "pv"], ["-t", "-lx", "pv"]),
        (["-l", "x"], ["x", "-l"]),
        (["pv", "-t"], ["-t", "pv"]),
        (["--timeout=3"], ["-w", "3"]),
        (["--timeout", "3"], ["-w3"]),
        (["--ters"], ["-t"]),
        (["--notify"], ["-c"]),
        (["-l"], ["-a"]),
    ],
)
def test_two_ways_to_say_the_same(typed: list[str], same: list[str]) -> None:
    ours, theirs = GET.parse(typed), GET.parse(same)
    assert (ours.values, ours.names) == (theirs.values, theirs.names)
    assert ours.values


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (["-y"], "Unrecognized option: '-y'"),
        (["--nope"], "'--nope' is unknown"),
        (["--no"], "ambiguous: "),
        (["-w"], "'-w' requires an argument"),
        (["--timeout"], "requires an argument"),
        (["--terse=1"], "takes no argument"),
    ],
)
def test_what_cannot_be_understood_is_refused(typed: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        GET.parse(typed)


@pytest.mark.parametrize("value", ["-5", "-.5", "-1e3", "-inf"])
def test_negative_numbers_are_values(value: str) -> None:
    assert put.COMMAND.parse(["pv", value]).names == ["pv", value]
    assert put.COMMAND.parse(["--", "pv", "-t"]).names == ["pv", "-t"]


@given(st.lists(st.text(max_size=6), max_size=6))
def test_any_arguments_are_either_understood_or_refused(arguments: list[str]) -> None:
    for command in COMMANDS:
        try:
            parsed = command.parse(arguments)
        except UsageError:
            continue
        assert len(parsed.names) <= len(arguments)


def test_bad_arguments_of_options_are_ignored_with_a_warning() -> None:
    parsed = GET.parse(["-w", "x", "-p", "y", "-#", "z", "-e", "99", "-f", "a", "-0z", "-w", "nan"])
    assert not parsed.values
    assert len(parsed.warnings) == 7


def test_the_timeout_comes_from_the_option_or_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EPICS_CLI_TIMEOUT", raising=False)
    monkeypatch.delenv("CAPROTO_DEFAULT_TIMEOUT", raising=False)
    assert timeout_of(GET.parse([])) == 2.0
    monkeypatch.setenv("CAPROTO_DEFAULT_TIMEOUT", "3")
    assert timeout_of(GET.parse([])) == 3.0
    monkeypatch.setenv("EPICS_CLI_TIMEOUT", "nonsense")
    assert timeout_of(GET.parse([])) == 3.0
    monkeypatch.setenv("EPICS_CLI_TIMEOUT", "4")
    assert timeout_of(GET.parse([])) == 4.0
    assert timeout_of(GET.parse(["-w", "-1"])) == 0.0


def test_a_separator_of_several_characters_is_used_whole_as_by_the_original() -> None:
    assert style_of(GET.parse(["-F", " ** "])).separator == " ** "


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DBR_TIME_DOUBLE", ChannelType.TIME_DOUBLE),
        ("time_double", ChannelType.TIME_DOUBLE),
        ("CTRL_SHORT", ChannelType.CTRL_INT),
        ("int", ChannelType.INT),
        ("34", ChannelType.CTRL_DOUBLE),
        ("Control", "control"),
    ],
)
def test_types_are_named_as_by_the_c_tools_and_by_the_original(text: str, kind: object) -> None:
    assert data_type_of(text) == kind


@pytest.mark.parametrize("text", ["", "NOPE", "39", "-1", "PUT_ACKT", "35"])
def test_types_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="out of range or invalid"):
        data_type_of(text)


def test_values_of_an_array_in_both_ways() -> None:
    assert array_words(["3", "1", "2", "3"]) == ["1", "2", "3"]
    assert array_words(["1 2 3"]) == ["1", "2", "3"]
    assert array_words(["1"]) == []


def test_enums_name_their_labels_when_a_label_is_wrong() -> None:
    with pytest.raises(UsageError, match="'nope' invalid; its labels are 'zero', 'one'"):
        enum_to_write(["nope"], ["zero", "one"], numbers=False, strings=False)
    assert enum_to_write(["1"], ["zero", "one"], numbers=False, strings=False).data == [1]
    assert enum_to_write(["1"], ["0", "1"], numbers=False, strings=False).kind is ChannelType.STRING


def test_lists_of_numbers_are_arrays_but_not_for_text() -> None:
    value = literal_to_write("[1, 2.5]", ChannelType.DOUBLE)
    assert value is not None
    assert value.data == [1, 2.5]
    for text in ("[1", "1", "['a']", "[", "(1)"):
        assert literal_to_write(text, ChannelType.DOUBLE) is None
    assert literal_to_write("[1, 2]", ChannelType.STRING) is None


def test_arrays_are_padded_with_zeros() -> None:
    assert padded(strings_to_write(["1"]), 3).data == [b"1", b"0", b"0"]
    value = literal_to_write("[1]", ChannelType.DOUBLE)
    assert value is not None
    assert padded(value, 2).data == [1, 0]
    with pytest.raises(UsageError, match="more than --array-pad 1"):
        padded(strings_to_write(["1", "2"]), 1)


def test_templates_with_unknown_fields_name_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"has no {bogus}; there are {pv_name}, {response}"):
        Template("{bogus}", ("pv_name", "response"))
    with pytest.raises(UsageError, match="malformed"):
        Template("{pv_name", ("pv_name",))
