"""Whatever a server sends, nothing is raised, only its own circuit suffers, and its PVs are searched again."""

from __future__ import annotations

import logging
from struct import pack

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from caproto import CaprotoError
from caproto._protocol.messages import (
    AccessRightsResponse,
    CreateChanRequest,
    CreateChanResponse,
    ErrorResponse,
    EventAddResponse,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ServerDisconnResponse,
    VersionResponse,
    WriteNotifyResponse,
)
from caproto.client.pv import PVState
from tests.support.fakes import FakeClient, FakeClock, FakeNetwork, FakePV, FakeRecord, FakeServer

MALFORMED = {
    "a command that does not exist": pack(">HHHHII", 28, 0, 0, 0, 0, 0),
    "a payload that is no multiple of 8": pack(">HHHHII", 15, 4, 6, 1, 1, 0) + bytes(4),
    "a long header with such a payload": pack(">HHHHIIII", 15, 0xFFFF, 6, 0, 1, 0, 12, 1)
    + bytes(12),
    "a payload of gigabytes": pack(">HHHHIIII", 15, 0xFFFF, 6, 0, 1, 0, 0xFFFFFFF8, 1),
    "such a payload of a command that does not exist": pack(
        ">HHHHIIII", 99, 0xFFFF, 6, 0, 1, 0, 1 << 20, 1
    ),
    "text": b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100),
    "ones": b"\xff" * 200,
}


@pytest.mark.parametrize("damage", MALFORMED)
def test_malformed_stream_closes_only_its_circuit(
    network: FakeNetwork, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    client, clock = FakeClient(network, EPICS_CA_AUTO_ARRAY_BYTES="NO"), network.clock
    bad_server = FakeServer(network, ["a", "b"])
    good_server = FakeServer(network, ["x"], ("10.0.0.2", 5064))
    bad, also_bad, good = client.connect("a"), client.connect("b"), client.connect("x")
    sub, good_sub = client.subscribe(bad), client.subscribe(good)
    clock.run(10.0)
    update = bytes(EventAddResponse([1.0], 6, 1, 1, 0))
    with caplog.at_level(logging.WARNING, "caproto"):
        bad_server.connection.send(update, MALFORMED[damage], update)
        clock.run_until(lambda: not bad.connected)
    (message,) = caplog.messages
    assert "Closing the circuit to 10.0.0.1:5064" in message
    assert not bad_server.connections[0].open
    assert sub.values == [0.0, 1.0]  # what came before the damage
    clock.run_until(lambda: bad.connected and also_bad.connected)
    clock.run(0.1)
    assert bad.states == also_bad.states == ["connected", "disconnected", "connected"]
    assert good.states == ["connected"]
    assert len(good_sub.updates) == 1
    assert good_server.connection.open


def test_server_that_always_talks_nonsense_is_not_asked_as_fast_as_the_network_allows(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.on(CreateChanRequest, b"\xff" * 16)
    pv = client.pv("a")
    clock.run(60.0)
    assert pv.state is PVState.SEARCHING
    assert len(server.connections) < 12


def test_sink_that_fails_closes_the_circuit_rather_than_the_program(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Shells guard users' callbacks; a mistake of the shell itself is logged with its traceback."""
    pv = client.connect("a")
    sub = client.subscribe(pv)

    def fail(sub: object, message: object) -> None:
        raise RuntimeError("a bug in the shell")

    sub.sinks = (fail,)
    clock.run_until(lambda: not pv.connected)
    (record,) = [record for record in caplog.records if record.exc_info]
    assert "could not be handled" in record.getMessage()


def test_sink_that_fails_at_a_large_update_received_in_place(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.records["image"] = FakeRecord(4, 200_000, [0])
    pv = client.connect("image")
    sub = client.subscribe(pv)
    clock.run(0.1)

    def fail(sub: object, message: object) -> None:
        raise RuntimeError("a bug in the shell")

    sub.sinks = (fail,)
    circuit = pv.circuit
    assert circuit is not None
    data = bytes(EventAddResponse([0] * 100_000, 4, 100_000, 1, 0))
    circuit.feed(data[:1000], clock.now)
    room = circuit.stream.large_room()
    size = len(room)
    room.release()
    assert circuit.large_received(size, clock.now)
    assert pv.states == ["connected", "disconnected"]
    assert "could not be handled" in caplog.text


def test_nonsense_behind_the_end_of_a_circuit_is_not_reported(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A message makes the shell close the circuit; the rest of the chunk does not matter any more."""
    pv = client.connect("a")
    circuit = pv.circuit
    assert circuit is not None
    client.request(pv, None, callback=lambda message: circuit.close("enough", clock.now))
    server.on(
        ReadNotifyRequest,
        lambda connection, request: (
            ReadNotifyResponse([1.0], 6, 1, 1, request.ioid),
            b"\xff" * 64,
        ),
    )
    with caplog.at_level(logging.WARNING, "caproto.circ"):
        clock.run_until(lambda: not pv.connected)
    assert caplog.messages == []


# --- pieces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 15, 16, 17, 23, 24, 25, 100])
def test_stream_cut_anywhere_means_the_same(
    network: FakeNetwork, client: FakeClient, server: FakeServer, chunk: int
) -> None:
    """Byte by byte: greeting, channels, an array with an extended header, updates and replies."""
    clock = network.clock
    network.chunk = chunk
    server.records["wave"] = FakeRecord(6, 10_000, [float(number) for number in range(2_000)])
    server.records["image"] = FakeRecord(4, 100_000, [3] * (70_000 if chunk == 100 else 200))
    wave, image = client.connect("wave"), client.connect("image")
    sub = client.subscribe(wave)
    read, write, picture = client.read(wave), client.write(wave, [1, 2]), client.read(image)
    clock.run(1.0)
    assert list(read.result.data) == server_values(2_000)
    assert write.result.ioid == 1
    assert bytes(picture.result.data) == bytes([3]) * len(server.records["image"].value)
    assert list(sub.updates[0].data) == server_values(2_000)
    assert wave.states == image.states == ["connected"]


def server_values(count: int) -> list[float]:
    return [float(number) for number in range(count)]


def stages() -> list[bytes]:
    """Return all that a server says to a client that connects, reads, writes and subscribes."""
    return [
        bytes(VersionResponse(13)),
        bytes(AccessRightsResponse(0, 3)),
        bytes(CreateChanResponse(6, 1, 0, 101)),
        bytes(ReadNotifyResponse([1.0], 6, 1, 1, 0)),
        bytes(WriteNotifyResponse(6, 1, 1, 1)),
        bytes(EventAddResponse([2.0], 6, 1, 1, 0)),
        bytes(ErrorResponse(ReadNotifyRequest(6, 1, 101, 7), 0, 152, "no")),
        bytes(ServerDisconnResponse(0)),
    ]


def talk(data: bytes, chunk: int | None = None, cut: bool = False) -> FakePV:
    """Feed `data` to a client whose server says nothing else; return its PV."""
    network = FakeNetwork()
    client, clock = FakeClient(network), network.clock
    server = FakeServer(network, ["a"])
    server.greets = False
    server.handle = lambda connection, message: None  # type: ignore[method-assign]
    pv = client.pv("a")
    sub = client.subscribe(pv)
    clock.run_until(lambda: bool(server.connections))
    connection = server.connection
    network.chunk = chunk

    def ask() -> None:
        if pv.connected and sub.circuit is not None:
            client.read(pv)
            try:
                client.write(pv, 1)
            except CaprotoError:
                pass  # a channel for no elements, or of a type that there is not

    pv_connected = pv.on_connected

    def on_connected() -> None:
        pv_connected()
        clock.call_soon(ask)

    pv.on_connected = on_connected  # type: ignore[method-assign]
    connection.send(data)
    if cut:
        connection.close()
    clock.run(5.0)
    # Whatever was said: one state, and everything that goes with it.
    if pv.state is PVState.SEARCHING:
        assert (pv.channel, pv.circuit, sub.circuit) == (None, None, None)
    else:
        assert pv.circuit is not None
        assert pv in pv.circuit.pvs
    assert pv.states in (
        [],
        ["connected"],
        ["connected", "disconnected"],
        ["connected", "disconnected", "connected"],
    )
    client.close()
    clock.run(100.0)
    assert pv.state is PVState.CLOSED
    return pv


@pytest.mark.parametrize("stage", range(len(stages()) + 1))
def test_stream_that_ends_after_each_message(stage: int) -> None:
    pv = talk(b"".join(stages()[:stage]), cut=True)
    assert ("connected" in pv.states) is (stage >= 3)


def test_stream_that_ends_after_each_byte() -> None:
    data = b"".join(stages())
    for end in range(len(data)):
        talk(data[:end], cut=True)


@settings(max_examples=150)
@given(st.binary(max_size=200), st.sampled_from([None, 1, 5, 16]))
def test_random_bytes_never_raise(data: bytes, chunk: int | None) -> None:
    talk(data, chunk)


@settings(max_examples=150)
@given(st.data())
def test_damaged_conversation_never_raises(data: st.DataObject) -> None:
    """Messages repeated, in any order, with bytes changed, and cut off anywhere."""
    messages = data.draw(st.lists(st.sampled_from(stages()), min_size=1, max_size=12))
    stream = bytearray(b"".join(stages()[: data.draw(st.integers(0, 3))] + messages))
    for _ in range(data.draw(st.integers(0, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    talk(
        bytes(stream[: data.draw(st.integers(0, len(stream)))]),
        data.draw(st.sampled_from([None, 9])),
    )


heads = st.tuples(
    st.integers(0, 27),
    st.sampled_from([0, 8, 16, 24, 40]),
    st.integers(0, 40),
    st.sampled_from([0, 1, 2, 0xFFFF]),
    st.integers(0, 3) | st.sampled_from([101, 0xFFFFFFFF]),
    st.integers(0, 3) | st.sampled_from([101, 0xFFFFFFFF]),
)


@settings(max_examples=150)
@given(st.lists(st.tuples(heads, st.binary(min_size=40, max_size=40)), max_size=10))
def test_well_formed_messages_with_senseless_contents_never_raise(
    messages: list[tuple[tuple[int, ...], bytes]],
) -> None:
    opening = b"".join(stages()[:3])
    talk(
        opening
        + b"".join(pack(">HHHHII", *head) + payload[: head[1]] for head, payload in messages)
    )


@settings(max_examples=100)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_random_datagrams_never_raise(datagrams: list[bytes]) -> None:
    network = FakeNetwork()
    client = FakeClient(network)
    pv = client.pv("a")
    server = FakeServer(network, ["a"])
    for datagram in datagrams:
        network.send_datagram(datagram, client, server)
    network.clock.run_until(lambda: pv.connected, 700.0)
