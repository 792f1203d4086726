"""WRITE and WRITE_NOTIFY."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from ..._errors import CaprotoError, Forbidden
from ..._protocol.arrays import SCALAR_READERS, Buffer, decode_data, decode_value
from ..._protocol.dbr import DBR_TYPES, ELEMENT_SIZES, METADATA_SIZES, NATIVE_TYPES
from ..._protocol.enums import ChannelType, Command
from ..._protocol.header import HEADER, Head, pack_head
from ..._protocol.messages.circuit import status_code
from ..._protocol.status import CAStatus
from .channel import Channel

if TYPE_CHECKING:
    from .circuit import ServerCircuit

__all__ = ["Writes"]

logger = logging.getLogger("caproto.ch")

_NORMAL = int(CAStatus.ECA_NORMAL)
_BADTYPE = int(CAStatus.ECA_BADTYPE)
_BADCOUNT = int(CAStatus.ECA_BADCOUNT)
_PUTFAIL = int(CAStatus.ECA_PUTFAIL)
_NOWTACCESS = int(CAStatus.ECA_NOWTACCESS)
_GET_ONLY = (ChannelType.STSACK_STRING, ChannelType.CLASS_NAME)
_STRING = ChannelType.STRING
_PLAIN_TYPES = 7
_READ_NUMBER = {
    plain: SCALAR_READERS[plain].unpack_from for plain in range(ChannelType.INT, _PLAIN_TYPES)
}


class Writes:
    """The requests of one circuit that bring a value."""

    __slots__ = ("_channels", "_circuit", "_out")

    def __init__(self, circuit: ServerCircuit) -> None:
        self._circuit = circuit
        self._channels = circuit.channels
        self._out = circuit.out

    def on_write_notify(self, head: Head, payload: Buffer) -> None:
        """Store a value and confirm; at once, if nothing has to be awaited for it."""
        channel = self._channels.get(head[4])
        if channel is None:
            self._circuit.unknown_sid(head)
        self._submit(channel, head, payload, self._confirm)

    def on_write(self, head: Head, payload: Buffer) -> None:
        """Store a value; only a failure is answered."""
        channel = self._channels.get(head[4])
        if channel is None:
            self._circuit.unknown_sid(head)
        self._submit(channel, head, payload, self._complain)

    def _submit(
        self,
        channel: Channel,
        head: Head,
        payload: Buffer,
        answer: Callable[[Channel, Head, int], None],
    ) -> None:
        """Write the value, now or when the requests before this one allow it."""
        if channel.operations is None and (channel.writes_at_once or not channel.writable):
            answer(channel, head, _write_now(channel, head, payload))
            return

        def start() -> Callable[[], Coroutine[Any, Any, None]] | None:
            if channel.writable and not channel.writes_at_once:
                return partial(self._write_slowly, channel, head, payload, answer)
            answer(channel, head, _write_now(channel, head, payload))
            return None

        channel.submit(True, head, start, len(payload))

    async def _write_slowly(
        self,
        channel: Channel,
        head: Head,
        payload: Buffer,
        answer: Callable[[Channel, Head, int], None],
    ) -> None:
        answer(channel, head, await _write(channel, head, payload))

    def _confirm(self, channel: Channel, head: Head, status: int) -> None:
        data_type, data_count = head[2], head[3]
        if len(head) > 6:
            message = pack_head(
                Command.WRITE_NOTIFY, 0, data_type, data_count, status, head[5], long=True
            )
        else:
            message = HEADER.pack(Command.WRITE_NOTIFY, 0, data_type, data_count, status, head[5])
        self._circuit.send(message)

    def _complain(self, channel: Channel, head: Head, status: int) -> None:
        if status != _NORMAL:
            self._circuit.send_error(head, channel.cid, status, f"cannot write {channel.name}")


def _refusal(channel: Channel, head: Head, payload: Buffer) -> int:
    """Return the status of a write that must not be done, or ECA_NORMAL."""
    if not channel.served.access_is_fixed:
        channel.refresh_rights()
    if not channel.writable:
        return _NOWTACCESS
    data_type = head[2]
    if data_type >= len(METADATA_SIZES) or data_type in _GET_ONLY:
        return _BADTYPE
    native = NATIVE_TYPES[data_type]
    if native is _STRING and head[3] == 1:
        needed = METADATA_SIZES[data_type]  # one string comes as short as it is
    else:
        needed = METADATA_SIZES[data_type] + ELEMENT_SIZES[native] * head[3]
    return _BADCOUNT if needed > len(payload) else _NORMAL


def _metadata(head: Head, payload: Buffer) -> Any:
    """Return what came beside the values, or None."""
    if head[2] < _PLAIN_TYPES or not METADATA_SIZES[head[2]]:
        return None
    return DBR_TYPES[ChannelType(head[2])].from_buffer(payload)


def _status_of(channel: Channel, error: Exception) -> int:
    """Return the status that tells the client of `error`; log what is not the client's business."""
    if isinstance(error, Forbidden):
        return _NOWTACCESS
    if not isinstance(error, CaprotoError):
        logger.error("Writing failed", exc_info=error, extra={"pv": channel.name})
        return _PUTFAIL
    logger.debug("A write was refused: %s", error, extra={"pv": channel.name})
    return _PUTFAIL if error.status is None else status_code(error.status)


def _write_now(channel: Channel, head: Head, payload: Buffer) -> int:
    """Store a value, and return the status."""
    served = channel.served
    if channel.writes_at_once and head[2] == served.data_type and head[3] == 1 and payload:
        # What most writes bring, one number that nothing has to be asked about: 1.1 us instead of 3.5.
        read_number = _READ_NUMBER.get(head[2])
        if read_number is not None and served.take_number(read_number(payload)[0]):
            return _NORMAL
    status = _refusal(channel, head, payload)
    if status == _NORMAL:
        try:
            values = decode_value(payload, head[2], head[3], served.string_encoding)
            served.write_now(values, ChannelType(head[2]), _metadata(head, payload))
        except Exception as error:  # whatever a PV raises, this client and this request only
            status = _status_of(channel, error)
    return status


async def _write(channel: Channel, head: Head, payload: Buffer) -> int:
    """Let the PV do what it does with a value, and return the status."""
    status = _refusal(channel, head, payload)
    if status == _NORMAL:
        circuit, served = channel.circuit, channel.served
        try:
            if getattr(served, "takes_scalars", False):  # what is no `ChannelData` need not say
                # One element need not become an array and be taken out again: 5 us less.
                values = decode_value(payload, head[2], head[3], served.string_encoding)
            else:
                values = decode_data(payload, head[2], head[3])
            await served.auth_write(
                circuit.host_name,
                circuit.client_name,
                values,
                ChannelType(head[2]),
                _metadata(head, payload),
                user_address=circuit.address,
            )
        except Exception as error:  # whatever a PV raises, this client and this request only
            status = _status_of(channel, error)
    return status
