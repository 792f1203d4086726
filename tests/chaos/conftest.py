"""A real C IOC behind a network that fails, and clients that lose patience early."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.support import CIoc, free_port, use_loopback

DATABASE = Path(__file__).with_name("chaos.db")
RAMPS = {"CH:array": 10_000, "CH:image": 1_000_000}


def start_ioc(folder: Path, port: int | None = None, place: str = "here") -> CIoc:
    """Return a started IOC with the database of the chaos tests."""
    ioc = CIoc(DATABASE, folder=folder, macros={"PLACE": place}, ramps=RAMPS, port=port)
    ioc.start()
    return ioc


@pytest.fixture(scope="session")
def shared_ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    """The IOC of the tests that only mistreat the network."""
    with start_ioc(tmp_path_factory.mktemp("chaos_ioc")) as ioc:
        yield ioc


@pytest.fixture(scope="session")
def other_ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    """Another IOC with the same PVs; ``CH:place`` tells which one it is."""
    with start_ioc(tmp_path_factory.mktemp("other_ioc"), place="there") as ioc:
        yield ioc


class StartIoc(Protocol):
    """Signature of the ``private_ioc`` fixture."""

    def __call__(self, port: int | None = None, place: str = "here") -> CIoc: ...


@pytest.fixture
def private_ioc(tmp_path: Path) -> Iterator[StartIoc]:
    """Start IOCs that the test may freeze and kill: ``private_ioc(port, place)``."""
    with ExitStack() as started:

        def start(port: int | None = None, place: str = "here") -> CIoc:
            return started.enter_context(start_ioc(tmp_path, port, place))

        yield start


class Impatience:
    """Sets what clients made from now on find in the environment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        use_loopback(monkeypatch, [free_port()], free_port())
        monkeypatch.setenv("EPICS_CA_CONN_TMO", "0.3")
        monkeypatch.setenv("CAPROTO_RESPONSIVENESS_TIMEOUT_SEC", "0.3")
        monkeypatch.setattr("caproto.client.engine._FIRST_PENALTY", 0.02)

    def search_at(self, *ports: int) -> None:
        """Let clients search at these UDP ports of loopback."""
        os.environ["EPICS_CA_ADDR_LIST"] = " ".join(f"127.0.0.1:{port}" for port in ports)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Impatience:
    """Clients that send an echo after 0.3 s of silence, wait 0.3 s for the answer, and try again after 0.02 s."""
    return Impatience(monkeypatch)
