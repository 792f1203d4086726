"""The random-walk PVs of the reference page, served by our IOC and by the real C IOC."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from caproto.asyncio.client import Context
from tests.support import CIoc, Ioc, OurIoc, free_port, use_loopback

DATABASE = Path(__file__).with_name("promises.db")
KINDS = ["our-ioc", "c-ioc"]


def make_ioc(kind: str, folder: Path, **options: Any) -> Ioc:
    """Return an IOC of that kind that serves ``random_walk:dt`` and ``random_walk:x``."""
    if kind == "c-ioc":
        return CIoc(DATABASE, folder=folder, **options)
    return OurIoc(
        "caproto.ioc_examples.random_walk",
        "random_walk:dt",
        "--list-pvs",
        folder=folder,
        **options,
    )


async def _set_dt() -> None:
    async with Context(timeout=10) as ctx:
        (dt,) = await ctx.get_pvs("random_walk:dt")
        await dt.write(3.0)


@pytest.fixture(scope="session", params=KINDS)
def shared_ioc(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ioc]:
    """One IOC of each kind for all tests that do not stop it."""
    with make_ioc(request.param, tmp_path_factory.mktemp(request.param)) as ioc:
        yield ioc


@pytest.fixture
def ioc(shared_ioc: Ioc, monkeypatch: pytest.MonkeyPatch) -> Ioc:
    """The shared IOC, found by clients made in this test; ``random_walk:dt`` is 3.0."""
    use_loopback(monkeypatch, [shared_ioc.port], shared_ioc.repeater_port)
    asyncio.run(_set_dt())
    return shared_ioc


@pytest.fixture(scope="session")
def shared_various_ioc(shared_ioc: Ioc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ioc]:
    """An IOC of the same kind with the PVs of ``various_ioc.py``."""
    if isinstance(shared_ioc, CIoc):
        yield shared_ioc
    else:
        folder = tmp_path_factory.mktemp("various")
        with OurIoc("tests.asyncio.various_ioc", "various:state", folder=folder) as ioc:
            yield ioc


@pytest.fixture
def various_ioc(shared_various_ioc: Ioc, monkeypatch: pytest.MonkeyPatch) -> Ioc:
    """The shared IOC with other PVs than the random-walk IOC, found by clients of this test."""
    ioc = shared_various_ioc
    use_loopback(monkeypatch, [ioc.port], ioc.repeater_port)
    return ioc


class StartIoc(Protocol):
    """Signature of the ``start_ioc`` fixture."""

    def __call__(self, port: int) -> Ioc: ...


@pytest.fixture(params=KINDS)
def start_ioc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StartIoc]:
    """Start IOCs that the test may stop, freeze and kill: ``start_ioc(port)``."""
    with ExitStack() as started:

        def start(port: int) -> Ioc:
            return started.enter_context(make_ioc(request.param, tmp_path, port=port))

        yield start


@pytest.fixture
def two_ports(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Two free ports, both of which clients made in this test search."""
    ports = free_port(), free_port()
    use_loopback(monkeypatch, list(ports), free_port())
    return ports
