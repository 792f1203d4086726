"""Messages of name searches, beacons and the repeater."""

from __future__ import annotations

from struct import Struct
from typing import ClassVar

from ..._addresses import ipv4_from_int32, ipv4_to_int32
from ..._constants import DO_REPLY, NO_REPLY
from ..enums import Command
from .base import HeadField, Message, Text, checked_name

__all__ = [
    "ANY_ADDRESS",
    "Beacon",
    "NotFoundResponse",
    "RepeaterConfirmResponse",
    "RepeaterRegisterRequest",
    "SearchRequest",
    "SearchResponse",
    "ipv4_from_int32",
    "ipv4_to_int32",
]

ANY_ADDRESS = 0xFFFFFFFF
"""Instead of a server's address: take the one that the message came from."""
_VERSION = Struct(">H")


class SearchRequest(Message):
    """Asks who serves a PV.

    Parameters
    ----------
    name : str
        Of the PV.
    cid : int
        Client's id, which the answer carries.
    version : int
        Client's minor protocol version.
    reply : int
        `DO_REPLY` asks for an answer also if the PV is not known (TCP only); `NO_REPLY`, the default, does not.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.SEARCH
    _fields = ("name", "cid", "version", "reply")
    name: Text = Text("Name of the PV.")
    cid: HeadField = HeadField(4, "Client's id.")
    version: HeadField = HeadField(3, "Client's minor protocol version.")
    reply: HeadField = HeadField(2, "DO_REPLY or NO_REPLY.")

    def __init__(self, name: str, cid: int, version: int, reply: int = NO_REPLY) -> None:
        self._set(reply, version, cid, cid, checked_name(name))


class SearchResponse(Message):
    """Tells who serves a PV.

    Parameters
    ----------
    port : int
        TCP port of the server.
    ip : str or None
        Address of the server; None for the one that the message comes from.
    cid : int
        As in the request.
    version : int
        Server's minor protocol version.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.SEARCH
    _fields = ("port", "ip", "cid", "version")
    port: HeadField = HeadField(2, "TCP port of the server.")
    cid: HeadField = HeadField(5, "Client's id.")

    def __init__(self, port: int, ip: str | None, cid: int, version: int) -> None:
        address = ANY_ADDRESS if ip is None else ipv4_to_int32(ip)
        self._set(port, 0, address, cid, _VERSION.pack(version))

    @property
    def ip(self) -> str:
        """Address of the server; ``'255.255.255.255'`` for the one that the message comes from."""
        return ipv4_from_int32(self._head[4])

    @property
    def version(self) -> int:
        """Server's minor protocol version; 0 of those that do not tell it."""
        return int(_VERSION.unpack_from(self._payload)[0]) if len(self._payload) >= 2 else 0


class NotFoundResponse(Message):
    """Tells that the PV is not known there.

    Parameters
    ----------
    version : int
    cid : int
        As in the request.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.NOT_FOUND
    _fields = ("version", "cid")
    reply_flag: HeadField = HeadField(2, "As in the request.")
    version: HeadField = HeadField(3, "Server's minor protocol version.")
    cid: HeadField = HeadField(4, "Client's id.")

    def __init__(self, version: int, cid: int) -> None:
        self._set(DO_REPLY, version, cid, cid)


class Beacon(Message):
    """A server's sign of life (RSRV_IS_UP).

    Parameters
    ----------
    version : int
        Server's minor protocol version.
    server_port : int
        Its TCP port.
    beacon_id : int
        Counts up by one.
    address : str
        Of the server; ``'0.0.0.0'`` for the one that the datagram comes from.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.RSRV_IS_UP
    _fields = ("version", "server_port", "beacon_id", "address")
    version: HeadField = HeadField(2, "Server's minor protocol version.")
    server_port: HeadField = HeadField(3, "Server's TCP port; 0 for the default one.")
    beacon_id: HeadField = HeadField(4, "Counts up by one.")

    def __init__(self, version: int, server_port: int, beacon_id: int, address: str) -> None:
        self._set(version, server_port, beacon_id, ipv4_to_int32(address))

    @property
    def address(self) -> str:
        """Address of the server."""
        return ipv4_from_int32(self._head[5])


class RepeaterRegisterRequest(Message):
    """Asks the repeater to pass on what it hears.

    Parameters
    ----------
    client_address : str
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.REPEATER_REGISTER
    _fields = ("client_address",)

    def __init__(self, client_address: str = "0.0.0.0") -> None:
        self._set(p2=ipv4_to_int32(client_address))

    @property
    def client_address(self) -> str:
        """Address of the client."""
        return ipv4_from_int32(self._head[5])


class RepeaterConfirmResponse(Message):
    """Confirms a registration.

    Parameters
    ----------
    repeater_address : str
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.REPEATER_CONFIRM
    _fields = ("repeater_address",)

    def __init__(self, repeater_address: str) -> None:
        self._set(p2=ipv4_to_int32(repeater_address))

    @property
    def repeater_address(self) -> str:
        """Address of the repeater."""
        return ipv4_from_int32(self._head[5])
