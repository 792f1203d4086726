"""Read the PV on the command line with repics on asyncio."""

import asyncio
import sys
import time

from repics.ca.asyncio import caget


async def main() -> None:
    value = float(await caget(sys.argv[1], form="plain"))
    print(time.monotonic(), value, flush=True)


asyncio.run(main())
