"""The same program with the real aioca and with `caproto.aioca_compat` gives the same."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import aioca
import pytest

import caproto.aioca_compat as ours
from tests.support import CIoc, run_libca

from . import programs

pytestmark = pytest.mark.interop


def _both(ioc: CIoc, program: str) -> tuple[dict[str, Any], dict[str, Any]]:
    env = ioc.client_env()
    return (
        run_libca(programs.OURS + program, env=env),
        run_libca(program, env=env),
    )


def test_reads_of_all_types_and_formats(c_ioc: CIoc) -> None:
    mine, theirs = _both(c_ioc, programs.READS)
    assert mine == theirs
    assert len(mine) > 900


def test_writes_of_many_kinds(c_ioc: CIoc) -> None:
    env = c_ioc.client_env()
    mine = run_libca(programs.OURS + programs.WRITES, env=env)
    theirs = run_libca(programs.WRITES, env=env)
    assert mine == theirs


def test_what_is_known_about_channels(c_ioc: CIoc) -> None:
    mine, theirs = _both(c_ioc, programs.INFORMATION)
    assert mine == theirs


def test_monitors(c_ioc: CIoc) -> None:
    mine, theirs = _both(c_ioc, programs.MONITORS)
    assert mine == theirs


@pytest.mark.parametrize("name", aioca.__all__)
def test_every_name_is_there_with_its_parameters(name: str) -> None:
    theirs, mine = getattr(aioca, name), getattr(ours, name)
    if isinstance(theirs, int | list):
        assert mine == theirs
    elif callable(theirs) and theirs is not aioca.CANothing:
        wanted = inspect.signature(theirs).parameters
        assert set(wanted) <= set(inspect.signature(mine).parameters)
        for parameter, given in inspect.signature(mine).parameters.items():
            if parameter in wanted:
                assert given.default == wanted[parameter].default
            else:
                assert given.kind is inspect.Parameter.KEYWORD_ONLY


def test_asyncio_users_pay_nothing_for_it() -> None:
    program = (
        "import sys, caproto, caproto.asyncio.client\n"
        "print([name for name in sys.modules if 'aioca' in name or name == 'numpy'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"
