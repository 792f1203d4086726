"""A network that exists only in memory and in virtual time: clock, datagrams, servers, a client's shell.

Nothing here sleeps and nothing opens a socket, so an hour of network takes milliseconds and every run is the same.
"""

from .behaviour import FakeRecord, usual
from .client import FakeClient, FakePV, FakeSubscription, FakeWaiter
from .clock import FakeClock
from .connection import FakeConnection, Reply
from .network import FakeNetwork
from .server import FakeServer

__all__ = [
    "FakeClient",
    "FakeClock",
    "FakeConnection",
    "FakeNetwork",
    "FakePV",
    "FakeRecord",
    "FakeServer",
    "FakeSubscription",
    "FakeWaiter",
    "Reply",
    "usual",
]
