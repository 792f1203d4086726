"""A virtual environment for each client library, with nothing else in it."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["CLIENT_ENVIRONMENT", "Environments"]

REPOSITORY = Path(__file__).resolve().parents[2]
REQUIREMENTS = {
    # `caproto` is imported from the checkout itself, so that what is measured is what is there.
    "ours": ["--editable", f"{REPOSITORY}[standard,speed]"],
    "caproto": ["caproto==1.3.0", "numpy"],
    "aioca": ["aioca"],
    "pyepics": ["pyepics", "numpy"],
    "repics": ["repics"],
}
CLIENT_ENVIRONMENT = {
    "floor": "ours",
    "ours": "ours",
    "ours-uvloop": "ours",
    "ours-threading": "ours",
    "ours-pyepics": "ours",
    "caproto": "caproto",
    "aioca": "aioca",
    "pyepics": "pyepics",
    "pyepics-pv": "pyepics",
    "repics": "repics",
    "repics-asyncio": "repics",
}


class Environments:
    """The environments below one folder.

    They have neither pip nor setuptools, whose start-up files would cost each client some milliseconds of its cold
    start.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def python(self, client: str) -> str:
        """Return the interpreter of a client."""
        return str(self._folder / CLIENT_ENVIRONMENT[client] / "bin" / "python")

    def make(self, client: str) -> None:
        """Make the environment of a client, unless it is there already.

        Raises
        ------
        subprocess.CalledProcessError
            If something cannot be installed.
        """
        name = CLIENT_ENVIRONMENT[client]
        path = self._folder / name
        wanted = "\n".join([sys.version, *REQUIREMENTS[name]])
        stamp = path / "requirements.txt"
        if stamp.exists() and stamp.read_text() == wanted:
            return
        print(f"making the environment of {name} ...", file=sys.stderr, flush=True)
        venv.create(path, clear=True, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--python", str(path / "bin" / "python")]
        quiet = ["--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", *quiet, *REQUIREMENTS[name]], check=True)
        stamp.write_text(wanted)
