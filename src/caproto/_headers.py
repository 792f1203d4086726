"""Headers, by the name under which the documentation has them."""

from ._protocol.message_header import (
    ExtendedMessageHeader,
    MessageHeader,
)

__all__ = [
    "ExtendedMessageHeader",
    "MessageHeader",
]
