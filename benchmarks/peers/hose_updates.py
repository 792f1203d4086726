"""The updates of the firehose, encoded before they are sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any

import numpy as np

from benchmarks.peers.hose_plan import ARRAY_LENGTH, FIRST_STAMP, STAMP_STEP, HosePlan
from caproto._constants import EPICS2UNIX_EPOCH
from caproto._protocol.dbr import DBR_TYPES, METADATA_SIZES
from caproto._protocol.enums import ChannelType
from caproto._protocol.messages import EventAddResponse

__all__ = ["Subscription", "chunks"]

CHUNK = 256 * 1024
_HEADER_SIZE = 16
_EPICS_STAMP = FIRST_STAMP - int(EPICS2UNIX_EPOCH)
_SECOND = 1_000_000_000
_DOUBLE = Struct(">d")
_STAMP = Struct(">II")
_STAMP_OFFSET = 4
"""In the payload of a type with a time; before it are status and severity."""


@dataclass(frozen=True)
class Subscription:
    """One of the subscriptions that a blast goes to.

    Parameters
    ----------
    subscriptionid : int
    data_type : int
        DOUBLE or a type made of it.
    """

    subscriptionid: int
    data_type: int

    @property
    def has_stamp(self) -> bool:
        """Whether updates carry the time."""
        return "timestamp" in getattr(DBR_TYPES[ChannelType(self.data_type)], "info_fields", ())

    def update(self, data: Any) -> bytes:
        """Return an update with the right size and without number and time."""
        metadata = bytes(METADATA_SIZES[self.data_type])
        return bytes(
            EventAddResponse(data, self.data_type, None, 1, self.subscriptionid, metadata=metadata)
        )


def chunks(plan: HosePlan, subscriptions: list[Subscription]) -> Iterator[memoryview]:
    """Yield what to send, in pieces: for a paced blast the updates of one millisecond, else as much as suits a socket.

    Parameters
    ----------
    plan : HosePlan
    subscriptions : list of Subscription
        In the order of the PVs; all of the same type.
    """
    if plan.kind == "array":
        yield from _arrays(plan, subscriptions)
        return
    size = len(subscriptions[0].update([0.0]))
    stream = _scalars(plan, subscriptions, size)
    per_chunk = plan.pvs if plan.kind == "paced" else max(1, CHUNK // size)
    for start in range(0, len(stream), per_chunk * size):
        yield stream[start : start + per_chunk * size]


def _scalars(plan: HosePlan, subscriptions: list[Subscription], size: int) -> memoryview:
    """Encode all updates of scalars at once; numpy fills in the numbers and the times."""
    first = subscriptions[0]
    rows = -(-plan.updates // plan.pvs)
    one_round = b"".join(subscription.update([0.0]) for subscription in subscriptions)
    buffer = np.frombuffer(bytearray(one_round * rows), dtype=np.uint8)
    value_offset = _HEADER_SIZE + METADATA_SIZES[first.data_type]
    fields: dict[str, Any] = {"value": (">f8", value_offset)}
    if first.has_stamp:
        fields["seconds"] = (">u4", _HEADER_SIZE + _STAMP_OFFSET)
        fields["nanoseconds"] = (">u4", _HEADER_SIZE + _STAMP_OFFSET + 4)
    layout = np.dtype(
        {
            "names": list(fields),
            "formats": [form for form, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": size,
        }
    )
    updates = buffer.view(layout)
    numbers = np.arange(len(updates), dtype=np.int64)
    updates["value"] = numbers
    if first.has_stamp:
        nanoseconds = numbers * STAMP_STEP
        updates["seconds"] = _EPICS_STAMP + nanoseconds // _SECOND
        updates["nanoseconds"] = nanoseconds % _SECOND
    return memoryview(buffer.data).cast("B")[: plan.updates * size]


def _arrays(plan: HosePlan, subscriptions: list[Subscription]) -> Iterator[memoryview]:
    """Fill the numbers into one prepared update of each PV, just before it is sent."""
    ramp = np.arange(ARRAY_LENGTH, dtype=float)
    messages = [memoryview(bytearray(subscription.update(ramp))) for subscription in subscriptions]
    size = len(messages[0])
    first = size - 8 * ARRAY_LENGTH
    payload = first - METADATA_SIZES[subscriptions[0].data_type]
    has_stamp = subscriptions[0].has_stamp
    for number in range(plan.updates):
        message = messages[number % plan.pvs]
        _DOUBLE.pack_into(message, first, number)
        _DOUBLE.pack_into(message, size - 8, number)
        if has_stamp:
            seconds, nanoseconds = divmod(number * STAMP_STEP, _SECOND)
            _STAMP.pack_into(message, payload + _STAMP_OFFSET, _EPICS_STAMP + seconds, nanoseconds)
        yield message
