"""Typed access to environment variables, with the table of their defaults.

A value that cannot be used is never fatal. It is reported once, by the name of its variable, on the
``caproto`` logger, and the default takes its place. A variable that is empty, or only blanks,
counts as not set, as it does for the C library.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable, Mapping

from . import _constants as const
from ._addresses import Address, parse_address, unique
from ._errors import CaprotoValueError

__all__ = ["EnvironmentReader", "get_environment_variables"]

logger = logging.getLogger("caproto")

Number = int | float

_DEFAULTS: dict[str, str | int | float] = {
    # clients
    "EPICS_CA_ADDR_LIST": "",
    "EPICS_CA_AUTO_ADDR_LIST": "YES",
    "EPICS_CA_NAME_SERVERS": "",
    "EPICS_CA_CONN_TMO": 30.0,
    "EPICS_CA_BEACON_PERIOD": 15.0,
    "EPICS_CA_REPEATER_PORT": const.EPICS_CA2_PORT,
    "EPICS_CA_SERVER_PORT": const.EPICS_CA1_PORT,
    "EPICS_CA_MAX_ARRAY_BYTES": 16384,
    "EPICS_CA_AUTO_ARRAY_BYTES": "YES",
    "EPICS_CA_MAX_SEARCH_PERIOD": 300.0,
    "EPICS_CA_MCAST_TTL": 1,
    "EPICS_CA_DNS_REFRESH_SECS": 60.0,
    "EPICS_TS_MIN_WEST": 360,
    "CAPROTO_DEFAULT_TIMEOUT": 2.0,
    "CAPROTO_STRING_ENCODING": "latin-1",
    "CAPROTO_NO_REPEATER": "NO",
    "CAPROTO_CLIENT_MIN_RETRY_SEARCHES_INTERVAL_SEC": 0.03,
    "CAPROTO_CLIENT_MAX_RETRY_SEARCHES_INTERVAL_SEC": 5.0,
    "CAPROTO_CLIENT_SEARCH_RETIREMENT_AGE_SEC": 480.0,
    "CAPROTO_CLIENT_RETRY_RETIRED_SEARCHES_INTERVAL_SEC": 60.0,
    "CAPROTO_CLIENT_BEACON_MARGIN_SEC": 1.0,
    "CAPROTO_CLIENT_EVENT_ADD_BATCH_MAX_BYTES": 65536,
    "CAPROTO_CLIENT_RESTART_SUBS_PERIOD_SEC": 0.1,
    "CAPROTO_CLIENT_AUTOMONITOR_MAXLENGTH": 65536,
    "CAPROTO_STALE_SEARCH_EXPIRATION_SEC": const.STALE_SEARCH_EXPIRATION,
    "CAPROTO_RESPONSIVENESS_TIMEOUT_SEC": const.RESPONSIVENESS_TIMEOUT,
    # servers; see _SERVER_DEFAULTS, too
    "EPICS_CAS_SERVER_PORT": const.EPICS_CA1_PORT,
    "EPICS_CAS_INTF_ADDR_LIST": "",
    "EPICS_CAS_IGNORE_ADDR_LIST": "",
    "EPICS_CAS_BEACON_ADDR_LIST": "",
    "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "YES",
    "EPICS_CAS_BEACON_PERIOD": 15.0,
    "EPICS_CAS_BEACON_PORT": const.EPICS_CA2_PORT,
    "EPICS_CAS_MAX_CHANNELS": 0,
    "EPICS_CAS_MAX_SUBS_PER_CHAN": 0,
    "EPICS_CAS_INACTIVITY_TMO": 0.0,
    "CAPROTO_SERVER_HIGH_LOAD_TIMEOUT_SEC": 0.01,
    "CAPROTO_SERVER_HIGH_LOAD_EVENT_TIME_THRESHOLD_SEC": 0.1,
    "CAPROTO_SERVER_HIGH_LOAD_WARN_LATENCY_SEC": 0.03,
    "CAPROTO_SERVER_SUB_BATCH_THRESH": 65536,
    "CAPROTO_SERVER_MAX_LATENCY_SEC": 1.0,
    "CAPROTO_SERVER_WRITE_LOCK_TIMEOUT_SEC": 0.001,
    "CAPROTO_MAX_TOTAL_SUBSCRIPTION_BACKLOG": const.MAX_TOTAL_SUBSCRIPTION_BACKLOG,
    "CAPROTO_MAX_SUBSCRIPTION_BACKLOG": const.MAX_SUBSCRIPTION_BACKLOG,
    "CAPROTO_MIN_SUBSCRIPTION_BACKLOG": const.MIN_SUBSCRIPTION_BACKLOG,
    "CAPROTO_SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS": (
        const.SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS
    ),
    "CAPROTO_SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL": "YES",
    "CAPROTO_MAX_COMMAND_BACKLOG": const.MAX_COMMAND_BACKLOG,
    # pvAccess: only for the functions that take a protocol
    "EPICS_PVA_ADDR_LIST": "",
    "EPICS_PVA_AUTO_ADDR_LIST": "YES",
    "EPICS_PVA_BROADCAST_PORT": 5076,
    "EPICS_PVA_SERVER_PORT": 5075,
    "EPICS_PVAS_BEACON_ADDR_LIST": "",
    "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "YES",
    "EPICS_PVAS_INTF_ADDR_LIST": "",
    "EPICS_PVAS_BROADCAST_PORT": 5076,
    "EPICS_PVAS_SERVER_PORT": 5075,
}

_SERVER_DEFAULTS = {
    "EPICS_CAS_SERVER_PORT": "EPICS_CA_SERVER_PORT",
    "EPICS_CAS_BEACON_PERIOD": "EPICS_CA_BEACON_PERIOD",
    "EPICS_CAS_BEACON_PORT": "EPICS_CA_REPEATER_PORT",
}
"""Variables of servers which, if they are not set, take their value from one of clients."""

_YES = frozenset({"yes", "y", "true", "t", "on", "1"})
_NO = frozenset({"no", "n", "false", "f", "off", "0"})

# What was reported already, so that a program with many Contexts says it once.
_reported: set[tuple[str, str, str]] = set()


def _report(name: str, value: str, problem: str) -> None:
    """Warn about one variable, once for each value of it."""
    if (name, value, problem) not in _reported:
        _reported.add((name, value, problem))
        logger.warning("Environment variable %s=%r %s", name, value, problem)


class EnvironmentReader:
    """Typed access to one snapshot of the environment."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ

    def text(self, name: str) -> str:
        """Return the value without blanks around it, or the default."""
        return self._environ.get(name, "").strip() or str(_DEFAULTS[name])

    def is_set(self, name: str) -> bool:
        """Tell whether the variable has a value."""
        return bool(self._environ.get(name, "").strip())

    def source(self, name: str) -> str:
        """Return the variable that holds the value: `name`, or the one it falls back to."""
        return name if self.is_set(name) else _SERVER_DEFAULTS.get(name, name)

    def report(self, name: str, problem: str) -> None:
        """Warn about a value, once."""
        _report(name, self.text(name), problem)

    def _number(
        self,
        name: str,
        convert: Callable[[str], Number],
        kind: str,
        minimum: Number,
        maximum: Number = math.inf,
    ) -> Number:
        default = convert(str(_DEFAULTS[name]))
        if not self.is_set(name):
            return default
        text = self.text(name)
        try:
            value = convert(text)
        except (ValueError, OverflowError):
            _report(name, text, f"is not {kind}; the default {default} is used")
            return default
        if minimum <= value <= maximum:
            return value
        limits = f"at least {minimum}" if maximum == math.inf else f"from {minimum} to {maximum}"
        _report(name, text, f"is out of range: it must be {limits}; the default {default} is used")
        return default

    def seconds(self, name: str, minimum: float = 0.0) -> float:
        """Return a finite time that is not below `minimum`."""
        return float(self._number(name, _finite, "a number of seconds", minimum))

    def whole(self, name: str, minimum: Number = 0, maximum: Number = math.inf) -> int:
        """Return a whole number; one that is written like ``1e6`` is fine."""
        return int(self._number(name, _integral, "a whole number", minimum, maximum))

    def port(self, name: str) -> int:
        """Return a port number."""
        return int(self._number(name, _integral, "a port number", 1, 0xFFFF))

    def yes_no(self, name: str) -> bool:
        """Return the truth value of a variable that says yes or no, in whatever words."""
        text = self.text(name)
        if text.lower() in _YES:
            return True
        if text.lower() in _NO:
            return False
        _report(name, text, f"is neither YES nor NO; the default {_DEFAULTS[name]} is used")
        return str(_DEFAULTS[name]).lower() in _YES

    def auto_addr_list(self, name: str = "EPICS_CA_AUTO_ADDR_LIST") -> bool:
        """Read YES or NO as libca does: anything but a text with ``no`` or ``NO`` in it is YES."""
        text = self.text(name)
        if "no" in text or "NO" in text:
            return False
        if text.lower() in _NO:
            _report(name, text, "is YES to the C library, so it is here; to turn it off, say NO")
        return True

    def addresses(self, name: str, default_port: int) -> tuple[Address, ...]:
        """Return the entries of a list that are addresses, in their order, each once."""
        found = []
        for word in self.text(name).split():
            try:
                found.append(parse_address(word, default_port))
            except CaprotoValueError as error:
                _report(name, word, f"has an entry that is left out: {error}")
        return unique(found)

    def hosts(self, name: str) -> tuple[str, ...]:
        """Return the hosts of a list in which ports have no meaning."""
        addresses = self.addresses(name, 0)
        for address in addresses:
            if address.port:
                _report(name, str(address), "gives a port, which has no meaning there")
        return tuple(dict.fromkeys(address.host for address in addresses))

    def encoding(self, name: str) -> str:
        """Return the name of a text encoding that exists."""
        text = self.text(name)
        try:
            "".encode(text)
        except (LookupError, ValueError):
            default = str(_DEFAULTS[name])
            _report(name, text, f"is not an encoding; the default {default} is used")
            return default
        return text


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _integral(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if value != int(value):
            raise ValueError(text) from None
        return int(value)


def get_environment_variables() -> dict[str, object]:
    """Return the environment, with every variable of EPICS and of this library typed and complete.

    Returns
    -------
    dict
        All of ``os.environ``; numbers are `int` or `float`, and what is not set has its default.
        Changing it has no effect.
    """
    read = EnvironmentReader()
    found: dict[str, object] = dict(os.environ)
    for name, default in _DEFAULTS.items():
        if name.endswith("_PORT"):
            found[name] = read.port(name)
        elif isinstance(default, int):
            found[name] = read.whole(name, -math.inf)
        elif isinstance(default, float):
            found[name] = read.seconds(name)
        else:
            found[name] = read.text(name)
    for server_name, name in _SERVER_DEFAULTS.items():
        if not read.is_set(server_name):
            found[server_name] = found[name]
    return found
