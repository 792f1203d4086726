"""The conversation by datagrams: name searches, beacons, and registration with the repeater."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from .._constants import DEFAULT_PROTOCOL_VERSION
from .._errors import (
    CaprotoTypeError,
    CaprotoValueError,
    LocalProtocolError,
    RemoteProtocolError,
)
from .arrays import Buffer
from .enums import Command
from .framing import walk_datagram
from .messages.base import Message
from .messages.circuit import VersionRequest, VersionResponse
from .messages.datagram import (
    Beacon,
    NotFoundResponse,
    RepeaterConfirmResponse,
    RepeaterRegisterRequest,
    SearchRequest,
    SearchResponse,
)
from .messages.registry import message_from_wire
from .states import CLIENT, SERVER, Role

__all__ = ["Broadcaster", "batch_requests", "extract_address"]

_logger = logging.getLogger("caproto.bcast")

_SENT_BY: dict[Role, tuple[type[Message], ...]] = {
    CLIENT: (VersionRequest, SearchRequest, RepeaterRegisterRequest),
    SERVER: (VersionResponse, SearchResponse, NotFoundResponse, Beacon, RepeaterConfirmResponse),
}
_ANY_IP = "255.255.255.255"
"""How a server says that its address is where the datagram comes from."""


def extract_address(search_response: SearchResponse) -> tuple[str, int]:
    """Return host and TCP port of the server that answered a search.

    Raises
    ------
    CaprotoValueError
        If the answer leaves the host to the datagram it came in, and that is not known.
    """
    ip = search_response.ip
    if ip == _ANY_IP:
        sender = search_response.sender_address
        if sender is None:
            raise CaprotoValueError(
                "the SearchResponse says that the server is where it comes from, "
                "and that is not known"
            )
        ip = sender[0]
    return ip, search_response.port


def batch_requests(request_iter: Iterable[Message], max_length: int) -> Iterator[deque[Message]]:
    """Divide messages among datagrams.

    Parameters
    ----------
    request_iter : iterable of Message
    max_length : int
        Of a datagram, in bytes. A message that is longer gets one of its own.

    Yields
    ------
    deque of Message
    """
    batch: deque[Message] = deque()
    size = 0
    for request in request_iter:
        nbytes = request.nbytes
        if batch and size + nbytes > max_length:
            yield batch
            batch, size = deque(), 0
        batch.append(request)
        size += nbytes
    if batch:
        yield batch


class Broadcaster:
    """One UDP socket, without the socket.

    Parameters
    ----------
    our_role : CLIENT or SERVER
    protocol_version : int
        Our minor version of the protocol.

    Attributes
    ----------
    their_role : SERVER or CLIENT
    client_addresses, server_addresses : list of (str, int)
        What `our_addresses` and `their_addresses` show.
    log : logging.Logger
    """

    def __init__(self, our_role: Role, protocol_version: int = DEFAULT_PROTOCOL_VERSION) -> None:
        if our_role not in (CLIENT, SERVER):
            raise CaprotoTypeError(f"our_role must be CLIENT or SERVER, not {our_role!r}")
        self.our_role = our_role
        self.their_role = SERVER if our_role is CLIENT else CLIENT
        self.protocol_version = protocol_version
        self.server_addresses: list[tuple[str, int]] = []
        self.client_addresses: list[tuple[str, int]] = []
        self._registered = False
        self.log: logging.Logger = _logger

    @property
    def our_addresses(self) -> list[tuple[str, int]]:
        """Addresses of our own sockets, for the log."""
        return self.client_addresses if self.our_role is CLIENT else self.server_addresses

    @property
    def their_addresses(self) -> list[tuple[str, int]]:
        """Addresses of the other role."""
        return self.server_addresses if self.our_role is CLIENT else self.client_addresses

    @property
    def registered(self) -> bool:
        """Whether a repeater has confirmed the registration."""
        return self._registered

    def __repr__(self) -> str:
        return f"<Broadcaster our_role={self.our_role} registered={self._registered}>"

    def send(self, *commands: Message) -> bytes:
        """Return the datagram that holds these messages.

        Raises
        ------
        LocalProtocolError
            If our role does not send one of them.
        """
        for command in commands:
            self._check(self.our_role, command)
        self._log("--->>>", commands, None)
        return b"".join(bytes(command) for command in commands)

    def recv(self, byteslike: Buffer, address: tuple[str, int]) -> list[Message]:
        """Cut a received datagram into messages.

        Parameters
        ----------
        byteslike : bytes-like
        address : (str, int)
            Where it came from.

        Returns
        -------
        list of Message
            For `process_commands`. A client gets no searches of other clients.

        Raises
        ------
        RemoteProtocolError
            If that cannot be Channel Access, or not from the other role.
        """
        commands = []
        for head, payload in walk_datagram(bytes(byteslike)):
            # A search of another client, which a broadcast has brought here, must not be taken for an answer. Only
            # answers leave the count 0.
            if self.our_role is CLIENT and head[0] == Command.SEARCH and head[3]:
                continue
            commands.append(
                message_from_wire(
                    head, payload, from_client=self.our_role is SERVER, sender=address
                )
            )
        self._log("<<<---", commands, address)
        return commands

    def process_commands(self, commands: Iterable[Message]) -> None:
        """Take received messages into account.

        Raises
        ------
        RemoteProtocolError
            If the other role must not send one of them.
        """
        for command in commands:
            try:
                self._check(self.their_role, command)
            except LocalProtocolError as error:
                raise RemoteProtocolError(str(error), address=command.sender_address) from error
            if isinstance(command, RepeaterConfirmResponse):
                self._registered = True

    def register(self, ip: str = "0.0.0.0") -> RepeaterRegisterRequest:
        """Compose a request to the repeater.

        Parameters
        ----------
        ip : str
            Our address.
        """
        return RepeaterRegisterRequest(ip)

    def disconnect(self) -> None:
        """Forget the registration."""
        self._registered = False

    def _check(self, role: Role, command: Message) -> None:
        if not isinstance(command, _SENT_BY[role]):
            raise LocalProtocolError(
                f"a {role.value} does not send {type(command).__name__} in datagrams"
            )

    def _log(
        self, direction: str, commands: Iterable[Message], address: tuple[str, int] | None
    ) -> None:
        if not self.log.isEnabledFor(logging.DEBUG):
            return
        tags: dict[str, Any] = {"direction": direction, "role": self.our_role}
        if address is not None:
            tags["their_address"] = address
        for command in commands:
            self.log.debug("%r", command, extra=tags)
