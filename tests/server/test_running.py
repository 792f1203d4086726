"""The command line, the choice of the server, and handlers that are called again and again."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from caproto import (
    AlarmSeverity,
    AlarmStatus,
    CaprotoNotImplementedError,
    config_caproto_logging,
)
from caproto._log import get_handler
from caproto.server import (
    PVGroup,
    ioc_arg_parser,
    pvproperty,
    run,
    scan_wrapper,
    template_arg_parser,
)

LOGGERS = ("caproto", "caproto.ch", "caproto.circ", "caproto.bcast")


@pytest.fixture(autouse=True)
def _logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The parsers configure logging, which the other tests must not notice."""
    monkeypatch.delenv("EPICS_CAS_INTF_ADDR_LIST", raising=False)
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    logger = logging.getLogger("caproto")
    handlers, propagate = list(logger.handlers), logger.propagate
    yield
    logger.handlers[:] = handlers
    logger.propagate = propagate
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def parse(*argv: str, **macros: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return ioc_arg_parser(desc="An IOC", default_prefix="x:", argv=list(argv), macros=macros)


def test_options_have_defaults() -> None:
    assert parse() == (
        {"prefix": "x:", "macros": {}},
        {
            "module_name": "caproto.asyncio.server",
            "log_pv_names": False,
            "interfaces": ["0.0.0.0"],
        },
    )


def test_every_option() -> None:
    group, running = parse(
        *("--prefix", "y:", "--list-pvs", "--interfaces", "127.0.0.1", "10.0.0.7"),
        *("--async-lib", "asyncio", "--beamline", "B2"),
        beamline="B1",
        other="o",
    )
    assert group == {"prefix": "y:", "macros": {"beamline": "B2", "other": "o"}}
    assert running["log_pv_names"] is True
    assert running["interfaces"] == ["127.0.0.1", "10.0.0.7"]


def test_interfaces_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPICS_CAS_INTF_ADDR_LIST", "127.0.0.1 10.0.0.7")
    assert parse()[1]["interfaces"] == ["127.0.0.1", "10.0.0.7"]


def test_the_arguments_of_the_process_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ioc", "--prefix", "from_argv:"])
    assert ioc_arg_parser(desc="", default_prefix="x:")[0]["prefix"] == "from_argv:"


def test_a_macro_without_a_default_has_to_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(beamline=None)
    assert "--beamline" in capsys.readouterr().err
    assert parse("--beamline", "B", beamline=None)[0]["macros"] == {"beamline": "B"}


def test_a_macro_may_be_empty() -> None:
    assert parse(suffix="")[0]["macros"] == {"suffix": ""}


def test_a_macro_with_a_dash_keeps_its_name() -> None:
    group, _ = ioc_arg_parser(
        desc="", default_prefix="", argv=["--beam-line", "B"], macros={"beam-line": "A"}
    )
    assert group["macros"] == {"beam-line": "B"}


def test_other_libraries_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse("--async-lib", "trio")
    assert "asyncio only, not on trio: leave the option out" in capsys.readouterr().err
    with pytest.raises(CaprotoNotImplementedError, match="asyncio only, not on trio"):
        run({}, module_name="caproto.trio.server")


def test_help_shows_the_description_and_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        parse("--help", beamline="B1")
    assert end.value.code == 0
    out = capsys.readouterr().out
    for text in ("An IOC", "--prefix", "[x:]", "--list-pvs", "--interfaces", "-v", "[B1]"):
        assert text in out


@pytest.mark.parametrize(
    ("argv", "ioc", "messages"),
    [
        (("-q",), logging.WARNING, logging.WARNING),
        ((), logging.INFO, logging.INFO),
        (("-v",), logging.DEBUG, logging.INFO),
        (("-vv",), logging.DEBUG, logging.DEBUG),
    ],
)
def test_verbosity(argv: tuple[str, ...], ioc: int, messages: int) -> None:
    parse(*argv)
    assert logging.getLogger("caproto.ctx").getEffectiveLevel() == ioc
    assert logging.getLogger("caproto.circ").getEffectiveLevel() == messages
    handler = get_handler()
    assert handler is not None
    assert handler.level <= ioc


def test_a_program_may_add_arguments_of_its_own() -> None:
    parser, split_args = template_arg_parser(desc="", default_prefix="x:", macros={"m": "1"})
    parser.add_argument("--own", type=int)
    args = parser.parse_args(["--own", "3", "--m", "2"])
    assert args.own == 3
    assert split_args(args)[0] == {"prefix": "x:", "macros": {"m": "2"}}
    config_caproto_logging()


# --- run ---


@pytest.mark.parametrize(
    "module_name", ["caproto.fake_lib.server", "fake_lib.server", "my_own_module"]
)
def test_run_calls_the_server_of_the_library(
    module_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    module = types.ModuleType("fake")
    module.run = lambda *args, **kwargs: calls.append((args, kwargs))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "caproto.fake_lib", types.ModuleType("caproto.fake_lib"))
    monkeypatch.setitem(sys.modules, "caproto.fake_lib.server", module)
    monkeypatch.setitem(sys.modules, "my_own_module", module)
    pvdb: dict[str, Any] = {}
    run(pvdb, module_name=module_name, interfaces=["127.0.0.1"], log_pv_names=True)
    ((args, kwargs),) = calls
    assert args[0] is pvdb
    assert kwargs == {"interfaces": ["127.0.0.1"], "log_pv_names": True, "startup_hook": None}


# --- scans ---


class FakeLibrary:
    """Stands in for asyncio: notes what is slept, and ends the scan after some rounds."""

    class End(BaseException):
        """Ends the scan."""

    def __init__(self, rounds: int) -> None:
        self.library = self
        self.rounds = rounds
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        if len(self.sleeps) == self.rounds:
            raise self.End


class Scanned(PVGroup):
    """A PV that is scanned."""

    x = pvproperty(value=0)
    fail = False

    @x.scan(period=100.0)
    async def _scan(self, instance: Any, async_lib: Any) -> None:
        if self.fail:
            raise ZeroDivisionError
        await instance.write(instance.value + 1)


async def test_a_scan_is_called_again_and_again() -> None:
    group, library = Scanned("p:"), FakeLibrary(3)
    with pytest.raises(FakeLibrary.End):
        await group.x.server_scan(library)
    assert group.x.value == 3
    assert all(99.0 < sleep <= 100.0 for sleep in library.sleeps)


async def test_a_period_may_begin_when_the_handler_ends() -> None:
    async def nothing(group: Any, instance: Any, async_lib: Any) -> None:
        pass

    group, library = Scanned("p:"), FakeLibrary(2)
    with pytest.raises(FakeLibrary.End):
        await scan_wrapper(nothing, 5.0, subtract_elapsed=False)(group, group.x, library)
    assert library.sleeps == [5.0, 5.0]


async def test_a_failing_scan_is_logged_sets_the_alarm_and_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    group, library = Scanned("p:"), FakeLibrary(2)
    group.fail = True
    with pytest.raises(FakeLibrary.End):
        await group.x.server_scan(library)
    assert "p:x" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert (group.x.status, group.x.severity) == (AlarmStatus.SCAN, AlarmSeverity.MAJOR_ALARM)


async def test_the_alarm_goes_when_the_scan_succeeds_again() -> None:
    group = Scanned("p:")

    async def sometimes(group: Any, instance: Any, async_lib: Any) -> None:
        if not async_lib.sleeps:
            raise ZeroDivisionError

    library = FakeLibrary(2)
    scan = scan_wrapper(sometimes, 5.0, failure_severity=AlarmSeverity.MINOR_ALARM)
    with pytest.raises(FakeLibrary.End):
        await scan(group, group.x, library)
    assert group.x.severity == AlarmSeverity.NO_ALARM
    assert group.x.alarm.severity_to_acknowledge == AlarmSeverity.MINOR_ALARM


async def test_an_error_may_end_the_scan() -> None:
    async def failing(group: Any, instance: Any, async_lib: Any) -> None:
        raise ZeroDivisionError

    group = Scanned("p:")
    with pytest.raises(ZeroDivisionError):
        await scan_wrapper(failing, 5.0, stop_on_error=True)(group, group.x, FakeLibrary(1))
    assert group.x.severity == AlarmSeverity.MAJOR_ALARM
