"""Logging: the loggers' names, the format of a line, and filters for what matters now.

====================== ==========================================================================
``caproto``            parent of all; also the environment, interfaces, other small things
``caproto.ch``         channels: PVs, their state, reads, writes and updates
``caproto.circ``       circuits: every message over TCP
``caproto.bcast``      every datagram: searches, beacons
``caproto.bcast.search`` the story of each search
``caproto.ctx``        Contexts, of clients and of servers
``caproto.repeater``   the repeater
====================== ==========================================================================

Importing the library configures nothing. `config_caproto_logging` gives ``caproto`` a handler.

A record may carry, by ``extra=``, what it is about; formatter and filters know these names:

================= ===============================================================================
``our_address``   (host, port) of our end
``direction``     ``'--->>>'`` for what we sent, ``'<<<---'`` for what we received
``their_address`` (host, port) of the other end
``bytesize``      of the message, printed as ``24B``
``counter``       ``(i, n)``, printed as ``(i of n)``
``pv``            a name, or several
``role``          ``CLIENT`` or ``SERVER``; not printed
================= ===============================================================================

Debug messages must cost nothing when they are off, and on the hot path even
``logger.isEnabledFor(DEBUG)`` is too much per message. So a circuit asks once for each chunk that
it receives, and keeps the answer in an attribute::

    def data_received(self, chunk):
        self._debug = logger.isEnabledFor(logging.DEBUG)
        ...
            if self._debug:
                logger.debug("%r", message, extra=...)

A change of level takes effect with the next chunk.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Literal, TextIO

from ._log_filters import AddressFilter, PVFilter, RoleFilter, level_number, pv_names

__all__ = [
    "AddressFilter",
    "ComposableLogAdapter",
    "LogFormatter",
    "PVFilter",
    "RoleFilter",
    "color_log_format",
    "color_logs",
    "config_caproto_logging",
    "get_handler",
    "plain_log_format",
    "set_handler",
]

plain_log_format = "[%(levelname)1.1s %(asctime)s.%(msecs)03d %(module)12s:%(lineno)5d] %(message)s"
color_log_format = (
    "%(color)s[%(levelname)1.1s %(asctime)s.%(msecs)03d %(module)12s:%(lineno)5d]%(end_color)s "
    "%(message)s"
)

_BLUE, _GREEN, _YELLOW, _RED = 4, 2, 3, 1
_DEFAULT_COLORS = {
    logging.DEBUG: _BLUE,
    logging.INFO: _GREEN,
    logging.WARNING: _YELLOW,
    logging.ERROR: _RED,
}
_END_COLOR = "\x1b[0m"


# --- the line -------------------------------------------------------------------------------------


class LogFormatter(logging.Formatter):
    """Format a record as one line, with what it is about in front of the message.

    Lines after the first, of the message or of a traceback, are indented by four spaces.

    Parameters
    ----------
    fmt : str
        As for `logging.Formatter`; besides its fields there are ``color`` and ``end_color``.
    datefmt : str
        As for `time.strftime`.
    style : str
        As for `logging.Formatter`.
    color : bool
        Whether ``color`` and ``end_color`` are escape sequences, or empty.
    colors : mapping of int to int
        The ANSI colour, 0 to 7, of each level.
    """

    def __init__(
        self,
        fmt: str = (
            "%(color)s[%(levelname)1.1s %(asctime)s %(module)12s:%(lineno)d]%(end_color)s "
            "%(message)s"
        ),
        datefmt: str = "%y%m%d %H:%M:%S",
        style: Literal["%", "{", "$"] = "%",
        color: bool = True,
        colors: Mapping[int, int] = _DEFAULT_COLORS,
    ) -> None:
        super().__init__(fmt, datefmt, style)
        self._colors = {level: f"\x1b[3{code}m" for level, code in colors.items()} if color else {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of `record`, without a newline at its end."""
        record.message = " ".join((*_subject(record), record.getMessage()))
        record.asctime = self.formatTime(record, self.datefmt)
        color = self._colors.get(record.levelno, "")
        record.__dict__["color"] = color
        record.__dict__["end_color"] = _END_COLOR if color else ""
        text = self.formatMessage(record)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        details = [record.exc_text] if record.exc_text else []
        if record.stack_info:
            details.append(self.formatStack(record.stack_info))
        return "\n".join((text.rstrip(), *details)).replace("\n", "\n    ")


def _subject(record: logging.LogRecord) -> list[str]:
    """Return what is printed in front of the message, in the order of the printed line."""
    extra = record.__dict__
    parts = []
    if "our_address" in extra:
        parts.append(_address_text(extra["our_address"]))
    if "direction" in extra:
        parts.append(str(extra["direction"]))
    if "their_address" in extra:
        parts.append(_address_text(extra["their_address"]))
    if "bytesize" in extra:
        parts.append(f"{extra['bytesize']}B")
    if "counter" in extra:
        parts.append("({} of {})".format(*extra["counter"]))
    if "pv" in extra:
        parts.append(", ".join(pv_names(extra["pv"])))
    return parts


def _address_text(address: object) -> str:
    if isinstance(address, tuple) and len(address) == 2:
        return f"{address[0]}:{address[1]}"
    return str(address)


# The type has a parameter in the stubs, but on 3.10 not at run time.
if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter


class ComposableLogAdapter(_Adapter):
    """Add fields to each record, beside those that the call itself gives."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Merge the fields; those of the call win."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


# --- configuration --------------------------------------------------------------------------------

_logger = logging.getLogger("caproto")
_handler: logging.Handler | None = None
_level_set: int | None = None
"""The level that we gave to the logger last, to be told from one that the program gave it."""


def config_caproto_logging(
    file: TextIO | str | os.PathLike[str] | None = None,
    datefmt: str = "%H:%M:%S",
    color: bool = True,
    level: str | int = "WARNING",
) -> logging.Handler:
    """Print the messages of the library, in its own format.

    Calling it again replaces what it did before. Handlers that the program has added are not
    touched. Filters go to the handler that is returned.

    Parameters
    ----------
    file : stream or path
        Where to; ``sys.stdout`` by default. A file is appended to.
    datefmt : str
        As for `time.strftime`; milliseconds follow it.
    color : bool
        Whether to use colours if the stream is a terminal that has them. The environment variable
        ``NO_COLOR`` turns them off as well.
    level : str or int
        The least severe messages to print.

    Returns
    -------
    logging.Handler

    Raises
    ------
    CaprotoValueError
        If there is no such level.

    Examples
    --------
    >>> handler = config_caproto_logging(level="INFO")
    """
    global _handler, _level_set
    number = level_number(level)
    if file is None:
        file = sys.stdout
    handler: logging.Handler
    if isinstance(file, (str, os.PathLike)):
        handler = logging.FileHandler(file)
        color = False
    else:
        handler = logging.StreamHandler(file)
        color = color and _has_colors(file)
    handler.setLevel(number)
    log_format = color_log_format if color else plain_log_format
    handler.setFormatter(LogFormatter(log_format, datefmt=datefmt, color=color))
    if _handler is not None:
        _logger.removeHandler(_handler)
        _handler.close()
    _logger.addHandler(handler)
    _handler = handler
    # If the program itself made the logger more talkative, for handlers of its own, leave it so.
    if _logger.level in (logging.NOTSET, _level_set) or _logger.level > number:
        _logger.setLevel(number)
        _level_set = number
    return handler


def set_handler(
    file: TextIO | str | os.PathLike[str] | None = None,
    datefmt: str = "%H:%M:%S",
    color: bool = True,
    level: str | int = "WARNING",
) -> logging.Handler:
    """Do the same as `config_caproto_logging`, by its older name."""
    return config_caproto_logging(file, datefmt, color, level)


def get_handler() -> logging.Handler | None:
    """Return the handler that `config_caproto_logging` made, or None before it was called."""
    return _handler


def color_logs(color: bool) -> None:
    """Print everything, with or without colours. Deprecated: use `config_caproto_logging`."""
    warnings.warn(
        "color_logs is deprecated. Use config_caproto_logging(color=...).",
        DeprecationWarning,
        stacklevel=2,
    )
    config_caproto_logging(color=color, level="DEBUG")


def _has_colors(stream: TextIO) -> bool:
    """Tell whether escape sequences work on `stream`."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    try:
        if not stream.isatty():
            return False
    except (AttributeError, ValueError):  # not a real stream, or a closed one
        return False
    return sys.platform != "win32" or bool({"WT_SESSION", "ANSICON", "TERM"} & set(os.environ))
