"""Random faults for minutes: nothing may be lost, nothing wrong, nothing leaked.

Two C IOCs stand behind two proxies; clients read, write and watch while connections are cut, reset, stalled, delayed
and damaged, datagrams lost and forged, and IOCs frozen, killed and moved. Every read and write must end with a result
or an error within its timeout; a value that is read must be one that was written, and none that is known to have been
replaced; whenever the faults pause, every subscription must end up with what the server has; and in the end file
descriptors, tasks, threads, objects and memory must be back where they were.

What happens is decided by the seed, which is printed: ``python -m tests.chaos.soak --seconds 300 --seed 7``. The
moments at which it happens are the machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from caproto.asyncio.client import Context
from tests.asyncio.waiting import until
from tests.support import free_port, loopback_settings
from tests.support.leaks import open_fds

from .soak_faults import Faults, Site
from .soak_load import Client, Watcher
from .soak_truth import Report, Target

READERS = 6  # for each lasting client
PAUSE_EVERY = 15.0  # seconds between two looks at the truth
CALM_LIMIT = 30.0  # seconds after which whatever has not recovered never will
MEMORY_SLACK = 16 << 20
SETTINGS = {"EPICS_CA_CONN_TMO": "1", "CAPROTO_RESPONSIVENESS_TIMEOUT_SEC": "1"}


def memory() -> int:
    """Return how much memory this process occupies, in bytes (Linux; 0 elsewhere)."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def living() -> Counter[str]:
    """Count the objects of the client, by class."""
    gc.collect()
    kinds = (type(each) for each in gc.get_objects())
    return Counter(
        kind.__qualname__ for kind in kinds if str(kind.__module__).startswith("caproto.")
    )


def search_at(ports: Iterable[int]) -> None:
    """Let Contexts made from now on search at these ports."""
    os.environ["EPICS_CA_ADDR_LIST"] = " ".join(f"127.0.0.1:{port}" for port in ports)


class Soak:
    """
    One run.

    Parameters
    ----------
    seed
        Decides what happens.
    folder
        For the IOCs.
    say
        Called with lines of progress.
    """

    def __init__(self, seed: int, folder: Path, say: Callable[[str], object]) -> None:
        self.seed = seed
        self.report = Report()
        self._say = say
        self._sites = [
            Site(place, 1 + 100 * index, folder, seed + index) for index, place in enumerate("AB")
        ]
        self._targets = [target for site in self._sites for target in site.targets]
        self._clients: list[Client] = []
        self._may_run = asyncio.Event()
        self._busy = 0
        self._memory: list[int] = []

    def _rng(self, who: str) -> random.Random:
        return random.Random(f"{self.seed} {who}")

    async def run(self, seconds: float) -> Report:
        """Run for about so many seconds, and the time that it takes to look at the truth."""
        asyncio.get_running_loop().set_exception_handler(self._on_unhandled)
        async with AsyncExitStack() as stack:
            for site in self._sites:
                stack.callback(site.ioc.stop)
                await asyncio.to_thread(site.ioc.start)
            async with self._direct_context() as direct:  # what is made once for all is made now
                (pv,) = await direct.get_pvs(self._targets[0].name)
                assert (await pv.read()).data is not None
            before = (open_fds(), set(threading.enumerate()), asyncio.all_tasks(), living())
            async with AsyncExitStack() as proxies:
                for site in self._sites:
                    await proxies.enter_async_context(site.proxy)
                await self._run_clients(seconds)
            self._clients.clear()
            await self._look_for_leaks(*before)
        return self.report

    def _direct_context(self) -> Context:
        """Return a Context that goes to the IOCs without the proxies."""
        others = os.environ["EPICS_CA_ADDR_LIST"]
        search_at(site.ioc.port for site in self._sites)
        try:
            return Context(timeout=CALM_LIMIT)
        finally:
            os.environ["EPICS_CA_ADDR_LIST"] = others

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self.report.wrong.append(
            f"unhandled: {context.get('message')}: {context.get('exception')!r}"
        )

    # --- the load -------------------------------------------------------------------------------

    async def _run_clients(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        search_at(site.proxy.port for site in self._sites)
        for index in range(2):
            client = Client(self._targets, self.report, self._rng(f"client {index}"), 1 - index)
            self._clients.append(client)
            await client.start(watching=True)
        tasks = [loop.create_task(self._writer(target)) for target in self._targets]
        tasks += [loop.create_task(self._reader(client)) for client in self._clients * READERS]
        tasks += [loop.create_task(self._comer_and_goer(index)) for index in range(2)]
        faults = Faults(self._sites, self._rng("faults"), self.report.faults)
        end = loop.time() + seconds
        try:
            await self._look_at_the_truth()
            while (left := end - loop.time()) > 0:
                self._may_run.set()
                await faults.run(min(left, PAUSE_EVERY))
                self._may_run.clear()
                await self._look_at_the_truth()
                self._say(f"{max(0.0, end - loop.time()):.0f} s left; {self._summary()}")
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            for client in self._clients:
                await client.stop()
        for result in results:
            if isinstance(result, Exception):
                self.report.wrong.append(f"a task ended with {result!r}")

    def _summary(self) -> str:
        report = self.report
        return (
            f"operations {sum(report.operations.values())}, faults {sum(report.faults.values())}, "
            f"errors {sum(report.errors.values())}, lost {len(report.lost)}, wrong {len(report.wrong)}, "
            f"{self._memory[-1] >> 20} MiB"
        )

    async def _turn(self, operation: Callable[[], Awaitable[None]]) -> None:
        """Do something, unless it is the time to look at the truth."""
        await self._may_run.wait()
        self._busy += 1
        try:
            await operation()
        finally:
            self._busy -= 1

    async def _writer(self, target: Target) -> None:
        rng = self._rng(target.name)
        while True:
            client = rng.choice(self._clients)
            await self._turn(lambda client=client: client.write(target))  # type: ignore[misc]
            await asyncio.sleep(rng.uniform(0, 0.05))

    async def _reader(self, client: Client) -> None:
        while True:
            await self._turn(client.random_operation())
            await asyncio.sleep(client.rng.uniform(0, 0.02))

    async def _comer_and_goer(self, index: int) -> None:
        """Make a Context, use it for a moment, and disconnect in whatever state it is."""
        rng = self._rng(f"comer and goer {index}")
        while True:
            await self._turn(lambda: self._come_and_go(rng))
            await asyncio.sleep(rng.uniform(0, 0.2))

    async def _come_and_go(self, rng: random.Random) -> None:
        self.report.operations["context"] += 1
        client = Client(rng.sample(self._targets, 4), self.report, rng, rng.randrange(2))
        try:
            await client.start(watching=rng.random() < 0.5)
            operations = [
                asyncio.ensure_future(client.random_operation()()) for _ in range(rng.randrange(4))
            ]
            await asyncio.sleep(rng.choice((0, 0.01, 0.1, 0.5)))
        finally:
            await client.stop()
        await asyncio.gather(*operations)

    # --- the truth ------------------------------------------------------------------------------

    async def _look_at_the_truth(self) -> None:
        """Wait until everything rests, and compare."""
        try:
            await until(lambda: not self._busy, CALM_LIMIT)
        except AssertionError:
            self.report.lost.append(f"{self._busy} operations never ended")
        for target in self._targets:
            await self._settle(target)
        async with self._direct_context() as direct:
            pvs = await direct.get_pvs(*(target.name for target in self._targets))
            for target, pv in zip(self._targets, pvs, strict=True):
                response = await pv.read()
                assert response is not None
                if target.count_in(response.data) != target.floor:
                    self.report.wrong.append(f"{target.name} is not what was written last")
        for client in self._clients:
            for watcher in client.watchers:
                await self._wait_for(watcher)
        gc.collect()
        self._memory.append(memory())

    async def _settle(self, target: Target) -> None:
        """Write a value of which it is sure that it arrives, and that it is the last."""
        client = self._clients[0]
        self.report.operations["write"] += 1
        value = target.next_value()
        try:
            await client.pvs[target].write(value, timeout=CALM_LIMIT)
        except Exception as error:
            self.report.lost.append(f"write to {target.name} without faults: {error!r}")
        target.settled(target.attempted)

    async def _wait_for(self, watcher: Watcher) -> None:
        """Wait until a subscription has the newest value."""
        try:
            await until(lambda: watcher.last == watcher.target.floor, CALM_LIMIT)
        except AssertionError:
            target = watcher.target
            self.report.lost.append(
                f"update {target.floor} of {target.name}; the last was {watcher.last}"
            )

    async def _look_for_leaks(
        self,
        fds: dict[int, str],
        threads: set[threading.Thread],
        tasks: set[asyncio.Task[object]],
        objects: Counter[str],
    ) -> None:
        loop = asyncio.get_running_loop()
        await loop.shutdown_default_executor()  # the threads that waited for the IOCs
        for thread in set(threading.enumerate()) - threads:
            thread.join(1.0)
        leaked = self.report.leaked
        leaked += [
            f"file descriptor {fd} -> {to}" for fd, to in open_fds().items() if fds.get(fd) != to
        ]
        leaked += [f"thread {thread.name}" for thread in set(threading.enumerate()) - threads]
        leaked += [f"task {task}" for task in asyncio.all_tasks() - tasks]
        leaked += [f"{count} {kind}" for kind, count in (living() - objects).items()]
        first, last = self._memory[0], self._memory[-1]
        self._say(
            f"memory with everything connected: at first {first >> 20} MiB, at last {last >> 20} MiB"
        )
        if last - first > max(MEMORY_SLACK, first // 10):
            leaked.append(f"{(last - first) >> 20} MiB of memory")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    logging.getLogger("caproto").setLevel(logging.CRITICAL)
    for name in list(os.environ):
        if name.startswith(("EPICS_", "CAPROTO_")):
            del os.environ[name]
    os.environ.update(loopback_settings([free_port()], free_port()) | SETTINGS)

    async def soak(folder: Path) -> Report:
        return await Soak(arguments.seed, folder, lambda line: print(line, flush=True)).run(
            arguments.seconds
        )

    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(soak(Path(folder)))
    print(report)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
