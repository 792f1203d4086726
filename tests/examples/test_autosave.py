"""The autosave example: a client on libca writes, the IOC restarts, the values are there again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import OurIoc, run_libca

PREFIX = "autosaved_simple:"
PVS = [PREFIX + name for name in ("A", "B", "C", "subgroup:A", "subgroup:B", "subgroup:C")]

GET = """
import json, sys, epics
values = [epics.caget(name, timeout=10) for name in sys.argv[1:]]
print(json.dumps([v.tolist() if hasattr(v, "tolist") else v for v in values]))
"""

PUT = """
import json, epics
p = "autosaved_simple:"
written = {p + "A": 5, p + "B": 6.5, p + "C": [7, 8], p + "subgroup:A": 9, p + "subgroup:C": [10]}
print(json.dumps([epics.caput(name, v, wait=True, timeout=10) for name, v in written.items()]))
"""


@pytest.fixture
def ioc(tmp_path: Path) -> Iterator[OurIoc]:
    """The example, started in a folder of its own, where its file goes."""
    ioc = OurIoc("caproto.ioc_examples.autosave", PVS[0], folder=tmp_path)
    ioc.cwd = tmp_path
    with ioc:
        yield ioc


def test_values_survive_a_restart_but_for_those_that_are_not_marked(
    ioc: OurIoc, tmp_path: Path
) -> None:
    assert run_libca(GET, *PVS, env=ioc.client_env()) == [1, 2.0, [1, 2, 3]] * 2
    assert run_libca(PUT, env=ioc.client_env()) == [1] * 5
    ioc.restart()
    values = run_libca(GET, *PVS, env=ioc.client_env())
    assert values == [5, 2.0, [7, 8], 9, 2.0, [10]]
    saved = json.loads((tmp_path / "autosave.json").read_text())
    assert set(saved) == {name for name in PVS if not name.endswith("B")}


def test_a_damaged_file_does_not_keep_the_ioc_from_starting(ioc: OurIoc, tmp_path: Path) -> None:
    ioc.stop()
    (tmp_path / "autosave.json").write_text('{"autosaved_simple:A": {"value": 5')
    ioc.start()
    assert run_libca(GET, PVS[0], env=ioc.client_env()) == [1]
    assert "Cannot use the saved values in autosave.json" in ioc.output
    assert "Traceback" not in ioc.output
