"""Callbacks that are added and removed by the main thread while updates wait for the worker thread."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from caproto.threading.client import Context
from tests.support import CIoc
from tests.support.blocking import Calls, wait_until


@pytest.mark.parametrize(
    ("name", "count"),
    [
        pytest.param("IO:ai", None, id="made-by-the-thread"),
        pytest.param("IO:wf:million", 20_000, id="large-array"),
    ],
)
def test_a_callback_that_is_added_or_removed_while_the_first_update_waits(
    c_ioc_env: CIoc, name: str, count: int | None
) -> None:
    """The one gets it once, the other never."""
    go_on = threading.Event()

    def hold(*_: Any) -> None:
        assert go_on.wait(20)

    with Context(timeout=20) as ctx:
        (pv,) = ctx.get_pvs(name, connection_state_callback=hold)
        try:
            first, removed, added, gone, reply = (Calls() for _ in range(5))
            sub = pv.subscribe(data_count=count)
            sub.add_callback(first)
            token = sub.add_callback(removed)
            wait_until(lambda: sub.most_recent_response)
            sub.remove_callback(token)
            sub.add_callback(added)
            sub.remove_callback(sub.add_callback(gone))
            pv.read(wait=False, callback=reply)
        finally:
            go_on.set()
        reply.until(1)  # which came behind all of that
        assert [len(calls.calls) for calls in (first, removed, added, gone)] == [1, 0, 1, 0]
        assert first.calls == added.calls
