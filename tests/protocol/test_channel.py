"""What channels compose, and what they refuse to."""

from __future__ import annotations

import logging
import struct
from typing import Any

import numpy as np
import pytest

from caproto import (
    CLIENT,
    CLOSED,
    CONNECTED,
    IDLE,
    SEND_CREATE_CHAN_REQUEST,
    SERVER,
    CaprotoConversionError,
    CaprotoError,
    CaprotoKeyError,
    CaprotoTypeError,
    CaprotoValueError,
    CAStatus,
    ChannelType,
    ClearChannelRequest,
    ClearChannelResponse,
    ClientChannel,
    ClientNameRequest,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
    HostNameRequest,
    LocalProtocolError,
    PVFilter,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    RemoteProtocolError,
    ServerChannel,
    ServerDisconnResponse,
    VersionRequest,
    VersionResponse,
    VirtualCircuit,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)

T = ChannelType
NAME = "some:pv"


def client_channel(
    data_type: int = 6, data_count: int = 4, version: int = 13, encoding: str = "latin-1"
) -> ClientChannel:
    """Make an open channel with sid 55."""
    circuit = VirtualCircuit(CLIENT, ("127.0.0.1", 5064), 3, version)
    circuit.connected()
    channel = ClientChannel(NAME, circuit, string_encoding=encoding)
    channel.opened(data_type, data_count, 55)
    return channel


def server_channel(data_type: int = 6, data_count: int = 4) -> ServerChannel:
    """Make an open channel with cid 7 and sid 55."""
    circuit = VirtualCircuit(SERVER, ("127.0.0.1", 40000), 0)
    channel = ServerChannel(NAME, circuit, cid=7)
    channel.opened(data_type, data_count, 55)
    return channel


def test_fresh_channel() -> None:
    circuit = VirtualCircuit(CLIENT, ("127.0.0.1", 5064), 0)
    channel = ClientChannel(NAME, circuit)
    assert circuit.channels == {0: channel}
    assert channel.states == {CLIENT: SEND_CREATE_CHAN_REQUEST, SERVER: IDLE}
    assert channel.sid is channel.native_data_type is channel.native_data_count is None
    assert channel.access_rights is None
    assert channel.string_encoding == "latin-1"
    assert channel.protocol_version == 13
    assert repr(channel) == (
        "<ClientChannel name='some:pv' cid=0 sid=None data_type=None "
        "state=States.SEND_CREATE_CHAN_REQUEST>"
    )


def test_channel_takes_little_memory() -> None:
    assert not hasattr(client_channel(), "__dict__")


@pytest.mark.parametrize("name", ["", "x" * 992, "a\0b"])
def test_name_that_cannot_be(name: str) -> None:
    circuit = VirtualCircuit(CLIENT, ("127.0.0.1", 5064), 0)
    with pytest.raises(CaprotoValueError, match="cannot be the name of a PV") as raised:
        ClientChannel(name, circuit)
    assert raised.value.pv_name == name
    assert circuit.channels == {}


def test_long_names_are_fine() -> None:
    # The limit is that of a datagram (ca/udpiiu.cpp), not the 60 bytes of a record name.
    ClientChannel("x" * 991, VirtualCircuit(CLIENT, ("127.0.0.1", 5064), 0))


def test_log_tells_the_pv(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "caproto.ch")
    client_channel().log.debug("hello", extra={"direction": "--->>>"})
    [record] = caplog.records
    assert record.name == "caproto.ch"
    assert PVFilter(NAME, exclusive=True).filter(record)
    assert vars(record)["their_address"] == ("127.0.0.1", 5064)
    assert vars(record)["direction"] == "--->>>"


def test_open_and_close() -> None:
    channel = client_channel(3, 2)
    assert channel.states == {CLIENT: CONNECTED, SERVER: CONNECTED}
    assert channel.native_data_type is T.ENUM
    channel.closed()
    assert channel.states == {CLIENT: CLOSED, SERVER: CLOSED}


@pytest.mark.parametrize("data_type", [7, 20, 39, -1, 65535])
def test_type_that_no_pv_can_have(data_type: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"some:pv: .* type {data_type}"):
        client_channel(data_type)


# --- what a client composes -------------------------------------------------------------------------


def test_greeting_and_creation() -> None:
    channel = client_channel()
    assert channel.version() == VersionRequest(3, 13)
    assert channel.host_name("here") == HostNameRequest("here")
    assert channel.client_name("me") == ClientNameRequest("me")
    assert channel.create() == CreateChanRequest(NAME, 0, 13)
    assert channel.clear() == ClearChannelRequest(55, 0)


@pytest.mark.parametrize(
    ("data_type", "expected"),
    [
        (None, T.DOUBLE),
        ("native", T.DOUBLE),
        ("status", T.STS_DOUBLE),
        ("time", T.TIME_DOUBLE),
        ("graphic", T.GR_DOUBLE),
        ("control", T.CTRL_DOUBLE),
        (T.STRING, T.STRING),
        (20, T.TIME_DOUBLE),
        (T.CLASS_NAME, T.CLASS_NAME),
    ],
)
def test_promise_21_read_takes_data_types_in_every_form(data_type: Any, expected: int) -> None:
    request = client_channel().read(data_type)
    assert request == ReadNotifyRequest(expected, 0, 55, 0)
    assert request.data_type is expected
    assert bytes(request) == bytes(ReadNotifyRequest(expected, 0, 55, 0))


def test_promise_24_read_the_deprecated_way() -> None:
    assert client_channel().read(notify=False, ioid=9) == ReadRequest(6, 0, 55, 9)


@pytest.mark.parametrize("native", range(7))
@pytest.mark.parametrize("family", ["status", "time", "graphic", "control"])
def test_families_of_every_native_type(native: int, family: str) -> None:
    channel = client_channel(native)
    request = channel.read(family)
    assert request.data_type % 7 == native
    assert channel.subscribe(family).data_type is request.data_type


def test_count_0_only_from_version_13_on() -> None:
    # Older servers answer ECA_BADCOUNT.
    assert client_channel(version=13).read().data_count == 0
    assert client_channel(version=12).read().data_count == 4
    assert client_channel(version=12).subscribe().data_count == 4
    assert client_channel(version=12).read(data_count=0).data_count == 4
    assert client_channel().read(data_count=3).data_count == 3


@pytest.mark.parametrize("compose", [ClientChannel.read, ClientChannel.subscribe])
@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"data_type": 39}, CaprotoValueError, "39 is not a DBR type"),
        ({"data_type": -1}, CaprotoValueError, "-1 is not a DBR type"),
        ({"data_type": "metadata"}, CaprotoValueError, "data_type='metadata' is not known"),
        ({"data_type": 1.5}, CaprotoError, "1.5 is not a DBR type"),
        ({"data_type": T.PUT_ACKT}, CaprotoValueError, "PUT_ACKT can be written only"),
        ({"data_count": 5}, CaprotoValueError, "data_count=5, but it holds at most 4"),
        ({"data_count": -1}, CaprotoValueError, "data_count=-1"),
        ({"data_count": "1"}, CaprotoTypeError, "data_count must be an int, not '1'"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for(
    compose: Any, arguments: dict[str, Any], error: type[CaprotoError], text: str
) -> None:
    with pytest.raises(error, match=f"some:pv: .*{text}") as raised:
        compose(client_channel(), **arguments)
    assert raised.value.pv_name == NAME


def test_promise_25_write() -> None:
    channel = client_channel()
    assert channel.write([1], notify=True) == WriteNotifyRequest([1.0], 6, 1, 55, 0)
    assert channel.write([1.0, 2.0], notify=True, ioid=9) == WriteNotifyRequest([1, 2], 6, 2, 55, 9)
    assert channel.write(np.zeros(4), data_count=2) == WriteRequest([0, 0], 6, 2, 55, 0)
    assert channel.write([1], data_type=T.LONG) == WriteRequest([1], 5, 1, 55, 0)


def test_write_without_answer_carries_the_cid() -> None:
    # ca/tcpiiu.cpp: rsrv quotes this number in its ErrorResponse.
    circuit = client_channel().circuit
    channel = ClientChannel("other:pv", circuit)
    channel.opened(6, 1, 56)
    assert channel.write(1.0) == WriteRequest([1.0], 6, 1, 56, channel.cid)
    assert channel.cid == 1


def test_write_with_metadata() -> None:
    request = client_channel().write([1.0], "time", metadata={"status": 3}, notify=True)
    assert request.data_type is T.TIME_DOUBLE
    assert request.metadata.status == 3


@pytest.mark.parametrize("label", ["on", b"on", ["on"], np.array(["on"]), np.array("on")], ids=repr)
def test_promise_29_label_written_to_an_enum_travels_as_text(label: Any) -> None:
    request = client_channel(T.ENUM, 1).write(label)
    assert request == WriteRequest("on", T.STRING, 1, 55, 0)


def test_number_written_to_an_enum() -> None:
    assert client_channel(T.ENUM, 1).write(1) == WriteRequest([1], T.ENUM, 1, 55, 0)
    assert client_channel(T.ENUM, 1).write("1", T.ENUM) == WriteRequest([1], T.ENUM, 1, 55, 0)
    assert client_channel(T.ENUM, 4).write([]).data_type is T.ENUM


@pytest.mark.parametrize("text", ["abc", ["abc"], ("abc",)], ids=repr)
def test_promise_29_text_written_to_a_char_array(text: Any) -> None:
    assert client_channel(T.CHAR, 10).write(text) == WriteRequest(b"abc\0", T.CHAR, 4, 55, 0)
    # A NUL that alone does not fit is left out.
    assert client_channel(T.CHAR, 3).write(text) == WriteRequest(b"abc", T.CHAR, 3, 55, 0)
    with pytest.raises(CaprotoValueError, match="4 elements are too many, it holds at most 2"):
        client_channel(T.CHAR, 2).write(text)


def test_numbers_written_to_a_char_array() -> None:
    expected = WriteRequest(b"ab", T.CHAR, 2, 55, 0)
    for data in (b"ab", [97, 98], np.array([97, 98]), (97, 98)):
        assert client_channel(T.CHAR, 10).write(data) == expected


def test_strings_are_encoded_as_the_channel_says() -> None:
    channel = client_channel(T.STRING, 2, encoding="utf-8")
    assert channel.write("µ").data == ["µ".encode()]
    assert channel.write(["µ", b"x"]).data == ["µ".encode(), b"x"]
    assert channel.write(np.array(["µ", "x"])).data == ["µ".encode(), b"x"]
    assert channel.write(np.array("µ")).data == ["µ".encode()]
    assert client_channel(T.STRING, 1).write("µ").data == [b"\xb5"]
    assert client_channel(T.STRING, 1).write("ł").data == ["ł".encode()]
    assert client_channel(T.STRING, 2).write(iter(["a", "b"])).data == [b"a", b"b"]
    assert client_channel(T.CHAR, 9, encoding="utf-8").write("µ").data_count == 3


def test_label_of_a_character_array_uses_the_encoding_too() -> None:
    assert client_channel(T.ENUM, 1, encoding="utf-8").write("µ").data == ["µ".encode()]


@pytest.mark.parametrize(
    ("data", "arguments", "error", "text"),
    [
        ([1, 2, 3, 4, 5], {}, CaprotoValueError, "5 elements are too many, it holds at most 4"),
        ([1], {"data_count": 2}, CaprotoValueError, "data_count=2 asks for more"),
        ("abc", {}, CaprotoConversionError, "the text 'abc' is not a number"),
        ([None], {}, CaprotoTypeError, "None cannot be written as DOUBLE"),
        ([1], {"data_type": T.CLASS_NAME}, CaprotoValueError, "CLASS_NAME can be read only"),
        ([1], {"data_type": T.STSACK_STRING}, CaprotoValueError, "can be read only"),
        ([1], {"data_type": 99}, CaprotoValueError, "99 is not a DBR type"),
        ([1e10], {"data_type": T.LONG}, CaprotoValueError, "it takes -2147483648"),
        ("x" * 40, {"data_type": T.STRING}, CaprotoValueError, "at most 39 bytes"),
        ([1], {"data_type": 20, "metadata": {"x": 1}}, CaprotoTypeError, "no field 'x'"),
    ],
    ids=str,
)
def test_what_cannot_be_written(
    data: Any, arguments: dict[str, Any], error: type[CaprotoError], text: str
) -> None:
    channel = client_channel()
    for notify in (True, False):
        with pytest.raises(error, match=f"some:pv: .*{text}") as raised:
            channel.write(data, notify=notify, **arguments)
        assert raised.value.pv_name == NAME
    assert channel.circuit.new_ioid() == 0  # none was used up


def test_empty_array_needs_version_13() -> None:
    assert client_channel().write([]).data_count == 0
    with pytest.raises(CaprotoValueError, match="cannot take empty arrays"):
        client_channel(version=12).write([])


def test_large_array_needs_version_9() -> None:
    assert client_channel(data_count=10_000, version=9).write(np.zeros(10_000)).nbytes == 80_024
    with pytest.raises(CaprotoValueError, match=r"version 4\.8\) cannot take large arrays"):
        client_channel(data_count=10_000, version=8).write(np.zeros(10_000))


def test_subscribe() -> None:
    channel = client_channel()
    assert channel.subscribe() == EventAddRequest(6, 0, 55, 0, 0.0, 0.0, 0.0, 13)
    assert channel.subscribe("time", 2, 9, 0.5, 1.0, 2.0, 4) == EventAddRequest(
        T.TIME_DOUBLE, 2, 55, 9, 0.5, 1.0, 2.0, 4
    )
    assert channel.subscribe().subscriptionid == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"mask": 0}, "mask=0 asks for nothing"),
        ({"mask": 0x10000}, "mask=65536"),
        ({"data_type": T.CLASS_NAME}, "CLASS_NAME can be read, but not subscribed to"),
        ({"low": "x"}, "must be 32-bit floats"),
        ({"to": 1e300}, "must be 32-bit floats"),
    ],
    ids=str,
)
def test_what_cannot_be_subscribed_to(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(CaprotoValueError, match=f"some:pv: .*{text}"):
        client_channel().subscribe(**arguments)


def test_unsubscribe_only_what_was_subscribed() -> None:
    # A C server closes the circuit if it does not know the id.
    channel = client_channel()
    circuit = channel.circuit
    circuit.channels_sid[55] = channel
    request = channel.subscribe("time")
    circuit.send(request)
    assert channel.unsubscribe(0) == EventCancelRequest(T.TIME_DOUBLE, 55, 0)
    with pytest.raises(CaprotoKeyError, match="some:pv: there is no subscription with id 1"):
        channel.unsubscribe(1)
    other = ClientChannel("other:pv", circuit)
    other.opened(6, 1, 56)
    with pytest.raises(CaprotoKeyError, match="other:pv"):
        other.unsubscribe(0)


@pytest.mark.parametrize(
    "compose",
    [
        lambda channel: channel.read(),
        lambda channel: channel.write([1]),
        lambda channel: channel.subscribe(),
        lambda channel: channel.unsubscribe(0),
        lambda channel: channel.clear(),
    ],
)
def test_channel_must_be_connected(compose: Any) -> None:
    fresh = ClientChannel(NAME, VirtualCircuit(CLIENT, ("127.0.0.1", 5064), 0))
    closed = client_channel()
    closed.closed()
    for channel in (fresh, closed):
        with pytest.raises(
            LocalProtocolError, match=r"some:pv: .*not connected, it is in States\."
        ):
            compose(channel)


# --- what a server composes -------------------------------------------------------------------------


def test_server_answers_creation() -> None:
    channel = ServerChannel(NAME, VirtualCircuit(SERVER, ("127.0.0.1", 40000), 0), cid=7)
    assert channel.version() == VersionResponse(13)
    assert channel.create(6, 4, 55) == CreateChanResponse(6, 4, 7, 55)
    assert channel.create_fail() == CreateChFailResponse(7)
    assert channel.disconnect() == ServerDisconnResponse(7)
    with pytest.raises(LocalProtocolError, match="never opened"):
        channel.clear()


def test_server_answers_requests() -> None:
    channel = server_channel()
    assert channel.clear() == ClearChannelResponse(55, 7)
    assert channel.read([1.0], 5) == ReadNotifyResponse([1.0], 6, 1, 1, 5)
    assert channel.read([1], 5, T.INT, 2, CAStatus.ECA_GETFAIL) == ReadNotifyResponse(
        [1], 1, 2, 152, 5
    )
    assert channel.read([1.0], 5, notify=False) == ReadResponse([1.0], 6, 1, 55, 5)
    timed = channel.read([1.0], 5, "time", metadata={"status": 3})
    assert timed.metadata.status == 3
    assert channel.write(5) == WriteNotifyResponse(6, 4, 1, 5)
    assert channel.write(5, T.INT, 1, CAStatus.ECA_PUTFAIL) == WriteNotifyResponse(1, 1, 160, 5)
    assert channel.subscribe([1.0], 2) == EventAddResponse([1.0], 6, 1, 1, 2)
    assert channel.unsubscribe(2) == EventCancelResponse(6, 55, 2, 4)
    assert channel.unsubscribe(2, T.INT, 1) == EventCancelResponse(1, 55, 2, 1)


@pytest.mark.parametrize(
    "compose",
    [
        lambda channel: channel.read([1], 0),
        lambda channel: channel.write(0),
        lambda channel: channel.subscribe([1], 0),
        lambda channel: channel.unsubscribe(0),
    ],
)
def test_server_answers_only_on_an_open_channel(compose: Any) -> None:
    channel = ServerChannel(NAME, VirtualCircuit(SERVER, ("127.0.0.1", 40000), 0), cid=7)
    with pytest.raises(LocalProtocolError, match="some:pv: the channel is not connected"):
        compose(channel)


def test_text_of_a_written_string_is_as_short_as_it_is() -> None:
    assert (
        bytes(client_channel(T.STRING, 1).write("on"))[:20]
        == struct.pack(">HHHHII", 4, 8, 0, 1, 55, 0) + b"on\0\0"
    )
