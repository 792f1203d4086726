"""Any message, any value, any metadata."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from caproto import (
    DBR_TYPES,
    AccessRightsResponse,
    Beacon,
    ChannelType,
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
    TimeStamp,
    VersionRequest,
    VersionResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
    WriteRequest,
    native_type,
)
from caproto._protocol.dbr import METADATA_SIZES

u16 = st.integers(0, 0xFFFF)
u32 = st.integers(0, 0xFFFFFFFF)
data_types = st.sampled_from(ChannelType)
floats32 = st.floats(width=32)
latin_1 = st.characters(min_codepoint=1, max_codepoint=255)
names = st.text(latin_1, min_size=1, max_size=100)
addresses = st.ip_addresses(v=4).map(str)

strings = st.text(latin_1, max_size=39)
NUMBERS: dict[ChannelType, st.SearchStrategy[Any]] = {
    ChannelType.INT: st.integers(-0x8000, 0x7FFF),
    ChannelType.FLOAT: floats32,
    ChannelType.ENUM: u16,
    ChannelType.CHAR: st.integers(0, 255),
    ChannelType.LONG: st.integers(-0x80000000, 0x7FFFFFFF),
    ChannelType.DOUBLE: st.floats(),
}


def elements(data_type: int) -> st.SearchStrategy[Any]:
    """One element of a DBR type."""
    native = native_type(data_type)
    return strings if native is ChannelType.STRING else NUMBERS[native]


def arrays(data_type: int, min_size: int = 0) -> st.SearchStrategy[list[Any]]:
    """Elements of a DBR type: few, or many."""
    return st.one_of(
        st.lists(elements(data_type), min_size=min_size, max_size=20),
        st.integers(max(1, min_size), 5000).flatmap(
            lambda count: elements(data_type).map(lambda one: [one] * count)
        ),
    )


def _field(name: str, native: ChannelType) -> st.SearchStrategy[Any]:
    if name in ("status", "severity", "ackt", "acks"):
        return u16
    if name == "timestamp":
        return st.builds(TimeStamp, u32, st.integers(0, 999_999_999))
    if name == "units":
        return st.binary(max_size=7).map(lambda raw: raw.replace(b"\0", b" "))
    if name == "enum_strings":
        label = st.binary(max_size=25).map(lambda raw: raw.replace(b"\0", b" "))
        return st.lists(label, max_size=16).map(tuple)
    if name == "precision":
        return NUMBERS[ChannelType.INT]
    return NUMBERS[native]


def metadata_fields(data_type: int) -> st.SearchStrategy[dict[str, Any]]:
    """Fields for the metadata of a DBR type."""
    native = native_type(data_type)
    known = DBR_TYPES[ChannelType(data_type)].info_fields
    return st.fixed_dictionaries({}, optional={name: _field(name, native) for name in known})


@st.composite
def _with_data(draw: st.DrawFn, cls: Any, *, request: bool) -> Message:
    data_type = draw(data_types)
    data = draw(arrays(data_type))
    fields = draw(metadata_fields(data_type))
    count = None if request else draw(st.none() | st.integers(0, 30))
    # A plain type with no elements has no payload; such an EVENT_ADD is a cancel confirmation.
    plain = not METADATA_SIZES[data_type]
    if cls is EventAddResponse and plain and not (data if count is None else count):
        data, count = data or [draw(elements(data_type))], None
    message: Message = cls(data, data_type, count, draw(u32), draw(u32), metadata=fields)
    return message


_no_arguments = [EchoRequest, EventsOffRequest, EventsOnRequest, ReadSyncRequest]

requests: st.SearchStrategy[Message] = st.one_of(
    *(st.builds(cls) for cls in _no_arguments),
    st.builds(VersionRequest, st.integers(0, 99), u16, u32),
    st.builds(EventAddRequest, data_types, u32, u32, u32, floats32, floats32, floats32, u16),
    st.builds(EventCancelRequest, data_types, u32, u32),
    st.builds(ReadRequest, data_types, u32, u32, u32),
    st.builds(ReadNotifyRequest, data_types, u32, u32, u32),
    _with_data(WriteRequest, request=True),
    _with_data(WriteNotifyRequest, request=True),
    st.builds(SearchRequest, names, u32, u16, st.sampled_from([5, 10])),
    st.builds(ClearChannelRequest, u32, u32),
    st.builds(CreateChanRequest, names, u32, u32),
    st.builds(ClientNameRequest, names),
    st.builds(HostNameRequest, names),
    st.builds(RepeaterRegisterRequest, addresses),
)
"""Whatever a client may send."""

responses: st.SearchStrategy[Message] = st.one_of(
    st.builds(EchoResponse),
    st.builds(ReadSyncResponse),
    st.builds(VersionResponse, u16, st.none() | u32),
    _with_data(EventAddResponse, request=False),
    _with_data(ReadNotifyResponse, request=False),
    _with_data(ReadResponse, request=False),
    st.builds(EventCancelResponse, data_types, u32, u32, u32),
    st.builds(SearchResponse, u16, st.none() | addresses, u32, u16),
    st.builds(ErrorResponse, requests, u32, u32, st.text(latin_1, max_size=300)),
    st.builds(ClearChannelResponse, u32, u32),
    st.builds(Beacon, u16, u16, u32, addresses),
    st.builds(NotFoundResponse, u16, u32),
    st.builds(RepeaterConfirmResponse, addresses),
    st.builds(CreateChanResponse, data_types, u32, u32, u32),
    st.builds(WriteNotifyResponse, data_types, u32, u32, u32),
    st.builds(AccessRightsResponse, u32, st.integers(0, 3)),
    st.builds(CreateChFailResponse, u32),
    st.builds(ServerDisconnResponse, u32),
)
"""Whatever a server may send."""
