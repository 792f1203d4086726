"""What the environment variables of servers do to a server that runs."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from caproto import ChannelDouble
from caproto.asyncio.server import Context
from tests.support import free_port, search
from tests.support.raw_messages import raw_message

from .raw_client import RawClient, serving


async def datagrams(sock: socket.socket, count: int) -> list[bytes]:
    """Return the next datagrams that arrive."""
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    return [await loop.sock_recv(sock, 100) for _ in range(count)]


async def test_server_port_of_servers_goes_before_that_of_clients(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("EPICS_CAS_SERVER_PORT", str(port))
    async with serving({"x": ChannelDouble(value=1.0)}) as context:
        assert (context.port, context.ca_server_port) == (port, port)
        assert (await asyncio.to_thread(search, "x", port)) is not None
    monkeypatch.delenv("EPICS_CAS_SERVER_PORT")
    monkeypatch.setenv("EPICS_CA_SERVER_PORT", str(port))
    assert Context({}).ca_server_port == port


async def test_only_the_interfaces_of_the_list_are_served(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1 127.0.0.2")
    async with serving({"x": ChannelDouble(value=1.0)}) as context:
        assert list(context.tcp_sockets) == ["127.0.0.1", "127.0.0.2"]
        assert context.port is not None
        for host in context.tcp_sockets:
            client = await RawClient.connect(context.port, host)
            await client.create("x")
            await client.close()


@pytest.mark.parametrize("variable", ["EPICS_CAS_BEACON_PORT", "EPICS_CA_REPEATER_PORT"])
async def test_beacons_go_to_the_list_and_the_port(
    loopback: Any, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.2", 0))
        monkeypatch.delenv("EPICS_CAS_BEACON_PORT", raising=False)
        monkeypatch.setenv(variable, str(sock.getsockname()[1]))
        monkeypatch.setenv("EPICS_CAS_BEACON_ADDR_LIST", "127.0.0.2")
        async with serving({}) as context:
            (beacon,) = await datagrams(sock, 1)
            assert beacon == raw_message(13, 13, context.port or 0, 0, 0)
            assert set(context.beacon_socks) == {("127.0.0.2", sock.getsockname()[1])}


@pytest.mark.parametrize("variable", ["EPICS_CAS_BEACON_PERIOD", "EPICS_CA_BEACON_PERIOD"])
async def test_beacons_come_as_often_as_the_period_says(
    loopback: Any, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.delenv("EPICS_CAS_BEACON_PERIOD", raising=False)
    monkeypatch.setenv(variable, "0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", loopback.repeater_port))
        async with serving({}):
            found = await datagrams(sock, 12)  # with a doubling period these took 40 s
    assert [int.from_bytes(beacon[8:12], "big") for beacon in found] == list(range(12))


async def test_limits_come_from_the_environment(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CAS_MAX_CHANNELS", "1")
    monkeypatch.setenv("EPICS_CAS_MAX_SUBS_PER_CHAN", "1")
    monkeypatch.setenv("EPICS_CA_AUTO_ARRAY_BYTES", "NO")
    monkeypatch.setenv("EPICS_CA_MAX_ARRAY_BYTES", "20000")
    monkeypatch.setenv("CAPROTO_MAX_COMMAND_BACKLOG", "7")
    async with serving({"x": ChannelDouble(value=[0.0] * 5000)}) as context:
        assert context.limits[:3] == (20024, 1, 1)
        assert context.limits.max_requests == 7
        assert context.port is not None
        client = await RawClient.connect(context.port)
        client.send(raw_message(0, 0, 13))
        sid = await client.create("x")
        client.send(raw_message(18, 0, 0, 2, 13, b"x\0"))
        assert [(await client.next()).command for _ in range(2)] == [11, 26]
        await client.subscribe(sid, 1)
        assert (await client.subscribe(sid, 2)).command == 11
        client.send(raw_message(19, 6, 2503, sid, 1, bytes(20024)))
        assert (await client.next()).command == 1
        assert (await client.next()).command == 19
        client.send(raw_message(19, 6, 2504, sid, 1, bytes(20032)))
        error = await client.next()
        assert (error.command, error.p2) == (11, 72)
        assert await client.closed()
        await client.close()


def test_array_bytes_are_no_limit_by_default(
    loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EPICS_CA_MAX_ARRAY_BYTES", "20000")
    assert Context({}).limits.max_payload == 1 << 30
