"""Messages as the specification lays them out, in hex, each with the message that it is.

Section names are those of the "Channel Access Protocol Specification" (docs.epics-controls.org, ca_protocol); where it is
silent, the file of EPICS base that settles the matter is named.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from caproto import (
    AccessRightsResponse,
    Beacon,
    CAStatus,
    ClearChannelRequest,
    ClearChannelResponse,
    ClientNameRequest,
    CreateChanRequest,
    CreateChanResponse,
    CreateChFailResponse,
    EchoRequest,
    EchoResponse,
    ErrorResponse,
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventCancelResponse,
    EventsOffRequest,
    EventsOnRequest,
    HostNameRequest,
    Message,
    NotFoundResponse,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    ReadResponse,
    ReadSyncRequest,
    ReadSyncResponse,
    RepeaterConfirmResponse,
    RepeaterRegisterRequest,
    SearchRequest,
    SearchResponse,
    ServerDisconnResponse,
    VersionRequest,
    VersionResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
)


class Literal(NamedTuple):
    """One message: its bytes, who sends it, the same message composed here, and what its fields are."""

    wire: bytes
    from_client: bool
    message: Message
    fields: dict[str, Any]


def _request(text: str, message: Message, **fields: Any) -> Literal:
    return Literal(bytes.fromhex(text), True, message, fields)


def _response(text: str, message: Message, **fields: Any) -> Literal:
    return Literal(bytes.fromhex(text), False, message, fields)


NORMAL = CAStatus.ECA_NORMAL.value

LITERALS = (
    # CA_PROTO_VERSION (0x00)
    _request(
        "0000 0000 0005 000d 00000000 00000000",
        VersionRequest(priority=5, version=13),
        priority=5,
        version=13,
        sequence=0,
    ),
    # UDP since minor version 11: data type 1 says that parameter 1 is a sequence number (ca/udpiiu.cpp)
    _request(
        "0000 0000 0001 000d 00000007 00000000",
        VersionRequest(1, 13, sequence=7),
        priority=1,
        version=13,
        sequence=7,
    ),
    _response(
        "0000 0000 0000 000d 00000000 00000000",
        VersionResponse(13),
        version=13,
        sequence=0,
    ),
    # rsrv/caservertask.c copies the sequence number into its answers
    _response(
        "0000 0000 0001 000d 00000007 00000000",
        VersionResponse(13, sequence=7),
        version=13,
        sequence=7,
    ),
    # CA_PROTO_EVENT_ADD (0x01)
    _request(
        "0001 0010 0014 0001 00000037 00000002 00000000 00000000 00000000 000d 0000",
        EventAddRequest(20, 1, 0x37, 2, 0.0, 0.0, 0.0, 13),
        data_type=20,
        data_count=1,
        sid=0x37,
        subscriptionid=2,
        low=0.0,
        high=0.0,
        to=0.0,
        mask=13,
    ),
    _response(
        "0001 0008 0006 0001 00000001 00000002 3ff0000000000000",
        EventAddResponse([1.0], 6, 1, 1, 2),
        data_type=6,
        data_count=1,
        status=NORMAL,
        subscriptionid=2,
        value=1.0,
        metadata=None,
    ),
    # CA_PROTO_EVENT_CANCEL (0x02); its confirmation is an EVENT_ADD without payload
    _request(
        "0002 0000 0014 0000 00000037 00000002",
        EventCancelRequest(20, 0x37, 2),
        data_type=20,
        sid=0x37,
        subscriptionid=2,
    ),
    _response(
        "0001 0000 0014 0001 00000037 00000002",
        EventCancelResponse(20, 0x37, 2, 1),
        data_type=20,
        sid=0x37,
        subscriptionid=2,
        data_count=1,
    ),
    # CA_PROTO_READ (0x03)
    _request(
        "0003 0000 0005 0001 00000037 00000009",
        ReadRequest(5, 1, 0x37, 9),
        data_type=5,
        data_count=1,
        sid=0x37,
        ioid=9,
    ),
    _response(
        "0003 0008 0005 0001 00000037 00000009 fffffffe 00000000",
        ReadResponse([-2], 5, 1, 0x37, 9),
        data_type=5,
        data_count=1,
        sid=0x37,
        ioid=9,
        value=-2,
    ),
    # CA_PROTO_WRITE (0x04)
    _request(
        "0004 0008 0001 0002 00000037 00000003 0102 ffff 00000000",
        WriteRequest([0x102, -1], 1, 2, 0x37, 3),
        data_type=1,
        data_count=2,
        sid=0x37,
        ioid=3,
    ),
    # A single string travels as short as it is (ca/comQueSend.cpp)
    _request(
        "0004 0008 0000 0001 00000037 00000003 6f6e 000000000000",
        WriteRequest("on", 0, 1, 0x37, 3),
        data_type=0,
        data_count=1,
        value="on",
    ),
    # CA_PROTO_SEARCH (0x06)
    _request(
        "0006 0008 0005 000d 00000003 00000003 6162 000000000000",
        SearchRequest("ab", 3, 13),
        name="ab",
        cid=3,
        version=13,
        reply=5,
    ),
    _response(
        "0006 0008 13c8 0000 ffffffff 00000003 000d 000000000000",
        SearchResponse(5064, None, 3, 13),
        port=5064,
        ip="255.255.255.255",
        cid=3,
        version=13,
    ),
    _response(
        "0006 0008 13c8 0000 0a01001e 00000003 000d 000000000000",
        SearchResponse(5064, "10.1.0.30", 3, 13),
        ip="10.1.0.30",
    ),
    # CA_PROTO_EVENTS_OFF (0x08), CA_PROTO_EVENTS_ON (0x09), CA_PROTO_READ_SYNC (0x0A)
    _request("0008 0000 0000 0000 00000000 00000000", EventsOffRequest()),
    _request("0009 0000 0000 0000 00000000 00000000", EventsOnRequest()),
    _request("000a 0000 0000 0000 00000000 00000000", ReadSyncRequest()),
    _response("000a 0000 0000 0000 00000000 00000000", ReadSyncResponse()),
    # CA_PROTO_ERROR (0x0B): the header of the request, and text
    _response(
        "000b 0018 0000 0000 00000004 00000178"
        "0013 0008 0006 0001 00000037 00000009"
        "6e6f2077 00000000",
        ErrorResponse(WriteNotifyRequest([1.0], 6, 1, 0x37, 9), 4, CAStatus.ECA_NOWTACCESS, "no w"),
        cid=4,
        error_message="no w",
    ),
    # CA_PROTO_CLEAR_CHANNEL (0x0C)
    _request(
        "000c 0000 0000 0000 00000037 00000004", ClearChannelRequest(0x37, 4), sid=0x37, cid=4
    ),
    _response(
        "000c 0000 0000 0000 00000037 00000004", ClearChannelResponse(0x37, 4), sid=0x37, cid=4
    ),
    # CA_PROTO_RSRV_IS_UP (0x0D)
    _response(
        "000d 0000 000d 13c8 0000002a 0a01001e",
        Beacon(13, 5064, 42, "10.1.0.30"),
        version=13,
        server_port=5064,
        beacon_id=42,
        address="10.1.0.30",
    ),
    # CA_PROTO_NOT_FOUND (0x0E)
    _response(
        "000e 0000 000a 000d 00000003 00000003",
        NotFoundResponse(13, 3),
        reply_flag=10,
        version=13,
        cid=3,
    ),
    # CA_PROTO_READ_NOTIFY (0x0F)
    _request(
        "000f 0000 0014 0000 00000037 00000009",
        ReadNotifyRequest(20, 0, 0x37, 9),
        data_type=20,
        data_count=0,
        sid=0x37,
        ioid=9,
    ),
    _response(
        "000f 0008 0006 0001 00000001 00000000 4008000000000000",
        ReadNotifyResponse([3.0], 6, 1, 1, 0),
        data_type=6,
        data_count=1,
        status=NORMAL,
        ioid=0,
        value=3.0,
    ),
    # A string of a response takes all of its 40 bytes (rsrv/camessage.c)
    _response(
        "000f 0028 0000 0001 00000001 00000000 6f6e" + "00" * 38,
        ReadNotifyResponse(["on"], 0, 1, 1, 0),
        value="on",
    ),
    # CA_PROTO_REPEATER_CONFIRM (0x11)
    _response(
        "0011 0000 0000 0000 00000000 7f000001",
        RepeaterConfirmResponse("127.0.0.1"),
        repeater_address="127.0.0.1",
    ),
    # CA_PROTO_CREATE_CHAN (0x12)
    _request(
        "0012 0008 0000 0000 00000004 0000000d 6162 000000000000",
        CreateChanRequest("ab", 4, 13),
        name="ab",
        cid=4,
        version=13,
    ),
    _response(
        "0012 0000 0006 0010 00000004 00000037",
        CreateChanResponse(6, 16, 4, 0x37),
        data_type=6,
        data_count=16,
        cid=4,
        sid=0x37,
    ),
    # The same of a large array, in the extended form
    _response(
        "0012 ffff 0006 0000 00000004 00000037 00000000 000f4240",
        CreateChanResponse(6, 1_000_000, 4, 0x37),
        data_count=1_000_000,
    ),
    # CA_PROTO_WRITE_NOTIFY (0x13)
    _request(
        "0013 0008 0006 0001 00000037 00000009 3ff0000000000000",
        WriteNotifyRequest([1.0], 6, 1, 0x37, 9),
        data_type=6,
        data_count=1,
        sid=0x37,
        ioid=9,
        value=1.0,
    ),
    _response(
        "0013 0000 0006 0001 00000001 00000009",
        WriteNotifyResponse(6, 1, 1, 9),
        data_type=6,
        data_count=1,
        status=NORMAL,
        ioid=9,
    ),
    # CA_PROTO_CLIENT_NAME (0x14), CA_PROTO_HOST_NAME (0x15)
    _request(
        "0014 0008 0000 0000 00000000 00000000 6d65 000000000000",
        ClientNameRequest("me"),
        name="me",
    ),
    _request(
        "0015 0008 0000 0000 00000000 00000000 6865726500000000",
        HostNameRequest("here"),
        name="here",
    ),
    # CA_PROTO_ACCESS_RIGHTS (0x16)
    _response(
        "0016 0000 0000 0000 00000004 00000003",
        AccessRightsResponse(4, 3),
        cid=4,
        access_rights=3,
    ),
    # CA_PROTO_ECHO (0x17)
    _request("0017 0000 0000 0000 00000000 00000000", EchoRequest()),
    _response("0017 0000 0000 0000 00000000 00000000", EchoResponse()),
    # REPEATER_REGISTER (0x18)
    _request(
        "0018 0000 0000 0000 00000000 7f000001",
        RepeaterRegisterRequest("127.0.0.1"),
        client_address="127.0.0.1",
    ),
    # CA_PROTO_CREATE_CH_FAIL (0x1A), CA_PROTO_SERVER_DISCONN (0x1B)
    _response("001a 0000 0000 0000 00000004 00000000", CreateChFailResponse(4), cid=4),
    _response("001b 0000 0000 0000 00000004 00000000", ServerDisconnResponse(4), cid=4),
)


def literal_id(literal: Literal) -> str:
    """Name a test after the class and the beginning of the bytes."""
    return f"{type(literal.message).__name__}-{literal.wire[:16].hex()}"
