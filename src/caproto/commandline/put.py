"""``caproto-put``: write to a PV, like ``caput`` of EPICS."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

from .._errors import CaprotoError, CaprotoTimeoutError
from .._protocol.enums import AccessRights, ChannelType
from . import arguments
from .complaints import explained
from .layouts import plain, terse, wide
from .names import lines_of, text_of
from .options import Command, Parsed, UsageError, flag, valued
from .put_lines import Entry, entries_of
from .put_values import (
    ToWrite,
    are_numbers,
    array_words,
    chars_to_write,
    enum_to_write,
    exact_to_write,
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

if TYPE_CHECKING:
    from ..asyncio.client import PV

__all__ = ["COMMAND", "main"]

_FIELDS = ("pv_name", "response", "timestamp", "which")
_FORMAT = "Format"
COMMAND = Command(
    "put",
    "Write to PVs, and show the old and the new values.",
    "<PV name> <value> ... | -a <PV name> <count> <value> ... | @FILE | -",
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
        flag(
            "-s", "enum_as_number", "Take values of an enum as labels.", value=False, group="Values",
        ),
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
    "@FILE, or - for standard input, has many PVs: a name and a value per line, or what caproto-get prints with "
    "--json or --csv. The exit status is 1 if a PV was not found, or the write was not done as far as that is known: "
    "without -c a server's refusal is reported on standard error only, as by caput.",
)  # fmt: skip


def _check(parsed: Parsed) -> int | None:
    """Look for what needs no connection."""
    if not parsed.names:
        raise UsageError("No pv name specified.")
    kinds = [dest for dest in parsed.order if dest in ("array", "chars_as_text")]
    for dest in kinds:
        if dest != kinds[-1]:  # as for caput, the last one counts
            parsed.values.pop(dest, None)
    if parsed["template"] is not None:
        Template(parsed["template"], _FIELDS)
    arguments.only_one(parsed, "json", "csv", "template")
    parsed.values["entries"] = _entries(parsed)
    return None


def _entries(parsed: Parsed) -> list[Entry]:
    """Return what to write to which PV."""
    name, *words = parsed.names
    if not words and (name == "-" or name.startswith("@")):
        return entries_of(text_of(name.removeprefix("@")))
    if not words:
        raise UsageError("No value specified.")
    if parsed["from_file"]:
        text = text_of(words[0])
        words = text.split() if parsed["array"] else [text.rstrip("\n")]
        if parsed["array"]:
            words.insert(0, str(len(words)))
    elif words == ["-"]:
        words = [" ".join(lines_of("-"))]
    return [Entry(name, words)]


@dataclass(slots=True)
class _Job:
    """One PV and what is written to it."""

    target: Target
    entry: Entry
    labels: list[str] = field(default_factory=list)
    value: ToWrite | None = None
    done: bool = False

    @property
    def pv(self) -> PV:
        """The PV; there is one if it was found."""
        assert self.target.pv is not None
        return self.target.pv


def _value_of(session: Session, job: _Job) -> ToWrite:
    """Return what to write to a connected PV."""
    parsed = session.parsed
    native, words = native_of(job.pv), job.entry.words
    many = job.entry.spaced and job.pv.open_channel.native_data_count != 1
    if not words:
        return exact_to_write(job.entry.value, native, many, job.labels)
    if parsed["array"]:
        words = array_words(words)
    elif parsed["chars_as_text"] and native is not ChannelType.ENUM:
        return chars_to_write(" ".join(words))
    else:
        literal = literal_to_write(" ".join(words), native)
        if literal is not None:
            return literal
        words = [" ".join(words)]
        if many and native is not ChannelType.STRING and are_numbers(words[0]):
            words = words[0].split()
    if native is not ChannelType.ENUM:
        session.server_complaints.hints[job.target.name] = misfit(words, native)
        return strings_to_write(words)
    as_number = parsed["enum_as_number"]
    return enum_to_write(words, job.labels, numbers=as_number is True, strings=as_number is False)


async def _learn_labels(session: Session, jobs: Sequence[_Job]) -> None:
    """Ask for the labels of all enums at once."""
    from ..asyncio._bulk import bulk_read

    enums = [job for job in jobs if native_of(job.pv) is ChannelType.ENUM]
    wish = (ChannelType.GR_ENUM, 1)
    pvs = [job.pv for job in enums]
    answers = await bulk_read(session.context, pvs, repeat(wish), session.timeout)
    for job, answer in zip(enums, answers, strict=True):
        if isinstance(answer, CaprotoError):
            session.complaints.about(job.target.name, answer)
            job.done = True
        else:
            job.labels = [label.decode("latin-1") for label in answer.metadata.enum_strings]


def _prepare(session: Session, job: _Job) -> None:
    """Make the value that is written; complain if it makes no sense."""
    name, pad = job.target.name, session.parsed["pad"]
    try:
        value = _value_of(session, job)
        job.value = value if pad is None else padded(value, pad)
    except (CaprotoError, UsageError) as error:
        session.complaints.about(name, error)
        return
    for text in job.value.warnings:
        session.complaints.say(f"{name}: {text}")


async def _write(session: Session, job: _Job) -> None:
    """Write, and take note whether that went well as far as it is known."""
    name = job.target.name
    assert job.value is not None
    try:
        rights = job.pv.access_rights
        if rights is not None and not rights & AccessRights.WRITE:
            text = (
                "Write access denied: the server does not permit this user on this host to write it; "
                "see the access rules of its IOC (ECA_NOWTACCESS)"
            )
        else:
            await job.pv.write(
                job.value.data,
                data_type=job.value.kind,
                wait=bool(session.parsed["callback"]),
                timeout=session.timeout,
            )
            job.done = True
            return
    except CaprotoTimeoutError:
        text = f"no answer within {session.timeout} s: the record may still be at it, a longer -w waits longer"
    except CaprotoError as error:
        text = explained(error, session.server_complaints.hints.get(name, ""))
    session.complaints.failed = True
    session.complaints.say(f"{name}: {text.removeprefix(name + ': ')}")


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


async def _show(session: Session, printer: _Printer, which: str, jobs: Sequence[_Job]) -> None:
    """Read and print the values as they are now."""
    results = await read_targets(session, [job.target for job in jobs], True, whole=True)
    for job, result in zip(jobs, results, strict=True):
        name = job.target.name
        if isinstance(result, CaprotoError):
            session.complaints.say(f"{name}: PV data was not read: {explained(result)}")
            result = stand_in(session, job.target, result, True, whole=True)
        elif result.note:
            session.complaints.say(f"{name}: PV data was not read: no read access")
        printer.show(which, result)
    sys.stdout.flush()


async def _put(session: Session) -> int:
    parsed = session.parsed
    entries: list[Entry] = parsed["entries"]
    for entry in entries:
        if entry.missing:
            session.complaints.about(entry.name, UsageError(f"no value ({entry.missing})"))
    entries = [entry for entry in entries if not entry.missing]
    targets = await session.connect([entry.name for entry in entries])
    jobs = [
        _Job(target, entry)
        for target, entry in zip(targets, entries, strict=True)
        if target.error is None
    ]
    await _learn_labels(session, jobs)
    for job in jobs:
        if not job.done:
            _prepare(session, job)
    jobs = [job for job in jobs if job.value is not None]
    printer = _Printer(parsed)
    await _show(session, printer, "Old", jobs)
    await asyncio.gather(*(_write(session, job) for job in jobs))
    # The answers to this come after the complaints of servers about writes.
    await _show(session, printer, "New", [job for job in jobs if job.done])
    status = session.complaints.finish()
    if (parsed["json"] or parsed["csv"]) and session.server_complaints.refused:
        return 1
    return status


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
    return run_command(COMMAND, _put, argv, _check)


if __name__ == "__main__":
    sys.exit(main())
