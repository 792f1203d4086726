"""Whatever comes in, nothing but a RemoteProtocolError comes out."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from caproto import (
    CLIENT,
    SERVER,
    AccessRightsResponse,
    Broadcaster,
    ClientChannel,
    CreateChanResponse,
    Message,
    RemoteProtocolError,
    Role,
    VersionRequest,
    VersionResponse,
    VirtualCircuit,
    apply_arr_filter,
    parse_channel_filter,
    parse_record_field,
)
from caproto._protocol.filters import ArrayFilter, FilterValidationError
from caproto._protocol.header import pack_head

from .messages import look_at
from .strategies import requests, responses, u16, u32

roles = st.sampled_from([CLIENT, SERVER])


def connected(role: Role) -> VirtualCircuit:
    """Make a circuit with a channel and a subscription on it."""
    circuit = VirtualCircuit(role, ("127.0.0.1", 5064), 0)
    theirs: list[Message] = []
    if role is CLIENT:
        circuit.send(VersionRequest(0, 13))
        theirs.append(VersionResponse(13))
    else:
        circuit.process_command(VersionRequest(0, 13))
        circuit.send(VersionResponse(13))
    channel = ClientChannel("some:pv", circuit, cid=0)
    if role is CLIENT:
        circuit.send(channel.create())
        theirs += [AccessRightsResponse(0, 3), CreateChanResponse(6, 4, 0, 0)]
    for command in theirs:
        circuit.process_command(command)
    return circuit


@st.composite
def plausible(draw: st.DrawFn) -> bytes:
    """A message whose header could be one, but whose contents are anything."""
    payload = draw(st.binary(max_size=100))
    payload = payload[: len(payload) & ~7]
    return (
        pack_head(
            draw(st.integers(0, 27)),
            len(payload),
            draw(st.integers(0, 45) | u16),
            draw(st.integers(0, 20) | u32),
            draw(st.integers(0, 3) | u32),
            draw(st.integers(0, 3) | u32),
            long=draw(st.booleans()),
        )
        + payload
    )


garbage = st.one_of(st.binary(max_size=200), st.lists(plausible(), max_size=5).map(b"".join))


@given(roles, garbage)
@example(CLIENT, b"\xff" * 64)
def test_stream_of_garbage(role: Role, data: bytes) -> None:
    circuit = connected(role)
    with contextlib.suppress(RemoteProtocolError):
        commands, needed = circuit.recv(data)
        assert needed >= 0
        for command in commands:
            if isinstance(command, Message):
                look_at(command)
            circuit.process_command(command)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[bool, bytes]:
    """Good messages with some bytes changed."""
    from_client = draw(st.booleans())
    messages = draw(st.lists(requests if from_client else responses, min_size=1, max_size=4))
    data = bytearray(b"".join(bytes(m) for m in messages if m.nbytes < 1000))
    for _ in range(draw(st.integers(1, 4)) if data else 0):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return from_client, bytes(data)


@given(spoiled())
def test_stream_with_changed_bytes(stream: tuple[bool, bytes]) -> None:
    from_client, data = stream
    circuit = connected(SERVER if from_client else CLIENT)
    with contextlib.suppress(RemoteProtocolError):
        for command in circuit.recv(data)[0]:
            if isinstance(command, Message):
                look_at(command)
            circuit.process_command(command)


@given(roles, garbage)
def test_datagram_of_garbage(role: Role, data: bytes) -> None:
    broadcaster = Broadcaster(role)
    with contextlib.suppress(RemoteProtocolError):
        commands = broadcaster.recv(data, ("10.0.0.1", 5064))
        for command in commands:
            look_at(command)
        broadcaster.process_commands(commands)


# --- names ------------------------------------------------------------------------------------------

json_text = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ts", "dbnd", "arr", "sync", "s", "i", "e", "m", "d", "abs", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
).map(lambda value: str(value).replace("'", '"'))


@given(st.text() | json_text.map("rec.VAL{}".format))
def test_any_name_can_be_taken_apart(name: str) -> None:
    found = parse_record_field(name)
    assert name.startswith(found.record)
    if found.modifiers is not None and found.modifiers.filter_ is not None:
        assert name.endswith(found.modifiers.filter_)


@given(st.text() | json_text | st.from_regex(r"\[[-:0-9 ]*\]", fullmatch=True))
def test_any_filter_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(FilterValidationError):
        apply_arr_filter(parse_channel_filter(text).arr, list(range(5)))


def epics_indices(start: int, increment: int, end: int, length: int) -> list[int]:
    """Wrap indices as ``dbfl``'s array filter does, one by one (``arr.c`` of EPICS base)."""
    start = max(start + length if start < 0 else start, 0)
    end = min(max(end + length if end < 0 else end, 0), length - 1)
    return list(range(start, end + 1, increment))


@given(st.integers(-30, 30), st.integers(1, 5), st.integers(-30, 30), st.integers(0, 20))
def test_array_filter_chooses_what_epics_does(
    start: int, increment: int, end: int, length: int
) -> None:
    values: Any = list(range(length))
    chosen = apply_arr_filter(ArrayFilter(start, increment, end), values)
    assert chosen == epics_indices(start, increment, end, length)
