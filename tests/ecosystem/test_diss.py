"""diss-ioc, which serves a simulated detector of two channels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .iocs import ENDED, EcosystemIoc

P = "DISS:"


@pytest.fixture(scope="module")
def ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EcosystemIoc]:
    """The detector; it takes five seconds to warm up."""
    environ = {
        "DISS_EPICS_PREFIX": P,
        "DISS_DEVICE_BACKEND": "sim",
        "DISS_LOOP_PERIOD": "0.02",
        "DISSSIM_CHANNELS": "low:high",
        "DISSSIM_CHIP_SIZE": "8:6",
        "DISSSIM_CHANNEL_PARAMS": "energy",
    }
    folder = tmp_path_factory.mktemp("diss")
    with EcosystemIoc("diss", f"{P}state", folder=folder, environ=environ) as ioc:
        yield ioc


def test_its_pvs_are_there(ioc: EcosystemIoc) -> None:
    with ioc.watch(f"{P}state") as client:
        client.until(f"{P}state", "READY")
    state, error, duration, low, energy = ioc.read(
        *(P + name for name in ("state", "error", "duration", "low:image", "low:energy"))
    )
    assert state["type"] == "string"
    assert state["value"] == "READY"
    assert error["value"] == ""
    assert (duration["type"], duration["value"]) == ("double", 1.0)
    images, rows, columns = ioc.values(*(f"{P}low:asize{axis}" for axis in range(3)))
    assert (rows, columns) == (8, 6)
    assert low["count"] == images * 8 * 6
    assert 0 <= energy["value"] <= 1


def test_an_acquisition_delivers_images(ioc: EcosystemIoc) -> None:
    names = [P + name for name in ("state", "acquire", "low:image")]
    with ioc.watch(*names) as client:
        client.write(f"{P}duration", 0.05)
        client.until(f"{P}state", "READY")
        client.write(f"{P}acquire", 1)
        updates = client.until(f"{P}state", "READY")
    states = [value for name, value in updates if name == f"{P}state"]
    assert "INTEGRATE" in states
    images = [value for name, value in updates if name == f"{P}low:image"]
    assert images
    assert 0 < max(images[-1]) < 256
    assert (f"{P}acquire", 1) in updates
    high, uuid = ioc.read(f"{P}high:image", f"{P}uuid")
    assert max(high["value"]) > 0
    assert uuid["type"] == "string"


def test_what_its_putter_skips_stays_as_it_is(ioc: EcosystemIoc) -> None:
    # Its simulated detector stumbles over the request, and says so in other PVs.
    (before,) = ioc.values(f"{P}high:energy")
    with ioc.watch(f"{P}state", f"{P}error") as client:
        client.until(f"{P}state", "READY")
        client.write(f"{P}high:energy", 12.5)
        client.until(f"{P}state", "ERROR")
        client.until(f"{P}error", "DeviceEngine._run_channel_adjust() got")
        assert ioc.values(f"{P}high:energy") == [before]
        client.write(f"{P}clear", 1)
        client.until(f"{P}state", "READY")
    assert "Traceback" not in ioc.output


def test_it_ends_in_good_order(ioc: EcosystemIoc) -> None:
    assert ioc.stop() in ENDED
