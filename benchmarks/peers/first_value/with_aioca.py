"""Read the PV on the command line with aioca."""

import asyncio
import sys
import time

from aioca import caget


async def main() -> None:
    value = float(await caget(sys.argv[1]))
    print(time.monotonic(), value, flush=True)


asyncio.run(main())
