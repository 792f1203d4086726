"""Bugs of command-line tools that were reported to others: ours do better."""

from __future__ import annotations

from pathlib import Path

import pytest

from caproto.commandline import get, put
from tests.support import CIoc, OurIoc, use_loopback


@pytest.fixture
def small_ioc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CIoc:
    """An IOC with an array that is empty, and a PV that may not be written; the test starts it."""
    database = tmp_path / "small.db"
    database.write_text(
        'record(waveform, "B:chars") { field(FTVL, "CHAR") field(NELM, "30") }\n'
        'record(ao, "B:ro") { field(ASG, "READONLY") field(VAL, "1") field(PINI, "YES") }\n'
        'record(ao, "B:ao") { field(VAL, "1") field(PINI, "YES") }\n'
    )
    access = tmp_path / "small.acf"
    access.write_text("ASG(DEFAULT) {RULE(1, WRITE)}\nASG(READONLY) {RULE(1, READ)}\n")
    ioc = CIoc(database, folder=tmp_path, access_file=access)
    use_loopback(monkeypatch, [ioc.port], ioc.repeater_port)
    return ioc


def test_a_list_with_a_missing_pv_still_shows_the_others(
    small_ioc: CIoc, capsys: pytest.CaptureFixture[str]
) -> None:
    """https://github.com/epics-base/epics-base/pull/503: caget of a list fails when one PV is missing."""
    with small_ioc:
        assert get.main(["-w", "0.3", "B:ao", "B:missing"]) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith("B:ao                           1\n")
    assert "'B:missing' not found" in captured.err


def test_a_put_without_permission_says_so_and_does_not_hang(
    small_ioc: CIoc, capsys: pytest.CaptureFixture[str]
) -> None:
    """https://github.com/pyepics/pyepics/pull/288: caput without permission hangs; ECA_NOWTACCESS is wanted."""
    with small_ioc:
        for options in ([], ["-c"]):
            assert put.main([*options, "B:ro", "5"]) == 1
            assert "ECA_NOWTACCESS" in capsys.readouterr().err


def test_empty_arrays_of_characters_are_empty_text(
    small_ioc: CIoc, capsys: pytest.CaptureFixture[str]
) -> None:
    """https://github.com/caproto/caproto/pull/405: empty CHAR arrays."""
    with small_ioc:
        assert get.main(["-c", "-S", "-t", "B:chars"]) == 0
        assert capsys.readouterr().out == "\n"
        assert get.main(["-c", "-t", "B:chars"]) == 0
        assert capsys.readouterr().out == "\n"
        assert put.main(["-S", "-t", "B:chars", ""]) == 0
        assert capsys.readouterr().out == "\n"


def test_a_server_bound_to_localhost_that_ignores_others_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """https://github.com/caproto/caproto/issues/870: caproto-get misses a PV of such an IOC that caget sees."""
    ioc = OurIoc(
        "caproto.ioc_examples.random_walk",
        "random_walk:dt",
        folder=tmp_path,
        extra_env={"EPICS_CAS_IGNORE_ADDR_LIST": "192.0.2.1 198.51.100.7:5064"},
    )
    use_loopback(monkeypatch, [ioc.port], ioc.repeater_port)
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "localhost")
    with ioc:
        assert get.main(["-t", "random_walk:dt"]) == 0
    assert capsys.readouterr().out == "3\n"
