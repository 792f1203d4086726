"""The soak in short: what is measured for minutes by ``make soak`` works for seconds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import Impatience
from .soak import SETTINGS, Soak


async def test_random_faults_for_a_few_seconds(
    tmp_path: Path, impatient: Impatience, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    report = await Soak(seed=11, folder=tmp_path, say=print).run(2.5)
    print(report)
    assert report.lost == []
    assert report.wrong == []
    assert report.leaked == []
    assert sum(report.faults.values()) > 5
    assert report.operations["read"] > 50
    assert report.operations["write"] > 50
    assert report.operations["update"] > 50
    assert os.environ["EPICS_CA_ADDR_LIST"]
