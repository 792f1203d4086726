"""exhub-ioc, which serves simulated motors as motor records."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from .iocs import EcosystemIoc

M = "EX:m1"


@pytest.mark.skipif(
    sys.version_info < (3, 12), reason="its library emmi 0.10 is written for Python 3.12"
)
def test_its_motors_move(tmp_path: Path) -> None:
    environ = {
        "EXHUB_PREFIX": "EX:",
        "EXHUB_IOC_TEST": "yes",
        "EXHUB_MOCK_HUBER": "m1:-10:10;m2:0:5",
        "EXHUB_MOCK_TIMESLICE": "0.5",
    }
    ioc = EcosystemIoc("exhub", M, folder=tmp_path, environ=environ)
    with ioc, ioc.watch(f"{M}.RBV", f"{M}.MOVN", f"{M}.DMOV") as client:
        client.until(f"{M}.DMOV", 1)
        client.write(M, 1.0)
        updates = client.until(f"{M}.DMOV", 0) + client.until(f"{M}.DMOV", 1)
        positions = [value for name, value in updates if name == f"{M}.RBV"]
        assert len(positions) > 3
        assert positions == sorted(positions)
        assert (f"{M}.MOVN", 1) in updates
        moved, velocity, kind = ioc.read(f"{M}.RBV", f"{M}.VELO", f"{M}.RTYP")
        assert (moved["type"], moved["value"]) == ("double", 1.0)
        assert velocity["value"] == 3.14
        assert kind["value"] == "motor"
        assert ioc.values(f"{M}.state", f"{M}.DVAL") == [1, 1.0]
