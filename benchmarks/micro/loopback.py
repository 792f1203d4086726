"""A client whose server is a function: no socket, so that only the client's own time is measured."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from caproto._protocol.enums import ChannelType
from caproto._protocol.messages import AccessRightsResponse, CreateChanResponse, VersionResponse
from caproto.asyncio.client import PV, Context
from caproto.client.circuit import Circuit

__all__ = ["connected_circuit"]

ADDRESS = ("127.0.0.1", 9)


@asynccontextmanager
async def connected_circuit(max_workers: int) -> AsyncIterator[tuple[PV, Circuit]]:
    """Give a PV that is connected to nothing, and the circuit to feed."""
    os.environ.update(
        EPICS_CA_ADDR_LIST="127.0.0.1", EPICS_CA_AUTO_ADDR_LIST="NO", CAPROTO_NO_REPEATER="1"
    )
    async with Context(max_workers=max_workers) as ctx:
        (pv,) = await ctx.get_pvs("bench")
        engine = ctx._engine
        circuit = Circuit(engine, ADDRESS, 0, 13, ctx._loop.time())
        engine.circuits[ADDRESS, 0] = circuit
        ctx.broadcaster.results.on_reply(0, ADDRESS, 13, ctx._loop.time())
        circuit.connected_by(lambda data: None, ctx._loop.time())
        cid = circuit.pvs[0].channel.cid  # type: ignore[union-attr]
        greeting = [
            VersionResponse(13),
            AccessRightsResponse(cid, 3),
            CreateChanResponse(ChannelType.DOUBLE, 1, cid, 1),
        ]
        circuit.feed(b"".join(bytes(message) for message in greeting), ctx._loop.time())
        assert pv.connected
        circuit.manager = _NoSocket()
        yield pv, circuit


class _NoSocket:
    """Stands for the circuit's socket."""

    paused = False

    def close_transport(self) -> None:
        """There is nothing to close."""

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""
