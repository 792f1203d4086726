"""Install the programs from the package index, each with what it needs in a folder of its own."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.support.process import REPOSITORY, python_command

__all__ = ["install"]

CACHE = REPOSITORY / ".ecosystem"
REQUIREMENTS = Path(__file__).parent / "requirements"
# What pip says when there is no way to the index, as opposed to an index without the package.
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|Failed to establish a new connection"
    r"|Name or service not known|Temporary failure in name resolution|Network is unreachable"
    r"|ConnectTimeoutError|ConnectionResetError|ProxyError|Read timed out"
)
_unreachable: str | None = None


def install(program: str) -> Path:
    """
    Return the folder with a program and what it needs, but for caproto, which is ours.

    It is kept in ``.ecosystem`` until its requirements or the Python change. Without a way to the
    package index the test is skipped; any other failure of pip fails it.

    Parameters
    ----------
    program
        For which there is a file in ``requirements``.
    """
    global _unreachable
    requirements = REQUIREMENTS / f"{program}.txt"
    version = f"{sys.implementation.cache_tag}-{sys.platform}"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"{program}-{version}-{digest}"
    if folder.exists():
        return folder
    if _unreachable is not None:
        pytest.skip(_unreachable)
    CACHE.mkdir(exist_ok=True)
    # Tests run in several processes, and more than one may need the program now: the first to have it wins.
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.unfinished-", dir=CACHE))
    options = [
        "--no-deps",
        "--prefer-binary",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "1",
    ]
    options += ["--target", str(unfinished), "--requirement", str(requirements)]
    done = subprocess.run(
        python_command("-m", "pip", "install", *options),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode != 0:
        shutil.rmtree(unfinished, ignore_errors=True)
        if _NO_NETWORK.search(done.stderr):
            _unreachable = (
                f"{program} is not installed yet, and pip cannot reach the package index; "
                "with a network this test installs it"
            )
            pytest.skip(_unreachable)
        pytest.fail(f"pip could not install {requirements.name}:\n{done.stderr}", pytrace=False)
    assert not (unfinished / "caproto").exists(), "the original must not come in by the back door"
    try:
        unfinished.rename(folder)
    except OSError:
        shutil.rmtree(unfinished)
        assert folder.exists()
    return folder
