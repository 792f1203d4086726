"""An IOC in Python, for our caproto and for the original alike: ``python -m benchmarks.server.ioc``.

It uses what both document, in the way that both recommend: a `PVGroup` of `pvproperty`.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.peers.measurement import resident_bytes
from benchmarks.server.pvs import (
    BATCH,
    FAN_OUTS,
    input_name,
    output_name,
    target_name,
    trigger_name,
)
from caproto.asyncio.server import run
from caproto.server import PVGroup, pvproperty

__all__ = ["make_group"]


def _putter(attributes: list[str]) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """Return the putter of a trigger."""

    async def put(group: Any, instance: Any, value: Any) -> None:
        for attribute in attributes:
            await getattr(group, attribute).write(value)

    return put


def make_group(inputs: int) -> Any:
    """Return the group of all PVs."""
    body: dict[str, Any] = {
        f"input_{index}": pvproperty(name=input_name(index), value=float(index))
        for index in range(inputs)
    }
    for index in range(BATCH):
        body[f"output_{index}"] = pvproperty(name=output_name(index), value=0.0)
    for clients, targets in FAN_OUTS.items():
        attributes = [f"target_{clients}_{index}" for index in range(targets)]
        for index, attribute in enumerate(attributes):
            body[attribute] = pvproperty(name=target_name(clients, index), value=0.0)
        body[f"trigger_{clients}"] = pvproperty(
            name=trigger_name(clients), value=0.0, put=_putter(attributes)
        )
    group: Any = type("Bench", (PVGroup,), body)
    return group(prefix="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, required=True)
    parser.add_argument("--uvloop", action="store_true")
    arguments = parser.parse_args()
    if arguments.uvloop:
        import asyncio

        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    logging.disable(logging.WARNING)
    group = make_group(arguments.inputs)
    resident_bytes()  # gives back what is free
    run(group.pvdb, log_pv_names=False)


if __name__ == "__main__":
    main()
