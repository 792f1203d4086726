"""Start, import asyncio and exchange one datagram: what every asyncio client has to do."""

import asyncio
import os
import struct
import sys
import time
from typing import Any

HEADER = struct.Struct(">HHHHII")


class Searcher(asyncio.DatagramProtocol):
    """Searches once."""

    def __init__(self) -> None:
        self.found = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        name = sys.argv[1].encode() + b"\0"
        name += bytes(-len(name) % 8)
        version = HEADER.pack(0, 0, 0, 13, 0, 0)
        transport.sendto(version + HEADER.pack(6, len(name), 5, 13, 1, 1) + name)

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.found.set_result(None)


async def main() -> None:
    host, _, port = os.environ["EPICS_CA_ADDR_LIST"].split()[0].partition(":")
    loop = asyncio.get_running_loop()
    _, searcher = await loop.create_datagram_endpoint(Searcher, remote_addr=(host, int(port)))
    await searcher.found
    _, writer = await asyncio.open_connection(host, int(port))
    print(time.monotonic(), None, flush=True)
    writer.close()


asyncio.run(main())
