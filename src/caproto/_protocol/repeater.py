"""The repeater: who gets which datagram.

Only one process of a machine can have the UDP port to which servers send their beacons. That is the
repeater. Clients register with it from their search sockets, and it hands every datagram on to each
of them.

As in the C implementation (EPICS base, ``repeater.cpp``):

- A client registers by a REPEATER_REGISTER message, or by an empty datagram. It is answered by a
  REPEATER_CONFIRM.
- Clients are on the same machine. So they are told apart by their port alone, and one which sends
  now from the address of an interface and now from loopback is a single client.
- Each registration sends a message without meaning to all other clients. A client that is gone
  shows itself by the error which that causes.
- A beacon without the address of its server gets the address from which it came.

Pure: the shell owns the sockets and tells which addresses are local.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from .._addresses import Address, ipv4_to_int32, is_loopback
from .enums import Command
from .header import HEADER

__all__ = ["Repeater", "Send"]

_NO_OP = HEADER.pack(Command.VERSION, 0, 0, 0, 0, 0)
_PARAMETER2 = HEADER.size - 4
"""Where in a header the second parameter stands: in a beacon, the server's address."""


class Send(NamedTuple):
    """A datagram that the shell is to send to a client."""

    datagram: bytes
    client: Address


class Repeater:
    """The registered clients, and what each datagram does.

    Parameters
    ----------
    is_local : callable
        Takes an IPv4 address and tells whether it is one of this machine's.

    Attributes
    ----------
    clients : dict of int to Address
        The registered clients by their port, in the order of their registration.
    """

    def __init__(self, is_local: Callable[[str], bool]) -> None:
        self._is_local = is_local
        self.clients: dict[int, Address] = {}

    def receive(self, datagram: bytes, source: Address) -> list[Send]:
        """Take one datagram and return what to send because of it.

        A datagram too short for a message is dropped (the C implementation hands it on). Anything
        else is handed on, whatever it says: what newer servers may send is the clients' business.
        """
        if not datagram:
            return self._register(source)
        if len(datagram) < HEADER.size:
            return []
        command, size, *_ = HEADER.unpack_from(datagram)
        if command != Command.REPEATER_REGISTER:
            return self._fan_out(_with_server_address(datagram, source), source)
        sends = self._register(source)
        rest = datagram[HEADER.size + size :]
        if rest:
            sends += self._fan_out(_with_server_address(rest, source), source)
        return sends

    def remove(self, client: Address) -> None:
        """Forget a client that is gone."""
        self.clients.pop(client.port, None)

    def _register(self, source: Address) -> list[Send]:
        if not self._is_here(source):
            return []
        client = self.clients.setdefault(source.port, source)
        address = ipv4_to_int32(client.host)
        confirmation = HEADER.pack(Command.REPEATER_CONFIRM, 0, 0, 0, 0, address)
        return [Send(confirmation, client), *self._fan_out(_NO_OP, source)]

    def _fan_out(self, datagram: bytes, source: Address) -> list[Send]:
        """Send to every client but the one that it came from."""
        # A server on another machine may have the port number of a client of ours.
        known = source.port in self.clients
        sender = source.port if known and self._is_here(source) else None
        return [Send(datagram, client) for client in self.clients.values() if client.port != sender]

    def _is_here(self, source: Address) -> bool:
        """Tell whether an address is one of this machine's."""
        return is_loopback(source.host) or self._is_local(source.host)


def _with_server_address(datagram: bytes, source: Address) -> bytes:
    """Fill in where the beacons in a datagram come from, if they leave that to the reader."""
    offset = 0
    changed: bytearray | None = None
    while offset + HEADER.size <= len(datagram):
        command, size, _, _, _, address = HEADER.unpack_from(datagram, offset)
        if command == Command.RSRV_IS_UP and address == 0:
            changed = changed or bytearray(datagram)
            place = offset + _PARAMETER2
            changed[place : place + 4] = ipv4_to_int32(source.host).to_bytes(4, "big")
        offset += HEADER.size + size
    return datagram if changed is None else bytes(changed)
