"""A network, a client and a server in memory."""

from __future__ import annotations

import pytest

from tests.support.fakes import FakeClient, FakeClock, FakeNetwork, FakeServer


@pytest.fixture
def network() -> FakeNetwork:
    """A network without faults."""
    return FakeNetwork()


@pytest.fixture
def clock(network: FakeNetwork) -> FakeClock:
    """The time of that network."""
    return network.clock


@pytest.fixture
def client(network: FakeNetwork) -> FakeClient:
    """A client with default settings."""
    return FakeClient(network)


@pytest.fixture
def server(network: FakeNetwork) -> FakeServer:
    """A server with the scalar doubles a, b and c."""
    return FakeServer(network, ["a", "b", "c"])
