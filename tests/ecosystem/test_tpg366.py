"""tpg366-ioc, which polls a simulated controller of six pressure gauges."""

from __future__ import annotations

from pathlib import Path

from .iocs import EcosystemIoc
from .simulators import Pfeiffer366


def test_its_gauges_are_read_and_monitored(tmp_path: Path) -> None:
    with Pfeiffer366() as instrument:
        environ = {"PFEIFFER_VISA_DEVICE": f"TCPIP::127.0.0.1::{instrument.port}::SOCKET"}
        ioc = EcosystemIoc("tpg366", "TPG:POLL", folder=tmp_path, environ=environ)
        with ioc, ioc.watch("TPG:G1:VALUE", "TPG:G6:STATUS") as client:
            client.until("TPG:G6:STATUS", "no-gauge")
            instrument.gauges[0] = (0, 2.5e-7)
            client.until("TPG:G1:VALUE", 2.5e-7)
            status, value = ioc.read("TPG:G2:STATUS", "TPG:G3:VALUE")
            assert (status["type"], status["value"]) == ("string", "underrange")
            assert (value["type"], value["value"]) == ("double", 1000.0)
            assert "Traceback" not in ioc.output
