"""The names that programs import."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import caproto

# Every public name of the original's top level, as programs for it import them.
NAMES = """
AWAIT_CREATE_CHAN_RESPONSE AWAIT_SEARCH_RESPONSE AWAIT_VERSION_RESPONSE AccessRights
AccessRightsResponse AddressFilter AlarmSeverity AlarmStatus Array Backend Beacon Broadcaster
CASeverity CAStatus CLIENT CLOSED CONNECTED CaprotoAttributeError CaprotoConversionError
CaprotoError CaprotoKeyError CaprotoNetworkError CaprotoNotImplementedError CaprotoRuntimeError
CaprotoTimeoutError CaprotoTypeError CaprotoValueError ChannelAlarm ChannelByte ChannelChar
ChannelData ChannelDouble ChannelEnum ChannelFilter ChannelFloat ChannelInteger ChannelNumeric
ChannelShort ChannelString ChannelType ClearChannelRequest ClearChannelResponse ClientChannel
ClientNameRequest ConnStatus CreateChFailResponse CreateChanRequest CreateChanResponse DBR_TYPES
DEFAULT_PROTOCOL_VERSION DISCONNECTED DO_REPLY DbrStringArray EPICS2UNIX_EPOCH EPICS_CA1_PORT
EPICS_CA2_PORT EPICS_EPOCH EchoRequest EchoResponse ErrorResponse ErrorResponseReceived
EventAddRequest EventAddRequestPayload EventAddResponse EventCancelRequest EventCancelResponse
EventsOffRequest EventsOnRequest FAILED Forbidden HostNameRequest IDLE LocalProtocolError
LogFormatter MAX_COMMAND_BACKLOG MAX_ENUM_STATES MAX_ENUM_STRING_SIZE MAX_ID MAX_RECORD_LENGTH
MAX_STRING_SIZE MAX_SUBSCRIPTION_BACKLOG MAX_TOTAL_SUBSCRIPTION_BACKLOG MAX_UDP_RECV
MAX_UNITS_SIZE MIN_SUBSCRIPTION_BACKLOG MUST_CLOSE Message NEED_DATA NO_REPLY NotFoundResponse
PVFilter Protocol ProtocolError REQUEST RESPONSE RESPONSIVENESS_TIMEOUT ReadNotifyRequest
ReadNotifyResponse ReadRequest ReadResponse ReadSyncRequest RecordAndField RecordModifier
RecordModifiers RemoteProtocolError RepeaterConfirmResponse RepeaterRegisterRequest RoleFilter
SEARCH_MAX_DATAGRAM_BYTES SEND_CREATE_CHAN_REQUEST SEND_CREATE_CHAN_RESPONSE SEND_SEARCH_REQUEST
SEND_SEARCH_RESPONSE SEND_VERSION_REQUEST SEND_VERSION_RESPONSE SERVER STALE_SEARCH_EXPIRATION
SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS
SearchRequest SearchResponse ServerChannel ServerDisconnResponse SkipWrite SubscriptionType
ThreadsafeCounter TimeStamp VersionRequest VersionResponse VirtualCircuit WriteNotifyRequest
WriteNotifyResponse WriteRequest adapt_old_callback_signature apply_arr_filter backend
batch_requests bcast_socket char_types color_logs config_caproto_logging control_types
ensure_bytes enum_types epics_timestamp_to_unix extract_address field_types float_types
get_address_list get_beacon_address_list get_client_address_list get_command_class
get_environment_variables get_handler get_local_address get_netifaces_addresses
get_server_address_list graphical_types int_types ipv4_from_int32 ipv4_to_int32
native_float_types native_int_types native_type native_types parse_channel_filter
parse_record_field random_ports register_backend select_backend set_handler status_types
string_types time_types timestamp_to_epics
""".split()  # noqa: SIM905 -- one name a line would take 180 lines

# And those that this library adds, or that its documentation names.
ADDED = """
CAStatusCode CAStatusError ContextDisconnectedError DeadCircuitError DisconnectedError ExtendedMessageHeader
MessageHeader ReadSyncResponse Role States __version__
""".split()  # noqa: SIM905 -- one name a line would take 180 lines


@pytest.mark.parametrize("name", NAMES + ADDED)
def test_name_can_be_imported(name: str) -> None:
    assert getattr(caproto, name) is not None
    assert name in caproto.__all__
    assert name in dir(caproto)


def test_all_is_complete_and_nothing_more() -> None:
    assert sorted(caproto.__all__) == sorted(NAMES + ADDED)
    assert len(set(caproto.__all__)) == len(caproto.__all__)


def test_star_import_brings_the_same_objects() -> None:
    found: dict[str, Any] = {}
    exec("from caproto import *", found)
    assert all(found[name] is getattr(caproto, name) for name in caproto.__all__)


def test_name_that_does_not_exist() -> None:
    with pytest.raises(AttributeError, match="module 'caproto' has no attribute 'nothing'"):
        caproto.nothing  # noqa: B018
    assert not hasattr(caproto, "nothing")


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("_dbr", ["DBR_TIME_DOUBLE", "ChannelType", "TimeStamp", "native_type", "DBR_TYPES"]),
        ("_commands", ["ReadNotifyRequest", "SearchResponse", "get_command_class"]),
        ("_headers", ["MessageHeader", "ExtendedMessageHeader"]),
        ("_utils", ["CaprotoError", "ThreadsafeCounter", "get_address_list", "Role"]),
        ("_status", ["CAStatus", "CAStatusCode", "eca_value_to_status"]),
        ("_constants", ["MAX_ID", "DO_REPLY"]),
        ("_log", ["config_caproto_logging", "PVFilter"]),
    ],
)
def test_modules_that_the_documentation_mentions(module: str, names: list[str]) -> None:
    loaded = importlib.import_module(f"caproto.{module}")
    for name in names:
        assert name in loaded.__all__
    for name in loaded.__all__:
        assert getattr(caproto, name, getattr(loaded, name)) is getattr(loaded, name)


EXPENSIVE = ["numpy", "ctypes", "asyncio", "socket", "json", "dataclasses", "caproto.server"]


def test_importing_the_package_stays_cheap() -> None:
    code = f"import sys, caproto; print([m for m in {EXPENSIVE} if m in sys.modules])"
    # -S: an editable installation may load anything at start-up
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = done.stdout.strip()
    if sys.version_info < (3, 11):  # asyncio.TimeoutError is a class of its own there
        assert "numpy" not in loaded
        assert "caproto.server" not in loaded
    else:
        assert loaded == "[]"


def test_old_callback_signature_is_adapted() -> None:
    calls: list[Any] = []
    kept: set[Any] = set()

    def old(response: str) -> None:
        calls.append(response)

    def new(sub: str, response: str) -> None:
        calls.append((sub, response))

    assert caproto.adapt_old_callback_signature(new, kept) is new
    assert caproto.adapt_old_callback_signature(max, kept) is max
    with pytest.warns(UserWarning, match="takes only a response"):
        adapted: Callable[..., Any] = caproto.adapt_old_callback_signature(old, kept)
    adapted("sub", "response")
    assert calls == ["response"]
    assert len(kept) == 1
    del old
    adapted("sub", "again")
    assert calls == ["response"]
    assert kept == set()


def test_old_callback_may_be_a_method() -> None:
    class Listener:
        def __init__(self) -> None:
            self.heard: list[str] = []

        def hear(self, response: str) -> None:
            self.heard.append(response)

    listener, kept = Listener(), set[Any]()
    with pytest.warns(UserWarning, match="takes only a response"):
        adapted = caproto.adapt_old_callback_signature(listener.hear, kept)
    adapted("sub", "response")
    assert listener.heard == ["response"]
