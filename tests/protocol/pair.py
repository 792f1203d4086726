"""Two circuits that talk to each other."""

from __future__ import annotations

from caproto import (
    CLIENT,
    DISCONNECTED,
    SERVER,
    AccessRightsResponse,
    ClientChannel,
    ClientNameRequest,
    HostNameRequest,
    Message,
    ServerChannel,
    States,
    VersionRequest,
    VersionResponse,
    VirtualCircuit,
)

__all__ = ["CircuitPair"]


class CircuitPair:
    """A client's circuit and a server's; what one sends the other takes, and both are kept in step.

    Parameters
    ----------
    chunk : int
        Into how large pieces the bytes are cut on their way.
    """

    def __init__(self, chunk: int = 1 << 20) -> None:
        self.client = VirtualCircuit(CLIENT, ("127.0.0.1", 5064), 0)
        self.server = VirtualCircuit(SERVER, ("127.0.0.1", 40000), None)
        self.chunk = chunk

    def to_server(self, *commands: Message) -> list[Message | States]:
        """Let the client send, and the server receive."""
        return self._pass_on(self.client, self.server, commands)

    def to_client(self, *commands: Message) -> list[Message | States]:
        """Let the server send, and the client receive."""
        return self._pass_on(self.server, self.client, commands)

    def _pass_on(
        self, sender: VirtualCircuit, receiver: VirtualCircuit, commands: tuple[Message, ...]
    ) -> list[Message | States]:
        data = b"".join(sender.send(*commands))
        received: list[Message | States] = []
        for start in range(0, len(data), self.chunk):
            found, needed = receiver.recv(data[start : start + self.chunk])
            assert needed > 0
            received += found
        for command in received:
            receiver.process_command(command)
        assert receiver.states == sender.states
        return received

    def handshake(self) -> CircuitPair:
        """Exchange versions and names."""
        self.to_server(VersionRequest(0, 13), ClientNameRequest("me"), HostNameRequest("here"))
        self.to_client(VersionResponse(13))
        return self

    def open(
        self, name: str = "some:pv", data_type: int = 6, data_count: int = 4, sid: int = 55
    ) -> tuple[ClientChannel, ServerChannel]:
        """Make a channel."""
        channel = ClientChannel(name, self.client)
        self.to_server(channel.create())
        served = self.server.channels[channel.cid]
        assert isinstance(served, ServerChannel)
        self.to_client(
            AccessRightsResponse(channel.cid, 3), served.create(data_type, data_count, sid)
        )
        assert channel.states == served.states
        return channel, served

    def disconnect(self) -> None:
        """Close the connection."""
        for circuit in (self.client, self.server):
            commands, needed = circuit.recv()
            assert (list(commands), needed) == ([DISCONNECTED], 0)
            assert circuit.process_command(commands[0]) is DISCONNECTED
