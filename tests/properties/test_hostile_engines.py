"""Both ends of the protocol, under input of every kind: what `fuzz.targets` demands holds for all of it.

`make fuzz` looks further, guided by what the input reaches.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import SEEDS, TARGETS

from .strategies import requests, responses

any_bytes = st.binary(max_size=300)
numbers = st.sampled_from([0, 1, 2, 3, 5, 6, 7, 9, 13, 20, 34, 35, 38, 39, 101, 0xFFFE, 0xFFFF])
ids = st.integers(0, 9) | st.sampled_from([0xFFFFFFFF])


@st.composite
def near_valid(draw: st.DrawFn) -> bytes:
    """A message whose header could be one, short or extended; the payload is anything."""
    payload = draw(st.binary(max_size=60))
    payload += bytes(-len(payload) % 8)
    size = draw(st.sampled_from([len(payload)] * 5 + [0, 7, 8, 0xFFFF]))
    head = (
        draw(st.integers(0, 30)),
        size,
        *(draw(numbers) for _ in range(2)),
        draw(ids),
        draw(ids),
    )
    if draw(st.booleans()):
        return struct.pack(">HHHHII", *head) + payload
    extension = struct.pack(">II", draw(st.sampled_from([size, 1 << 16, 1 << 31])), draw(ids))
    return struct.pack(">HHHHII", head[0], 0xFFFF, head[2], 0, *head[4:]) + extension + payload


def streams(target: str) -> st.SearchStrategy[bytes]:
    """Whole streams: anything, near-valid messages, valid ones, and what fuzzing begins with."""
    valid = (requests if target.startswith("server") else responses).map(bytes)
    usual = st.sampled_from(SEEDS[target]).map(lambda seed: seed[1:])
    pieces = st.lists(st.one_of(any_bytes, near_valid(), valid, usual), max_size=6)
    first = st.binary(min_size=1, max_size=1)  # tells how it is cut
    return st.tuples(first, pieces.map(b"".join)).map(b"".join)


@pytest.mark.parametrize("target", ["server_stream", "client_stream", "client_datagram"])
def test_only_the_documented_error_gets_out_and_others_go_on(target: str) -> None:
    @settings(max_examples=120)
    @given(streams(target))
    def holds(data: bytes) -> None:
        TARGETS[target](data)

    holds()


@settings(max_examples=200)
@given(st.lists(st.one_of(any_bytes, near_valid(), st.sampled_from(SEEDS["server_datagram"]))))
def test_any_datagram_is_answered_modestly_or_not_at_all(messages: list[bytes]) -> None:
    TARGETS["server_datagram"](b"".join(messages))


texts = st.sampled_from(
    [*"[]{}$:,\"'", "arr", "dbnd", "ts", "sync", "dec", "utag", "abs", "1", "-"]
)


@settings(max_examples=200)
@given(any_bytes | st.lists(texts, max_size=30).map(lambda parts: "".join(parts).encode()))
def test_any_name_is_found_or_not_and_costs_nothing(name: bytes) -> None:
    TARGETS["names"](name)


@pytest.mark.parametrize("target", TARGETS)
def test_what_fuzzing_begins_with_holds(target: str) -> None:
    for seed in SEEDS[target]:
        TARGETS[target](seed)
