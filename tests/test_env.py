"""What the environment variables mean, what happens to nonsense in them, and when they are read."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto import _env_reader
from caproto._env import (
    ClientSettings,
    Protocol,
    RepeaterSettings,
    ServerSettings,
    get_environment_variables,
)

Settings = ClientSettings | ServerSettings | RepeaterSettings
CLASSES: list[type[Settings]] = [ClientSettings, ServerSettings, RepeaterSettings]


@pytest.fixture(autouse=True)
def nothing_reported_yet() -> Iterator[None]:
    """Each warning is given once per process; here, once per test."""
    _env_reader._reported.clear()
    yield
    _env_reader._reported.clear()


def client(**environ: str) -> ClientSettings:
    return ClientSettings.from_environ(environ)


def server(**environ: str) -> ServerSettings:
    return ServerSettings.from_environ(environ)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]


# --- defaults and numbers -------------------------------------------------------------------------


def test_client_defaults_are_those_of_the_reference() -> None:
    assert client()._asdict() == {
        "addr_list": (),
        "auto_addr_list": True,
        "name_servers": (),
        "server_port": 5064,
        "repeater_port": 5065,
        "spawn_repeater": True,
        "conn_tmo": 30.0,
        "beacon_period": 15.0,
        "max_search_period": 300.0,
        "mcast_ttl": 1,
        "max_array_bytes": None,
        "dns_refresh": 60.0,
        "default_timeout": 2.0,
        "string_encoding": "latin-1",
        "min_retry_searches_interval": 0.03,
        "max_retry_searches_interval": 5.0,
        "search_retirement_age": 480.0,
        "retry_retired_searches_interval": 60.0,
        "beacon_margin": 1.0,
        "event_add_batch_max_bytes": 65536,
        "restart_subs_period": 0.1,
        "automonitor_maxlength": 65536,
        "stale_search_expiration": 10.0,
        "responsiveness_timeout": 5.0,
    }


def test_server_defaults_are_those_of_the_reference() -> None:
    assert server()._asdict() == {
        "server_port": 5064,
        "interfaces": ("0.0.0.0",),
        "multicast_groups": (),
        "ignore_addr_list": (),
        "beacon_addr_list": (),
        "auto_beacon_addr_list": True,
        "beacon_period": 15.0,
        "beacon_port": 5065,
        "max_array_bytes": None,
        "string_encoding": "latin-1",
        "max_channels": None,
        "max_subs_per_channel": None,
        "inactivity_timeout": None,
        "high_load_timeout": 0.01,
        "high_load_event_time_threshold": 0.1,
        "high_load_warn_latency": 0.03,
        "sub_batch_thresh": 65536,
        "max_latency": 1.0,
        "write_lock_timeout": 0.001,
        "max_total_subscription_backlog": 10000,
        "max_subscription_backlog": 1000,
        "min_subscription_backlog": 10,
        "subscription_backlog_warn_threshold_elements": 15_000_000,
        "subscription_backlog_reduce_at_warn_level": True,
        "max_command_backlog": 10000,
    }


# Variable, text, and the fields in which it must show.
CLIENT_CASES = [
    ("EPICS_CA_SERVER_PORT", "6064", {"server_port": 6064}),
    ("EPICS_CA_REPEATER_PORT", "6065", {"repeater_port": 6065}),
    ("CAPROTO_NO_REPEATER", "1", {"spawn_repeater": False}),
    ("EPICS_CA_CONN_TMO", "2.5", {"conn_tmo": 2.5}),
    ("EPICS_CA_BEACON_PERIOD", "5", {"beacon_period": 5.0}),
    ("EPICS_CA_MAX_SEARCH_PERIOD", "120", {"max_search_period": 120.0}),
    ("EPICS_CA_MAX_SEARCH_PERIOD", "1", {"max_search_period": 60.0}),
    ("EPICS_CA_MCAST_TTL", "8", {"mcast_ttl": 8}),
    ("EPICS_CA_DNS_REFRESH_SECS", "5", {"dns_refresh": 5.0}),
    ("CAPROTO_DEFAULT_TIMEOUT", "7", {"default_timeout": 7.0}),
    ("CAPROTO_STRING_ENCODING", "utf-8", {"string_encoding": "utf-8"}),
    (
        "CAPROTO_CLIENT_MIN_RETRY_SEARCHES_INTERVAL_SEC",
        "9",
        {"min_retry_searches_interval": 9.0, "max_retry_searches_interval": 9.0},
    ),
    (
        "CAPROTO_CLIENT_MAX_RETRY_SEARCHES_INTERVAL_SEC",
        "9",
        {"max_retry_searches_interval": 9.0},
    ),
    ("CAPROTO_CLIENT_SEARCH_RETIREMENT_AGE_SEC", "9", {"search_retirement_age": 9.0}),
    (
        "CAPROTO_CLIENT_RETRY_RETIRED_SEARCHES_INTERVAL_SEC",
        "9",
        {"retry_retired_searches_interval": 9.0},
    ),
    ("CAPROTO_CLIENT_BEACON_MARGIN_SEC", "0", {"beacon_margin": 0.0}),
    ("CAPROTO_CLIENT_EVENT_ADD_BATCH_MAX_BYTES", "1e3", {"event_add_batch_max_bytes": 1000}),
    ("CAPROTO_CLIENT_RESTART_SUBS_PERIOD_SEC", "9", {"restart_subs_period": 9.0}),
    ("CAPROTO_CLIENT_AUTOMONITOR_MAXLENGTH", "9", {"automonitor_maxlength": 9}),
    ("CAPROTO_STALE_SEARCH_EXPIRATION_SEC", "9", {"stale_search_expiration": 9.0}),
    ("CAPROTO_RESPONSIVENESS_TIMEOUT_SEC", "9", {"responsiveness_timeout": 9.0}),
]
SERVER_CASES = [
    ("EPICS_CAS_SERVER_PORT", "6064", {"server_port": 6064}),
    ("EPICS_CA_SERVER_PORT", "6064", {"server_port": 6064}),
    ("EPICS_CAS_INTF_ADDR_LIST", "10.0.0.1 10.0.0.2", {"interfaces": ("10.0.0.1", "10.0.0.2")}),
    ("EPICS_CAS_IGNORE_ADDR_LIST", "10.0.0.1 noisy", {"ignore_addr_list": ("10.0.0.1", "noisy")}),
    ("EPICS_CAS_BEACON_ADDR_LIST", "h h:7", {"beacon_addr_list": (("h", 5065), ("h", 7))}),
    ("EPICS_CAS_AUTO_BEACON_ADDR_LIST", "no", {"auto_beacon_addr_list": False}),
    ("EPICS_CA_AUTO_ADDR_LIST", "NO", {"auto_beacon_addr_list": False}),
    ("EPICS_CAS_BEACON_PERIOD", "3", {"beacon_period": 3.0}),
    ("EPICS_CA_BEACON_PERIOD", "3", {"beacon_period": 3.0}),
    ("EPICS_CAS_BEACON_PORT", "6065", {"beacon_port": 6065}),
    ("EPICS_CA_REPEATER_PORT", "6065", {"beacon_port": 6065}),
    ("CAPROTO_STRING_ENCODING", "utf-8", {"string_encoding": "utf-8"}),
    ("EPICS_CAS_MAX_CHANNELS", "5", {"max_channels": 5}),
    ("EPICS_CAS_MAX_SUBS_PER_CHAN", "5", {"max_subs_per_channel": 5}),
    ("EPICS_CAS_INACTIVITY_TMO", "600", {"inactivity_timeout": 600.0}),
    ("CAPROTO_SERVER_HIGH_LOAD_TIMEOUT_SEC", "9", {"high_load_timeout": 9.0}),
    (
        "CAPROTO_SERVER_HIGH_LOAD_EVENT_TIME_THRESHOLD_SEC",
        "9",
        {"high_load_event_time_threshold": 9.0},
    ),
    ("CAPROTO_SERVER_HIGH_LOAD_WARN_LATENCY_SEC", "9", {"high_load_warn_latency": 9.0}),
    ("CAPROTO_SERVER_SUB_BATCH_THRESH", "9", {"sub_batch_thresh": 9}),
    ("CAPROTO_SERVER_MAX_LATENCY_SEC", "9", {"max_latency": 9.0}),
    ("CAPROTO_SERVER_WRITE_LOCK_TIMEOUT_SEC", "9", {"write_lock_timeout": 9.0}),
    ("CAPROTO_MAX_TOTAL_SUBSCRIPTION_BACKLOG", "9", {"max_total_subscription_backlog": 9}),
    ("CAPROTO_MAX_SUBSCRIPTION_BACKLOG", "9", {"max_subscription_backlog": 9}),
    ("CAPROTO_MIN_SUBSCRIPTION_BACKLOG", "9", {"min_subscription_backlog": 9}),
    (
        "CAPROTO_SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS",
        "15e5",
        {"subscription_backlog_warn_threshold_elements": 1_500_000},
    ),
    (
        "CAPROTO_SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL",
        "n",
        {"subscription_backlog_reduce_at_warn_level": False},
    ),
    ("CAPROTO_MAX_COMMAND_BACKLOG", "9", {"max_command_backlog": 9}),
]


@pytest.mark.parametrize(
    ("kind", "name", "text", "expected"),
    [(ClientSettings, *case) for case in CLIENT_CASES]
    + [(ServerSettings, *case) for case in SERVER_CASES]
    + [(RepeaterSettings, "EPICS_CA_REPEATER_PORT", "6065", {"repeater_port": 6065})]
    + [(RepeaterSettings, "CAPROTO_NO_REPEATER", "yes", {"spawn_repeater": False})],
)
def test_each_variable_shows_where_it_should_and_nowhere_else(
    kind: type[Settings],
    name: str,
    text: str,
    expected: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    default = kind.from_environ({})
    assert kind.from_environ({name: text}) == default._replace(**expected)  # type: ignore[arg-type]
    assert kind.from_environ({name: f"\t {text}\n"}) == kind.from_environ({name: text})
    assert kind.from_environ({name: " \n"}) == default, "a blank value is no value"
    assert warnings_in(caplog) == []


def test_the_servers_own_variables_win_over_the_clients() -> None:
    settings = server(
        EPICS_CA_SERVER_PORT="1", EPICS_CAS_SERVER_PORT="2",
        EPICS_CA_BEACON_PERIOD="3", EPICS_CAS_BEACON_PERIOD="4",
        EPICS_CA_REPEATER_PORT="5", EPICS_CAS_BEACON_PORT="6",
        EPICS_CA_AUTO_ADDR_LIST="NO", EPICS_CAS_AUTO_BEACON_ADDR_LIST="YES",
    )  # fmt: skip
    assert (settings.server_port, settings.beacon_period, settings.beacon_port) == (2, 4.0, 6)
    assert settings.auto_beacon_addr_list


def test_a_limit_on_arrays_holds_only_if_automatic_sizes_are_off() -> None:
    assert client(EPICS_CA_MAX_ARRAY_BYTES="1000000").max_array_bytes is None
    limited = {"EPICS_CA_AUTO_ARRAY_BYTES": "NO", "EPICS_CA_MAX_ARRAY_BYTES": "1000000"}
    assert client(**limited).max_array_bytes == 1_000_024
    assert server(**limited).max_array_bytes == 1_000_024
    # libca never goes below its default
    assert client(**{**limited, "EPICS_CA_MAX_ARRAY_BYTES": "5"}).max_array_bytes == 16_408


# --- lists ----------------------------------------------------------------------------------------


def test_bug_an_address_list_may_be_split_by_any_blanks_and_keeps_its_order() -> None:
    settings = client(
        EPICS_CA_ADDR_LIST="\n b:1\t\ta \r\n 10.0.0.1:7\n b:1 ", EPICS_CA_SERVER_PORT="6064"
    )
    assert settings.addr_list == (("b", 1), ("a", 6064), ("10.0.0.1", 7))


def test_name_servers_default_to_the_servers_port() -> None:
    settings = client(EPICS_CA_NAME_SERVERS="ns1 ns2:99", EPICS_CA_SERVER_PORT="6064")
    assert settings.name_servers == (("ns1", 6064), ("ns2", 99))


def test_beacon_addresses_default_to_the_beacon_port() -> None:
    settings = server(EPICS_CAS_BEACON_ADDR_LIST="h", EPICS_CA_REPEATER_PORT="6065")
    assert settings.beacon_addr_list == (("h", 6065),)


def test_an_entry_that_is_no_address_is_named_and_the_others_are_used(
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = client(EPICS_CA_ADDR_LIST="10.0.0.1 10.0.0.2,10.0.0.3 h:99999 10.0.0.4")
    assert [address.host for address in settings.addr_list] == ["10.0.0.1", "10.0.0.4"]
    first, second = warnings_in(caplog)
    assert "EPICS_CA_ADDR_LIST" in first
    assert "'10.0.0.2,10.0.0.3'" in first
    assert "'h:99999'" in second


@pytest.mark.parametrize(
    ("text", "expected"),
    [("YES", True), ("yes", True), ("NO", False), ("no", False), ("none", False), ("junk", True)],
)
def test_auto_addr_list_is_read_as_by_libca(text: str, expected: bool) -> None:
    assert client(EPICS_CA_AUTO_ADDR_LIST=text).auto_addr_list is expected


@pytest.mark.parametrize("text", ["No", "0", "false"])
def test_an_auto_addr_list_that_libca_does_not_take_for_no_is_remarked_on(
    text: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert client(EPICS_CA_AUTO_ADDR_LIST=text).auto_addr_list
    (warning,) = warnings_in(caplog)
    assert f"EPICS_CA_AUTO_ADDR_LIST={text!r}" in warning


def test_multicast_groups_among_the_interfaces_are_set_apart() -> None:
    settings = server(EPICS_CAS_INTF_ADDR_LIST="239.1.2.3 10.0.0.1")
    assert (settings.interfaces, settings.multicast_groups) == (("10.0.0.1",), ("239.1.2.3",))
    only = server(EPICS_CAS_INTF_ADDR_LIST="239.1.2.3")
    assert (only.interfaces, only.multicast_groups) == (("0.0.0.0",), ("239.1.2.3",))


def test_the_wildcard_interface_stands_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert server(EPICS_CAS_INTF_ADDR_LIST="10.0.0.1 0.0.0.0").interfaces == ("0.0.0.0",)
    (warning,) = warnings_in(caplog)
    assert "EPICS_CAS_INTF_ADDR_LIST" in warning


def test_a_port_where_it_has_no_meaning_is_ignored_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert server(EPICS_CAS_INTF_ADDR_LIST="10.0.0.1:99").interfaces == ("10.0.0.1",)
    (warning,) = warnings_in(caplog)
    assert "10.0.0.1:99" in warning


def test_the_repeater_joins_the_groups_of_the_first_list_that_is_set() -> None:
    environ = {"EPICS_CA_ADDR_LIST": "239.0.0.1 10.0.0.1:7 239.0.0.1:9"}
    assert RepeaterSettings.from_environ(environ).multicast_groups == ("239.0.0.1",)
    environ["EPICS_CAS_BEACON_ADDR_LIST"] = "239.0.0.2"
    assert RepeaterSettings.from_environ(environ).multicast_groups == ("239.0.0.2",)


# --- nonsense -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "field", "default"),
    [
        ("EPICS_CA_CONN_TMO", "soon", "conn_tmo", 30.0),
        ("EPICS_CA_CONN_TMO", "0", "conn_tmo", 30.0),
        ("EPICS_CA_CONN_TMO", "-1", "conn_tmo", 30.0),
        ("EPICS_CA_CONN_TMO", "inf", "conn_tmo", 30.0),
        ("EPICS_CA_CONN_TMO", "nan", "conn_tmo", 30.0),
        ("EPICS_CA_SERVER_PORT", "0", "server_port", 5064),
        ("EPICS_CA_SERVER_PORT", "65536", "server_port", 5064),
        ("EPICS_CA_SERVER_PORT", "five", "server_port", 5064),
        ("EPICS_CA_SERVER_PORT", "5064.5", "server_port", 5064),
        ("EPICS_CA_MCAST_TTL", "1e999", "mcast_ttl", 1),
        ("CAPROTO_STRING_ENCODING", "klingon", "string_encoding", "latin-1"),
        ("CAPROTO_STRING_ENCODING", "hex", "string_encoding", "latin-1"),
        ("CAPROTO_NO_REPEATER", "perhaps", "spawn_repeater", True),
    ],
)
def test_a_value_that_cannot_be_used_gives_one_warning_and_the_default(
    name: str, text: str, field: str, default: object, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        assert getattr(client(**{name: text}), field) == default
    (warning,) = warnings_in(caplog)
    assert f"{name}={text!r}" in warning
    assert "default" in warning
    assert caplog.records[0].name == "caproto"


@given(st.dictionaries(st.sampled_from(sorted(_env_reader._DEFAULTS)), st.text(), max_size=8))
def test_no_environment_whatever_raises(environ: dict[str, str]) -> None:
    _env_reader._reported.clear()
    for kind in CLASSES:
        kind.from_environ(environ)


# --- when it is read ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES)
def test_settings_cannot_be_changed(kind: type[Settings]) -> None:
    settings = kind.from_environ({})
    for name in settings._fields:
        with pytest.raises(AttributeError):
            setattr(settings, name, None)


def test_the_environment_of_the_process_is_read_once_at_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "3")
    settings = ClientSettings.from_environ()
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "4")
    assert settings.conn_tmo == 3.0
    assert ClientSettings.from_environ().conn_tmo == 4.0


@pytest.mark.usefixtures("loopback")
def test_get_environment_variables_is_typed_and_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(_env_reader._DEFAULTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EPICS_CA_CONN_TMO", "3")
    monkeypatch.setenv("EPICS_TS_MIN_WEST", "-60")
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", "7777")
    monkeypatch.setenv("EPICS_CAS_BEACON_PORT", "junk")
    monkeypatch.setenv("SOMETHING_ELSE", "12")
    found = get_environment_variables()
    assert found["EPICS_CA_CONN_TMO"] == 3.0
    assert found["EPICS_TS_MIN_WEST"] == -60
    assert found["EPICS_CA_ADDR_LIST"] == ""
    assert found["EPICS_CA_AUTO_ADDR_LIST"] == "YES"
    assert found["EPICS_CAS_SERVER_PORT"] == 7777, "it follows the client's variable"
    assert found["EPICS_CAS_BEACON_PORT"] == 5065
    assert found["SOMETHING_ELSE"] == "12"
    assert set(_env_reader._DEFAULTS) <= set(found)


def test_the_protocols_are_known_by_value_and_print_as_their_names() -> None:
    assert Protocol("CA") is Protocol.ChannelAccess
    assert repr(Protocol.PVAccess) == "PVAccess"
