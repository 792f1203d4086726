"""Read the PV on the command line with our client; ``--uvloop`` as the second argument takes that loop."""

import asyncio
import sys
import time

from caproto.asyncio.client import Context


async def main() -> None:
    (pv,) = await Context().get_pvs(sys.argv[1])
    value = (await pv.read()).value
    print(time.monotonic(), value, flush=True)


if sys.argv[2:] == ["--uvloop"]:
    import uvloop

    uvloop.new_event_loop().run_until_complete(main())
else:
    asyncio.run(main())
