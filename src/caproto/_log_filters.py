"""Log filters: let pass what is about certain PVs, addresses or one role."""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase

from ._addresses import parse_address
from ._errors import CaprotoTypeError, CaprotoValueError

__all__ = ["AddressFilter", "PVFilter", "RoleFilter", "level_number", "pv_names"]


def pv_names(pv: object) -> list[str]:
    """Return the names in a ``pv`` field, which holds one or a collection of them."""
    if isinstance(pv, (list, tuple, set, frozenset)):
        return [str(name) for name in pv]
    return [str(pv)]


def level_number(level: str | int) -> int:
    """Return the number of a level.

    Raises
    ------
    CaprotoValueError
        If there is no such level.
    """
    if isinstance(level, int):
        return level
    number = logging.getLevelName(level.upper())
    if not isinstance(number, int):
        raise CaprotoValueError(
            f"{level!r} is not a logging level: use DEBUG, INFO, WARNING, ERROR, CRITICAL or a number"
        )
    return number


class _SubjectFilter(logging.Filter):
    """Pass what is severe, and of the rest what is about the right thing."""

    def __init__(self, level: str | int, exclusive: bool) -> None:
        super().__init__()
        self.levelno: int = level_number(level)
        self.exclusive = exclusive

    def _matches(self, record: logging.LogRecord) -> bool | None:
        """Tell whether it is about the right thing; None if it is about nothing of this kind."""
        raise NotImplementedError

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether `record` passes."""
        if record.levelno >= self.levelno:
            return True
        matches = self._matches(record)
        return not self.exclusive if matches is None else matches


class PVFilter(_SubjectFilter):
    """Pass only messages about certain PVs.

    Parameters
    ----------
    *names : str
        PV names, in which ``*`` and ``?`` are wild cards.
    level : str or int
        Messages of this level and above pass in any case. 'WARNING' by default.
    exclusive : bool
        Whether to stop messages that are not about a PV at all. False by default.

    Examples
    --------
    >>> config_caproto_logging(level="DEBUG").addFilter(PVFilter("random_walk:*"))
    """

    def __init__(self, *names: str, level: str | int = "WARNING", exclusive: bool = False) -> None:
        super().__init__(level, exclusive)
        self.names = names

    def _matches(self, record: logging.LogRecord) -> bool | None:
        pv = getattr(record, "pv", None)
        if pv is None:
            return None
        return any(fnmatchcase(name, each) for name in pv_names(pv) for each in self.names)


class AddressFilter(_SubjectFilter):
    """Pass only messages about traffic with certain addresses, be they ours or theirs.

    Parameters
    ----------
    *addresses_list : str or (str, int)
        ``'host'`` for all ports of it, or ``'host:port'``, or ``(host, port)``. Hosts are IP
        numbers, in which ``*`` and ``?`` are wild cards.
    level : str or int
        Messages of this level and above pass in any case. 'WARNING' by default.
    exclusive : bool
        Whether to stop messages that are not about an address at all. False by default.
    """

    def __init__(
        self,
        *addresses_list: str | tuple[str, int],
        level: str | int = "WARNING",
        exclusive: bool = False,
    ) -> None:
        super().__init__(level, exclusive)
        wanted = [_read_address(address) for address in addresses_list]
        self.addresses_list: list[tuple[str, int]] = [(host, port) for host, port in wanted if port]
        self.hosts_list: list[str] = [host for host, port in wanted if not port]

    def _matches(self, record: logging.LogRecord) -> bool | None:
        ends = (getattr(record, "our_address", None), getattr(record, "their_address", None))
        known = [end for end in ends if isinstance(end, tuple) and len(end) == 2]
        if not known:
            return None
        return any(self._wanted(*end) for end in known)

    def _wanted(self, host: str, port: int) -> bool:
        return any(fnmatchcase(host, each) for each in self.hosts_list) or any(
            port == wanted_port and fnmatchcase(host, each)
            for each, wanted_port in self.addresses_list
        )


def _read_address(address: str | tuple[str, int]) -> tuple[str, int]:
    """Return host and port, the port being 0 if it does not matter."""
    if not isinstance(address, str):
        try:
            host, port = address
        except (TypeError, ValueError):
            raise CaprotoTypeError(
                f"{address!r} is neither 'host' nor 'host:port' nor (host, port)"
            ) from None
        return host, port
    host, colon, port_text = address.partition(":")
    if not colon:
        return host, 0
    # The host may have wild cards in it, so only the port is left to be read.
    return host, parse_address(f"0:{port_text}", 0).port


class RoleFilter(_SubjectFilter):
    """Pass only messages of clients, or only those of servers.

    Parameters
    ----------
    role : CLIENT or SERVER, or 'CLIENT' or 'SERVER'
    level : str or int
        Messages of this level and above pass in any case. 'WARNING' by default.
    exclusive : bool
        Whether to stop messages of unknown role. False by default.
    """

    def __init__(self, role: object, level: str | int = "WARNING", exclusive: bool = False) -> None:
        super().__init__(level, exclusive)
        self.role = role

    def _matches(self, record: logging.LogRecord) -> bool | None:
        role = getattr(record, "role", None)
        return None if role is None else _role_name(role) == _role_name(self.role)


def _role_name(role: object) -> str:
    return str(getattr(role, "name", role)).upper()
