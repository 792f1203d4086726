"""Fixtures and rules for every test: async tests, no leaks, warnings are errors."""

from __future__ import annotations

import gc
import inspect
import os
import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest

from tests.support import (
    CIoc,
    LeakCheck,
    OurIoc,
    free_port,
    run_async_test,
    use_loopback,
)
from tests.support.ports import bound_ports

# --- rules ------------------------------------------------------------------------------------------

hypothesis.settings.register_profile(
    "caproto",
    # How fast a machine is says nothing about the code.
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    # In CI, a red run means that the change is wrong, not that luck was.
    derandomize="CI" in os.environ,
    print_blob=True,
)
hypothesis.settings.load_profile("caproto")


def pytest_configure() -> None:
    """Let programs that tests start be ended by Ctrl-C even if this run is in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


# Of these folders the coverage is measured: they test the pure parts, for which a share of branches is demanded.
_MEASURED = frozenset({"protocol", "client", "server", "properties"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the other tests to run at their own speed: measuring takes as long as they do."""
    for item in items:
        if item.path.parent.name not in _MEASURED:
            item.add_marker(pytest.mark.no_cover)


def pytest_collection_finish() -> None:
    """Spare the collector everything imported so far: one collection follows every async test."""
    gc.collect()
    gc.freeze()


def _timeout(item: pytest.Function) -> float:
    """Time limit of an async test: a little before pytest-timeout would cut it off."""
    marker = item.get_closest_marker("timeout")
    if marker is not None and marker.args:
        limit = float(marker.args[0])
    elif marker is not None and "timeout" in marker.kwargs:
        limit = float(marker.kwargs["timeout"])
    else:
        limit = float(item.config.getini("timeout") or 60)
    return 0.9 * limit


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def`` tests, each in an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}
    run_async_test(pyfuncitem.obj(**arguments), _timeout(pyfuncitem))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that leaves threads or file descriptors behind."""
    check = LeakCheck()
    result = yield
    if item.get_closest_marker("leaks_allowed") is None:
        leaks = check.leaks()
        if leaks:
            pytest.fail("the test left behind: " + "; ".join(leaks), pytrace=False)
    return result


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a program that a test started (a repeater, say) is still there."""
    left = bound_ports()
    if left:
        print(f"\nERROR: after the tests, programs still listen on ports {sorted(left)}")
        if session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


# --- loopback and IOCs ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Loopback:
    """Private ports that this process's environment now names."""

    ca_port: int
    repeater_port: int


@pytest.fixture
def loopback(monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """Private ports in ``os.environ``: clients and servers made in this test find each other."""
    ports = Loopback(free_port(), free_port())
    use_loopback(monkeypatch, [ports.ca_port], ports.repeater_port)
    return ports


@pytest.fixture(scope="session")
def c_ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CIoc]:
    """The real C IOC with ``interop.db``; for tests that leave it as they found it."""
    with CIoc.interop(folder=tmp_path_factory.mktemp("c_ioc")) as ioc:
        yield ioc


@pytest.fixture
def c_ioc_env(c_ioc: CIoc, monkeypatch: pytest.MonkeyPatch) -> CIoc:
    """The shared C IOC, with ``os.environ`` set so that a client made in this test finds it."""
    use_loopback(monkeypatch, [c_ioc.port], c_ioc.repeater_port)
    return c_ioc


class MakeCIoc(Protocol):
    """Signature of the ``make_c_ioc`` fixture."""

    def __call__(self, *databases: Path, **options: Any) -> CIoc: ...


@pytest.fixture
def make_c_ioc(tmp_path: Path) -> Iterator[MakeCIoc]:
    """Start private C IOCs: ``make_c_ioc()`` with the interop database, or with the files given."""
    with ExitStack() as started:

        def make(*databases: Path, **options: Any) -> CIoc:
            if databases:
                ioc = CIoc(*databases, folder=tmp_path, **options)
            else:
                ioc = CIoc.interop(folder=tmp_path, **options)
            return started.enter_context(ioc)

        yield make


class MakeOurIoc(Protocol):
    """Signature of the ``make_our_ioc`` fixture."""

    def __call__(self, module: str, ready_pv: str, *arguments: str, **options: Any) -> OurIoc: ...


@pytest.fixture
def make_our_ioc(tmp_path: Path) -> Iterator[MakeOurIoc]:
    """Start IOCs of ours as programs: ``make_our_ioc(module, ready_pv, *arguments)``."""
    with ExitStack() as started:

        def make(module: str, ready_pv: str, *arguments: str, **options: Any) -> OurIoc:
            ioc = OurIoc(module, ready_pv, *arguments, folder=tmp_path, **options)
            return started.enter_context(ioc)

        yield make
