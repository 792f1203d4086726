"""The event loop of the blocking clients, and its thread."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from threading import get_ident
from typing import Any, TypeVar

from .._collector import NoCollection
from .._errors import CaprotoRuntimeError, ContextDisconnectedError
from ..asyncio._workers import WorkerThread
from .waiter import ThreadWaiter

__all__ = ["BackgroundLoop", "enter", "leave", "stay_if_program_ends"]

logger = logging.getLogger("caproto.ctx")
_T = TypeVar("_T")
_CROWD = (
    1000  # jobs handed over and not begun, beyond which a thread waits before it hands over more
)
_EXIT_TIME = 5.0  # seconds that the end of the program gives to those who did not disconnect


class BackgroundLoop:
    """An event loop that runs in a daemon thread while anybody needs it.

    There is one in a process. `enter` starts it for its first user, `leave` ends it with the last one, so that a
    program that has disconnected has no thread left.

    What threads hand over runs on the loop in the order in which it came.

    Parameters
    ----------
    name : str
        Of the thread.
    """

    def __init__(self, name: str = "caproto-loop") -> None:
        # uvloop would gain nothing here: the time goes into waking threads up. On Windows, only this kind of loop
        # can watch UDP sockets.
        self.loop = asyncio.SelectorEventLoop()
        self.users: dict[Any, Callable[[], Coroutine[Any, Any, Any]] | None] = {}
        self.why_ended: str | None = None
        self._waiting: set[ThreadWaiter] = set()
        self._inbox: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._awake = False
        self._waking: set[int] = set()  # threads that are about to wake the loop
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self.loop.close()
            raise

    def _run(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            self.why_ended = self.why_ended or "The thread of the blocking clients has ended."
            self.fail_all()
            self.loop.run_until_complete(_settle())
            self.loop.close()

    # --- handing over -----------------------------------------------------------------------------------------------

    def post(self, func: Callable[..., Any], *args: Any) -> None:
        """Let the loop call `func`, which raises nothing, soon; do not wait for it.

        Raises
        ------
        ContextDisconnectedError
            If the loop has ended.
        """
        if self.why_ended is not None:
            raise self._ended()
        self._inbox.append((func, args))
        # Many calls, one wake-up: it costs a system call, and more for the thread that wakes up. But a signal handler
        # must not rely on a wake-up that the thread which it interrupts has only been about to give.
        thread = get_ident()
        waking = self._waking
        interrupted = thread in waking
        if self._awake and not interrupted:
            return
        waking.add(thread)
        self._awake = True
        try:
            self.loop.call_soon_threadsafe(self._take)
        except RuntimeError:
            raise self._ended() from None
        finally:
            if not interrupted:
                waking.discard(thread)

    def post_unless_crowded(self, func: Callable[..., Any], *args: Any) -> None:
        """Let the loop call `func` soon; wait while it has too much to do, so that memory cannot fill."""
        self.post(func, *args)
        if len(self._inbox) > _CROWD and threading.current_thread() is not self._thread:
            self.call(int)

    def _take(self) -> None:
        inbox = self._inbox
        self._awake = False  # first: what comes from now on wakes the loop again
        count = len(inbox)  # what comes meanwhile waits for the next turn, or sockets would starve
        # Thousands of PVs that are made one by one: without the collector, 10,000 take 0.85 of the time.
        with NoCollection(count):
            for _ in range(count):
                func, args = inbox.popleft()
                try:
                    func(*args)
                except Exception:
                    logger.exception("What a thread has handed over failed: %r", func)
        if inbox and not self._awake:
            self._awake = True
            self.loop.call_soon(self._take)

    def request(self, start: Callable[..., Any], *args: Any) -> Any:
        """Let the loop call ``start(waiter, *args)``, and wait until the waiter has a result.

        Raises
        ------
        CaprotoRuntimeError
            If this is the loop's own thread, where waiting would stop everything.
        ContextDisconnectedError
            If the loop has ended, or ends meanwhile.
        """
        if threading.current_thread() is self._thread:
            raise CaprotoRuntimeError(
                "A blocking call was made on the event loop that has to answer it, by a coroutine or by a callback of "
                "a Context with max_workers=0: use a plain function and worker threads, or the asyncio client"
            )
        waiter = ThreadWaiter()
        self._waiting.add(waiter)
        try:
            self.post(start, waiter, *args)
            if self.why_ended is not None:  # it may not have been taken any more
                waiter.set_exception(self._ended())
            return waiter.wait()
        except ContextDisconnectedError:
            stay_if_program_ends()
            raise
        finally:
            self._waiting.discard(waiter)
            if not waiter.done():  # a signal handler has raised
                self._abandon(waiter)

    def _abandon(self, waiter: ThreadWaiter) -> None:
        try:
            self.post(waiter.abandon)
        except ContextDisconnectedError:
            pass

    def call(self, func: Callable[..., _T], *args: Any) -> _T:
        """Return what ``func(*args)`` returns on the loop."""
        return self.request(_call, func, args)  # type: ignore[no-any-return]

    def run(
        self, coroutine: Callable[..., Coroutine[Any, Any, _T]], *args: Any, **kwargs: Any
    ) -> _T:
        """Return what ``coroutine(*args, **kwargs)`` returns when it runs on the loop."""
        return self.request(run_task, coroutine, args, kwargs)  # type: ignore[no-any-return]

    def _ended(self) -> ContextDisconnectedError:
        return ContextDisconnectedError(self.why_ended or "This Context is no longer usable.")

    # --- the end ----------------------------------------------------------------------------------------------------

    def stop(self, *, wait: bool = True) -> None:
        """End the thread, and the waits of those who would wait for ever."""
        self.why_ended = self.why_ended or "This Context is no longer usable."
        try:
            self.loop.call_soon_threadsafe(self._stop)
        except RuntimeError:
            return
        if wait and threading.current_thread() is not self._thread:
            self._thread.join()

    def _stop(self) -> None:
        self._take()
        self.fail_all()
        self.loop.stop()

    def fail_all(self) -> None:
        """Tell all who wait that there will be no answer."""
        for waiter in list(self._waiting):
            waiter.set_exception(self._ended())

    def orphan(self, reason: str) -> None:
        """Become unusable without touching the thread or the sockets: they are somebody else's."""
        self.why_ended = reason
        self._inbox.clear()
        self._awake = True  # nobody is woken any more
        self.fail_all()


async def _settle() -> None:
    """End the tasks of those who did not disconnect, and let transports that are closing close their sockets."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(3):
        await asyncio.sleep(0)


def _call(waiter: ThreadWaiter, func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        waiter.set_result(func(*args))
    except Exception as error:
        waiter.set_exception(error)


def run_task(
    waiter: ThreadWaiter,
    coroutine: Callable[..., Coroutine[Any, Any, Any]],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    """Run a coroutine as a task, for a thread that waits; the task ends when nobody waits any more."""
    if waiter.done():
        return
    task = asyncio.get_running_loop().create_task(coroutine(*args, **kwargs))
    # A program that ends without disconnecting is not told about tasks that are not its own.
    task._log_destroy_pending = False  # type: ignore[attr-defined]

    def ended(task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            waiter.set_exception(ContextDisconnectedError("This Context is no longer usable."))
        elif (error := task.exception()) is not None:
            waiter.set_exception(error)
        else:
            waiter.set_result(task.result())

    task.add_done_callback(ended)
    waiter.call_when_done(task.cancel)


# --- the one of this process ------------------------------------------------------------------------------------------

# Re-entrant, because a signal handler may make a Context while the main thread is in here.
_lock = threading.RLock()
_current: BackgroundLoop | None = None
_orphans: list[
    BackgroundLoop
] = []  # of parent processes; collecting them would touch their sockets


def enter(user: Any, close: Callable[[], Coroutine[Any, Any, Any]] | None = None) -> BackgroundLoop:
    """Return the loop of this process, for `user`, until it leaves.

    Parameters
    ----------
    user : hashable
    close : coroutine function, optional
        Runs on the loop at the end of the program if `user` has not left by then.
    """
    global _current
    stay_if_program_ends()
    with _lock:
        background = _of_this_process()
        if background is None:
            try:
                made = BackgroundLoop()
            except RuntimeError as error:
                raise CaprotoRuntimeError(
                    f"The blocking clients need a thread, which cannot be started: {error}"
                ) from None
            background = _of_this_process()
            if background is None:
                _current = background = made
            else:  # a signal handler was here meanwhile
                made.stop()
        background.users[user] = close
        return background


def _of_this_process() -> BackgroundLoop | None:
    return _current


def leave(background: BackgroundLoop, user: Any, *, wait: bool = True) -> None:
    """Let go of the loop; with its last user it ends."""
    global _current
    with _lock:
        background.users.pop(user, None)
        if background.users or background.why_ended is not None:
            return
        background.why_ended = "This Context is no longer usable."
        if _current is background:
            _current = None
    background.stop(wait=wait)


def stay_if_program_ends() -> None:
    """Keep a daemon thread of the program here for good once the program ends.

    Python stops those soon anyway. Until then such a thread would get nothing but errors, which Python would print
    although nothing is wrong. All others have ended by then, but for the main thread and those that run callbacks.
    """
    thread = threading.current_thread()
    if _program_ends and thread.daemon and not isinstance(thread, WorkerThread):
        forever = threading.Lock()
        forever.acquire()
        forever.acquire()


_program_ends = False


@atexit.register
def _at_exit() -> None:
    """Close what is still open: sockets politely, threads before the interpreter goes."""
    global _program_ends
    _program_ends = True
    background = _current
    if background is None:
        return

    async def close_all() -> None:
        closing = [close() for close in background.users.values() if close is not None]
        await asyncio.wait_for(asyncio.gather(*closing, return_exceptions=True), _EXIT_TIME)

    try:
        background.run(close_all)
    except Exception as error:
        logger.warning("Not everything could be closed at the end of the program: %r", error)
    background.users.clear()
    leave(background, None)


def _after_fork_in_child() -> None:
    """Keep the child process off its parent's loop, whose thread it does not have."""
    global _current, _lock
    _lock = threading.RLock()
    if _current is not None:
        background, _current = _current, None
        _orphans.append(background)
        background.orphan(
            "This Context belongs to the parent process: make another one in this process."
        )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
