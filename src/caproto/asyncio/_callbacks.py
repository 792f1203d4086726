"""Where users' callbacks run: plain functions on worker threads, coroutine functions on the event loop."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from queue import SimpleQueue
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any, TypeAlias

from ._tasks import start_task

if TYPE_CHECKING:
    from ..client.circuit import Circuit
    from ._pv_connection import PVConnection

__all__ = [
    "Backlog",
    "CallbackHandler",
    "CoroutineQueue",
    "Job",
    "WorkerPool",
    "accepts_two_arguments",
    "await_result",
    "call",
    "is_coroutine_callback",
    "log_failure",
    "weak_reference",
]

logger = logging.getLogger("caproto.ctx")

Job: TypeAlias = tuple[Callable[[Any, Any], Any] | None, Any, Any]
"""A function that raises nothing, and its two arguments."""
_PARTS = 3
_PLAIN_KINDS = (FunctionType, MethodType)

BACKLOG_HIGH = (
    10_000  # updates that wait for a slow callback before the server is asked to hold back
)
BACKLOG_LOW = 1_000
BYTES_HIGH = 64 << 20
BYTES_LOW = 16 << 20


def call(func: Callable[[Any], Any], argument: Any) -> None:
    """Do a job with one argument."""
    func(argument)


def log_failure(name: str, callback: Any) -> None:
    """Log an exception of a user's callback: it is never lost, and never stops anything."""
    logger.exception(  # noqa: LOG004 - called from exception handlers only
        "A callback of PV %r failed: %r", name, callback, extra={"pv": name}
    )


def await_result(pv: PVConnection, callback: Any, result: Any) -> None:
    """Take what a plain callback returned: something to await is awaited on the event loop.

    So ``lambda sub, response: queue.put(response)`` does what it seems to do.
    """
    if not inspect.isawaitable(result):
        return

    async def run() -> None:
        try:
            await result
        except Exception:
            log_failure(pv.name, callback)

    waiting = run()
    try:
        pv.context._loop.call_soon_threadsafe(pv.context._own, waiting)
    except RuntimeError:  # the loop is closed
        waiting.close()


def is_coroutine_callback(func: Any) -> bool:
    """Tell whether calling `func` gives something to await."""
    if type(func) in _PLAIN_KINDS and not func.__dict__:  # as most are; 0.2 us instead of 5
        return bool(func.__code__.co_flags & inspect.CO_COROUTINE)
    while hasattr(func, "func") and not hasattr(func, "__code__"):  # functools.partial
        func = func.func
    call = getattr(type(func), "__call__", None)  # noqa: B004
    return inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(call)


def accepts_two_arguments(func: Callable[..., Any]) -> bool:
    """Tell whether `func` takes ``(sub, response)``; what cannot be inspected does."""
    try:
        inspect.signature(func).bind(None, None)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def weak_reference(
    func: Callable[..., Any], on_death: Callable[[Any], None]
) -> weakref.ref[Callable[..., Any]]:
    """Return a weak reference to a function, or to a method by way of its object."""
    if inspect.ismethod(func):
        return weakref.WeakMethod(func, on_death)
    return weakref.ref(func, on_death)


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
        self._threads: list[threading.Thread] = []
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
            thread = threading.Thread(target=self._work, name=f"{self._name}-{index}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        """Run jobs until told to stop."""
        take = self._queue.get
        while (item := take()) is not None:
            jobs, nbytes = item
            parts = iter(jobs)
            for func, first, second in zip(parts, parts, parts, strict=True):
                func(first, second)
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

    async def stop(self, timeout: float) -> None:
        """Finish what was handed over and end the threads; give up on a callback after `timeout` seconds."""
        threads, self._threads = self._threads, []
        if not threads:
            return
        self.flush()
        for _ in threads:
            self._queue.put(None)
        if threading.current_thread() in threads:
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
            logger.warning(
                "A callback still runs %.1f s after the Context was disconnected; it is left behind",
                timeout,
            )

    def _watch(
        self, threads: list[threading.Thread], finished: asyncio.Future[None], timeout: float
    ) -> None:
        def tell() -> None:
            if not finished.done():
                finished.set_result(None)

        for thread in threads:
            thread.join(timeout)
        self._call_loop(tell)


class Backlog:
    """Counts what waits for a slow consumer, and asks the server to hold back while it is too much.

    Parameters
    ----------
    most : int
        How many updates may wait; they may also take up to 64 MiB.
    """

    __slots__ = ("_bytes", "_count", "_held", "_most")

    def __init__(self, most: int = BACKLOG_HIGH) -> None:
        self._most = most
        self._count = self._bytes = 0
        self._held: Circuit | None = None

    def added(self, nbytes: int, circuit: Circuit | None) -> None:
        """Count one more."""
        self._count += 1
        self._bytes += nbytes
        if (
            (self._count >= self._most or self._bytes >= BYTES_HIGH)
            and circuit is not None
            and circuit is not self._held
        ):
            self.release()  # after a reconnection it is another circuit
            self._held = circuit
            circuit.suspend(self)

    def taken(self, nbytes: int) -> None:
        """Count one less."""
        self._count -= 1
        self._bytes -= nbytes
        if self._held is not None and self._count <= self._most // 10 and self._bytes <= BYTES_LOW:
            self.release()

    def release(self) -> None:
        """Let the server send again."""
        held, self._held = self._held, None
        if held is not None:
            held.resume(self)


class CoroutineQueue:
    """Runs one coroutine function for one update after the other, on the loop.

    Parameters
    ----------
    name : str
        Of the PV.
    call : callable
        ``f(item) -> coroutine or None``; None when nobody is there any more.
    user_function : callable
        ``f() -> function``: what the log calls it.
    tasks : set
        Where the running task is registered, so that its owner can cancel it.
    """

    def __init__(
        self,
        name: str,
        call: Callable[[Any], Coroutine[Any, Any, Any] | None],
        user_function: Callable[[], Any],
        tasks: set[asyncio.Task[Any]],
    ) -> None:
        self._name = name
        self._call = call
        self._user_function = user_function
        self._tasks = tasks
        self._items: deque[Any] = deque()
        self._running = False
        self._backlog = Backlog()

    def push(self, item: Any, circuit: Circuit | None = None, nbytes: int = 0) -> None:
        """Add an update of so many bytes."""
        self._items.append((item, nbytes))
        self._backlog.added(nbytes, circuit)
        if not self._running:
            self._running = True
            start_task(asyncio.get_running_loop(), self._run(), self._tasks)

    async def _run(self) -> None:
        items = self._items
        try:
            while items:
                item, nbytes = items.popleft()
                try:
                    coroutine = self._call(item)
                    if coroutine is not None:
                        await coroutine
                except Exception:
                    log_failure(self._name, self._user_function())
                self._backlog.taken(nbytes)
        finally:
            self._running = False


class CallbackHandler:
    """The callbacks for one kind of event of a PV.

    Parameters
    ----------
    pv : PV
    """

    def __init__(self, pv: PVConnection) -> None:
        self.pv = pv
        self.callbacks: dict[int, Callable[..., Any]] = {}
        self._coroutines: dict[int, CoroutineQueue] = {}
        self._next_token = 0
        self._last: tuple[Any, ...] | None = None

    def add_callback(self, func: Callable[..., Any], run: bool = False) -> int:
        """Add a callback.

        Parameters
        ----------
        func : callable
            A function or a coroutine function; it is kept alive.
        run : bool
            Call it at once with the last event, if there was one.

        Returns
        -------
        token : int
            For `remove_callback`.
        """
        token, self._next_token = self._next_token, self._next_token + 1
        self.callbacks[token] = func
        if is_coroutine_callback(func):
            self._coroutines[token] = CoroutineQueue(
                self.pv.name, lambda args: func(*args), lambda: func, self.pv.context._tasks
            )
        if run and self._last is not None:
            self._call(token, func, self._last)
        return token

    def remember(self, *args: Any) -> None:
        """Take note of the last event, which callbacks added later with ``run=True`` are told."""
        self._last = args

    def remove_callback(self, token: int) -> None:
        """Remove the callback with that token, if it is there."""
        self.callbacks.pop(token, None)
        self._coroutines.pop(token, None)

    def process(self, *args: Any, **kwargs: Any) -> None:
        """Tell all callbacks."""
        self._last = args
        for token, func in list(self.callbacks.items()):
            self._call(token, func, args)

    def _call(self, token: int, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
        queue = self._coroutines.get(token)
        if queue is not None:
            queue.push(args)
        else:
            self.pv._run_plain(lambda args: func(*args), args, func)
