"""What a client sends on a circuit, as the server would see it."""

from __future__ import annotations

from typing import Any

from caproto.asyncio.client import PV, VirtualCircuitManager
from tests.support.raw_messages import RawMessage, split_messages

EVENT_ADD, EVENT_CANCEL = 1, 2
READ, WRITE = 3, 4
EVENTS_OFF, EVENTS_ON = 8, 9
CLEAR_CHANNEL = 12
READ_NOTIFY, CREATE_CHAN, WRITE_NOTIFY = 15, 18, 19
ECHO = 23


def circuit_of(pv: PV) -> VirtualCircuitManager:
    """Return the circuit of a connected PV."""
    manager = pv.circuit_manager
    assert manager is not None, pv
    return manager


class SentMessages:
    """
    Records everything that the circuit of `pv` sends from now on.

    Parameters
    ----------
    pv
        A connected PV.
    """

    def __init__(self, pv: PV) -> None:
        core = circuit_of(pv).core
        self._stream = bytearray()
        really_write = core._write
        assert really_write is not None

        def write(data: bytes) -> Any:
            self._stream += data
            return really_write(data)

        core._write = write

    @property
    def messages(self) -> list[RawMessage]:
        """The messages so far."""
        return split_messages(bytes(self._stream))

    @property
    def commands(self) -> list[int]:
        """Their command numbers."""
        return [message.command for message in self.messages]

    def of(self, command: int) -> list[RawMessage]:
        """Return the messages with that command number."""
        return [message for message in self.messages if message.command == command]
