"""The same program with the real pyepics and with `caproto.threading.pyepics_compat` gives the same."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import epics
import pytest

from caproto.threading import pyepics_compat as ours
from tests.conftest import MakeCIoc
from tests.support import CIoc, run_libca

from . import programs

pytestmark = pytest.mark.interop

# What differs, and why ours does not do the same.
_REASONS = {
    "wf:string ctrl value": "of pyepics it is a list after the text was asked for, an array before",
    "wf:string native value": "the same",
    "wf:string time value": "the same",
    "ao [1.25]": "pyepics refuses a list for a PV with one element",
    "stringout 5": "pyepics refuses numbers for text",
    "stringout 2.5": "the same",
    "wf:char ''": "pyepics sends as many NULs as there are elements",
    "wf:double scalar": "pyepics refuses one number for an array",
    "wf:long floats": "pyepics refuses floats for whole numbers in an array, not so for one number",
    "timeout": "pyepics tells success when a write was not confirmed in time",
    "caget_many as string": "pyepics takes no care of the precision there",
}


def compare(ioc: CIoc, program: str, other: CIoc | None = None) -> None:
    """Run the program with both, with an IOC each if there are two."""
    mine: dict[str, Any] = run_libca(programs.OURS + program, env=ioc.client_env())
    theirs: dict[str, Any] = run_libca(programs.THEIRS + program, env=(other or ioc).client_env())
    different = {key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key)}
    shown = {key: (mine.get(key), theirs.get(key)) for key in different - _REASONS.keys()}
    assert shown == {}


def test_what_is_read(c_ioc: CIoc) -> None:
    compare(c_ioc, programs.READS)


def test_what_is_written(make_c_ioc: MakeCIoc) -> None:
    compare(make_c_ioc(), programs.WRITES, make_c_ioc())


def test_callbacks_and_the_cache(c_ioc: CIoc) -> None:
    compare(c_ioc, programs.CALLBACKS)


def test_functions(c_ioc: CIoc) -> None:
    compare(c_ioc, programs.FUNCTIONS)


@pytest.mark.parametrize(
    "name",
    [
        "caget",
        "caput",
        "camonitor",
        "camonitor_clear",
        "cainfo",
        "caget_many",
        "caput_many",
        "get_pv",
    ],
)
def test_functions_have_the_parameters_of_pyepics(name: str) -> None:
    assert _missing(getattr(epics, name), getattr(ours, name)) == []


@pytest.mark.parametrize("name", [name for name in dir(epics.PV) if not name.startswith("_")])
def test_pvs_have_everything_that_they_have_in_pyepics(name: str) -> None:
    theirs, mine = getattr(epics.PV, name), getattr(ours.PV, name)
    if callable(theirs):
        assert _missing(theirs, mine) == []


def _missing(theirs: Any, mine: Any) -> list[str]:
    """Return the parameters, with their defaults, that ours lacks."""
    given = inspect.signature(mine).parameters
    return [
        str(parameter)
        for name, parameter in inspect.signature(theirs).parameters.items()
        if name not in given or given[name].default != parameter.default
    ]


def test_asyncio_users_pay_nothing_for_it() -> None:
    program = (
        "import sys, caproto, caproto.asyncio.client\n"
        "print([name for name in sys.modules if name.startswith(('caproto.threading', 'caproto._background'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
