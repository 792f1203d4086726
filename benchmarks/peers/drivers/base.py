"""The interface of all clients to the workloads."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from time import perf_counter, sleep
from typing import Any, ClassVar, TypeVar

__all__ = ["Call", "Driver", "NotSupported", "Sink"]

T = TypeVar("T")
Call = Callable[..., Any]
"""An operation: gives its result, or with an asyncio client something to await."""


class NotSupported(Exception):
    """The client has no such operation."""


class Sink:
    """Takes the updates of one PV."""

    __slots__ = ("add_stamp", "add_value", "stamps", "values")

    def __init__(self) -> None:
        self.values: list[float] = []
        self.stamps: list[float] = []
        self.add_value = self.values.append
        self.add_stamp = self.stamps.append


class Driver(ABC):
    """
    One client library.

    All methods that do something are coroutine functions; those of a blocking client never suspend. What is timed is
    not wrapped: methods such as `read` return the library's own operation, bound to its arguments.
    """

    name: ClassVar[str]
    blocking: ClassVar[bool] = False
    distribution: ClassVar[str]
    """What its version is found by."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        """What is connected already, by name."""

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run the whole program."""
        return asyncio.run(main)

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    async def open(self, mode: str = "plain") -> None:  # noqa: B027 - most need nothing
        """Get ready; `mode` as for `subscribe`."""

    async def close(self) -> None:  # noqa: B027 - not measured: the process ends anyway
        """End all connections."""

    def prepare(self, names: Sequence[str]) -> None:  # noqa: B027 - most need nothing
        """Get ready to connect to these, before the clock starts; only the floor has something to do."""

    @abstractmethod
    async def connect(self, names: Sequence[str]) -> list[Any]:
        """Connect to all, and return what stands for the PVs."""

    # --- reading ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def read(self, pv: Any, form: str = "plain") -> Call:
        """Return the operation that reads a PV; `form` is ``'plain'`` or ``'time'``."""

    @abstractmethod
    def scalar(self, result: Any) -> Any:
        """Return the value in the result of a read."""

    @abstractmethod
    def stamped(self, result: Any) -> tuple[Any, float]:
        """Return the value and the time (as Unix time) in the result of a read with time."""

    def scalars(self, result: Any) -> list[Any]:
        """Return the values in the result of a read of many."""
        return [self.scalar(one) for one in result]

    def native_array(self, result: Any) -> Any:
        """Return the array to calculate with, in machine order."""
        return self.scalar(result)

    def raw_array(self, result: Any) -> Any:
        """Return the array in whatever order and memory is cheapest."""
        return self.native_array(result)

    def gather(self, pvs: Sequence[Any]) -> Call:
        """Return the operation that reads many PVs by concurrent calls."""
        if self.blocking:
            raise NotSupported
        calls = [self.read(pv) for pv in pvs]
        gather = asyncio.gather
        return lambda: gather(*[call() for call in calls])

    @abstractmethod
    def read_many(self, pvs: Sequence[Any]) -> Call:
        """Return the operation that reads many PVs in one call."""

    # --- writing ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def write(self, pv: Any) -> Call:
        """Return the operation that writes a value and waits until it is confirmed."""

    @abstractmethod
    def send(self, pv: Any) -> Call:
        """Return the operation that writes a value and does not wait for confirmation."""

    # --- monitoring -------------------------------------------------------------------------------------------------

    @abstractmethod
    async def subscribe(self, pvs: Sequence[Any], sinks: Sequence[Sink], mode: str) -> None:
        """
        Subscribe with time, each PV to its sink.

        Modes: ``'plain'`` callback, run in whatever way is best; ``'thread'``: a plain callback that may block, hence
        runs in a thread; ``'coroutine'``: a coroutine function; ``'iterate'``: ``async for``; ``'array'``: a plain
        callback that puts the first element of an array into the values and the last into the stamps.
        """

    def callback(self, sink: Sink, mode: str) -> Call:
        """Return a callback in the form that the library wants, which fills the sink."""
        raise NotSupported

    def callbacks(self, sinks: Sequence[Sink], mode: str) -> list[Call]:
        """Return a callback for each sink; equal ones for equal sinks, as a program would have them."""
        made = {id(sink): self.callback(sink, mode) for sink in sinks}
        return [made[id(sink)] for sink in sinks]

    # --- timing -----------------------------------------------------------------------------------------------------

    async def time(self, call: Call, take: Call, check: Call, count: int) -> list[float]:
        """
        Time an operation again and again.

        Parameters
        ----------
        call : callable
            The operation.
        take : callable
            Takes from its result what a program would use; this is timed, too.
        check : callable
            Raises if what was taken is wrong; not timed.
        count : int

        Returns
        -------
        list of float
            Seconds.
        """
        times = []
        for _ in range(count):
            start = perf_counter()
            taken = take(await call())
            end = perf_counter()
            times.append(end - start)
            check(taken)
        return times

    async def call(self, call: Call, *arguments: Any) -> Any:
        """Do an operation once."""
        return await call(*arguments)

    async def send_all(self, pv: Any, values: Sequence[float]) -> None:
        """Write one value after the other without waiting for confirmation."""
        send = self.send(pv)
        for value in values:
            await send(value)


class BlockingDriver(Driver):
    """One client library whose operations block."""

    blocking = True

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        try:
            main.send(None)
        except StopIteration as stop:
            result: T = stop.value
            return result
        raise AssertionError("a blocking client suspended")

    async def pause(self, seconds: float) -> None:
        sleep(seconds)  # noqa: ASYNC251 - there is no loop

    async def time(self, call: Call, take: Call, check: Call, count: int) -> list[float]:
        times = []
        for _ in range(count):
            start = perf_counter()
            taken = take(call())
            end = perf_counter()
            times.append(end - start)
            check(taken)
        return times

    async def call(self, call: Call, *arguments: Any) -> Any:
        return call(*arguments)

    async def send_all(self, pv: Any, values: Sequence[float]) -> None:
        send = self.send(pv)
        for value in values:
            send(value)
