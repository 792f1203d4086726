"""``caproto-get``: read PVs, like ``caget`` of EPICS."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from .._errors import CaprotoError, CAStatusError
from .._protocol.enums import ChannelType
from . import arguments
from .colors import colored
from .complaints import why_not
from .layouts import block, named, plain, terse, time_of, wide
from .names import collect_names
from .options import Command, Parsed, flag, valued, warn
from .reading_pvs import CLASSES, data_type_of, read_targets, stand_in
from .readings import Reading, severity_name, status_name
from .records import CSV_FIELDS, csv_line, csv_row, json_line, record
from .session import Session, Target, colors_wanted, run_command
from .tables import print_table
from .templates import Template
from .values import Style

__all__ = ["COMMAND", "main"]

_FIELDS = ("pv_name", "response", "timestamp")
_FORMAT = "Format"
_TABLE = ("name", "value", "severity", "status", "time")
COMMAND = Command(
    "get",
    "Read the values of PVs.",
    "<PV name> ... | @FILE | -",
    (
        *arguments.CONNECTION,
        flag(
            "-c --notify --callback",
            "callback",
            "Ask for as many elements as an array has now, not for as many as it can hold.",
            group="Channel Access",
        ),
        flag("-t --terse", "layout", "Show the value only.", value="terse", group=_FORMAT),
        flag(
            "-a -l --wide",
            "layout",
            "Show name, time, value and alarm.",
            value="wide",
            group=_FORMAT,
        ),
        valued(
            "-d",
            "data_type",
            "<type>",
            "Request a DBR type, by name (DBR_ may be left out) or number, or a class of types: "
            "native, status, time, graphic, control. Everything that it carries is shown.",
            convert=data_type_of,
            group=_FORMAT,
            words=(*CLASSES, *(kind.name for kind in ChannelType if kind not in (35, 36))),
        ),
        arguments.LIST_TYPES,
        valued(
            "--format",
            "template",
            "FORMAT",
            f"{arguments.TEMPLATE}and {{timestamp}}, such as {{timestamp:%H:%M:%S}}.",
            group=_FORMAT,
        ),
        flag("--table", "table", "Show a table.", group=_FORMAT),
        *arguments.ENUMS,
        *arguments.ARRAYS,
        *arguments.NUMBERS,
        *arguments.FORMATS,
        *arguments.NAMES,
        *arguments.COMMON,
    ),
    "The exit status is 0 if all PVs were found, else 1.",
)


def _check(parsed: Parsed) -> int | None:
    """Look for what needs no connection."""
    if parsed["list_types"]:
        print("Classes of types: " + ", ".join(CLASSES))
        for kind in ChannelType:
            if kind not in (ChannelType.PUT_ACKT, ChannelType.PUT_ACKS):
                print(f"{kind.value:2d}  {kind.name}")
        return 0
    arguments.only_one(parsed, "json", "csv", "table", "template")
    if parsed["template"] is not None:
        Template(parsed["template"], _FIELDS)
    if {"data_type", "integer_base"} <= parsed.values.keys():
        order = parsed.order[::-1]
        if order.index("integer_base") < order.index(
            "data_type"
        ):  # as for caget, which sets the type there
            parsed.values["data_type"] = ChannelType.LONG
    if parsed.order.count("layout") + parsed.order.count("data_type") > 1:
        warn(COMMAND.program, "Options -t, -a and -d exclude each other; the last one counts.")
    return None


class _Printer:
    """Turns readings into lines, in the way that the options ask for."""

    def __init__(self, parsed: Parsed) -> None:
        self.style: Style = arguments.style_of(parsed)
        self.colors = colors_wanted(parsed)
        self.template = None
        if parsed["template"] is not None:
            self.template = Template(parsed["template"], _FIELDS)
        layout = parsed.get("layout", "plain")
        # Of -t, -a and -d the last one counts, as for caget.
        if parsed["data_type"] is not None and "layout" in parsed.order:
            order = parsed.order[::-1]
            if order.index("layout") < order.index("data_type"):
                parsed.values.pop("data_type")
        if parsed["data_type"] is not None:
            layout = "block"
        self.layout: str = layout
        self.machine = bool(parsed["json"] or parsed["csv"])
        self.table = bool(parsed["table"])
        needs_time = self.template is not None and self.template.needs_time
        self.with_time = layout == "wide" or self.machine or self.table or self.colors or needs_time

    @property
    def line(self) -> Callable[[Reading, Style], str]:
        return {"plain": plain, "terse": terse, "wide": wide, "block": block}[self.layout]

    def show(self, reading: Reading) -> str:
        """Return the text for one reading."""
        if self.template is not None and reading.response is not None:
            return self.template.fill(reading, self.style)
        text = self.line(reading, self.style)
        return colored(text, reading.severity) if self.colors else text

    def absent(self, target: Target) -> str:
        """Return the line for a PV that is not connected."""
        note = "*** Not connected (PV not found)"
        if self.layout == "terse":
            return note
        return named(target.name, 1, self.style.separator) + self.style.separator + note


async def _get(session: Session) -> int:
    parsed = session.parsed
    names = collect_names(parsed.names, parsed.get("files", []))
    printer = _Printer(parsed)
    targets = await session.connect(names)
    results = await read_targets(session, targets, printer.with_time)
    if printer.machine or printer.table:
        _print_records(session, printer, targets, results)
        return session.complaints.finish()
    lines = []
    some_connected = any(target.error is None for target in targets)
    for target, result in zip(targets, results, strict=True):
        if target.error is not None:
            if some_connected:
                lines.append(printer.absent(target))
            continue
        reading = _usable(session, target, result, printer.with_time)
        lines.append(printer.show(reading))
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
    return session.complaints.finish()


def _usable(
    session: Session, target: Target, result: Reading | CaprotoError, with_time: bool
) -> Reading:
    """Return the reading, or what stands for it; like caget, a value that is not there is not a failure."""
    if isinstance(result, Reading):
        if result.note:
            session.complaints.say(
                f"{target.name}: the server does not permit this user on this host to read it; "
                "see the access rules of its IOC (ECA_NORDACCESS)"
            )
        return result
    session.complaints.about(target.name, result)
    session.complaints.failed &= not isinstance(result, CAStatusError)
    return stand_in(session, target, result, with_time)


def _print_records(
    session: Session,
    printer: _Printer,
    targets: Sequence[Target],
    results: Sequence[Reading | CaprotoError],
) -> None:
    """Print JSON, CSV or a table; failures have a field of their own there."""
    records: list[dict[str, Any]] = []
    severities = []
    for target, result in zip(targets, results, strict=True):
        severities.append(result.severity if isinstance(result, Reading) else 3)
        if isinstance(result, Reading) and not result.note:
            records.append(record(result, printer.style))
            continue
        if isinstance(result, Reading):
            error = "no read access"
            session.complaints.failed = True
        else:
            error = why_not(result)
            if target.error is None:
                session.complaints.about(target.name, result)
        records.append({"name": target.name, "error": error})
    if printer.table:
        rows = [_table_row(result, printer.style, target) for target, result in zip(targets, results, strict=True)]  # fmt: skip
        print_table(_TABLE, rows, severities, printer.colors)
    elif session.parsed["json"]:
        sys.stdout.write("".join(json_line(each) + "\n" for each in records))
    else:
        lines = [csv_line(None, CSV_FIELDS), *(csv_line(csv_row(each)) for each in records)]
        sys.stdout.write("\n".join(lines) + "\n")


def _table_row(result: Reading | CaprotoError, style: Style, target: Target) -> tuple[str, ...]:
    if not isinstance(result, Reading):
        return (target.name, "*** not connected" if target.error else "*** not read", "", "", "")
    if result.note:
        return (result.name, result.note, "", "", "")
    value = style.separator.join(result.fields(style))
    return (
        result.name,
        value,
        severity_name(result.severity),
        status_name(result.status),
        time_of(result),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process by default.

    Returns
    -------
    int
        The exit status: 0 if all PVs were found, 1 if one was not or the arguments are wrong.
    """
    return run_command(COMMAND, _get, argv, _check)


if __name__ == "__main__":
    sys.exit(main())
