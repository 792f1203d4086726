"""Check that the public API is completely typed, by ``pyright --verifytypes``.

Run by ``make verify-types``. It prints what has no type, or one that type checkers could infer differently, and fails
if there is any.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "src"


def report() -> dict[str, Any]:
    """Run pyright and return what it says."""
    command = [sys.executable, "-m", "pyright", "--verifytypes", "caproto", "--ignoreexternal"]
    command += ["--outputjson", "--pythonpath", sys.executable]
    # An editable installation is none to pyright, and neither is what lies in the folder it runs in.
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            command,
            cwd=elsewhere,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        completeness: dict[str, Any] = json.loads(done.stdout)["typeCompleteness"]
    except (ValueError, KeyError):
        sys.exit(f"pyright did not work:\n{done.stdout}\n{done.stderr}")
    return completeness


def main() -> int:
    """Return the exit status."""
    completeness = report()
    incomplete = [
        symbol
        for symbol in completeness["symbols"]
        if not symbol["isTypeKnown"] or symbol.get("isTypeAmbiguous")
    ]
    for symbol in incomplete:
        reasons = " ".join(each["message"] for each in symbol["diagnostics"])
        print(f"{symbol['name']}: {' '.join(reasons.split())}")
    score = 100 * completeness["completenessScore"]
    print(f"{score:.1f} % of {len(completeness['symbols'])} symbols of the public API are typed")
    return 1 if incomplete or score < 100 else 0


if __name__ == "__main__":
    sys.exit(main())
