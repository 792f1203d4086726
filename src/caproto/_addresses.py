"""Addresses of Channel Access: IPv4 numbers, and `host[:port]` as people write it.

Pure text and arithmetic: no name is looked up here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from ._errors import CaprotoValueError

__all__ = [
    "Address",
    "ipv4_from_int32",
    "ipv4_to_int32",
    "is_ipv4",
    "is_loopback",
    "is_multicast",
    "parse_address",
    "unique",
]

_OCTETS = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)
# What a host name may hold; the underscore is not in the RFC but in many networks.
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")


class Address(NamedTuple):
    """A host, by name or by number, and a port. It equals the plain ``(host, port)`` tuple."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return ``host:port``."""
        return f"{self.host}:{self.port}"


def _octets(host: str) -> tuple[int, ...] | None:
    match = _OCTETS.fullmatch(host)
    if match is None:
        return None
    numbers = tuple(int(group) for group in match.groups())
    return numbers if max(numbers) < 256 else None


def is_ipv4(host: str) -> bool:
    """Tell whether `host` is an IPv4 address in numbers."""
    return _octets(host) is not None


def is_multicast(host: str) -> bool:
    """Tell whether `host` is the number of a multicast group, 224.0.0.0 to 239.255.255.255."""
    octets = _octets(host)
    return octets is not None and 224 <= octets[0] <= 239


def is_loopback(host: str) -> bool:
    """Tell whether `host` is a number of the loopback network, 127.0.0.0/8."""
    octets = _octets(host)
    return octets is not None and octets[0] == 127


def ipv4_to_int32(ip: str) -> int:
    """Pack an IPv4 address as the unsigned 32-bit number that messages carry.

    Raises
    ------
    CaprotoValueError
        If `ip` is not four numbers of 0 to 255 with dots between them.

    Examples
    --------
    >>> ipv4_to_int32("127.0.0.1")
    2130706433
    """
    octets = _octets(ip)
    if octets is None:
        raise CaprotoValueError(f"{ip!r} is not an IPv4 address")
    return int.from_bytes(bytes(octets), "big")


def ipv4_from_int32(int_packed_ip: int) -> str:
    """Undo `ipv4_to_int32`.

    Raises
    ------
    CaprotoValueError
        If the number is not an unsigned one of 32 bits.
    """
    if not 0 <= int_packed_ip <= 0xFFFFFFFF:
        raise CaprotoValueError(f"{int_packed_ip!r} does not fit the 32 bits of an IPv4 address")
    return ".".join(map(str, int_packed_ip.to_bytes(4, "big")))


def parse_address(text: str, default_port: int) -> Address:
    """Read ``host`` or ``host:port``; a host name is kept as a name.

    Raises
    ------
    CaprotoValueError
        If it is neither.
    """
    host, colon, digits = text.partition(":")
    if not _HOST_NAME.fullmatch(host):
        raise CaprotoValueError(f"{text!r} is not host or host:port")
    if _OCTETS.fullmatch(host) and not is_ipv4(host):
        raise CaprotoValueError(f"{host!r} is not an IPv4 address: its numbers end at 255")
    if not colon:
        return Address(host, default_port)
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits) <= 0xFFFF):
        raise CaprotoValueError(f"{text!r} does not end in a port number from 1 to 65535")
    return Address(host, int(digits))


def unique(addresses: Iterable[Address]) -> tuple[Address, ...]:
    """Drop repetitions and keep the order."""
    return tuple(dict.fromkeys(addresses))
