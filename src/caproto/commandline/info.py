"""``caproto-info``: what is known about PVs and their servers, like ``cainfo`` of EPICS."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Sequence
from typing import Any

from .._errors import CaprotoError
from .._protocol.enums import AccessRights
from . import arguments
from .complaints import why_not
from .layouts import titled
from .names import collect_names
from .options import Command, Parsed, UsageError, flag, valued
from .reading_pvs import native_of
from .readings import c_name
from .records import csv_line, json_line
from .session import Session, colors_wanted, run_command
from .tables import print_table

__all__ = ["COMMAND", "main"]


def _level(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is not a valid interest level")
    return int(text)


COMMAND = Command(
    "info",
    "Show type, size, access rights and server of PVs.",
    "<PV name> ... | @FILE | -",
    (
        *arguments.CONNECTION,
        flag(
            "-a --all",
            "all",
            "Show the circuit, the server's version and timings, too.",
            group="Format",
        ),
        valued(
            "-s",
            "level",
            "<level>",
            "With a level above 0, the state of the client instead.",
            convert=_level,
            group="Format",
        ),
        flag("--table", "table", "Show a table.", group="Format"),
        *arguments.FORMATS,
        *arguments.NAMES,
        *arguments.COMMON,
    ),
    "The exit status is 0 if all PVs were found, else 1.",
)
_CSV = (
    "name",
    "state",
    "host",
    "address",
    "read",
    "write",
    "type",
    "count",
    "version",
    "priority",
    "connect_ms",
    "read_ms",
    "error",
)


def _check(parsed: Parsed) -> int | None:
    arguments.only_one(parsed, "json", "csv", "table", "all")
    return None


def _host_of(address: tuple[str, int]) -> str:
    """Return host and port, with the name of the host if it has one, as libca shows it."""
    try:
        host = socket.gethostbyaddr(address[0])[0]
    except OSError:
        host = address[0]
    return f"{host}:{address[1]}"


def _brief(name: str, fields: dict[str, Any]) -> list[str]:
    """Return the lines of cainfo."""
    rights = ("" if fields["read"] else "no ") + "read, "
    rights += ("" if fields["write"] else "no ") + "write"
    return [
        name,
        titled("State", fields["state"]),
        titled("Host", fields["host"]),
        titled("Access", rights),
        titled("Native data type", fields["type"].replace("DBR", "DBF")),
        titled("Request type", fields["type"]),
        titled("Element count", fields["count"]),
    ]


def _more(fields: dict[str, Any]) -> list[str]:
    """Return what we know beyond that."""
    read = "-" if fields["read_ms"] is None else f"{fields['read_ms']:.2f} ms"
    return [
        titled("Address", fields["address"]),
        titled("Server version", f"Channel Access {fields['version']}"),
        titled("Circuit", fields["circuit"]),
        titled("Channel ids", f"cid={fields['cid']}, sid={fields['sid']}"),
        titled("Connected in", f"{fields['connect_ms']:.2f} ms"),
        titled("Read in", read),
    ]


async def _fields_of(
    session: Session, name: str, pv: Any, stats: Any, host: str, connect_ms: float, timed: bool
) -> dict[str, Any]:
    """Return everything that is known of one PV; `stats` are those of its circuit."""
    channel = pv.open_channel
    rights = AccessRights(pv.access_rights if pv.access_rights is not None else 3)
    read_ms = None
    if timed and rights & AccessRights.READ:
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            await pv.read(data_count=1, timeout=session.timeout)
            read_ms = 1000 * (loop.time() - start)
        except CaprotoError as error:
            session.complaints.say(f"{name}: {error}")
    return {
        "name": name,
        "state": "connected",
        "host": host,
        "address": "{}:{}".format(*pv.address),
        "read": bool(rights & AccessRights.READ),
        "write": bool(rights & AccessRights.WRITE),
        "type": c_name(native_of(pv)),
        "count": channel.native_data_count,
        "version": f"4.{stats.version}",
        "priority": pv.priority,
        "circuit": f"priority {pv.priority}, {stats.channels} channels, {stats.bytes_in} bytes in, "
        f"{stats.bytes_out} bytes out",
        "cid": channel.cid,
        "sid": channel.sid,
        "connect_ms": connect_ms,
        "read_ms": read_ms,
    }


async def _info(session: Session) -> int:
    parsed = session.parsed
    try:
        names = collect_names(parsed.names, parsed.get("files", []))
    except UsageError as error:
        session.complaints.say(f"{error} ('{COMMAND.program} -h' for help.)")
        return 1
    loop = asyncio.get_running_loop()
    start = loop.time()
    times: dict[Any, float] = {}

    def on_state(pv: Any, state: str) -> None:
        times.setdefault(pv, 1000 * (loop.time() - start))

    for target in await session.make_pvs(names):
        if target.pv is not None:
            target.pv.connection_state_callback.add_callback(on_state, run=True)
    targets = await session.connect(names)
    if parsed["level"]:
        print(session.context.stats())
        return session.complaints.finish()
    connected = [target for target in targets if target.error is None]
    addresses = {target.pv.address for target in connected if target.pv is not None}
    hosts = {
        address: await loop.run_in_executor(None, _host_of, address)
        for address in addresses
        if address is not None
    }
    timed = bool(parsed["json"] or parsed["csv"] or parsed["all"])
    circuits = {(each.address, each.priority): each for each in session.context.stats().circuits}
    rows: list[dict[str, Any]] = []
    for name, pv, why in targets:
        if pv is None or why is not None:
            rows.append({"name": name, "state": "not connected", "error": why_not(why)})
            continue
        address = pv.address
        stats = None if address is None else circuits.get((address, pv.priority))
        if address is None or stats is None:  # gone again
            rows.append({"name": name, "state": "not connected", "error": "disconnected"})
            session.complaints.failed = True
            continue
        host, connect_ms = hosts[address], times.get(pv, 0.0)
        rows.append(await _fields_of(session, name, pv, stats, host, connect_ms, timed))
    _print(parsed, rows, bool(connected))
    return session.complaints.finish()


def _print(parsed: Parsed, rows: list[dict[str, Any]], some_connected: bool) -> None:
    if parsed["json"]:
        for row in rows:
            print(json_line({key: value for key, value in row.items() if key != "circuit"}))
    elif parsed["csv"]:
        print(csv_line(None, _CSV))
        for row in rows:
            print(csv_line(row, _CSV))
    elif parsed["table"]:
        header = ("name", "type", "count", "access", "host", "version")
        cells = [
            (
                row["name"],
                row.get("type", row["state"]),
                str(row.get("count", "")),
                "r" * bool(row.get("read")) + "w" * bool(row.get("write")),
                row.get("host", ""),
                row.get("version", ""),
            )
            for row in rows
        ]
        severities = [3 if "error" in row else 0 for row in rows]
        print_table(header, cells, severities, colors_wanted(parsed))
    elif some_connected:
        for row in rows:
            if "error" in row:
                print("\n".join([row["name"], titled("State", "not connected")]))
                continue
            lines = _brief(row["name"], row)
            if parsed["all"]:
                lines += _more(row)
            print("\n".join(lines))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process by default.

    Returns
    -------
    int
        The exit status: 0 if all PVs were found, else 1.
    """
    return run_command(COMMAND, _info, argv, _check)


if __name__ == "__main__":
    sys.exit(main())
