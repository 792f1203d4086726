"""Debug logging of every message of a circuit; it is not there at all while the level is higher."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .._errors import RemoteProtocolError
from .._protocol.arrays import Buffer
from .._protocol.framing import Handler, MessageStream
from .._protocol.header import Head
from .._protocol.messages import message_from_wire

if TYPE_CHECKING:
    from .circuit import Circuit

__all__ = ["log_sent", "traced_handlers"]

logger: logging.Logger = logging.getLogger("caproto.circ")
SENT, RECEIVED = "--->>>", "<<<---"


def _log(circuit: Circuit, head: Head, payload: Buffer, direction: str) -> None:
    try:
        message: object = message_from_wire(head, payload, from_client=direction == SENT)
    except RemoteProtocolError:
        message = f"command {head[0]}, which is not known"
    logger.debug(
        "%r",
        message,
        extra={
            "our_address": circuit.protocol.our_address,
            "direction": direction,
            "their_address": circuit.address,
            "bytesize": len(payload) + 16,
            "role": "CLIENT",
            "pv": circuit.tables.name_of(head, direction == SENT),
        },
    )


def traced_handlers(circuit: Circuit, handlers: list[Handler]) -> list[Handler]:
    """Return handlers that log each message before they hand it on."""

    def traced(handler: Handler) -> Handler:
        def log_and_handle(head: Head, payload: Buffer) -> None:
            _log(circuit, head, payload, RECEIVED)
            handler(head, payload)

        return log_and_handle

    return [traced(handler) for handler in handlers]


def log_sent(circuit: Circuit, data: bytes) -> None:
    """Log the messages that go out."""

    def handler(head: Head, payload: Buffer) -> None:
        _log(circuit, head, payload, SENT)

    MessageStream([handler] * 28).feed(data)
