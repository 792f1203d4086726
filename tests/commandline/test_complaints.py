"""Errors as one line with a remedy."""

from __future__ import annotations

import pytest

from caproto import CaprotoError, CaprotoTimeoutError, CaprotoValueError, CAStatus
from caproto._errors import CAStatusError, DisconnectedError
from caproto.commandline.complaints import Complaints, explained, why_not


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CAStatusError("x", status=CAStatus.ECA_NOWTACCESS.value), "does not permit this user"),
        (CAStatusError("x", status=CAStatus.ECA_PUTFAIL.value), "type or the range of the PV"),
        (CAStatusError("x", status=CAStatus.ECA_BADCOUNT.value), "that many elements"),
        (CAStatusError("x", status=CAStatus.ECA_ALLOCMEM.value), "(ECA_ALLOCMEM)"),
        (DisconnectedError("x"), "is its IOC still running?"),
        (CaprotoValueError("two\n  lines"), "two lines"),
    ],
)
def test_each_error_is_explained_in_one_line(error: CaprotoError, text: str) -> None:
    assert text in explained(error)
    assert "\n" not in explained(error)


def test_machines_get_short_reasons() -> None:
    assert why_not(None) == ""
    assert why_not(CaprotoTimeoutError("x", stage="search")) == "not found"
    assert why_not(CaprotoTimeoutError("x", stage="connect", timeout=2.0)) == (
        "no answer within 2.0 s (stage: connect)"
    )
    assert why_not(CaprotoValueError("bad")) == "bad"


def test_of_many_lines_the_last_ones_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    complaints = Complaints("caproto-get")
    for number in range(15):
        complaints.about(f"pv:{number}", CaprotoValueError("is bad"))
    assert complaints.finish() == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[0] == "caproto-get: pv:0: is bad"
    assert lines[-1] == "caproto-get: ... and 5 more such lines"


def test_lines_are_held_back_while_a_picture_is_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    complaints = Complaints("caproto-monitor")
    complaints.held = []
    complaints.say("later")
    assert capsys.readouterr().err == ""
    complaints.release()
    assert capsys.readouterr().err == "caproto-monitor: later\n"
    assert complaints.finish() == 0
