"""Alarms by limits, HYST, MDEL and ADEL: our IOC and the C IOC send the same client the same updates."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from caproto.server import PVGroup, pvproperty
from tests.asyncio.raw_client import RawClient, serving
from tests.support import CIoc
from tests.support.raw_messages import raw_message

pytestmark = pytest.mark.interop

TIME_DOUBLE, DOUBLE = 20, 6
EVENT, WRITE_NOTIFY = 1, 19
MASKS = (1, 2, 4)
"""Values, what archivers want, alarms."""
FAR = 1000.0
"""Beyond all dead-bands and limits; the last value."""
STEPS = """
0.2 0.4 0.6 1.0 1.9 2.5 4.9 5.0 4.8 4.6 4.4 4.9 5.1 7.9 8.0 7.7 7.4 7.6 8.2 4.6 4.4
-4.9 -5.0 -4.6 -4.4 -9 -7.6 -7.4 -4.6 -4.4 0 0.1 0.2 0.3 0.31 0.5
HYST=0 8.0 7.9 5.0 4.9 HIGH=4 4.5 HSV=0 4.6 HSV=3 4.6 MDEL=0 4.61 4.62 ADEL=0 4.63 0 HYST=2 HIHI=1 1 -0.5 -1.1
"""
"""Never the same value twice without a dead-band: an IOC in Python sends that again, so that clients see its time."""

Update = tuple[float, int, int]


class Alarms(PVGroup):
    """The PV of alarms.db."""

    x = pvproperty(
        value=0.0,
        record="ao",
        precision=2,
        upper_alarm_limit=8.0,
        upper_warning_limit=5.0,
        lower_warning_limit=-5.0,
        lower_alarm_limit=-8.0,
        value_atol=0.3,
        log_atol=1.0,
    )


class Watcher:
    """A client that subscribes to each kind of update by itself."""

    def __init__(self, client: RawClient) -> None:
        self.client = client
        self.updates: dict[int, list[Update]] = {mask: [] for mask in MASKS}
        self._sids: dict[str, int] = {}

    async def subscribe(self) -> None:
        """Subscribe, and leave the first updates out."""
        self._sids["VAL"] = sid = await self.client.create("A:x")
        for mask in MASKS:
            payload = struct.pack(">fffHxx", 0, 0, 0, mask)
            self.client.send(raw_message(EVENT, TIME_DOUBLE, 1, sid, mask, payload))
            assert (await self.client.next()).p2 == mask

    async def write(self, field: str, value: float) -> None:
        """Write, and wait for the confirmation."""
        if field not in self._sids:
            self._sids[field] = await self._create(field)
        payload = struct.pack(">d", value)
        self.client.send(raw_message(WRITE_NOTIFY, DOUBLE, 1, self._sids[field], 7, payload))
        await self._until(WRITE_NOTIFY)

    async def _create(self, field: str) -> int:
        cid = len(self._sids) + 1
        self.client.send(raw_message(18, 0, 0, cid, 13, f"A:x.{field}".encode() + b"\0"))
        return await self._until(18)

    async def _until(self, command: int) -> int:
        """Take updates until there is another message; return its last parameter."""
        while True:
            message = await self.client.next()
            if message.command == EVENT:
                status, severity, value = struct.unpack(">HH8x4xd", message.payload)
                self.updates[message.p2].append((value, status, severity))
            elif message.command == command:
                return message.p2

    async def far(self) -> None:
        """Write the last value, and wait until everybody has seen it."""
        await self.write("VAL", FAR)
        while any(not seen or seen[-1][0] != FAR for seen in self.updates.values()):
            message = await self.client.next()
            status, severity, value = struct.unpack(">HH8x4xd", message.payload)
            self.updates[message.p2].append((value, status, severity))


async def watched(port: int) -> dict[int, list[Update]]:
    watcher = Watcher(await RawClient.connect(port))
    watcher.client.send(raw_message(0, 0, 13))
    await watcher.subscribe()
    for step in STEPS.split():
        field, _, value = step.rpartition("=")
        await watcher.write(field or "VAL", float(value))
    await watcher.far()
    await watcher.client.close()
    return watcher.updates


async def test_updates_by_alarm_limits_hysteresis_and_dead_bands(tmp_path: Path) -> None:
    with CIoc(Path(__file__).with_name("alarms.db"), folder=tmp_path) as ioc:
        theirs = await watched(ioc.port)
    group = Alarms("A:")
    await group.x.get_field("HYST").write(0.5)
    async with serving(group.pvdb) as context:
        assert context.port is not None
        ours = await watched(context.port)
    assert theirs == ours
