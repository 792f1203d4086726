"""syncster-ioc, which serves the state of a laser synchronizer that it pretends to have."""

from __future__ import annotations

from pathlib import Path

from .iocs import EcosystemIoc

P = "SYNC:"


def test_its_states_are_monitored_and_its_commands_written(tmp_path: Path) -> None:
    environ = {"SYNCSTER_PREFIX": P}
    with EcosystemIoc("syncster", f"{P}state", folder=tmp_path, environ=environ) as ioc:
        with ioc.watch(f"{P}state", f"{P}clear") as client:
            updates = client.until(f"{P}state", ["SYNCED"])
            if (f"{P}clear", 0) not in updates:  # which of the two comes first is open
                client.until(f"{P}clear", 0)
            client.write(f"{P}clear", 1)
            client.until(f"{P}clear", 1)
        state, error = ioc.read(f"{P}state", f"{P}error")
        assert (state["type"], state["count"]) == ("string", 40)
        assert error["value"] == [""]
        assert ioc.stop() in (0, -2)
        assert "Task exception was never retrieved" not in ioc.output
