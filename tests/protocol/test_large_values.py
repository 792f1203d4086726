"""Large arrays: received into memory of their own, and turned into machine order there."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from caproto import ChannelType, ReadNotifyResponse
from caproto._protocol.arrays import Buffer
from caproto._protocol.framing import COMMANDS, MessageStream
from caproto._protocol.header import Head
from caproto._protocol.messages import wire

COUNT = 40_000  # of which even the shortest type has more than 64 KiB
TYPES = ["INT", "FLOAT", "ENUM", "LONG", "DOUBLE", "TIME_DOUBLE", "TIME_LONG", "CTRL_INT"]


def received(data_type: ChannelType) -> tuple[ReadNotifyResponse, bytes]:
    """Return a response as a circuit receives it, in pieces, and its bytes."""
    data = bytes(ReadNotifyResponse(np.arange(COUNT) % 30_000, data_type, COUNT, 1, 7))
    found: list[ReadNotifyResponse] = []

    def handler(head: Head, payload: Buffer) -> None:
        found.append(wire(ReadNotifyResponse, head, payload))

    stream = MessageStream([handler] * COMMANDS)
    stream.feed(data[:100])
    stream.feed(data[100:])
    (response,) = found
    return response, data


@pytest.mark.parametrize("name", TYPES)
def test_value_of_a_large_array_is_native_and_takes_no_other_memory(name: str) -> None:
    response, _ = received(ChannelType[name])
    value = response.value
    assert value.dtype.isnative
    np.testing.assert_array_equal(value, np.arange(COUNT) % 30_000)
    assert np.shares_memory(value, np.frombuffer(response._payload, np.uint8))
    assert response.value is value


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("first", ["value", "data", "bytes", "buffers"])
def test_wire_order_is_kept_whatever_is_looked_at_first(name: str, first: str) -> None:
    response, data = received(ChannelType[name])
    expected = np.arange(COUNT) % 30_000
    looks: dict[str, Any] = {
        "value": lambda: np.testing.assert_array_equal(response.value, expected),
        "data": lambda: np.testing.assert_array_equal(response.data, expected),
        "bytes": lambda: bytes(response) == data or pytest.fail("the bytes have changed"),
        "buffers": lambda: (
            b"".join(bytes(b) for b in response.buffers) == data[24:]
            or pytest.fail("the buffers have changed")
        ),
    }
    looks.pop(first)()
    for look in looks.values():
        look()
    assert response.data.dtype.byteorder == ">"
    assert bytes(response) == data


def test_view_that_was_handed_out_is_never_turned() -> None:
    response, _ = received(ChannelType.DOUBLE)
    data = response.data
    assert response.value[5] == data[5] == 5.0
    assert not np.shares_memory(response.value, data)


def test_threads_that_look_at_the_same_message_see_the_same() -> None:
    expected = np.arange(COUNT) % 30_000
    for _ in range(20):
        response, _ = received(ChannelType.DOUBLE)
        wrong: list[str] = []
        barrier = threading.Barrier(4)

        def look(
            name: str, response: Any = response, barrier: Any = barrier, wrong: Any = wrong
        ) -> None:
            barrier.wait()
            if not np.array_equal(getattr(response, name), expected):
                wrong.append(name)

        threads = [threading.Thread(target=look, args=(n,)) for n in ("data", "value") * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


def test_memory_of_the_caller_is_not_touched() -> None:
    data = bytearray(bytes(ReadNotifyResponse(np.arange(COUNT), ChannelType.DOUBLE, COUNT, 1, 7)))
    before = bytes(data)
    response = ReadNotifyResponse.from_wire((15, COUNT * 8, 6, COUNT, 1, 7), memoryview(data)[24:])
    assert response.value[3] == 3.0
    assert bytes(data) == before
