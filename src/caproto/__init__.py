"""EPICS Channel Access in pure Python.

The protocol layer is here: messages, circuits, DBR types, statuses, errors, logging. Clients are in `caproto.asyncio`,
`caproto.sync` and `caproto.threading`, the toolkit for servers in `caproto.server`.

Importing this module stays cheap: no numpy, ctypes, asyncio or socket is loaded before something needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from ._addresses import (
        ipv4_from_int32,
        ipv4_to_int32,
    )
    from ._callback_signature import (
        adapt_old_callback_signature,
    )
    from ._constants import (
        DEFAULT_PROTOCOL_VERSION,
        DO_REPLY,
        EPICS2UNIX_EPOCH,
        EPICS_CA1_PORT,
        EPICS_CA2_PORT,
        MAX_COMMAND_BACKLOG,
        MAX_ENUM_STATES,
        MAX_ENUM_STRING_SIZE,
        MAX_ID,
        MAX_RECORD_LENGTH,
        MAX_STRING_SIZE,
        MAX_SUBSCRIPTION_BACKLOG,
        MAX_TOTAL_SUBSCRIPTION_BACKLOG,
        MAX_UDP_RECV,
        MAX_UNITS_SIZE,
        MIN_SUBSCRIPTION_BACKLOG,
        NO_REPLY,
        RESPONSIVENESS_TIMEOUT,
        SEARCH_MAX_DATAGRAM_BYTES,
        STALE_SEARCH_EXPIRATION,
        SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL,
        SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS,
    )
    from ._env import (
        Protocol,
        get_environment_variables,
    )
    from ._epoch import (
        EPICS_EPOCH,
    )
    from ._errors import (
        CaprotoAttributeError,
        CaprotoConversionError,
        CaprotoError,
        CaprotoKeyError,
        CaprotoNetworkError,
        CaprotoNotImplementedError,
        CaprotoRuntimeError,
        CaprotoTimeoutError,
        CaprotoTypeError,
        CaprotoValueError,
        CAStatusError,
        ContextDisconnectedError,
        DeadCircuitError,
        DisconnectedError,
        ErrorResponseReceived,
        Forbidden,
        LocalProtocolError,
        ProtocolError,
        RemoteProtocolError,
        SkipWrite,
    )
    from ._log import (
        AddressFilter,
        LogFormatter,
        PVFilter,
        RoleFilter,
        color_logs,
        config_caproto_logging,
        get_handler,
        set_handler,
    )
    from ._net import (
        get_address_list,
        get_beacon_address_list,
        get_client_address_list,
        get_local_address,
        get_netifaces_addresses,
        get_server_address_list,
        random_ports,
    )
    from ._protocol.arrays import (
        Array,
        Backend,
        DbrStringArray,
        backend,
        ensure_bytes,
        register_backend,
        select_backend,
    )
    from ._protocol.broadcaster import (
        Broadcaster,
        batch_requests,
        extract_address,
    )
    from ._protocol.channel import (
        ClientChannel,
    )
    from ._protocol.circuit import (
        VirtualCircuit,
    )
    from ._protocol.dbr import (
        DBR_TYPES,
        native_type,
    )
    from ._protocol.enums import (
        AccessRights,
        AlarmSeverity,
        AlarmStatus,
        CASeverity,
        ChannelType,
        ConnStatus,
        SubscriptionType,
    )
    from ._protocol.families import (
        char_types,
        control_types,
        enum_types,
        field_types,
        float_types,
        graphical_types,
        int_types,
        native_float_types,
        native_int_types,
        native_types,
        status_types,
        string_types,
        time_types,
    )
    from ._protocol.filters import (
        ChannelFilter,
        RecordAndField,
        RecordModifier,
        RecordModifiers,
        apply_arr_filter,
        parse_channel_filter,
        parse_record_field,
    )
    from ._protocol.ids import (
        ThreadsafeCounter,
    )
    from ._protocol.message_header import (
        ExtendedMessageHeader,
        MessageHeader,
    )
    from ._protocol.messages import (
        AccessRightsResponse,
        Beacon,
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
        EventAddRequestPayload,
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
        get_command_class,
    )
    from ._protocol.server_channel import (
        ServerChannel,
    )
    from ._protocol.states import (
        AWAIT_CREATE_CHAN_RESPONSE,
        AWAIT_SEARCH_RESPONSE,
        AWAIT_VERSION_RESPONSE,
        CLIENT,
        CLOSED,
        CONNECTED,
        DISCONNECTED,
        FAILED,
        IDLE,
        MUST_CLOSE,
        NEED_DATA,
        REQUEST,
        RESPONSE,
        SEND_CREATE_CHAN_REQUEST,
        SEND_CREATE_CHAN_RESPONSE,
        SEND_SEARCH_REQUEST,
        SEND_SEARCH_RESPONSE,
        SEND_VERSION_REQUEST,
        SEND_VERSION_RESPONSE,
        SERVER,
        Role,
        States,
    )
    from ._protocol.status import (
        CAStatus,
        CAStatusCode,
    )
    from ._protocol.timestamps import (
        TimeStamp,
        epics_timestamp_to_unix,
        timestamp_to_epics,
    )
    from ._sockets import (
        bcast_socket,
    )
    from .server.data import (
        ChannelAlarm,
        ChannelByte,
        ChannelChar,
        ChannelData,
        ChannelDouble,
        ChannelEnum,
        ChannelFloat,
        ChannelInteger,
        ChannelNumeric,
        ChannelShort,
        ChannelString,
    )

__all__ = [
    # Roles, directions and states
    "CLIENT",
    "SERVER",
    "REQUEST",
    "RESPONSE",
    "NEED_DATA",
    "SEND_SEARCH_REQUEST",
    "AWAIT_SEARCH_RESPONSE",
    "SEND_SEARCH_RESPONSE",
    "SEND_VERSION_REQUEST",
    "AWAIT_VERSION_RESPONSE",
    "SEND_VERSION_RESPONSE",
    "SEND_CREATE_CHAN_REQUEST",
    "AWAIT_CREATE_CHAN_RESPONSE",
    "SEND_CREATE_CHAN_RESPONSE",
    "CONNECTED",
    "MUST_CLOSE",
    "CLOSED",
    "IDLE",
    "FAILED",
    "DISCONNECTED",
    "Role",
    "States",
    # Circuits, channels, datagrams
    "VirtualCircuit",
    "ClientChannel",
    "ServerChannel",
    "Broadcaster",
    "batch_requests",
    "extract_address",
    "ThreadsafeCounter",
    # Messages
    "Message",
    "AccessRightsResponse",
    "Beacon",
    "ClearChannelRequest",
    "ClearChannelResponse",
    "ClientNameRequest",
    "CreateChFailResponse",
    "CreateChanRequest",
    "CreateChanResponse",
    "EchoRequest",
    "EchoResponse",
    "ErrorResponse",
    "EventAddRequest",
    "EventAddRequestPayload",
    "EventAddResponse",
    "EventCancelRequest",
    "EventCancelResponse",
    "EventsOffRequest",
    "EventsOnRequest",
    "HostNameRequest",
    "NotFoundResponse",
    "ReadNotifyRequest",
    "ReadNotifyResponse",
    "ReadRequest",
    "ReadResponse",
    "ReadSyncRequest",
    "ReadSyncResponse",
    "RepeaterConfirmResponse",
    "RepeaterRegisterRequest",
    "SearchRequest",
    "SearchResponse",
    "ServerDisconnResponse",
    "VersionRequest",
    "VersionResponse",
    "WriteNotifyRequest",
    "WriteNotifyResponse",
    "WriteRequest",
    "get_command_class",
    # Headers, as ctypes structures (loaded on first use)
    "ExtendedMessageHeader",
    "MessageHeader",
    # Enums and the status table
    "AccessRights",
    "AlarmSeverity",
    "AlarmStatus",
    "CASeverity",
    "ChannelType",
    "ConnStatus",
    "SubscriptionType",
    "CAStatus",
    "CAStatusCode",
    # DBR types
    "DBR_TYPES",
    "native_type",
    "char_types",
    "control_types",
    "enum_types",
    "field_types",
    "float_types",
    "graphical_types",
    "int_types",
    "native_float_types",
    "native_int_types",
    "native_types",
    "status_types",
    "string_types",
    "time_types",
    # Values and time
    "Array",
    "Backend",
    "DbrStringArray",
    "backend",
    "ensure_bytes",
    "register_backend",
    "select_backend",
    "TimeStamp",
    "epics_timestamp_to_unix",
    "timestamp_to_epics",
    # Names of PVs
    "ChannelFilter",
    "RecordAndField",
    "RecordModifier",
    "RecordModifiers",
    "apply_arr_filter",
    "parse_channel_filter",
    "parse_record_field",
    # Errors
    "CAStatusError",
    "CaprotoAttributeError",
    "CaprotoConversionError",
    "CaprotoError",
    "CaprotoKeyError",
    "CaprotoNetworkError",
    "CaprotoNotImplementedError",
    "CaprotoRuntimeError",
    "CaprotoTimeoutError",
    "CaprotoTypeError",
    "CaprotoValueError",
    "ContextDisconnectedError",
    "DeadCircuitError",
    "DisconnectedError",
    "ErrorResponseReceived",
    "Forbidden",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "SkipWrite",
    # Constants
    "DEFAULT_PROTOCOL_VERSION",
    "DO_REPLY",
    "EPICS2UNIX_EPOCH",
    "EPICS_CA1_PORT",
    "EPICS_CA2_PORT",
    "EPICS_EPOCH",
    "MAX_COMMAND_BACKLOG",
    "MAX_ENUM_STATES",
    "MAX_ENUM_STRING_SIZE",
    "MAX_ID",
    "MAX_RECORD_LENGTH",
    "MAX_STRING_SIZE",
    "MAX_SUBSCRIPTION_BACKLOG",
    "MAX_TOTAL_SUBSCRIPTION_BACKLOG",
    "MAX_UDP_RECV",
    "MAX_UNITS_SIZE",
    "MIN_SUBSCRIPTION_BACKLOG",
    "NO_REPLY",
    "RESPONSIVENESS_TIMEOUT",
    "SEARCH_MAX_DATAGRAM_BYTES",
    "STALE_SEARCH_EXPIRATION",
    "SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL",
    "SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS",
    # Logging
    "AddressFilter",
    "LogFormatter",
    "PVFilter",
    "RoleFilter",
    "color_logs",
    "config_caproto_logging",
    "get_handler",
    "set_handler",
    # Environment and network (loaded on first use, but for the two that only calculate)
    "ipv4_from_int32",
    "ipv4_to_int32",
    "Protocol",
    "get_environment_variables",
    "get_address_list",
    "get_beacon_address_list",
    "get_client_address_list",
    "get_local_address",
    "get_netifaces_addresses",
    "get_server_address_list",
    "random_ports",
    "bcast_socket",
    # Callbacks (loaded on first use)
    "adapt_old_callback_signature",
    # Data of servers (loaded on first use)
    "ChannelAlarm",
    "ChannelByte",
    "ChannelChar",
    "ChannelData",
    "ChannelDouble",
    "ChannelEnum",
    "ChannelFloat",
    "ChannelInteger",
    "ChannelNumeric",
    "ChannelShort",
    "ChannelString",
    "__version__",
]

_ON_FIRST_USE: dict[str, str] = {
    "._addresses": """
        ipv4_from_int32 ipv4_to_int32
    """,
    "._callback_signature": """
        adapt_old_callback_signature
    """,
    "._epoch": """
        EPICS_EPOCH
    """,
    "._constants": """
        DEFAULT_PROTOCOL_VERSION DO_REPLY EPICS2UNIX_EPOCH EPICS_CA1_PORT EPICS_CA2_PORT
        MAX_COMMAND_BACKLOG MAX_ENUM_STATES MAX_ENUM_STRING_SIZE MAX_ID
        MAX_RECORD_LENGTH MAX_STRING_SIZE MAX_SUBSCRIPTION_BACKLOG
        MAX_TOTAL_SUBSCRIPTION_BACKLOG MAX_UDP_RECV MAX_UNITS_SIZE MIN_SUBSCRIPTION_BACKLOG
        NO_REPLY RESPONSIVENESS_TIMEOUT SEARCH_MAX_DATAGRAM_BYTES STALE_SEARCH_EXPIRATION
        SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS
    """,
    "._env": """
        Protocol get_environment_variables
    """,
    "._errors": """
        CAStatusError CaprotoAttributeError CaprotoConversionError CaprotoError CaprotoKeyError
        CaprotoNetworkError CaprotoNotImplementedError CaprotoRuntimeError CaprotoTimeoutError
        CaprotoTypeError CaprotoValueError ContextDisconnectedError DeadCircuitError
        DisconnectedError ErrorResponseReceived Forbidden LocalProtocolError ProtocolError
        RemoteProtocolError SkipWrite
    """,
    "._log": """
        AddressFilter LogFormatter PVFilter RoleFilter color_logs config_caproto_logging
        get_handler set_handler
    """,
    "._net": """
        get_address_list get_beacon_address_list get_client_address_list get_local_address
        get_netifaces_addresses get_server_address_list random_ports
    """,
    "._protocol.arrays": """
        Array Backend DbrStringArray backend ensure_bytes register_backend select_backend
    """,
    "._protocol.broadcaster": """
        Broadcaster batch_requests extract_address
    """,
    "._protocol.channel": """
        ClientChannel
    """,
    "._protocol.circuit": """
        VirtualCircuit
    """,
    "._protocol.dbr": """
        DBR_TYPES native_type
    """,
    "._protocol.enums": """
        AccessRights AlarmSeverity AlarmStatus CASeverity ChannelType ConnStatus
        SubscriptionType
    """,
    "._protocol.families": """
        char_types control_types enum_types field_types float_types graphical_types int_types
        native_float_types native_int_types native_types status_types string_types time_types
    """,
    "._protocol.filters": """
        ChannelFilter RecordAndField RecordModifier RecordModifiers apply_arr_filter
        parse_channel_filter parse_record_field
    """,
    "._protocol.ids": """
        ThreadsafeCounter
    """,
    "._protocol.message_header": """
        ExtendedMessageHeader MessageHeader
    """,
    "._protocol.messages": """
        AccessRightsResponse Beacon ClearChannelRequest ClearChannelResponse ClientNameRequest
        CreateChFailResponse CreateChanRequest CreateChanResponse EchoRequest EchoResponse
        ErrorResponse EventAddRequest EventAddRequestPayload EventAddResponse EventCancelRequest
        EventCancelResponse EventsOffRequest EventsOnRequest HostNameRequest Message
        NotFoundResponse ReadNotifyRequest ReadNotifyResponse ReadRequest ReadResponse
        ReadSyncRequest ReadSyncResponse RepeaterConfirmResponse RepeaterRegisterRequest
        SearchRequest SearchResponse ServerDisconnResponse VersionRequest VersionResponse
        WriteNotifyRequest WriteNotifyResponse WriteRequest get_command_class
    """,
    "._protocol.server_channel": """
        ServerChannel
    """,
    "._protocol.states": """
        AWAIT_CREATE_CHAN_RESPONSE AWAIT_SEARCH_RESPONSE AWAIT_VERSION_RESPONSE CLIENT CLOSED
        CONNECTED DISCONNECTED FAILED IDLE MUST_CLOSE NEED_DATA REQUEST RESPONSE Role
        SEND_CREATE_CHAN_REQUEST SEND_CREATE_CHAN_RESPONSE SEND_SEARCH_REQUEST
        SEND_SEARCH_RESPONSE SEND_VERSION_REQUEST SEND_VERSION_RESPONSE SERVER States
    """,
    "._protocol.status": """
        CAStatus CAStatusCode
    """,
    "._protocol.timestamps": """
        TimeStamp epics_timestamp_to_unix timestamp_to_epics
    """,
    "._sockets": """
        bcast_socket
    """,
    ".server.data": """
        ChannelAlarm ChannelByte ChannelChar ChannelData ChannelDouble ChannelEnum ChannelFloat
        ChannelInteger ChannelNumeric ChannelShort ChannelString
    """,
}
"""What is loaded when it is asked for, by module."""
_MODULE_OF = {name: module for module, names in _ON_FIRST_USE.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Load what is loaded on first use."""
    try:
        module = _MODULE_OF[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    value = globals()[name] = getattr(import_module(module, __name__), name)
    return value


def __dir__() -> list[str]:
    """Name everything, loaded or not."""
    return sorted({*globals(), *__all__})
