"""Ids of channels, requests and subscriptions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from caproto import MAX_ID, ThreadsafeCounter


def test_ids_count_from_0() -> None:
    counter = ThreadsafeCounter()
    assert [counter() for _ in range(3)] == [0, 1, 2]
    assert ThreadsafeCounter(initial_value=4)() == 5


def test_ids_in_use_are_left_out() -> None:
    used = {5, 6}
    counter = ThreadsafeCounter(initial_value=4, dont_clash_with=used)
    assert counter() == 7
    used.add(8)
    assert counter() == 9


def test_more_than_65536_ids_can_be_in_use() -> None:
    used: set[int] = set()
    counter = ThreadsafeCounter(dont_clash_with=used)
    for _ in range(70_000):
        used.add(counter())
    assert len(used) == 70_000


def test_ids_wrap_at_32_bits() -> None:
    counter = ThreadsafeCounter(initial_value=MAX_ID - 2, dont_clash_with={0})
    assert [counter() for _ in range(3)] == [MAX_ID - 1, 1, 2]


def test_threads_get_different_ids() -> None:
    counter = ThreadsafeCounter()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: [counter() for _ in range(1000)], range(4)))
    assert len({number for numbers in found for number in numbers}) == 4000
