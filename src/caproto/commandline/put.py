"""``caproto-put``: write to a PV, like ``caput`` of EPICS."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from .._errors import CaprotoError, CaprotoTimeoutError
from .._protocol.enums import AccessRights, ChannelType
from . import arguments
from .complaints import explained
from .layouts import plain, terse, wide
from .names import lines_of
from .options import Command, Parsed, UsageError, flag, valued
from .put_values import (
    ToWrite,
    array_words,
    chars_to_write,
    enum_to_write,
    literal_to_write,
    misfit,
    padded,
    strings_to_write,
)
from .reading_pvs import native_of, read_targets, stand_in
from .readings import Reading
from .records import CSV_FIELDS, csv_line, csv_row, json_line, record
from .session import Session, Target, run_command
from .templates import Template
from .values import Style

__all__ = ["COMMAND", "main"]

_FIELDS = ("pv_name", "response", "timestamp", "which")
_FORMAT = "Format"
COMMAND = Command(
    "put",
    "Write to a PV, and show the old and the new value.",
    "<PV name> <value> ...   or   -a <PV name> <number of values> <value> ...",
    (
        *arguments.CONNECTION,
        flag(
            "-c --notify --callback",
            "callback",
            "Wait until the server says that the write has been processed; without, it is only sent.",
            group="Channel Access",
        ),
        flag("-t --terse", "layout", "Show the new value only.", value="terse", group=_FORMAT),
        flag("-l --wide", "layout", "Show time and alarm, too.", value="wide", group=_FORMAT),
        valued(
            "--format",
            "template",
            "FORMAT",
            f"{arguments.TEMPLATE}{{timestamp}}, and {{which}} (Old or New).",
            group=_FORMAT,
        ),
        valued("-F", "separator", "<ofs>", "Put <ofs> between the fields.", group=_FORMAT),
        flag(
            "-n", "enum_as_number", "Take values of an enum as numbers, and show them so.",
            group="Values",
        ),
        flag("-s", "enum_as_text", "Take values of an enum as labels.", group="Values"),
        flag(
            "-a --array",
            "array",
            "Write an array: the number of values, then the values; or one argument with spaces between them.",
            group="Values",
        ),
        flag(
            "-S", "chars_as_text", "Write text as an array of characters (long string).",
            group="Values",
        ),
        flag("--file", "from_file", "The value stands in a file of the name given.", group="Values"),
        valued(
            "--array-pad",
            "pad",
            "<count>",
            "Fill the array up with zeros to so many elements.",
            convert=arguments.element_count,
            group="Values",
        ),
        *arguments.FORMATS,
        *arguments.COMMON,
    ),
    "Values are concatenated with spaces unless -a is given; [1, 2, 3] is an array of numbers, too. "
    "The exit status is 1 if the PV was not found, or the write was not done as far as that is known: "
    "without -c a server's refusal is reported on standard error only, as by caput.",
)  # fmt: skip


def _check(parsed: Parsed) -> int | None:
    """Look for what needs no connection."""
    if not parsed.names:
        raise UsageError("No pv name specified.")
    if len(parsed.names) < 2:
        raise UsageError("No value specified.")
    if parsed["template"] is not None:
        Template(parsed["template"], _FIELDS)
    arguments.only_one(parsed, "json", "csv", "template")
    if parsed["from_file"]:
        try:
            with open(parsed.names[1], encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        except OSError as error:
            raise UsageError(f"Cannot read {parsed.names[1]!r}: {error.strerror}.") from error
        words = text.split() if parsed["array"] else [text.rstrip("\n")]
        parsed.names[1:] = [str(len(words)), *words] if parsed["array"] else words
    elif parsed.names[1:] == ["-"]:
        parsed.names[1:] = [" ".join(lines_of("-"))]
    return None


async def _value_for(session: Session, pv: Any) -> ToWrite:
    """Return what to write to a connected PV."""
    parsed = session.parsed
    words = parsed.names[1:]
    native = native_of(pv)
    if parsed["chars_as_text"]:
        return chars_to_write(" ".join(words))
    if parsed["array"]:
        words = array_words(words)
    else:
        literal = literal_to_write(" ".join(words), native)
        if literal is not None:
            return _filled(literal, parsed)
        words = [" ".join(words)]
    if native is not ChannelType.ENUM:
        session.server_complaints.hint = misfit(words, native)
        return _filled(strings_to_write(words), parsed)
    response = await pv.read(data_type=ChannelType.GR_ENUM, data_count=1, timeout=session.timeout)
    labels = [label.decode("latin-1") for label in response.metadata.enum_strings]
    try:
        value = enum_to_write(
            words,
            labels,
            numbers=bool(parsed["enum_as_number"]),
            strings=bool(parsed["enum_as_text"]),
        )
    except UsageError as error:
        raise UsageError(f"{pv.name}: {error}") from error
    for text in value.warnings:
        session.complaints.say(f"{pv.name}: {text}")
    return _filled(value, parsed)


def _filled(value: ToWrite, parsed: Parsed) -> ToWrite:
    return value if parsed["pad"] is None else padded(value, parsed["pad"])


async def _write(session: Session, pv: Any, value: ToWrite) -> bool:
    """Write, and return whether that went well as far as it is known."""
    try:
        rights = pv.access_rights
        if rights is not None and not rights & AccessRights.WRITE:
            session.complaints.say(
                f"{pv.name}: Write access denied: the server does not permit this user on this host to write it; "
                "see the access rules of its IOC (ECA_NOWTACCESS)"
            )
            return False
        await pv.write(
            value.data,
            data_type=value.kind,
            wait=bool(session.parsed["callback"]),
            timeout=session.timeout,
        )
    except CaprotoError as error:
        if isinstance(error, CaprotoTimeoutError):
            text = f"no answer within {session.timeout} s: the record may still be at it, a longer -w waits longer"
        else:
            text = explained(error, session.server_complaints.hint)
        session.complaints.say(f"{pv.name}: {text.removeprefix(pv.name + ': ')}")
        return False
    return True


class _Printer:
    """Shows old and new values."""

    def __init__(self, parsed: Parsed) -> None:
        self.style: Style = arguments.style_of(parsed)
        self.parsed = parsed
        self.layout = parsed.get("layout", "plain")
        self.template = None
        if parsed["template"] is not None:
            self.template = Template(parsed["template"], _FIELDS)
        if parsed["csv"]:
            print(csv_line(None, ("which", *CSV_FIELDS)))

    def show(self, which: str, reading: Reading) -> None:
        """Print one of them."""
        parsed = self.parsed
        if parsed["json"] or parsed["csv"]:
            fields: dict[str, Any] = {"which": which, **record(reading, self.style)}
            if reading.note:
                fields = {"which": which, "name": reading.name, "error": reading.note}
            csv = parsed["csv"]
            print(csv_line(csv_row(fields), ("which", *CSV_FIELDS)) if csv else json_line(fields))
        elif self.template is not None:
            if reading.response is not None:
                print(self.template.fill(reading, self.style, which=which))
        elif self.layout == "terse":
            if which == "New":
                print(terse(reading, self.style))
        else:
            line = wide if self.layout == "wide" else plain
            print(f"{which:<4}: {line(reading, self.style)}")


async def _read(session: Session, target: Target) -> Reading:
    (result,) = await read_targets(session, [target], True)
    if isinstance(result, Reading):
        if result.note:
            session.complaints.say(f"{target.name}: PV data was not read: no read access")
        return result
    session.complaints.say(f"{target.name}: PV data was not read: {explained(result)}")
    return stand_in(session, target, result, True)


async def _put(session: Session) -> int:
    parsed = session.parsed
    (target,) = await session.connect(parsed.names[:1])
    if target.error is not None:
        return session.complaints.finish()
    confirmed = parsed["callback"]
    try:
        value = await _value_for(session, target.pv)
    except CaprotoError as error:
        session.complaints.about(target.name, error)
        return session.complaints.finish()
    parsed.values["callback"] = False  # old and new are read as by caput, in full length
    printer = _Printer(parsed)
    printer.show("Old", await _read(session, target))
    parsed.values["callback"] = confirmed
    if not await _write(session, target.pv, value):
        session.complaints.finish()
        return 1
    parsed.values["callback"] = False
    # The answer to this comes after the complaint of a server about the write.
    printer.show("New", await _read(session, target))
    status = session.complaints.finish()
    if (parsed["json"] or parsed["csv"]) and session.server_complaints.refused:
        return 1
    return status


async def _guarded(session: Session) -> int:
    try:
        return await _put(session)
    except UsageError as error:
        session.complaints.say(str(error))
        return 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process by default.

    Returns
    -------
    int
        The exit status: 1 if the PV was not found or the write is known to have failed.
    """
    return run_command(COMMAND, _guarded, argv, _check)


if __name__ == "__main__":
    sys.exit(main())
