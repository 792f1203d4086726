"""The environment variables of clients, servers and repeaters, as immutable settings.

Pure parsing: no host name is looked up and no network interface is asked (`caproto._net` does
that). A Context reads the environment once, when it is made, with ``from_environ``; nothing else
looks at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from ._addresses import Address, is_multicast
from ._env_reader import EnvironmentReader, get_environment_variables

__all__ = [
    "ClientSettings",
    "Protocol",
    "RepeaterSettings",
    "ServerSettings",
    "get_environment_variables",
]


class Protocol(str, Enum):
    """The two protocols of EPICS. This library speaks Channel Access."""

    PVAccess = "PVA"
    ChannelAccess = "CA"

    def __repr__(self) -> str:
        return self.name


class ClientSettings(NamedTuple):
    """What the environment says to a client. Times are in seconds.

    Attributes
    ----------
    addr_list : tuple of Address
        ``EPICS_CA_ADDR_LIST``: where to search, in order. Hosts may be names.
    auto_addr_list : bool
        ``EPICS_CA_AUTO_ADDR_LIST``: search the broadcast address of every interface, too.
    name_servers : tuple of Address
        ``EPICS_CA_NAME_SERVERS``: search these over TCP.
    server_port, repeater_port : int
        ``EPICS_CA_SERVER_PORT``, ``EPICS_CA_REPEATER_PORT``.
    spawn_repeater : bool
        False if ``CAPROTO_NO_REPEATER`` is set to 1 (or yes, true, on): never start a repeater.
    conn_tmo : float
        ``EPICS_CA_CONN_TMO``: how long a server may be silent before it is sent an echo.
    beacon_period : float
        ``EPICS_CA_BEACON_PERIOD``: how often servers are expected to send a beacon.
    max_search_period : float
        ``EPICS_CA_MAX_SEARCH_PERIOD``: the longest time between two searches for one PV, not
        less than 60.
    mcast_ttl : int
        ``EPICS_CA_MCAST_TTL`` of searches that go to a multicast group.
    max_array_bytes : int or None
        The largest payload, from ``EPICS_CA_MAX_ARRAY_BYTES`` if ``EPICS_CA_AUTO_ARRAY_BYTES`` is
        NO. None, the default, is no limit.
    dns_refresh : float
        ``EPICS_CA_DNS_REFRESH_SECS``: how often host names are looked up again.
    default_timeout : float
        ``CAPROTO_DEFAULT_TIMEOUT``
    string_encoding : str
        ``CAPROTO_STRING_ENCODING``
    min_retry_searches_interval, max_retry_searches_interval : float
        ``CAPROTO_CLIENT_{MIN,MAX}_RETRY_SEARCHES_INTERVAL_SEC``: the bounds of the back-off.
    search_retirement_age, retry_retired_searches_interval : float
        ``CAPROTO_CLIENT_SEARCH_RETIREMENT_AGE_SEC``: searches that are older are only repeated
        every ``CAPROTO_CLIENT_RETRY_RETIRED_SEARCHES_INTERVAL_SEC``.
    beacon_margin : float
        ``CAPROTO_CLIENT_BEACON_MARGIN_SEC``, added to `conn_tmo`.
    event_add_batch_max_bytes : int
        ``CAPROTO_CLIENT_EVENT_ADD_BATCH_MAX_BYTES``: most to send at once on re-subscription.
    restart_subs_period : float
        ``CAPROTO_CLIENT_RESTART_SUBS_PERIOD_SEC``
    automonitor_maxlength : int
        ``CAPROTO_CLIENT_AUTOMONITOR_MAXLENGTH`` of the pyepics-like front end, in elements.
    stale_search_expiration : float
        ``CAPROTO_STALE_SEARCH_EXPIRATION_SEC``
    responsiveness_timeout : float
        ``CAPROTO_RESPONSIVENESS_TIMEOUT_SEC``: how long a server may take to answer an echo.
    """

    addr_list: tuple[Address, ...]
    auto_addr_list: bool
    name_servers: tuple[Address, ...]
    server_port: int
    repeater_port: int
    spawn_repeater: bool
    conn_tmo: float
    beacon_period: float
    max_search_period: float
    mcast_ttl: int
    max_array_bytes: int | None
    dns_refresh: float
    default_timeout: float
    string_encoding: str
    min_retry_searches_interval: float
    max_retry_searches_interval: float
    search_retirement_age: float
    retry_retired_searches_interval: float
    beacon_margin: float
    event_add_batch_max_bytes: int
    restart_subs_period: float
    automonitor_maxlength: int
    stale_search_expiration: float
    responsiveness_timeout: float

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> ClientSettings:
        """Read `environ`, by default the environment of the process."""
        read = EnvironmentReader(environ)
        server_port = read.port("EPICS_CA_SERVER_PORT")
        shortest = read.seconds("CAPROTO_CLIENT_MIN_RETRY_SEARCHES_INTERVAL_SEC", 0.001)
        longest = read.seconds("CAPROTO_CLIENT_MAX_RETRY_SEARCHES_INTERVAL_SEC", 0.001)
        return cls(
            addr_list=read.addresses("EPICS_CA_ADDR_LIST", server_port),
            auto_addr_list=read.auto_addr_list(),
            name_servers=read.addresses("EPICS_CA_NAME_SERVERS", server_port),
            server_port=server_port,
            repeater_port=read.port("EPICS_CA_REPEATER_PORT"),
            spawn_repeater=not read.yes_no("CAPROTO_NO_REPEATER"),
            conn_tmo=read.seconds("EPICS_CA_CONN_TMO", 0.1),
            beacon_period=read.seconds("EPICS_CA_BEACON_PERIOD", 0.1),
            # A plateau below a minute would flood the network, so libca raises it to that.
            max_search_period=max(60.0, read.seconds("EPICS_CA_MAX_SEARCH_PERIOD")),
            mcast_ttl=read.whole("EPICS_CA_MCAST_TTL", 1, 255),
            max_array_bytes=_max_array_bytes(read),
            dns_refresh=read.seconds("EPICS_CA_DNS_REFRESH_SECS", 1.0),
            default_timeout=read.seconds("CAPROTO_DEFAULT_TIMEOUT"),
            string_encoding=read.encoding("CAPROTO_STRING_ENCODING"),
            min_retry_searches_interval=shortest,
            max_retry_searches_interval=max(shortest, longest),
            search_retirement_age=read.seconds("CAPROTO_CLIENT_SEARCH_RETIREMENT_AGE_SEC"),
            retry_retired_searches_interval=read.seconds(
                "CAPROTO_CLIENT_RETRY_RETIRED_SEARCHES_INTERVAL_SEC", 0.001
            ),
            beacon_margin=read.seconds("CAPROTO_CLIENT_BEACON_MARGIN_SEC"),
            event_add_batch_max_bytes=read.whole("CAPROTO_CLIENT_EVENT_ADD_BATCH_MAX_BYTES", 1),
            restart_subs_period=read.seconds("CAPROTO_CLIENT_RESTART_SUBS_PERIOD_SEC"),
            automonitor_maxlength=read.whole("CAPROTO_CLIENT_AUTOMONITOR_MAXLENGTH"),
            stale_search_expiration=read.seconds("CAPROTO_STALE_SEARCH_EXPIRATION_SEC"),
            responsiveness_timeout=read.seconds("CAPROTO_RESPONSIVENESS_TIMEOUT_SEC", 0.001),
        )


class ServerSettings(NamedTuple):
    """What the environment says to a server. Times are in seconds.

    Attributes
    ----------
    server_port : int
        ``EPICS_CAS_SERVER_PORT``, else ``EPICS_CA_SERVER_PORT``.
    interfaces : tuple of str
        ``EPICS_CAS_INTF_ADDR_LIST``: the addresses to listen on. ``('0.0.0.0',)``, all, if empty.
    multicast_groups : tuple of str
        The multicast addresses of that list, to be joined.
    ignore_addr_list : tuple of str
        ``EPICS_CAS_IGNORE_ADDR_LIST``: hosts whose searches get no reply.
    beacon_addr_list : tuple of Address
        ``EPICS_CAS_BEACON_ADDR_LIST``
    auto_beacon_addr_list : bool
        ``EPICS_CAS_AUTO_BEACON_ADDR_LIST``: send beacons to the broadcast address of every
        interface that is listened on, too. If it is not set, ``EPICS_CA_AUTO_ADDR_LIST`` holds.
    beacon_period : float
        ``EPICS_CAS_BEACON_PERIOD``, else ``EPICS_CA_BEACON_PERIOD``.
    beacon_port : int
        ``EPICS_CAS_BEACON_PORT``, else ``EPICS_CA_REPEATER_PORT``.
    max_array_bytes : int or None
        As in `ClientSettings`.
    string_encoding : str
        ``CAPROTO_STRING_ENCODING``
    max_channels, max_subs_per_channel : int or None
        ``EPICS_CAS_MAX_CHANNELS`` of one circuit, ``EPICS_CAS_MAX_SUBS_PER_CHAN``; None is no limit.
    inactivity_timeout : float or None
        ``EPICS_CAS_INACTIVITY_TMO``: close circuits that are silent for so long; None is never.
    high_load_timeout, high_load_event_time_threshold, high_load_warn_latency : float
        ``CAPROTO_SERVER_HIGH_LOAD_{TIMEOUT,EVENT_TIME_THRESHOLD,WARN_LATENCY}_SEC``
    sub_batch_thresh : int
        ``CAPROTO_SERVER_SUB_BATCH_THRESH``: bytes of updates that are sent without waiting for more.
    max_latency, write_lock_timeout : float
        ``CAPROTO_SERVER_MAX_LATENCY_SEC``, ``CAPROTO_SERVER_WRITE_LOCK_TIMEOUT_SEC``
    max_total_subscription_backlog, max_subscription_backlog, min_subscription_backlog : int
        ``CAPROTO_{MAX_TOTAL,MAX,MIN}_SUBSCRIPTION_BACKLOG``: updates that wait on one circuit, on
        one subscription, and on one to a large array.
    subscription_backlog_warn_threshold_elements : int
        ``CAPROTO_SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS``
    subscription_backlog_reduce_at_warn_level : bool
        ``CAPROTO_SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL``
    max_command_backlog : int
        ``CAPROTO_MAX_COMMAND_BACKLOG``: requests that wait on one circuit.
    """

    server_port: int
    interfaces: tuple[str, ...]
    multicast_groups: tuple[str, ...]
    ignore_addr_list: tuple[str, ...]
    beacon_addr_list: tuple[Address, ...]
    auto_beacon_addr_list: bool
    beacon_period: float
    beacon_port: int
    max_array_bytes: int | None
    string_encoding: str
    max_channels: int | None
    max_subs_per_channel: int | None
    inactivity_timeout: float | None
    high_load_timeout: float
    high_load_event_time_threshold: float
    high_load_warn_latency: float
    sub_batch_thresh: int
    max_latency: float
    write_lock_timeout: float
    max_total_subscription_backlog: int
    max_subscription_backlog: int
    min_subscription_backlog: int
    subscription_backlog_warn_threshold_elements: int
    subscription_backlog_reduce_at_warn_level: bool
    max_command_backlog: int

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> ServerSettings:
        """Read `environ`, by default the environment of the process."""
        read = EnvironmentReader(environ)
        interfaces, multicast_groups = _interfaces(read)
        beacon_port = read.port(read.source("EPICS_CAS_BEACON_PORT"))
        return cls(
            server_port=read.port(read.source("EPICS_CAS_SERVER_PORT")),
            interfaces=interfaces,
            multicast_groups=multicast_groups,
            ignore_addr_list=read.hosts("EPICS_CAS_IGNORE_ADDR_LIST"),
            beacon_addr_list=read.addresses("EPICS_CAS_BEACON_ADDR_LIST", beacon_port),
            auto_beacon_addr_list=_auto_beacon(read),
            beacon_period=read.seconds(read.source("EPICS_CAS_BEACON_PERIOD"), 0.1),
            beacon_port=beacon_port,
            max_array_bytes=_max_array_bytes(read),
            string_encoding=read.encoding("CAPROTO_STRING_ENCODING"),
            max_channels=read.whole("EPICS_CAS_MAX_CHANNELS") or None,
            max_subs_per_channel=read.whole("EPICS_CAS_MAX_SUBS_PER_CHAN") or None,
            inactivity_timeout=read.seconds("EPICS_CAS_INACTIVITY_TMO") or None,
            high_load_timeout=read.seconds("CAPROTO_SERVER_HIGH_LOAD_TIMEOUT_SEC"),
            high_load_event_time_threshold=read.seconds(
                "CAPROTO_SERVER_HIGH_LOAD_EVENT_TIME_THRESHOLD_SEC"
            ),
            high_load_warn_latency=read.seconds("CAPROTO_SERVER_HIGH_LOAD_WARN_LATENCY_SEC"),
            sub_batch_thresh=read.whole("CAPROTO_SERVER_SUB_BATCH_THRESH", 1),
            max_latency=read.seconds("CAPROTO_SERVER_MAX_LATENCY_SEC"),
            write_lock_timeout=read.seconds("CAPROTO_SERVER_WRITE_LOCK_TIMEOUT_SEC"),
            max_total_subscription_backlog=read.whole("CAPROTO_MAX_TOTAL_SUBSCRIPTION_BACKLOG", 1),
            max_subscription_backlog=read.whole("CAPROTO_MAX_SUBSCRIPTION_BACKLOG", 1),
            min_subscription_backlog=read.whole("CAPROTO_MIN_SUBSCRIPTION_BACKLOG", 1),
            subscription_backlog_warn_threshold_elements=read.whole(
                "CAPROTO_SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS", 1
            ),
            subscription_backlog_reduce_at_warn_level=read.yes_no(
                "CAPROTO_SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL"
            ),
            max_command_backlog=read.whole("CAPROTO_MAX_COMMAND_BACKLOG", 1),
        )


class RepeaterSettings(NamedTuple):
    """What the environment says to a repeater.

    Attributes
    ----------
    repeater_port : int
        ``EPICS_CA_REPEATER_PORT``
    multicast_groups : tuple of str
        The multicast addresses of ``EPICS_CAS_BEACON_ADDR_LIST``, or if that is not set of
        ``EPICS_CA_ADDR_LIST``: where servers may send their beacons, so to be joined.
    spawn_repeater : bool
        As in `ClientSettings`.
    """

    repeater_port: int
    multicast_groups: tuple[str, ...]
    spawn_repeater: bool

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> RepeaterSettings:
        """Read `environ`, by default the environment of the process."""
        read = EnvironmentReader(environ)
        port = read.port("EPICS_CA_REPEATER_PORT")
        name = "EPICS_CAS_BEACON_ADDR_LIST"
        if not read.is_set(name):
            name = "EPICS_CA_ADDR_LIST"
        hosts = dict.fromkeys(address.host for address in read.addresses(name, port))
        return cls(
            repeater_port=port,
            multicast_groups=tuple(filter(is_multicast, hosts)),
            spawn_repeater=not read.yes_no("CAPROTO_NO_REPEATER"),
        )


def _auto_beacon(read: EnvironmentReader) -> bool:
    if read.is_set("EPICS_CAS_AUTO_BEACON_ADDR_LIST"):
        return read.yes_no("EPICS_CAS_AUTO_BEACON_ADDR_LIST")
    return read.auto_addr_list()


def _max_array_bytes(read: EnvironmentReader) -> int | None:
    """Return the limit on a payload; libca grants at least 16384 bytes, and room for metadata."""
    if read.yes_no("EPICS_CA_AUTO_ARRAY_BYTES"):
        return None
    return max(16384, read.whole("EPICS_CA_MAX_ARRAY_BYTES")) + 24


def _interfaces(read: EnvironmentReader) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the interface list into addresses to bind and groups to join."""
    name = "EPICS_CAS_INTF_ADDR_LIST"
    hosts = read.hosts(name)
    groups = tuple(filter(is_multicast, hosts))
    interfaces = tuple(host for host in hosts if not is_multicast(host))
    if "0.0.0.0" in interfaces and len(interfaces) > 1:
        read.report(name, "has 0.0.0.0 beside others; that alone is used")
        interfaces = ("0.0.0.0",)
    return interfaces or ("0.0.0.0",), groups
