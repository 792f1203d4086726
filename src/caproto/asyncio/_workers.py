"""The worker threads on which plain callbacks run."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

from ._backlog import BACKLOG_HIGH, BACKLOG_LOW, BYTES_HIGH, BYTES_LOW

if TYPE_CHECKING:
    from ..client.circuit import Circuit

__all__ = ["Job", "WorkerPool", "WorkerPools", "WorkerThread"]

_logger = logging.getLogger("caproto.ctx")

Job: TypeAlias = tuple[Callable[[Any, Any], Any] | None, Any, Any]
"""A function that raises nothing, and its two arguments."""
_PARTS = 3


def call(func: Callable[[Any], Any], argument: Any) -> None:
    """Do a job with one argument."""
    func(argument)


class WorkerThread(threading.Thread):
    """A thread that runs callbacks of the program."""


class WorkerPool:
    """Worker threads that run plain callbacks, started in the order in which the updates arrived.

    Updates are handed over once per received chunk: `push` collects, `flush` hands over. While too much waits, the
    server of `circuit` is asked to hold back.

    What waits is one flat list of functions, headers and payloads, and the threads make the updates of them: with an
    object and a tuple for each update that waited, the garbage collector took a quarter of all processor time, and an
    update 2.2 instead of 1.6 us.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    max_workers : int
        Number of threads; they start with the first job.
    name : str
        Of the threads.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_workers: int, name: str) -> None:
        self._loop = loop
        self._max_workers = max_workers
        self._name = name
        self._queue: SimpleQueue[tuple[list[Any], int] | None] = SimpleQueue()
        self._threads: list[WorkerThread] = []
        self._lock = threading.Lock()
        self._waiting = self._waiting_bytes = 0
        self._held: set[Circuit] = set()
        self._flushes_soon = False
        self.batch: list[Any] = []
        # A tuple for each update would be one more object that the garbage collector looks through while it waits.
        self.push: Callable[[Job], None] = self.batch.extend

    def flush(self, circuit: Circuit | None = None, nbytes: int = 0) -> None:
        """Hand over what was collected since the last time."""
        batch = self.batch
        if not batch:
            return
        jobs = batch.copy()
        count = len(jobs) // _PARTS
        batch.clear()
        if not self._threads:
            self._start()
        with self._lock:
            self._waiting += count
            self._waiting_bytes += nbytes
            crowded = self._waiting > BACKLOG_HIGH or self._waiting_bytes > BYTES_HIGH
            if crowded and circuit is not None and circuit not in self._held:
                self._held.add(circuit)
                circuit.suspend(self)
        if self._max_workers == 1:
            self._queue.put((jobs, nbytes))
        else:  # a worker takes one at a time, so that the others find something to do
            for start in range(0, len(jobs), _PARTS):
                self._queue.put((jobs[start : start + _PARTS], 0 if start else nbytes))

    def submit(self, func: Callable[[Any], Any], argument: Any) -> None:
        """Hand over one job, behind what was collected, at the end of this turn of the loop.

        When thousands of PVs connect at once, a worker that is woken for each event takes twice the time.
        """
        self.push((call, func, argument))
        if not self._flushes_soon:
            self._flushes_soon = True
            self._loop.call_soon(self._flush_now)

    def _flush_now(self) -> None:
        self._flushes_soon = False
        self.flush()

    def _start(self) -> None:
        for index in range(self._max_workers):
            thread = WorkerThread(target=self._work, name=f"{self._name}-{index}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        """Run jobs until told to stop."""
        take = self._queue.get
        while (item := take()) is not None:
            jobs, nbytes = item
            parts = iter(jobs)
            while True:
                try:
                    for func, first, second in zip(parts, parts, parts, strict=True):
                        func(first, second)
                    break
                except BaseException:  # also `sys.exit()`, which must not be the end of all others
                    _logger.exception("A callback failed")
            with self._lock:
                self._waiting -= len(jobs) // _PARTS
                self._waiting_bytes -= nbytes
                relax = (
                    self._held and self._waiting < BACKLOG_LOW and self._waiting_bytes < BYTES_LOW
                )
            # What waits for the next update must not keep the last one alive, nor its PV.
            del item, jobs, parts, func, first, second
            if relax:
                self._call_loop(self._release)

    def _call_loop(self, func: Callable[..., Any], *args: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(func, *args)
        except RuntimeError:
            pass  # the loop is closed: nobody cares any more

    def _release(self) -> None:
        """Let the servers send again."""
        with self._lock:
            held, self._held = self._held, set()
        for circuit in held:
            circuit.resume(self)

    def abandon(self) -> None:
        """Let the threads end when they have nothing more to do."""
        for _ in self._threads:
            self._queue.put(None)

    async def stop(self, timeout: float, caller: threading.Thread | None = None) -> None:
        """Finish what was handed over and end the threads; give up on a callback after `timeout` seconds.

        `caller` is the thread that waits for this: it cannot end before.
        """
        threads, self._threads = self._threads, []
        if not threads:
            return
        self.flush()
        for _ in threads:
            self._queue.put(None)
        threads = [thread for thread in threads if thread is not caller]
        if not threads or threading.current_thread() in threads:
            return
        # The threads tell the loop; joining them here would stop it.
        finished = self._loop.create_future()
        watcher = threading.Thread(
            target=self._watch, args=(threads, finished, timeout), daemon=True
        )
        watcher.start()
        await finished
        watcher.join()
        if any(thread.is_alive() for thread in threads):
            _logger.warning(
                "A callback still runs %.1f s after the Context was disconnected; it is left behind",
                timeout,
            )

    def _watch(
        self, threads: list[WorkerThread], finished: asyncio.Future[None], timeout: float
    ) -> None:
        def tell() -> None:
            if not finished.done():
                finished.set_result(None)

        for thread in threads:
            thread.join(timeout)
        self._call_loop(tell)


class WorkerPools:
    """The worker threads of a Context: those of each circuit, and those of PVs that have none yet.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    max_workers : int
        Threads of each pool; with 0 there is no pool.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_workers: int) -> None:
        self._loop = loop
        self.max_workers = max_workers
        self._pools: dict[Any, WorkerPool] = {}
        self.caller: threading.Thread | None = None
        """The thread that waits for the end, if that is not this one: it may be one of ours, with a callback in it."""

    def of_circuit(self, circuit: Circuit) -> WorkerPool | None:
        """Return the threads for the PVs of `circuit`."""
        return self._pool((circuit.address, circuit.priority))

    def without_circuit(self) -> WorkerPool | None:
        """Return the threads for PVs that have no circuit yet."""
        return self._pool(None)

    def _pool(self, key: Any) -> WorkerPool | None:
        if not self.max_workers:
            return None
        pool = self._pools.get(key)
        if pool is None:
            name = "caproto" if key is None else "caproto-{}:{}".format(*key[0])
            pool = self._pools[key] = WorkerPool(self._loop, self.max_workers, name)
        return pool

    def clear(self) -> None:
        """Forget the threads: they have stayed behind in the parent process."""
        self._pools.clear()

    def abandon(self) -> None:
        """Let all threads end when they have nothing more to do."""
        for pool in self._pools.values():
            pool.abandon()

    async def stop(self, timeout: float) -> None:
        """Finish what was handed over and end all threads; give up on a callback after `timeout` seconds."""
        for pool in list(self._pools.values()):
            await pool.stop(timeout, self.caller)
