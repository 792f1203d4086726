"""The options of a circuit's socket."""

from __future__ import annotations

import socket

from caproto.asyncio.client import Context

from ..conftest import Loopback
from .scripted_server import ScriptedServer


async def test_circuit_sends_at_once_and_notices_a_peer_that_vanished(loopback: Loopback) -> None:
    """TCP_NODELAY, because requests are joined already; SO_KEEPALIVE beside the protocol's own echo."""
    async with ScriptedServer(loopback.ca_port), Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        manager = pv.circuit_manager
        assert manager is not None
        assert manager._transport is not None
        sock = manager._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0


async def test_program_that_closes_a_circuit_is_connected_again_at_once(loopback: Loopback) -> None:
    """Only a server that hangs up early is left alone for a while."""
    async with ScriptedServer(loopback.ca_port) as server, Context(timeout=10) as ctx:
        (pv,) = await ctx.get_pvs("pv")
        await pv.wait_for_connection()
        manager = pv.circuit_manager
        assert manager is not None
        await manager.disconnect()
        await pv.wait_for_connection()
        assert ctx._engine._penalties == {}
        assert len(server.connections) >= 1
