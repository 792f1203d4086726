"""The pages are complete, lead somewhere, and show what the code says."""

from __future__ import annotations

import importlib
import inspect
import re
import runpy
from pathlib import Path

import pytest

import caproto
from tests.docs.test_pages import DOCS, PAGES
from tests.support.process import REPOSITORY

API = DOCS / "reference" / "api"
MODULES = [
    "caproto.aioca_compat",
    "caproto.asyncio.client",
    "caproto.asyncio.server",
    "caproto.server",
    "caproto.server.autosave",
    "caproto.server.records",
    "caproto.server.stats",
    "caproto.sync.client",
    "caproto.sync.shark",
    "caproto.testing",
    "caproto.threading.client",
    "caproto.threading.pyepics_compat",
]


def test_diagrams_and_tables_are_those_of_the_code() -> None:
    made = runpy.run_path(str(DOCS / "pictures" / "states.py"))["files"]()
    assert len(made) == 4
    for path, content in made.items():
        assert path.read_text() == content, f"{path}: run `make pictures`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_public_classes_and_functions_are_in_the_reference() -> None:
    documented = set(
        re.findall(
            r"^\.\. auto(?!module)\w+:: caproto\.(\w+)$",
            "".join(page.read_text() for page in API.glob("*.md")),
            re.MULTILINE,
        )
    )
    public = {
        name
        for name in caproto.__all__
        if inspect.isclass(getattr(caproto, name)) or inspect.isfunction(getattr(caproto, name))
    }
    assert public - documented == set()
    assert documented <= set(caproto.__all__)


@pytest.mark.parametrize("name", MODULES)
def test_public_modules_are_in_the_reference(name: str) -> None:
    pages = [page for page in API.glob("*.md") if f".. automodule:: {name}\n" in page.read_text()]
    assert len(pages) == 1
    module = importlib.import_module(name)
    assert module.__doc__
    undescribed = [
        each
        for each in module.__all__
        if inspect.isroutine(getattr(module, each)) and not inspect.getdoc(getattr(module, each))
    ]
    assert undescribed == []
