"""Errors, filters, addresses and more, by the name under which the documentation has them."""

from ._callback_signature import (
    adapt_old_callback_signature,
)
from ._env import (
    Protocol,
    get_environment_variables,
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
    ErrorResponseReceived,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
)
from ._log import (
    ComposableLogAdapter,
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
    ensure_bytes,
)
from ._protocol.broadcaster import (
    batch_requests,
)
from ._protocol.filters import (
    ArrayFilter,
    ChannelFilter,
    DeadbandFilter,
    FilterValidationError,
    RecordAndField,
    RecordModifier,
    RecordModifiers,
    SyncFilter,
    apply_arr_filter,
    parse_channel_filter,
    parse_record_field,
)
from ._protocol.ids import (
    ThreadsafeCounter,
)
from ._protocol.states import (
    CLIENT,
    CONNECTED,
    DISCONNECTED,
    NEED_DATA,
    REQUEST,
    RESPONSE,
    SERVER,
    Direction,
    Role,
    States,
)
from ._sockets import (
    bcast_socket,
)

__all__ = [
    "adapt_old_callback_signature",
    "Protocol",
    "get_environment_variables",
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
    "ErrorResponseReceived",
    "LocalProtocolError",
    "ProtocolError",
    "RemoteProtocolError",
    "ComposableLogAdapter",
    "get_address_list",
    "get_beacon_address_list",
    "get_client_address_list",
    "get_local_address",
    "get_netifaces_addresses",
    "get_server_address_list",
    "random_ports",
    "ensure_bytes",
    "batch_requests",
    "ArrayFilter",
    "ChannelFilter",
    "DeadbandFilter",
    "FilterValidationError",
    "RecordAndField",
    "RecordModifier",
    "RecordModifiers",
    "SyncFilter",
    "apply_arr_filter",
    "parse_channel_filter",
    "parse_record_field",
    "ThreadsafeCounter",
    "CLIENT",
    "SERVER",
    "REQUEST",
    "RESPONSE",
    "NEED_DATA",
    "CONNECTED",
    "DISCONNECTED",
    "Direction",
    "Role",
    "States",
    "bcast_socket",
]
