"""``python -m fuzz`` without atheris: it keeps and repeats what breaks a target."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fuzz import __main__ as program
from fuzz.targets import SEEDS, TARGETS


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of broken input, and a target that only takes what it begins with."""

    def target(data: bytes) -> None:
        assert data in (b"seed", b"seedseed", b"seedseedseedseedseed")

    monkeypatch.setattr(program, "FOUND", tmp_path)
    monkeypatch.setitem(TARGETS, "weak", target)
    monkeypatch.setitem(SEEDS, "weak", [b"seed"])
    return tmp_path / "weak"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["fuzz", "--quick", "--seed", "3", *arguments])
    monkeypatch.setattr("logging.disable", lambda level: None)
    return program.main()


def test_input_that_breaks_a_target_is_kept_and_tried_first(
    found: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--target", "weak", "--seconds", "60") == 1
    (kept,) = found.iterdir()
    assert "weak broke after" in capsys.readouterr().out
    assert run(monkeypatch, "--target", "weak", "--seconds", "0") == 1
    assert "weak broke after 1 inputs" in capsys.readouterr().out
    kept.unlink()
    assert run(monkeypatch, "--target", "weak", "--seconds", "0") == 0
    assert "weak held for 1 inputs" in capsys.readouterr().out
