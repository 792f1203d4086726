"""Work that blocks, done by a thread: a write to the request completes at once, and the response comes when it is there.

PVs
---
request
    A number for the worker.
response
    Twice that number, when the worker is done.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


def worker(requests: Any, responses: Any) -> None:
    """Do the work: the function that the thread runs.

    Parameters
    ----------
    requests, responses : AsyncioQueue
        Their `get` and `put` are for threads. They end the thread when the server ends.
    """
    while True:
        request = requests.get()
        time.sleep(0.1)  # stands for something that takes time and cannot be awaited
        responses.put(2 * request)


class WorkerThreadIOC(PVGroup):
    """A request and its response."""

    request: Final = pvproperty(value=0, doc="a number for the worker")
    response: Final = pvproperty(value=0, doc="twice that number")

    @request.startup
    async def _start(self, instance: Any, async_lib: Any) -> None:
        self.requests: Any = async_lib.ThreadsafeQueue()
        responses = async_lib.ThreadsafeQueue()
        threading.Thread(target=worker, args=(self.requests, responses), daemon=True).start()
        while True:
            await self.response.write(await responses.async_get())

    @request.putter
    async def _ask(self, instance: Any, value: Any) -> None:
        await self.requests.async_put(value)


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="wt:", desc=__doc__ or "")
    ioc = WorkerThreadIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
