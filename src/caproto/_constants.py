"""The fixed numbers of Channel Access and of this library.

They are defaults and limits only: what the environment may change is read by the settings classes,
once per Context, and never at import.
"""

from __future__ import annotations

__all__ = [
    "DEFAULT_PROTOCOL_VERSION",
    "DO_REPLY",
    "EPICS2UNIX_EPOCH",
    "EPICS_CA1_PORT",
    "EPICS_CA2_PORT",
    "MAX_COMMAND_BACKLOG",
    "MAX_ENUM_STATES",
    "MAX_ENUM_STRING_SIZE",
    "MAX_ID",
    "MAX_PRIORITY",
    "MAX_RECORD_LENGTH",
    "MAX_STRING_SIZE",
    "MAX_SUBSCRIPTION_BACKLOG",
    "MAX_TOTAL_SUBSCRIPTION_BACKLOG",
    "MAX_UDP_RECV",
    "MAX_UDP_SEND",
    "MAX_UNITS_SIZE",
    "MIN_SUBSCRIPTION_BACKLOG",
    "NO_REPLY",
    "RESPONSIVENESS_TIMEOUT",
    "SEARCH_MAX_DATAGRAM_BYTES",
    "STALE_SEARCH_EXPIRATION",
    "SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL",
    "SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS",
]

# --- the protocol ---------------------------------------------------------------------------------

DEFAULT_PROTOCOL_VERSION = 13
"""The newest minor version of Channel Access, and the one we speak."""

EPICS_CA1_PORT = 5064
"""Where servers listen, TCP and UDP."""

EPICS_CA2_PORT = 5065
"""Where the repeater listens for beacons."""

DO_REPLY = 10
"""In a search over TCP: answer even if you do not have the PV."""

NO_REPLY = 5
"""In a search: answer only if you have the PV."""

MAX_PRIORITY = 99
"""The highest priority of a circuit; the lowest is 0."""

MAX_ID = 2**32
"""How many different cids, sids, ioids and subscriptionids there are: they run from 0 to one less.

A counter as narrow as 16 bits would run out of free ids, or meet its own pending requests, in
programs with many PVs."""

# --- sizes of DBR fields, in bytes including the terminating NUL ----------------------------------

MAX_STRING_SIZE = 40
MAX_UNITS_SIZE = 8
MAX_ENUM_STATES = 16
"""This one counts labels."""
MAX_ENUM_STRING_SIZE = 26

# --- time -----------------------------------------------------------------------------------------

EPICS2UNIX_EPOCH = 631152000.0
"""Seconds from the epoch of Unix (1970) to that of EPICS (1990)."""

# --- datagrams ------------------------------------------------------------------------------------

SEARCH_MAX_DATAGRAM_BYTES = 1472
"""The payload of one UDP datagram on Ethernet that is not fragmented."""

MAX_UDP_SEND = 1024
"""What libca puts into one datagram. It leaves room for the headers of a tunnel or a VPN."""

MAX_UDP_RECV = 0xFFFF + 16
"""A receive buffer of this size never truncates a datagram."""

MAX_RECORD_LENGTH = MAX_UDP_SEND - 16 - 16 - 1
"""The longest PV name, in bytes: with a VERSION and a SEARCH header and its NUL it fills a datagram.

That is what libca and rsrv take. Record names of a C IOC have at most 60 bytes, but fields, filters
and the names of other servers make longer ones."""

# --- patience, in seconds -------------------------------------------------------------------------

RESPONSIVENESS_TIMEOUT = 5.0
"""How long a server may take to answer an echo."""

STALE_SEARCH_EXPIRATION = 10.0
"""How long the answer to a search may be used for another Context."""

# --- limits of a server's queues ------------------------------------------------------------------

MAX_COMMAND_BACKLOG = 10000
"""Requests of one circuit that wait to be worked on."""

MAX_TOTAL_SUBSCRIPTION_BACKLOG = 10000
"""Updates of one circuit that wait to be sent."""

MAX_SUBSCRIPTION_BACKLOG = 1000
"""Updates of one subscription that wait to be sent."""

MIN_SUBSCRIPTION_BACKLOG = 10
"""What a subscription keeps even if the PV is a large array."""

SUBSCRIPTION_BACKLOG_WARN_THRESHOLD_ELEMENTS = 15_000_000
"""Array elements times backlog above which a PV's queue is reported as large."""

SUBSCRIPTION_BACKLOG_REDUCE_AT_WARN_LEVEL = True
"""Whether such a queue is shortened, besides being reported."""
