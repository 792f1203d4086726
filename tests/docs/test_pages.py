"""All code in the documentation runs, and prints what the pages say."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import blocks_of
from tests.support import Program, free_port, loopback_env, python_command
from tests.support.process import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts),
]
WITH_CODE = [page for page in PAGES if any(True for _ in blocks_of(page))]


def run_page(page: Path, folder: Path) -> None:
    """Run a page in a process of its own, on free ports; fail if it does not tell the truth."""
    env = loopback_env([free_port() for _ in range(4)], free_port())
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env["PYTHONWARNINGS"] = "error"
    program = Program(
        python_command("-m", "tests.docs.run_page", str(page)), env, folder / "output.txt"
    )
    program.start()
    try:
        assert program.wait(50) == 0, program.output
    finally:
        program.stop()


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_the_code_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)
