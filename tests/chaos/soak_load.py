"""The clients' side of the soak: readers, writers and watchers that check what they get."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from caproto import CaprotoError
from caproto.asyncio.client import PV, Context

from .soak_truth import Report, Target

SLACK = 2.0  # seconds by which an operation may be late: the machine has other things to do
TIMEOUTS = (0.05, 0.3, 1.0, 2.0, 5.0)


class Watcher:
    """
    A subscription, and what it has seen.

    Parameters
    ----------
    target
        What is watched.
    report
        Where to complain.
    """

    def __init__(self, target: Target, report: Report) -> None:
        self.target = target
        self.report = report
        self.last: int | None = None

    def see(self, response: Any) -> None:
        """Take an update."""
        self.report.operations["update"] += 1
        data = response.data
        count = self.target.count_in(data)
        if count is None:
            self.report.wrong.append(f"update of {self.target.name}: {list(data[:3])}")
        else:
            self.last = count


class Client:
    """
    A Context, its PVs, and a watcher for each.

    Parameters
    ----------
    targets
        What it connects to.
    report
        Where to count.
    rng
        Decides.
    max_workers
        Of the Context.
    """

    def __init__(
        self, targets: list[Target], report: Report, rng: random.Random, max_workers: int
    ) -> None:
        self.ctx = Context(timeout=2.0, max_workers=max_workers)
        self.targets = targets
        self.report = report
        self.rng = rng
        self.pvs: dict[Target, PV] = {}
        self.place: PV | None = None
        self.watchers: list[Watcher] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._callbacks: list[Any] = []

    async def start(self, watching: bool) -> None:
        """Ask for the PVs, and watch them, each in another way."""
        pvs = await self.ctx.get_pvs(*(target.name for target in self.targets), "SOAK:place")
        self.place = pvs.pop()
        self.pvs = dict(zip(self.targets, pvs, strict=True))
        if watching:
            ways = (self._watch_plain, self._watch_coroutine, self._watch_all, self._watch_latest)
            for index, target in enumerate(self.targets):
                watcher = Watcher(target, self.report)
                self.watchers.append(watcher)
                ways[index % len(ways)](watcher, slow=index % 3 == 0)

    async def stop(self) -> None:
        """Disconnect."""
        await self.ctx.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _watch_plain(self, watcher: Watcher, slow: bool) -> None:
        blocks = slow and self.ctx._pools.max_workers > 0

        def callback(sub: Any, response: Any) -> None:
            if blocks:
                time.sleep(0.005)
            watcher.see(response)

        self.pvs[watcher.target].subscribe().add_callback(callback, strong=True)

    def _watch_coroutine(self, watcher: Watcher, slow: bool) -> None:
        async def callback(sub: Any, response: Any) -> None:
            if slow:
                await asyncio.sleep(0.02)
            watcher.see(response)

        self.pvs[watcher.target].subscribe().add_callback(callback, strong=True)

    def _watch_all(self, watcher: Watcher, slow: bool) -> None:
        updates = self.pvs[watcher.target].subscribe().updates(maxsize=20 if slow else 10_000)
        self._tasks.append(asyncio.create_task(self._iterate(watcher, updates, slow)))

    def _watch_latest(self, watcher: Watcher, slow: bool) -> None:
        updates = self.pvs[watcher.target].subscribe().updates(policy="latest")
        self._tasks.append(asyncio.create_task(self._iterate(watcher, updates, slow)))

    async def _iterate(self, watcher: Watcher, updates: Any, slow: bool) -> None:
        async for response in updates:
            if slow:
                await asyncio.sleep(0.05)
            watcher.see(response)

    # --- operations -----------------------------------------------------------------------------

    async def within(self, what: str, timeout: float, awaitable: Awaitable[Any]) -> Any:
        """Count an operation and how it ends; return its result, or None if it has none."""
        loop = asyncio.get_running_loop()
        self.report.operations[what] += 1
        start = loop.time()
        task = asyncio.ensure_future(awaitable)
        done, _ = await asyncio.wait({task}, timeout=timeout + 5 * SLACK)
        if not done:
            task.cancel()
            self.report.lost.append(f"{what} with a timeout of {timeout} s did not end")
            return None
        late = loop.time() - start - timeout
        if late > SLACK:
            self.report.lost.append(f"{what} with a timeout of {timeout} s was {late:.1f} s late")
        try:
            return task.result()
        except CaprotoError as error:
            self._count_error(error)
            return None

    def _count_error(self, error: CaprotoError) -> None:
        stage = getattr(error, "stage", None)
        self.report.errors[type(error).__name__ + (f" ({stage})" if stage else "")] += 1

    async def read(self, target: Target) -> None:
        """Read, and check the value."""
        rng = self.rng
        timeout = rng.choice(TIMEOUTS)
        floor, starts = target.floor, target.starts
        data_type = rng.choice((None, None, "time", "control"))
        reading = self.pvs[target].read(
            timeout=timeout, data_type=data_type, notify=rng.random() < 0.9
        )
        response = await self.within("read", timeout, reading)
        if response is not None:
            self._check(target, response, floor, starts)

    def _check(self, target: Target, response: Any, floor: int, starts: int) -> None:
        complaint = target.complaint(response.data, floor, starts)
        if complaint is not None:
            self.report.wrong.append(f"read: {complaint}")

    async def read_many(self) -> None:
        """Read many at once."""
        timeout = self.rng.choice(TIMEOUTS)
        targets = self.rng.sample(self.targets, self.rng.randrange(1, len(self.targets)))
        known = [(target.floor, target.starts) for target in targets]
        call = self.ctx.read_many([self.pvs[target] for target in targets], timeout=timeout)
        results = await self.within("read many", timeout, call)
        for target, result, (floor, starts) in zip(targets, results or (), known, strict=False):
            if isinstance(result, CaprotoError):
                self._count_error(result)
            else:
                self._check(target, result, floor, starts)

    async def read_place(self) -> None:
        """Read the PV that both servers have."""
        assert self.place is not None
        timeout = self.rng.choice(TIMEOUTS)
        response = await self.within(
            "read of two servers", timeout, self.place.read(timeout=timeout)
        )
        if response is not None and response.value not in ("A", "B"):
            self.report.wrong.append(f"place {response.value!r}")

    async def cancelled_read(self, target: Target) -> None:
        """Read, and change one's mind."""
        self.report.operations["cancelled read"] += 1
        task = asyncio.ensure_future(self.pvs[target].read(timeout=5.0))
        await asyncio.sleep(self.rng.choice((0, 0, 0.001, 0.1)))
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            self._check(target, task.result(), 0, -1)

    async def write(self, target: Target) -> None:
        """Write the next value, and remember what became of it."""
        timeout = self.rng.choice(TIMEOUTS)
        starts, value = target.starts, target.next_value()
        count = target.attempted
        target.unknown.add(count)
        if self.rng.random() < 0.2:
            call = self.pvs[target].write(value, wait=False, timeout=timeout)
            await self.within("unconfirmed write", timeout, call)
            return
        response = await self.within(
            "write", timeout, self.pvs[target].write(value, timeout=timeout)
        )
        if response is not None:
            target.confirmed(count, starts)

    def random_operation(self) -> Callable[[], Awaitable[None]]:
        """Choose what a reader does next."""
        target = self.rng.choice(self.targets)
        return self.rng.choices(
            (
                lambda: self.read(target),
                self.read_many,
                self.read_place,
                lambda: self.cancelled_read(target),
            ),
            (10, 2, 2, 2),
        )[0]
