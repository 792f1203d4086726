"""Whatever is sent comes out as it went in."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caproto import DBR_TYPES, ChannelType, EventAddResponse, Message, WriteRequest, native_type
from tests.protocol.backends import BACKENDS, using_backend

from .messages import look_at, parse
from .strategies import arrays, elements, metadata_fields, requests, responses


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    with using_backend(request.param):
        yield request.param


def same(one: Any, other: Any) -> bool:
    """Compare numbers or texts; NaN equals itself."""
    return bool(one == other or (one != one and other != other))


def check_round_trip(message: Message, *, from_client: bool) -> None:
    data = bytes(message)
    assert len(data) % 8 == 0
    assert len(data) == message.nbytes
    [received] = parse(data, from_client=from_client)
    assert type(received) is type(message)
    assert received == message
    assert bytes(received) == data
    assert repr(received) == repr(message)
    look_at(received)


@given(requests)
def test_any_request(message: Message) -> None:
    check_round_trip(message, from_client=True)


@given(responses)
def test_any_response(message: Message) -> None:
    check_round_trip(message, from_client=False)


each_type = pytest.mark.parametrize("data_type", ChannelType, ids=lambda member: member.name)
few = settings(max_examples=15)


@each_type
@few
@given(data=st.data())
def test_array_of_any_type(data_type: ChannelType, data: st.DataObject) -> None:
    values = data.draw(arrays(data_type, 1))
    fields = data.draw(metadata_fields(data_type))
    for backend in BACKENDS:
        with using_backend(backend):
            sent = EventAddResponse(values, data_type, None, 1, 0, metadata=fields)
            [received] = parse(bytes(sent), from_client=False)
            assert isinstance(received, EventAddResponse)
            check_values(received, data_type, values)
            check_metadata(received, data_type, fields)


def check_values(message: Any, data_type: ChannelType, values: list[Any]) -> None:
    assert message.data_count == len(values)
    if native_type(data_type) is ChannelType.STRING:
        shown = [item.decode("latin-1") for item in message.data]
    else:
        shown = message.data.tolist()
    assert len(shown) == len(values)
    assert all(map(same, shown, values))
    value = message.value
    if len(values) == 1:
        assert same(value, values[0])
    else:
        assert all(map(same, value if isinstance(value, list) else value.tolist(), values))


def check_metadata(message: Any, data_type: ChannelType, fields: dict[str, Any]) -> None:
    metadata = message.metadata
    if not DBR_TYPES[data_type].info_fields:
        assert metadata is None
        return
    for name, value in fields.items():
        found = metadata.stamp if name == "timestamp" else getattr(metadata, name)
        assert same(found, value)


@each_type
@few
@given(data=st.data())
def test_scalar_of_any_type(data_type: ChannelType, data: st.DataObject) -> None:
    value = data.draw(elements(data_type))
    for given_as in (value, [value], (value,)):
        sent = WriteRequest(given_as, data_type, 1, 0, 0)
        [received] = parse(bytes(sent), from_client=True)
        assert isinstance(received, WriteRequest)
        assert same(received.value, value)
        assert len(received.data) == 1


@given(st.lists(st.floats(), min_size=2, max_size=200))
def test_doubles_are_encoded_alike_by_both_back_ends(values: list[float]) -> None:
    expected = struct.pack(f">{len(values)}d", *values)
    for name in BACKENDS:
        with using_backend(name):
            assert bytes(WriteRequest(values, ChannelType.DOUBLE, None, 0, 0))[16:] == expected


@given(st.lists(st.floats(-40000, 40000), min_size=2, max_size=200))
def test_integers_are_cut_alike_by_both_back_ends(values: list[float]) -> None:
    fits = all(-32768 <= math.trunc(value) <= 32767 for value in values)
    results = []
    for name in BACKENDS:
        with using_backend(name):
            try:
                results.append(bytes(WriteRequest(values, ChannelType.INT, None, 0, 0)))
            except ValueError:
                results.append(b"")
    assert results[0] == results[1]
    assert bool(results[0]) is fits
