"""How Sphinx builds these pages: `make docs` writes them to ``docs/_build/html``."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import caproto

project = "caproto"
author = "The caproto reimplementation authors"
copyright = f"2026, {author}"
release = version = caproto.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "numpydoc"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
nitpicky = True

html_theme = "furo"
html_title = f"caproto {release}"
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "native"

default_role = "literal"
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]

autodoc_member_order = "bysource"
# Types stand in the docstrings, in words; the annotations name private modules.
autodoc_typehints = "none"
autodoc_default_options = {"members": True}
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

REPOSITORY = Path(__file__).resolve().parent.parent
# Files beside docs/ that have a page here.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changes.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "benchmarks/README.md": "explanation/benchmarks.md",
}
_LINK = re.compile(r"(\]\()([^)#\s]+\.(?:md|svg|py))((?:#[^)\s]*)?\))")


def _lead_to_pages(text: str, folder: str, page: str) -> str:
    """Let links of a file in `folder` of the repository lead to pages; `page` is where the text is shown."""

    def replace(match: re.Match[str]) -> str:
        if "://" in match[2]:
            return match[0]
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if target in PAGES:
            target = f"docs/{PAGES[target]}"
        here = posixpath.dirname(f"docs/{page}")
        return f"{match[1]}{posixpath.relpath(target, here)}{match[3]}"

    return _LINK.sub(replace, text)


def _read_source(app: Any, page: str, source: list[str]) -> None:
    """Show the files beside docs/ as pages: a page that consists of ``<!-- FILE -->`` is that file."""
    stands_for = re.fullmatch(r"<!-- (\S+) -->\s*", source[0])
    path = stands_for[1] if stands_for else f"docs/{page}.md"
    if stands_for:
        source[0] = (REPOSITORY / path).read_text()
        app.env.note_dependency(str(REPOSITORY / path))
    source[0] = _lead_to_pages(source[0], posixpath.dirname(path), page)


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read_source)
