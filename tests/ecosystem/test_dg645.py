"""dg645-ioc, which serves the delays of a simulated generator as motor records."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .iocs import ENDED, EcosystemIoc

P = "DG:"


@pytest.fixture(scope="module")
def ioc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EcosystemIoc]:
    """The delay generator."""
    environ = {"KRONOS_EPICS_PREFIX": P, "KRONOS_DELAY_DEVICE": "sim"}
    folder = tmp_path_factory.mktemp("dg645")
    with EcosystemIoc("dg645", f"{P}ch1:dly", folder=folder, environ=environ) as ioc:
        yield ioc


def test_its_delays_are_motor_records(ioc: EcosystemIoc) -> None:
    with ioc.watch(f"{P}ch1:dly.RBV") as client:
        client.until(f"{P}ch1:dly.RBV", 3.14)
    delay, kind, done, polarity = ioc.read(
        f"{P}ch1:dly", f"{P}ch1:dly.RTYP", f"{P}ch1:dly.DMOV", f"{P}ch2:pol"
    )
    assert delay["type"] == "float"
    assert kind["value"] == "motor"
    assert done["type"] == "short"
    assert polarity["states"] == ["NEG", "POS"]


def test_a_new_delay_is_a_movement(ioc: EcosystemIoc) -> None:
    names = [f"{P}ch1:dly.{field}" for field in ("MOVN", "DMOV", "RBV")]
    with ioc.watch(*names) as client:
        client.until(f"{P}ch1:dly.RBV", 3.14)
        client.write(f"{P}ch1:dly", 2.5)
        updates = client.until(f"{P}ch1:dly.RBV", 2.5)
    assert [value for name, value in updates if name == f"{P}ch1:dly.MOVN"][-2:] == [1, 0]
    assert [value for name, value in updates if name == f"{P}ch1:dly.DMOV"][-2:] == [0, 1]
    assert ioc.values(f"{P}ch1:dly") == [2.5]


def test_its_errors_are_cleared_by_a_write_that_takes_itself_back(ioc: EcosystemIoc) -> None:
    with ioc.watch(f"{P}trig:src") as client:
        client.write(f"{P}err:clear", 1)
        client.write(f"{P}trig:src", 2)
        client.until(f"{P}trig:src", 2)
    assert ioc.values(f"{P}err:clear") == [0]
    assert ioc.values(f"{P}err:last") == [[""]]
    assert "Traceback" not in ioc.output
    assert ioc.stop() in ENDED
