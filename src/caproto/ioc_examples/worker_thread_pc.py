"""Work that blocks, done by a thread: a write to the request completes when the work is done (put completion).

Other clients are served meanwhile.

PVs
---
request
    How many tenths of a second the worker is to work. When that is done, the number is the value.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run


def worker(requests: Any) -> None:
    """Do the work: the function that the thread runs.

    Parameters
    ----------
    requests : AsyncioQueue
        Of pairs of a number and a queue for the answer.
    """
    while True:
        tenths, answer = requests.get()
        time.sleep(
            max(0, tenths) / 10
        )  # stands for something that takes time and cannot be awaited
        answer.put(tenths)


class WorkerThreadIOC(PVGroup):
    """A request that takes time."""

    request: Final = pvproperty(value=0, doc="tenths of a second")

    @request.startup
    async def _start(self, instance: Any, async_lib: Any) -> None:
        self.Queue: Any = async_lib.ThreadsafeQueue
        self.requests: Any = self.Queue()
        threading.Thread(target=worker, args=(self.requests,), daemon=True).start()

    @request.putter
    async def _ask(self, instance: Any, value: Any) -> Any:
        answer = self.Queue()
        await self.requests.async_put((value, answer))
        return await answer.async_get()


def main() -> None:
    """Run the IOC."""
    ioc_options, run_options = ioc_arg_parser(default_prefix="wt:", desc=__doc__ or "")
    ioc = WorkerThreadIOC(**ioc_options)
    run(ioc.pvdb, **run_options)


if __name__ == "__main__":
    main()
