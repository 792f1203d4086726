"""dhtioc, with a sensor of humidity and temperature in place of a Raspberry Pi's."""

from __future__ import annotations

from pathlib import Path

from .iocs import EcosystemIoc


def test_its_readings_are_monitored_and_have_units(tmp_path: Path) -> None:
    ioc = EcosystemIoc("dhtioc", "dht:counter", "--list-pvs", folder=tmp_path)
    with ioc:
        with ioc.watch("dht:counter", "dht:temperature:raw") as client:
            # The sensor gets warmer and warmer, also while the client starts.
            updates = client.until_true("dht:counter", lambda count: count >= 5)
            updates += client.until_true("dht:temperature:raw", lambda degrees: degrees >= 20.5)
        readings = [value for name, value in updates if name == "dht:temperature:raw"]
        assert readings == sorted(readings)
        humidity, trend, axis = ioc.read(
            "dht:humidity", "dht:temperature:trend:array", "dht:trend:raw_fraction"
        )
        assert (humidity["type"], humidity["units"]) == ("double", "%")
        assert abs(humidity["value"] - 45) < 1e-6
        assert (trend["type"], trend["count"]) == ("double", 7)
        assert axis["value"] == sorted(axis["value"], reverse=True)
        ioc.kill()  # a thread of its own keeps it from ending, with the original too
    assert "PVs available:" in ioc.output
    assert "Traceback" not in ioc.output
