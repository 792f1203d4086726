# ruff: noqa
# mypy: ignore-errors
import asyncio
import sys

from caproto import (
    AccessRights,
    ChannelData,
    ChannelDouble,
    ChannelEnum,
    ChannelInteger,
    ChannelString,
)
from caproto.asyncio.server import AsyncioAsyncLayer, Context, start_server
from caproto.server import PVGroup, PVSpec, channeldata_from_pvspec, pvproperty


class Guarded(ChannelInteger):
    def check_access(self, hostname, username):
        return AccessRights.READ

    async def verify_value(self, data):
        return data


class Limited(ChannelDouble):
    async def verify_value(self, data):
        data = await super().verify_value(data)
        if data > 10:
            raise ValueError("too much")
        return data


class Twice(ChannelDouble):
    async def read(self, data_type):
        await self.write(self.value * 2)
        return await super().read(data_type)


class Empty(PVGroup):
    pass


async def put(group, instance, value):
    await instance.alarm.write(status=3, severity=2)
    return value


async def main():
    pvdb = {
        "emb:double": Limited(value=1.25, units="mm", precision=3),
        "emb:guarded": Guarded(value=5),
        "emb:twice": Twice(value=1.0),
        "emb:enum": ChannelEnum(value="a", enum_strings=["a", "b"]),
        "emb:string": ChannelString(value="text", string_encoding="utf-8"),
    }
    group = Empty(prefix="emb:", macros={})
    name, data = channeldata_from_pvspec(
        group, PVSpec(attr="spec", name="spec", value=[1, 2, 3], put=put)
    )
    pvdb[name] = data
    # A class made at run time.
    dynamic = type("Dynamic", (PVGroup,), {f"n{i}": pvproperty(value=i) for i in range(3)})(
        prefix="emb:"
    )
    pvdb.update(dynamic.pvdb)
    started = asyncio.Event()

    async def hook(async_lib):
        assert isinstance(async_lib, AsyncioAsyncLayer)
        assert async_lib.library is asyncio
        started.set()

    if len(sys.argv) > 1 and sys.argv[1] == "start_server":
        server = asyncio.create_task(start_server(pvdb, log_pv_names=True, startup_hook=hook))
    else:
        ctx = Context(pvdb)
        server = asyncio.create_task(ctx.run(log_pv_names=True, startup_hook=hook))
    await started.wait()
    # The program writes while it serves.
    value = 0
    while not server.done():
        value += 1
        await dynamic.n0.write(value)
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main())
