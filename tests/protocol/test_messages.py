"""Every command in both directions: bytes, fields, reprs."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import pytest

from caproto import (
    CLIENT,
    SERVER,
    AccessRights,
    AccessRightsResponse,
    CaprotoTypeError,
    CaprotoValueError,
    CAStatus,
    ChannelType,
    ClientNameRequest,
    CreateChanRequest,
    CreateChanResponse,
    EchoRequest,
    EchoResponse,
    ErrorResponse,
    EventAddRequest,
    EventAddRequestPayload,
    EventAddResponse,
    EventCancelResponse,
    ExtendedMessageHeader,
    Message,
    MessageHeader,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    RemoteProtocolError,
    SearchRequest,
    SearchResponse,
    VersionRequest,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
    get_command_class,
)
from caproto._protocol.enums import Command
from caproto._protocol.header import Head, pack_head
from caproto._protocol.messages import REQUESTS, RESPONSES, message_from_wire, wire

from .literals import LITERALS, Literal, literal_id

each_literal = pytest.mark.parametrize("literal", LITERALS, ids=literal_id)


def split(data: bytes) -> tuple[Head, bytes]:
    """Take the header off a message, the straightforward way."""
    command, size, data_type, count, p1, p2 = struct.unpack_from(">HHHHII", data)
    if size == 0xFFFF:
        size, count = struct.unpack_from(">II", data, 16)
        return (command, size, data_type, count, p1, p2, True), data[24:]
    return (command, size, data_type, count, p1, p2), data[16:]


@each_literal
def test_composed_message_has_the_bytes_of_the_specification(literal: Literal) -> None:
    assert bytes(literal.message) == literal.wire
    assert literal.message.nbytes == len(literal.wire)


@each_literal
def test_received_message_has_the_fields_of_the_specification(literal: Literal) -> None:
    message = message_from_wire(*split(literal.wire), from_client=literal.from_client)
    assert type(message) is type(literal.message)
    assert {name: getattr(message, name) for name in literal.fields} == literal.fields
    assert bytes(message) == literal.wire
    assert message == literal.message
    assert hash(message) == hash(literal.message)
    assert repr(message) == repr(literal.message)


@each_literal
def test_header_and_buffers_are_the_bytes_of_the_message(literal: Literal) -> None:
    message = literal.message
    assert isinstance(message.header, ctypes.BigEndianStructure)
    assert bytes(message.header) + b"".join(map(bytes, message.buffers)) == literal.wire
    again = type(message).from_components(message.header, *message.buffers, validate=True)
    assert again == message


def test_all_commands_are_among_the_literals() -> None:
    requests = {type(each.message) for each in LITERALS if each.from_client}
    responses = {type(each.message) for each in LITERALS if not each.from_client}
    # REQUESTS has the beacon too, because servers send it to repeaters.
    assert requests == {cls for cls in REQUESTS.values() if cls.__name__ != "Beacon"}
    assert responses == {*RESPONSES.values(), EventCancelResponse}


# --- what the reference page shows ------------------------------------------------------------------

STATUS = (
    "CAStatusCode(name='ECA_NORMAL', code=0, code_with_severity=1, "
    "severity=<CASeverity.SUCCESS: 1>, success=1, defunct=False, "
    "description='Normal successful completion')"
)
READING = bytes.fromhex("000f0008000600010000000100000000 4008000000000000")


def test_promise_12_repr_of_a_read() -> None:
    response = message_from_wire(*split(READING), from_client=False)
    assert repr(response) == (
        f"ReadNotifyResponse(data=array([3.]), data_type=<ChannelType.DOUBLE: 6>, data_count=1, "
        f"status={STATUS}, ioid=0, metadata=None)"
    )


def test_promise_14_bytes_of_a_read() -> None:
    assert bytes(ReadNotifyResponse([3.0], ChannelType.DOUBLE, 1, 1, 0)) == (
        b"\x00\x0f\x00\x08\x00\x06\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00@\x08\x00\x00\x00\x00\x00\x00"
    )


def test_promise_16_repr_of_time_metadata() -> None:
    # 2023-11-14 18:44:49.547011 UTC
    data = struct.pack(">HHHHII HHII4x d", 15, 24, 20, 1, 1, 1, 0, 0, 1068835489, 547011000, 3.0)
    response = message_from_wire(*split(data), from_client=False)
    assert isinstance(response, ReadNotifyResponse)
    assert repr(response.metadata) == (
        "DBR_TIME_DOUBLE(status=<AlarmStatus.NO_ALARM: 0>, "
        "severity=<AlarmSeverity.NO_ALARM: 0>, timestamp=1699987489.547011)"
    )


def test_promise_18_repr_of_a_header() -> None:
    response = message_from_wire(*split(READING), from_client=False)
    assert repr(response.header) == (
        "MessageHeader(command=15, payload_size=8, data_type=6, data_count=1, parameter1=1, "
        "parameter2=0)"
    )


def test_promise_19_buffers_are_metadata_and_data() -> None:
    response = message_from_wire(*split(READING), from_client=False)
    metadata, data = response.buffers
    assert metadata == b""
    assert isinstance(data, memoryview)
    assert bytes(data) == READING[16:]


def test_promise_25_repr_of_a_write() -> None:
    assert repr(WriteNotifyResponse(6, 1, 1, 2)) == (
        "WriteNotifyResponse(data_type=<ChannelType.DOUBLE: 6>, data_count=1, "
        f"status={STATUS}, ioid=2)"
    )


def test_promise_35_repr_of_an_update() -> None:
    assert repr(EventAddResponse([0.5], 6, 1, 1, 0)) == (
        "EventAddResponse(data=array([0.5]), data_type=<ChannelType.DOUBLE: 6>, data_count=1, "
        f"status={STATUS}, subscriptionid=0, metadata=None)"
    )


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (EchoRequest(), "EchoRequest()"),
        (
            CreateChanResponse(6, 4, 0, 55),
            "CreateChanResponse(data_type=<ChannelType.DOUBLE: 6>, data_count=4, cid=0, sid=55)",
        ),
        (SearchRequest("x", 1, 13), "SearchRequest(name='x', cid=1, version=13, reply=5)"),
        (
            SearchResponse(5064, None, 1, 13),
            "SearchResponse(port=5064, ip='255.255.255.255', cid=1, version=13)",
        ),
        (
            ReadNotifyResponse([1, 2], 4, 2, 1, 3),
            "ReadNotifyResponse(data=array([1, 2], dtype=uint8), data_type=<ChannelType.CHAR: 4>, "
            f"data_count=2, status={STATUS}, ioid=3, metadata=None)",
        ),
        (
            ReadNotifyResponse(["abc"], 0, 1, 1, 3),
            "ReadNotifyResponse(data=[b'abc'], data_type=<ChannelType.STRING: 0>, "
            f"data_count=1, status={STATUS}, ioid=3, metadata=None)",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_other_reprs_are_those_that_programs_know(message: Message, expected: str) -> None:
    assert repr(message) == expected


# --- tolerance towards peers ------------------------------------------------------------------------


def test_unknown_status_is_described() -> None:
    head = (Command.WRITE_NOTIFY, 0, 6, 1, 0xFFFF, 3)
    status = wire(WriteNotifyResponse, head, b"").status
    assert status.name == "ECA_UNKNOWN"
    assert status.code_with_severity == 0xFFFF


def test_unknown_data_type_is_shown_as_it_came() -> None:
    response = wire(ReadNotifyResponse, (15, 8, 777, 1, 1, 0), b"12345678")
    data_type: Any = response.data_type
    assert data_type == 777
    assert response.data == response.value == b"12345678"
    assert response.metadata is None
    assert response.buffers[0] == b""
    assert "data_type=777" in repr(response)


def test_unknown_access_rights_bits_are_ignored() -> None:
    response = wire(AccessRightsResponse, (22, 0, 0, 0, 1, 0xFF), b"")
    assert response.access_rights == AccessRights.READ | AccessRights.WRITE


def test_metadata_that_did_not_come_are_none() -> None:
    # An IOC answers a failed read of count 0 with less than the type asks for.
    response = wire(ReadNotifyResponse, (15, 0, 34, 0, 152, 0), b"")
    assert response.metadata is None
    assert len(response.data) == 0
    assert response.status is CAStatus.ECA_GETFAIL.value


def test_count_that_exceeds_the_payload_is_cut() -> None:
    response = wire(ReadNotifyResponse, (15, 8, 5, 100, 1, 0), struct.pack(">ii", 1, 2))
    assert list(response.data) == [1, 2]
    assert list(response.value) == [1, 2]


def test_short_search_responses_have_version_0_or_what_there_is() -> None:
    # Replies of servers before 3.12 have no payload; some send just the two bytes.
    assert wire(SearchResponse, (6, 0, 5064, 0, 0xFFFFFFFF, 1), b"").version == 0
    assert wire(SearchResponse, (6, 2, 5064, 0, 0xFFFFFFFF, 1), b"\0\x0d").version == 13


def test_short_subscription_payload_is_filled_with_zeros() -> None:
    request = wire(EventAddRequest, (1, 8, 6, 1, 1, 1), struct.pack(">ff", 1.5, 2.5))
    assert (request.low, request.high, request.to, request.mask) == (1.5, 2.5, 0.0, 0)


def test_name_without_nul_is_taken_whole() -> None:
    assert wire(CreateChanRequest, (18, 8, 0, 0, 1, 13), b"12345678").name == "12345678"


@pytest.mark.parametrize("payload", [b"", b"\0" * 8, b"\0\x04\xff\xff" + b"\0" * 12])
def test_error_with_too_short_a_payload(payload: bytes) -> None:
    response = wire(ErrorResponse, (11, len(payload), 0, 0, 1, 114), payload)
    assert response.original_head == (0, 0, 0, 0, 0, 0)
    assert response.error_message == ""
    assert response.status is CAStatus.ECA_BADTYPE.value


def test_error_quotes_an_extended_header() -> None:
    # ca/cac.cpp: the text starts after 24 bytes if the size in the quoted header is 0xFFFF.
    request = WriteRequest(range(50_000), 5, None, 7, 8)
    response = ErrorResponse(request, 3, CAStatus.ECA_TOLARGE, "too large")
    received = message_from_wire(*split(bytes(response)), from_client=False)
    assert isinstance(received, ErrorResponse)
    assert received.error_message == "too large"
    assert received.original_head == (4, 200_000, 5, 50_000, 7, 8, True)
    assert isinstance(received.original_request, ExtendedMessageHeader)
    assert received.original_request == request.header


@pytest.mark.parametrize("command", [5, 7, 16, 25])
def test_commands_that_nobody_sends_any_more_are_refused(command: int) -> None:
    for from_client in (True, False):
        with pytest.raises(RemoteProtocolError, match=f"command {command}"):
            message_from_wire((command, 0, 0, 0, 0, 0), b"", from_client=from_client)


def test_command_class_depends_on_who_sends_it() -> None:
    header = MessageHeader(15, 0, 6, 1, 0, 0)
    assert get_command_class(CLIENT, header) is ReadNotifyRequest
    assert get_command_class(SERVER, header) is ReadNotifyResponse
    update = (1, 8, 6, 1, 1, 1)
    assert get_command_class(SERVER, update) is EventAddResponse
    assert get_command_class(SERVER, (1, 0, 6, 1, 1, 1)) is EventCancelResponse
    with pytest.raises(RemoteProtocolError):
        get_command_class(CLIENT, (Command.ACCESS_RIGHTS, 0, 0, 0, 0, 0))


# --- local misuse -----------------------------------------------------------------------------------


@pytest.mark.parametrize("data_type", [39, -1, 777, "time", None])
def test_data_type_that_is_none(data_type: Any) -> None:
    with pytest.raises((CaprotoValueError, CaprotoTypeError), match="DBR type"):
        ReadNotifyRequest(data_type, 1, 0, 0)


@pytest.mark.parametrize("cls", [SearchRequest, CreateChanRequest])
def test_names_of_pvs_are_checked(cls: Any) -> None:
    longest = "x" * 991  # with VERSION, the header and a NUL it fills 1024 bytes
    assert len(bytes(VersionRequest(0, 13))) + len(bytes(cls(longest, 1, 13))) == 1024
    with pytest.raises(CaprotoValueError, match="1 to 991 bytes"):
        cls(longest + "x", 1, 13)
    with pytest.raises(CaprotoValueError, match="1 to 991 bytes"):
        cls("", 1, 13)
    with pytest.raises(CaprotoValueError, match="no NUL"):
        cls("a\0b", 1, 13)
    with pytest.raises(CaprotoTypeError, match="must be a str"):
        cls(b"abc", 1, 13)


@pytest.mark.parametrize("priority", [-1, 100])
def test_priority_is_0_to_99(priority: int) -> None:
    with pytest.raises(CaprotoValueError, match="0 to 99"):
        VersionRequest(priority, 13)


def test_number_that_does_not_fit_the_header() -> None:
    with pytest.raises(CaprotoValueError, match="ReadNotifyRequest: a number does not fit"):
        bytes(ReadNotifyRequest(6, 1, 2**32, 0))


def test_validation_compares_payload_and_header() -> None:
    header = MessageHeader(15, 16, 6, 1, 1, 0)
    with pytest.raises(CaprotoValueError, match="16 bytes of payload, there are 8"):
        ReadNotifyResponse.from_wire(header, bytes(8), validate=True)
    assert len(ReadNotifyResponse.from_wire(header, bytes(8)).data) == 1
    with pytest.raises(CaprotoValueError, match="there are 8"):
        Message(header, bytes(4), bytes(4))
    assert Message(header, bytes(8), bytes(8)).payload_size == 16
    assert Message(header, bytes(8), validate=False).payload_size == 16


# --- the rest of the interface ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "status", [114, CAStatus.ECA_BADTYPE, CAStatus.ECA_BADTYPE.value], ids=type
)
def test_status_is_taken_in_every_form(status: Any) -> None:
    assert WriteNotifyResponse(6, 1, status, 0).status is CAStatus.ECA_BADTYPE.value


def test_extended_header_is_kept_even_where_it_need_not_be() -> None:
    # rsrv/caserverio.c chooses the form by the largest size that the array can have.
    data = pack_head(15, 8, 6, 1, 1, 0, long=True) + bytes(8)
    assert len(data) == 32
    message = message_from_wire(*split(data), from_client=False)
    assert bytes(message) == data
    assert message.nbytes == 32
    assert isinstance(message.header, ExtendedMessageHeader)
    assert repr(message.header) == (
        "ExtendedMessageHeader(command=15, payload_size=8, data_type=6, data_count=1, "
        "parameter1=1, parameter2=0)"
    )
    again = ReadNotifyResponse.from_wire(message.header, bytes(8))
    assert bytes(again) == data
    assert again.header != MessageHeader(15, 8, 6, 1, 1, 0)
    assert hash(again.header) == hash(message.header)


def test_large_array_gets_an_extended_header() -> None:
    # 65534 is the largest short value (ca/comQueSend.cpp)
    assert len(bytes(ReadNotifyRequest(6, 65534, 0, 0))) == 16
    assert len(bytes(ReadNotifyRequest(6, 65535, 0, 0))) == 24
    message = ReadNotifyResponse(range(30_000), 5, None, 1, 0)
    assert message.payload_size == 120_000
    assert message.nbytes == len(bytes(message)) == 120_024


def test_sender_of_a_datagram_is_known() -> None:
    response = SearchResponse.from_wire(
        (6, 0, 5064, 0, 0, 1), b"", sender_address=("10.0.0.1", 5064)
    )
    assert response.sender_address == ("10.0.0.1", 5064)
    assert EchoResponse().sender_address is None


def test_messages_differ_by_class_and_bytes() -> None:
    assert EchoRequest() == EchoRequest()
    assert EchoRequest() != EchoResponse()
    assert ReadRequest(6, 1, 2, 3) != ReadRequest(6, 1, 2, 4)
    assert EchoRequest() != b""


def test_subscription_payload_as_an_object() -> None:
    payload = EventAddRequest(6, 1, 2, 3, 0.5, 1.0, 2.0, 4).payload_struct
    assert repr(payload) == "EventAddRequestPayload(low=0.5, high=1.0, to=2.0, mask=4)"
    assert bytes(payload) == bytes.fromhex("3f000000 3f800000 40000000 0004 0000")
    assert payload.nbytes == len(bytes(EventAddRequestPayload())) == 16


def test_fields_of_a_class_describe_themselves() -> None:
    assert ReadNotifyRequest.sid.__doc__ == "Server's id of the channel."
    assert ReadNotifyRequest.data_type.__doc__ == "DBR type."
    assert CreateChanRequest.name.__doc__ == "Name of the PV."


def test_names_beyond_latin_1_travel_as_utf_8() -> None:
    assert bytes(ClientNameRequest("ł"))[16:] == "ł".encode() + bytes(6)


def test_responses_have_the_count_that_was_asked_for() -> None:
    # rsrv/camessage.c: zeros follow what there is
    assert list(ReadNotifyResponse([1, 2], 5, 4, 1, 0).data) == [1, 2, 0, 0]
    assert list(ReadNotifyResponse([1, 2, 3], 5, 2, 1, 0).data) == [1, 2]
    assert ReadNotifyResponse([1, 2], 5, None, 1, 0).data_count == 2
    assert ReadNotifyResponse(["a"], 0, 2, 1, 0).value == ["a", ""]
    assert len(ReadNotifyResponse([1], 5, 0, 1, 0).data) == 0


def test_requests_must_have_the_elements_they_send() -> None:
    with pytest.raises(CaprotoValueError, match="data_count=4 asks for more than the 2"):
        WriteNotifyRequest([1, 2], 5, 4, 0, 0)
