"""The examples in docstrings, which the reference shows, run against real IOCs."""

from __future__ import annotations

import ast
import doctest
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.test_pages import run_page
from tests.support.process import REPOSITORY

SOURCES = REPOSITORY / "src" / "caproto"
IOCS = ("random_walk", "simple")
PARSER = doctest.DocTestParser()

# What a reader would have at hand, by the file of the docstring; elsewhere it is what `caproto` itself has.
AT_HAND = {
    "asyncio/_shortcuts.py": "from caproto.asyncio.client import *",
    "asyncio/client.py": "from caproto.asyncio.client import *",
    "asyncio/_context.py": "from caproto.asyncio.client import *",
    "asyncio/_pv.py": "from caproto.asyncio.client import *\nctx = Context()\n(pv,) = await ctx.get_pvs('random_walk:x')\n"
    "def my_func(sub, response): ...\nanother_func = my_func",
    "threading/client.py": "from caproto.threading.client import *",
    "threading/_context.py": "from caproto.threading.client import *",
    "threading/_pv.py": "from caproto.threading.client import *\nctx = Context()\n(pv,) = ctx.get_pvs('random_walk:x')\n"
    "def my_func(sub, response): ...\nanother_func = my_func",
    "threading/_batch.py": "import functools\nfrom caproto.threading.client import *\nctx = Context()\n"
    "pvs = ctx.get_pvs('random_walk:x')\npvs[0].wait_for_connection()",
    "sync/client.py": "from caproto.sync.client import *\nwrite('random_walk:dt', 0.1)",
    "sync/_subscription.py": "from caproto.sync.client import *",
    "sync/shark.py": "import dpkt\nfrom caproto.sync.shark import shark\n"
    "dpkt.pcap.Writer(open('capture.pcapng', 'wb')).close()",
    "server/access.py": "from caproto import AccessRights\nfrom caproto.server import AccessRules",
    "server/autosave.py": "from caproto.server import pvproperty\nfrom caproto.server.autosave import autosaved",
    "testing/_fake_ioc.py": "from caproto.testing import serve",
    "_protocol/filters.py": "from caproto._protocol.filters import *",
}
AFTERWARDS = {
    "asyncio/_pv.py": "await ctx.disconnect()",
    "threading/_pv.py": "ctx.disconnect()",
    "threading/_batch.py": "ctx.disconnect()",
}


def docstrings(source: Path) -> Iterator[str]:
    """Yield the dialogues in the docstrings of a file."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            examples = PARSER.get_examples(text)
            if examples:
                lines = []
                for example in examples:
                    first, *others = example.source.splitlines()
                    lines += [f">>> {first}", *(f"... {other}" for other in others)]
                    lines += example.want.splitlines()
                yield "\n".join(lines)


def page_of(source: Path) -> str:
    """Return the docstrings of a file as a page."""
    name = str(source.relative_to(SOURCES))
    at_hand = AT_HAND.get(name, "from caproto import *")
    dialogues = list(docstrings(source))
    text = at_hand + "".join(dialogues)
    parts = [f"<!-- ioc: caproto.ioc_examples.{ioc} -->" for ioc in IOCS if f"{ioc}:" in text]
    for dialogue in dialogues:
        parts += [
            f"```python\n{at_hand}\n```",
            f"<!-- ends after: 3 -->\n<!-- output left out -->\n<!-- numbers vary -->\n```pycon\n{dialogue}\n```",
            f"```python\n{AFTERWARDS.get(name, '')}\n```",
        ]
    return "\n".join(parts)


WITH_EXAMPLES = [source for source in sorted(SOURCES.rglob("*.py")) if any(docstrings(source))]


@pytest.mark.parametrize("source", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(SOURCES)))
def test_examples_of_docstrings_run(source: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(page_of(source))
    run_page(page, tmp_path)
