"""ls336-ioc, which asks a simulated temperature controller once a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .iocs import ENDED, EcosystemIoc
from .simulators import LakeShore336

P = "LS:"


@pytest.fixture(scope="module")
def instrument() -> Iterator[LakeShore336]:
    """The temperature controller."""
    with LakeShore336() as instrument:
        yield instrument


@pytest.fixture(scope="module")
def ioc(
    tmp_path_factory: pytest.TempPathFactory, instrument: LakeShore336
) -> Iterator[EcosystemIoc]:
    """The IOC of the temperature controller."""
    environ = {
        "LS336_EPICS_PREFIX": P,
        "LS336_VISA_DEV": f"TCPIP::127.0.0.1::{instrument.port}::SOCKET",
    }
    folder = tmp_path_factory.mktemp("ls336")
    with EcosystemIoc("ls336", f"{P}krdg1", folder=folder, environ=environ) as ioc:
        # The last one that a round of questions sets.
        with ioc.watch(f"{P}WARMUP1_OUT_RBV") as client:
            client.until(f"{P}WARMUP1_OUT_RBV", "0")
        yield ioc


def test_its_pvs_follow_the_instrument(ioc: EcosystemIoc) -> None:
    temperature, mode, switch, heater = ioc.read(
        f"{P}krdg2_RBV", f"{P}OUTMODE2_RBV", f"{P}HEATER_ENABLE", f"{P}HEATER2_OUT_RBV"
    )
    assert (temperature["type"], temperature["value"]) == ("float", 21.5)
    assert (mode["type"], mode["value"]) == ("string", "1,2,0")
    assert switch["states"] == ["OFF", "ON"]
    assert heater["value"] == 22.5
    assert ioc.values(f"{P}TLIM1") == [450.0]  # declared as the text "450"


def test_what_the_instrument_answers_beside_the_states_harms_nothing_else(
    ioc: EcosystemIoc,
) -> None:
    # The program sets a PV of three states to the heater's power.
    heater, temperature = ioc.read(f"{P}HEATER1_STAT", f"{P}krdg1_RBV")
    assert "error" in heater
    assert temperature["severity"] == 0
    assert "LS:HEATER1_STAT was set to '+12.5'" in ioc.output


def test_a_setpoint_goes_to_the_instrument_and_comes_back(
    ioc: EcosystemIoc, instrument: LakeShore336
) -> None:
    with ioc.watch(f"{P}krdg3_RBV") as client:
        client.write(f"{P}krdg3", 77.25)
        client.until(f"{P}krdg3_RBV", 77.25)
    with ioc.watch(f"{P}HEATER_ENABLE") as client:
        client.write(f"{P}HEATER_ENABLE", 1)
        client.until(f"{P}HEATER_ENABLE", 1)
    instrument.wait_for("SETP 3, 77.25", "OUTMODE 2,1,2,0", "RANGE 1,3")
    assert "Traceback" not in ioc.output


def test_it_ends_in_good_order(ioc: EcosystemIoc) -> None:
    assert ioc.stop() in ENDED
