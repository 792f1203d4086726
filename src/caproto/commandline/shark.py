"""``caproto-shark``: show the Channel Access messages in captured network traffic."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any, BinaryIO

from .._errors import CaprotoError, CaprotoValueError
from .._protocol.messages import Message
from .._version import __version__
from ..sync.shark import shark

__all__ = ["main"]

_FORMAT = "{time} {src}:{src_port} -> {dst}:{dst_port} {pv_name} {command}"
_MOST_ELEMENTS = 1000  # of an array in JSON


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="caproto-shark",
        description="Show the Channel Access messages in captured network traffic.",
        epilog="Example: sudo tcpdump -w - port 5064 or port 5065 | caproto-shark",
    )
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="captures in the format pcap or pcapng, also packed by gzip; '-', the default, is standard input",
    )
    parser.add_argument(
        "--format",
        default=_FORMAT,
        help=(
            "Python format string. Available tokens are {timestamp}, {time} (local), {src}, {src_port}, {dst}, {dst_port}, "
            "{pv_name}, {command}, {ethernet}, {ip} and {transport}."
        ),
    )
    parser.add_argument("--json", action="store_true", help="print an object of JSON per message")
    parser.add_argument(
        "--pv",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only messages about PVs like this ('XF:31ID*'); may be given again",
    )
    parser.add_argument(
        "--port",
        action="append",
        type=int,
        default=[],
        help="where servers or repeaters listen, beside 5064, 5065 and what the capture tells; may be given again",
    )
    parser.add_argument("--version", "-V", action="version", version=__version__)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    argv : sequence of str, optional
        Its arguments; those of the process by default.

    Returns
    -------
    int
        The exit status: 0, also when it is interrupted or nobody reads on; 1 if a file cannot be read.
    """
    parser = _parser()
    args = parser.parse_args(argv)
    if not args.files and sys.stdin.isatty():
        parser.error("give the name of a capture, or pipe one into this command")
    try:
        for name in args.files or ["-"]:
            with _opened(name) as file:
                _show(shark(file, ports=args.port), args)
    except (CaprotoError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            # Nobody reads on; what is left in the buffer must not be complained about either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"caproto-shark: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


@contextlib.contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    with contextlib.ExitStack() as stack:
        file: Any = sys.stdin.buffer if name == "-" else stack.enter_context(open(name, "rb"))
        if file.peek(2)[:2] == b"\x1f\x8b":
            import gzip

            file = stack.enter_context(gzip.open(file))
        yield file


def _show(messages: Iterable[Any], args: argparse.Namespace) -> None:
    """Print the messages as they come."""
    for captured in messages:
        if args.pv and not any(fnmatchcase(captured.pv_name or "", like) for like in args.pv):
            continue
        time = datetime.fromtimestamp(captured.timestamp, timezone.utc)
        if args.json:
            line = json.dumps(_plain(captured, time))
        else:
            line = _filled(args.format, captured, time.astimezone())
        print(line, flush=True)


def _filled(template: str, captured: Any, time: datetime) -> str:
    """Return a message as the template of ``--format`` shows it."""
    fields = {**vars(captured), "pv_name": captured.pv_name or "-"}
    try:
        return template.format(time=time.strftime("%H:%M:%S.%f"), **fields)
    except KeyError as error:
        known = ", ".join(f"{{{name}}}" for name in ("time", *fields))
        raise CaprotoValueError(
            f"the template {template!r} has no {{{error.args[0]}}}; there are {known}"
        ) from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CaprotoValueError(f"the template {template!r} does not fit: {error}") from error


def _plain(captured: Any, time: datetime) -> dict[str, Any]:
    """Return a message as JSON can have it."""
    message: Message = captured.command
    return {
        "time": time.isoformat(),
        "src": f"{captured.src}:{captured.src_port}",
        "dst": f"{captured.dst}:{captured.dst_port}",
        "from": "client" if captured.from_client else "server",
        "pv": captured.pv_name,
        "command": type(message).__name__,
        **{name: _plain_value(getattr(message, name)) for name in message._fields},
    }


def _plain_value(value: Any) -> Any:
    """Return a field of a message as JSON can have it."""
    if hasattr(value, "to_dict"):
        return {name: _plain_value(item) for name, item in value.to_dict().items()}
    if hasattr(value, "name") and not isinstance(value, str):
        return value.name
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    if isinstance(value, str | int | float | type(None)):
        return value
    if hasattr(value, "__iter__"):
        return [_plain_value(item) for item in _first_items(value)]
    return repr(value)


def _first_items(values: Any) -> list[Any]:
    """Return the elements of an array, or as many of them as are printed."""
    few = values[:_MOST_ELEMENTS]
    return few.tolist() if hasattr(few, "tolist") else list(few)


if __name__ == "__main__":
    sys.exit(main())
