"""The fixture `fake_ioc`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import pytest

from ._fake_ioc import FakeIoc, Pvs

__all__ = ["MakeFakeIoc", "fake_ioc"]


class MakeFakeIoc(Protocol):
    """Type of the fixture `fake_ioc`: it makes IOCs that end with the test."""

    def __call__(self, pvs: Pvs, *, start: bool = True) -> FakeIoc:
        """Serve PVs; as `caproto.testing.serve`, until the end of the test."""
        ...


@pytest.fixture
def fake_ioc() -> Iterator[MakeFakeIoc]:
    """Serve PVs for one test: ``ioc = fake_ioc({"my:pv": 1.5})``.

    It may be called several times: the clients of the test then find the PVs of all these IOCs, and no others. Make
    the IOCs before the clients, which look at the environment when they are made.
    """
    with ExitStack() as stack:

        def make(pvs: Pvs, *, start: bool = True) -> FakeIoc:
            return stack.enter_context(FakeIoc(pvs, start=start))

        yield make
