"""What runs the pages finds what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.run_page import Page, PageError, agree, known_elsewhere

FALSE = {
    "a dialogue": "```pycon\n>>> 1 + 1\n3\n```\n",
    "an error that does not come": "```pycon\n>>> int('1')\nTraceback (most recent call last):\nValueError: ...\n```\n",
    "another error": "```pycon\n>>> int('a')\nTraceback (most recent call last):\nKeyError: ...\n```\n",
    "a session": "```console\n$ echo yes\nno\n```\n",
    "a later command": "```console\n$ echo yes\nyes\n$ echo yes\nno\n```\n",
    "a script": "```sh\nfalse\ntrue\n```\n",
    "output": "```python\nprint(1)\n```\n\n<!-- prints -->\n```text\n2\n```\n",
    "a program": "```python\nraise ValueError\n```\n",
    "too little output": "<!-- ends after: 2 -->\n```python\nprint(1)\n```\n",
    "a program that ends": "<!-- keeps running -->\n```console\n$ echo yes\nno\n```\n",
    "no language": "```\nsomething\n```\n",
    "no reason": "<!-- not run -->\n```sh\nfalse\n```\n",
    "no such extra": "```sh\npip install '.[nothing]'\n```\n",
    "JSON": "```json\n{]\n```\n",
    "a task left behind": "```python\nimport asyncio\nt = asyncio.create_task(asyncio.sleep(60))\nawait asyncio.sleep(0)\n```\n",
}


@pytest.fixture(autouse=True)
def one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that a page starts get a port; none of these listens."""
    monkeypatch.setenv("EPICS_CA_ADDR_LIST", "127.0.0.1:9")


def run(text: str, folder: Path) -> int:
    """Run a page with this text."""
    page = folder / "page.md"
    page.write_text(text)
    return Page(page, folder).run()


@pytest.mark.parametrize("what", FALSE)
def test_a_page_that_does_not_tell_the_truth_fails(what: str, tmp_path: Path) -> None:
    with pytest.raises((PageError, ValueError, SyntaxError)):
        run(FALSE[what], tmp_path)


def test_blocks_share_names_and_files(tmp_path: Path) -> None:
    text = (
        "<!-- file: one.txt -->\n```text\n1\n```\n```python\nimport pathlib\n"
        f"x = pathlib.Path({str(tmp_path)!r}, 'one.txt').read_text()\n```\n```pycon\n>>> x\n'1\\n'\n```\n"
    )
    assert run(text, tmp_path) == 3


def test_what_stands_for_other_things() -> None:
    assert agree("a ... c", "a b\nc")
    assert not agree("a ... c", "a b")
    assert agree("at 10.1.0.30:5064 in 3", "at 127.0.0.1:41200 in -0.25", vary=True)
    assert not agree("at 10.1.0.30:5064", "at 127.0.0.1:41200")
    assert not agree("in 3 s", "in three s", vary=True)


def test_targets_of_make_are_checked_and_not_run() -> None:
    assert known_elsewhere("make help    # everything else")
    assert not known_elsewhere("caproto-get x")
