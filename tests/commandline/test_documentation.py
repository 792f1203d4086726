"""The page about the command line shows what the commands say of themselves."""

from __future__ import annotations

import pytest

from caproto.commandline import get, info, monitor, put
from caproto.commandline.options import Command
from tests.support.process import REPOSITORY

PAGE = REPOSITORY / "docs" / "reference" / "command-line.md"


@pytest.mark.parametrize(
    "command", [module.COMMAND for module in (get, put, monitor, info)], ids=lambda each: each.name
)
def test_the_page_has_the_current_help(command: Command) -> None:
    assert f"### {command.program}\n\n```text\n{command.help()}```\n" in PAGE.read_text()


def test_the_pictures_of_the_page_are_there() -> None:
    for name in ("live-monitor.svg", "strip-chart.svg"):
        assert f"../pictures/{name}" in PAGE.read_text()
        assert (PAGE.parent.parent / "pictures" / name).read_text().lstrip().startswith("<")
