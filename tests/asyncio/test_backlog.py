"""What waits for a slow consumer is bounded in bytes, also if the server does not hold back."""

from __future__ import annotations

from typing import Any

from caproto.asyncio._backlog import BYTES_MOST
from caproto.asyncio._callbacks import CoroutineQueue
from caproto.asyncio._updates import Mailbox

IMAGE = 8_000_000


class StubbornCircuit:
    """Goes on to send whatever it is told."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def suspend(self, who: Any) -> None:
        self.asked.append("hold back")

    def resume(self, who: Any) -> None:
        self.asked.append("go on")


class Subscription:
    def __init__(self) -> None:
        self.circuit = StubbornCircuit()
        self.dropped = 0


class Update:
    def __init__(self, number: int) -> None:
        self.number = number
        self.payload_size = IMAGE


async def test_loop_gets_the_first_ones_and_the_newest() -> None:
    sub, mailbox = Subscription(), Mailbox(10_000, latest=False)
    for number in range(100):
        mailbox.put(sub, Update(number))  # type: ignore[arg-type]
    assert sub.circuit.asked == ["hold back"]
    seen = [(await mailbox.get()).number for _ in range(100 - sub.dropped)]  # type: ignore[attr-defined]
    assert seen == [*range(len(seen) - 1), 99]
    assert BYTES_MOST - IMAGE < len(seen) * IMAGE <= BYTES_MOST + IMAGE
    assert sub.circuit.asked == ["hold back", "go on"]


async def test_coroutine_callback_gets_the_first_ones_and_the_newest() -> None:
    circuit = StubbornCircuit()
    seen: list[int] = []
    tasks: set[Any] = set()

    async def callback(number: int) -> None:
        seen.append(number)

    queue = CoroutineQueue("x", callback, lambda: callback, tasks)
    dropped = sum(queue.push(number, circuit, IMAGE) for number in range(100))  # type: ignore[arg-type]
    await next(iter(tasks))
    assert seen == [*range(len(seen) - 1), 99]
    assert len(seen) + dropped == 100
    assert len(seen) * IMAGE <= BYTES_MOST + IMAGE
    assert circuit.asked == ["hold back", "go on"]
