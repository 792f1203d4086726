"""The format of a line, the filters, and what configuring does and does not touch."""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from caproto import _log
from caproto._errors import CaprotoTypeError, CaprotoValueError
from caproto._log import (
    AddressFilter,
    ComposableLogAdapter,
    LogFormatter,
    PVFilter,
    RoleFilter,
    config_caproto_logging,
    get_handler,
)
from tests.support import python_command
from tests.support.logs import unconfigured_logging

OURS, THEIRS = ("10.0.0.1", 5064), ("10.0.0.2", 40000)
SUBJECT: dict[str, Any] = {
    "pv": "random_walk:x",
    "counter": (1, 3),
    "bytesize": 24,
    "their_address": THEIRS,
    "direction": "<<<---",
    "our_address": OURS,
}


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start as after the import, and undo what the test configures."""
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    with unconfigured_logging():
        yield


def record(level: int = logging.INFO, text: str = "text", **fields: Any) -> logging.LogRecord:
    """Make a record of 10:37:48.827 local time, in line 133 of server.py."""
    made = logging.LogRecord("caproto.circ", level, "/x/server.py", 133, text, (), None)
    made.created = 1699954668.8279
    made.msecs = 827.9
    made.__dict__.update(fields)
    return made


def printed(stream: io.StringIO, text: str, *args: object, **fields: Any) -> str:
    """Log one message at level INFO and return what appears on the stream."""
    config_caproto_logging(stream, level="INFO")
    logging.getLogger("caproto.circ").info(text, *args, extra=fields)
    return stream.getvalue()


# --- the line -------------------------------------------------------------------------------------

PREFIX = r"\[I \d\d:\d\d:\d\d\.\d{3}     test_log: {1,3}\d+\] "


def test_promise_3_line_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    formatter = LogFormatter(_log.plain_log_format, datefmt="%H:%M:%S", color=False)
    monkeypatch.setattr(formatter, "formatTime", lambda record, datefmt: "10:37:48")
    starting = record(text="Asyncio server starting up...")
    assert (
        formatter.format(starting)
        == "[I 10:37:48.827       server:  133] Asyncio server starting up..."
    )


@pytest.mark.parametrize(
    ("level", "initial"), [(10, "D"), (20, "I"), (30, "W"), (40, "E"), (50, "C")]
)
def test_promise_3_the_prefix_starts_with_the_initial_of_the_level(
    level: int, initial: str
) -> None:
    formatter = LogFormatter(_log.plain_log_format)
    assert formatter.format(record(level)).startswith(f"[{initial} ")


def test_promise_3_embedded_newlines_are_indented() -> None:
    text = printed(io.StringIO(), "PVs available:\nrandom_walk:dt\nrandom_walk:x")
    assert re.fullmatch(PREFIX + "PVs available:\n    random_walk:dt\n    random_walk:x\n", text)


def test_promise_3_the_subject_stands_in_front_of_the_message_in_its_order() -> None:
    text = printed(io.StringIO(), "%d %s", 7, "words", **SUBJECT)
    expected = "10.0.0.1:5064 <<<--- 10.0.0.2:40000 24B (1 of 3) random_walk:x 7 words\n"
    assert re.fullmatch(PREFIX + re.escape(expected), text)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "text"),
        ({"our_address": OURS}, "10.0.0.1:5064 text"),
        ({"direction": "--->>>", "their_address": THEIRS}, "--->>> 10.0.0.2:40000 text"),
        ({"bytesize": 0}, "0B text"),
        ({"counter": (2, 2)}, "(2 of 2) text"),
        ({"pv": "x"}, "x text"),
        ({"pv": ["x", "y"]}, "x, y text"),
        ({"our_address": "somewhere"}, "somewhere text"),
        ({"role": "CLIENT"}, "text"),
    ],
)
def test_promise_3_only_what_a_record_carries_is_printed(
    fields: dict[str, Any], expected: str
) -> None:
    assert LogFormatter("%(message)s").format(record(**fields)) == expected


def test_a_traceback_and_a_stack_follow_indented() -> None:
    formatter = LogFormatter("%(message)s")
    failed = record()
    try:
        raise ValueError("broken")
    except ValueError:
        failed.exc_info = sys.exc_info()
    failed.stack_info = "Stack (most recent call last):\n  here"
    for _ in range(2):  # the second time the text of the traceback is in the record already
        first, *others = formatter.format(failed).split("\n")
        assert first == "text"
        assert others[0] == "    Traceback (most recent call last):"
        assert "    ValueError: broken" in others
        assert others[-2:] == ["    Stack (most recent call last):", "      here"]


def test_the_default_format_of_the_formatter_is_the_documented_one() -> None:
    text = LogFormatter(color=False).format(record())
    assert re.fullmatch(r"\[I 231114 \d\d:\d\d:48       server:133\] text", text)


def test_an_adapter_adds_its_fields_to_those_of_the_call() -> None:
    stream = io.StringIO()
    config_caproto_logging(stream, level="INFO")
    log = ComposableLogAdapter(logging.getLogger("caproto.ch"), {"pv": "x"})
    nested = ComposableLogAdapter(log.logger, {**(log.extra or {}), "our_address": OURS})
    nested.info("one", extra={"bytesize": 3})
    nested.info("two", extra={"pv": "y"})
    log.info("three")
    assert [line[line.index("] ") + 2 :] for line in stream.getvalue().splitlines()] == [
        "10.0.0.1:5064 3B x one",
        "10.0.0.1:5064 y two",
        "x three",
    ]


# --- colour ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "escape"), [(10, "\x1b[34m"), (20, "\x1b[32m"), (30, "\x1b[33m"), (40, "\x1b[31m")]
)
def test_a_terminal_gets_the_prefix_in_the_colour_of_its_level(level: int, escape: str) -> None:
    stream = Terminal()
    config_caproto_logging(stream, level="DEBUG")
    logging.getLogger("caproto").log(level, "text")
    assert re.fullmatch(
        re.escape(escape) + r"\[\w [\d:.]+     test_log: {1,3}\d+\]\x1b\[0m text\n",
        stream.getvalue(),
    )


def test_a_level_without_a_colour_gets_no_escape_sequences() -> None:
    assert "\x1b" not in LogFormatter("%(color)s%(message)s%(end_color)s").format(record(15))


@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_without_colours_gets_none(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert re.fullmatch(PREFIX + "text\n", printed(Terminal(), "text"))


def test_colours_can_be_turned_off() -> None:
    stream = Terminal()
    config_caproto_logging(stream, color=False)
    logging.getLogger("caproto").warning("text")
    assert "\x1b" not in stream.getvalue()


def test_what_is_no_terminal_gets_no_colours() -> None:
    assert "\x1b" not in printed(io.StringIO(), "text")
    closed = Terminal()
    closed.close()

    class NotAStream:
        def write(self, text: str) -> None: ...

    def raise_value_error() -> bool:
        raise ValueError("I/O operation on closed file")

    closed.isatty = raise_value_error  # type: ignore[method-assign]
    assert not _log._has_colors(closed)
    assert not _log._has_colors(NotAStream())  # type: ignore[arg-type]


def test_color_logs_is_deprecated_and_prints_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.warns(DeprecationWarning, match="config_caproto_logging"):
        _log.color_logs(False)
    logging.getLogger("caproto.ch").debug("text")
    assert capsys.readouterr().out.endswith("] text\n")


# --- filters --------------------------------------------------------------------------------------

DEBUG, WARNING = logging.DEBUG, logging.WARNING


def passes(made: logging.Filter, level: int = DEBUG, **fields: Any) -> bool:
    return bool(made.filter(record(level, **fields)))


FILTERS: list[tuple[type[Any], object, dict[str, Any], dict[str, Any]]] = [
    (PVFilter, "random_walk:*", {"pv": "random_walk:x"}, {"pv": "other:x"}),
    (PVFilter, "x", {"pv": ["y", "x"]}, {"pv": ["y", "z"]}),
    (AddressFilter, "10.0.0.1", {"our_address": OURS}, {"our_address": THEIRS}),
    (AddressFilter, "10.0.0.1:5064", {"their_address": OURS}, {"their_address": THEIRS}),
    (AddressFilter, OURS, {"our_address": OURS, "their_address": THEIRS}, {"our_address": THEIRS}),
    (AddressFilter, ("10.0.0.1", 5065), {"our_address": ("10.0.0.1", 5065)}, {"our_address": OURS}),
    (AddressFilter, "10.0.*", {"our_address": OURS}, {"our_address": ("10.1.0.1", 5064)}),
    (RoleFilter, "CLIENT", {"role": "CLIENT"}, {"role": "SERVER"}),
    (RoleFilter, "client", {"role": "CLIENT"}, {"role": "SERVER"}),
]


@pytest.mark.parametrize(("kind", "argument", "right", "wrong"), FILTERS)
def test_a_filter_stops_messages_about_other_things(
    kind: type[Any], argument: object, right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    for exclusive in (False, True):
        made = kind(argument, exclusive=exclusive)
        assert passes(made, **right)
        assert not passes(made, **wrong)
        assert passes(made, WARNING, **wrong), "what is severe passes in any case"
        assert passes(made, WARNING)
        assert passes(made) is not exclusive, "what is about nothing of the kind"
    assert passes(kind(argument, level="DEBUG"), **wrong)
    assert not passes(kind(argument, level=logging.ERROR), WARNING, **wrong)


def test_a_role_may_be_an_object_with_a_name() -> None:
    class Role:
        name = "SERVER"

    assert passes(RoleFilter(Role()), role="SERVER")
    assert passes(RoleFilter("SERVER"), role=Role())
    assert not passes(RoleFilter("CLIENT"), role=Role())


def test_a_filter_of_several_things_passes_each_of_them() -> None:
    made = PVFilter("x", "y")
    assert [passes(made, pv=pv) for pv in "xyz"] == [True, True, False]
    addresses = AddressFilter("10.0.0.1", ("10.0.0.2", 40000))
    assert passes(addresses, our_address=("10.0.0.1", 9))
    assert passes(addresses, our_address=THEIRS)
    assert not passes(addresses, our_address=("10.0.0.2", 9))


def test_filters_refuse_what_makes_no_sense() -> None:
    with pytest.raises(CaprotoValueError, match="'LOUD' is not a logging level"):
        PVFilter("x", level="LOUD")
    with pytest.raises(CaprotoValueError, match="port number"):
        AddressFilter("10.0.0.1:telnet")
    with pytest.raises(CaprotoTypeError, match="neither 'host' nor"):
        AddressFilter(5064)  # type: ignore[arg-type]


# --- configuration --------------------------------------------------------------------------------


def test_importing_the_library_configures_and_prints_nothing() -> None:
    program = """
import logging
root = logging.getLogger()
before = (root.level, root.handlers[:], logging.Logger.manager.disable)
import caproto, caproto._log, caproto._net, caproto.sync.repeater
assert (root.level, root.handlers[:], logging.Logger.manager.disable) == before
logger = logging.getLogger("caproto")
assert (logger.level, logger.handlers, logger.filters, logger.propagate) == (0, [], [], True)
"""
    done = subprocess.run(python_command("-c", program), capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_messages_go_to_standard_output_from_warning_on(capsys: pytest.CaptureFixture[str]) -> None:
    handler = config_caproto_logging()
    assert get_handler() is handler
    for name in ("ch", "circ", "bcast", "bcast.search", "ctx"):
        logging.getLogger(f"caproto.{name}").info("unseen")
        logging.getLogger(f"caproto.{name}").warning("seen")
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("seen") == 5
    assert "unseen" not in captured.out


def test_a_file_is_appended_to_without_colours(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("before\n")
    for name in (path, str(path)):
        handler = config_caproto_logging(name, level="INFO", datefmt="%H")
        logging.getLogger("caproto").info("text")
        # Closed here, because the next call, after the test, would be too late for the leak check.
        handler.close()
    lines = path.read_text().splitlines()
    assert lines[0] == "before"
    assert len(lines) == 3
    assert re.fullmatch(r"\[I \d\d\.\d{3}     test_log: +\d+\] text", lines[1])


def test_configuring_again_replaces_our_handler_and_only_ours() -> None:
    logger = logging.getLogger("caproto")
    own = logging.NullHandler()
    logger.addHandler(own)
    first, second = io.StringIO(), io.StringIO()
    config_caproto_logging(first)
    _log.set_handler(second)
    logger.warning("text")
    assert first.getvalue() == ""
    assert second.getvalue().endswith("] text\n")
    assert own in logger.handlers


def test_the_logger_is_as_talkative_as_asked_each_time() -> None:
    logger = logging.getLogger("caproto")
    for level in ("DEBUG", "warning", 15, "INFO"):
        handler = config_caproto_logging(io.StringIO(), level=level)
        assert logger.level == handler.level
    assert logger.level == logging.INFO


def test_a_level_that_the_program_set_for_its_own_handlers_is_not_raised() -> None:
    logger = logging.getLogger("caproto")
    logger.setLevel(logging.DEBUG)
    stream = io.StringIO()
    config_caproto_logging(stream, level="ERROR")
    logger.warning("unseen")
    assert logger.level == logging.DEBUG
    assert stream.getvalue() == ""


def test_an_unknown_level_changes_nothing() -> None:
    handler = config_caproto_logging(io.StringIO())
    with pytest.raises(CaprotoValueError, match="use DEBUG, INFO"):
        config_caproto_logging(level="LOUD")
    assert get_handler() is handler
